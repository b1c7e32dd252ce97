# gdlint: disable=max-public-methods
## What README.md, the addon's README, docs/ and the editor's help show, run as a game would run it.
extends "res://tests/support/program_suite.gd"

const GameProject := preload("res://tests/support/game_project.gd")
const Errors := preload("res://tests/docs/errors.gd")
const DocsMonitors := preload("res://tests/docs/monitors.gd")
const Migration := preload("res://tests/docs/migration.gd")
const HelpOptions := preload("res://tests/docs/help_options.gd")
const HelpCrypto := preload("res://tests/docs/help_crypto.gd")
const HelpListenerPeers := preload("res://tests/docs/help_listener_peers.gd")

var project: GameProject


func before_each() -> void:
	super()
	project = GameProject.new(Network.unused_port())


func after_each() -> void:
	super()
	project.remove()


func test_readme() -> void:
	project.make_certificate(["localhost"])
	play("res://tests/docs/readme_server.gd")
	var client := play("res://tests/docs/readme_client.gd")
	wait_for_output(client, "hello\n")


func test_readme_drops_a_client_that_was_killed() -> void:
	project.make_certificate(["localhost"])
	project.changes = {"20.0": "2.0", "5.0": "0.5"}
	check_killed_client_is_dropped(
		play("res://tests/docs/readme_server.gd"),
		play("res://tests/docs/readme_client.gd"),
		"hello\n",
		"a player is gone. nothing came from the other side for 2 s\n"
	)


func test_readme_without_a_key() -> void:
	var server := play("res://tests/docs/readme_server.gd")
	wait_for_output(server, "no server: Invalid parameter. ")
	contains(server.output, "a server needs a key and a certificate")


func test_readme_when_it_cannot_connect() -> void:
	project.make_certificate(["localhost"])
	project.changes = {'"127.0.0.1"': '"game.example.com"'}
	var client := play("res://tests/docs/readme_client.gd")
	wait_for_output(client, "cannot connect: ")
	check(not "ended" in client.output, "nobody has ended anything")


func test_readme_without_the_right_certificate() -> void:
	project.make_certificate(["localhost"])
	play("res://tests/docs/readme_server.gd")
	# Another one takes its place for the client alone.
	project.make_certificate(["localhost"], true)
	var client := play("res://tests/docs/readme_client.gd")
	wait_for_output(client, "no connection: the certificate (for localhost) is self-signed")


func test_addon_readme() -> void:
	project.make_certificate(["localhost"])
	wait_for_output(play("res://tests/docs/addon_readme.gd"), "hello\n")


func test_addon_readme_when_it_fails() -> void:
	project.make_certificate(["somewhere.else"])
	wait_for_output(play("res://tests/docs/addon_readme.gd"), "the certificate is for another name")


func test_help_of_the_server() -> void:
	project.make_certificate(["localhost"])
	play("res://tests/docs/help_server.gd")
	var dtls := PacketPeerDTLSOpenSSL.new()
	var client := network.add(Endpoint.new(Network.socket_to("127.0.0.1", project.port), dtls))
	equal(dtls.connect_to_peer(client.udp, true, "localhost", project.certificate()), OK)
	wait_for_status(client, CONNECTED, PROGRAM_PATIENCE)


func test_help_of_the_listener() -> void:
	project.make_certificate(["localhost"])
	var server := play("res://tests/docs/help_listener.gd")
	var dtls := PacketPeerDTLSOpenSSL.new()
	var client := network.add(Endpoint.new(Network.socket_to("127.0.0.1", project.port), dtls))
	equal(dtls.connect_to_peer(client.udp, true, "localhost", project.certificate()), OK)
	wait_for_status(client, CONNECTED, PROGRAM_PATIENCE)
	equal(client.send_text("echo"), OK)
	if wait_until("the answer is there", client.has_packets):
		equal(client.receive_text(), "echo")
	wait_for_output(server, "player 1 is here\n")
	dtls.disconnect_from_peer()
	wait_for_output(server, "player 1 has left: the other side closed the connection\n")


func test_help_of_the_listener_with_a_peer_each() -> void:
	var key := project.make_certificate(["localhost"])
	var options := DTLSOptions.new()
	options.private_key = key
	options.certificate = project.certificate()
	var server := HelpListenerPeers.new()
	equal(server.listener.listen(0, options, "127.0.0.1"), OK)
	tolerate("receive buffer")
	var port := server.listener.get_local_port()
	var dtls := PacketPeerDTLSOpenSSL.new()
	var client := network.add(Endpoint.new(Network.socket_to("127.0.0.1", port), dtls))
	equal(dtls.connect_to_peer(client.udp, true, "localhost", project.certificate()), OK)
	var frame_until := func(condition: Callable) -> bool:
		server._process(0.0)
		return condition.call()
	wait_until("it is connected", frame_until.bind(client.is_connected_securely))
	equal(client.send_text("echo"), OK)
	wait_until("the answer is there", frame_until.bind(client.has_packets))
	equal(client.receive_text(), "echo")
	equal(server.players.size(), 1)
	dtls.disconnect_from_peer()
	wait_until("it has left", frame_until.bind(func() -> bool: return server.players.is_empty()))
	server.listener.stop()
	server.free()


func test_help_of_the_peer() -> void:
	var key := project.make_certificate(["localhost"])
	network.udp_server.listen(project.port, "127.0.0.1")
	equal(network.serve_with(key, project.certificate()), OK)
	var client := play("res://tests/docs/help_peer.gd")
	var is_there := func() -> bool:
		return not network.accepted.is_empty() and network.accepted[0].is_connected_securely()
	if wait_until("the client is connected", is_there, PROGRAM_PATIENCE):
		network.accepted[0].send_text("welcome")
		wait_for_output(client, "welcome\n")


func test_help_of_options_and_crypto() -> void:
	var certificate := HelpCrypto.for_a_server_alone()
	var player := HelpCrypto.with_an_authority()
	var both := HelpOptions.both_sides(DTLSCrypto.fingerprint(certificate))
	var server := DTLSServerOpenSSL.new()
	network.server = server
	network.listen()
	equal(server.setup_with_options(both[0]), OK)
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_with_options(client.udp, "", both[1]), OK)
	var pair := completed(client)
	var seen := pair.server.dtls as PacketPeerDTLSOpenSSL
	equal(seen.get_peer_common_name(), "player-17")
	equal(seen.get_peer_fingerprint(), DTLSCrypto.fingerprint(player))


func test_editor() -> void:
	equal(project.make_the_dialog_s_files(OS.get_environment("DTLS_TEST_ENGINE")), OK)
	var editor := play("res://tests/docs/editor.gd")
	wait_for_output(editor, "setup: OK\n")
	check("with options: OK\n" in editor.output, "in the other way, too")


func test_monitors() -> void:
	network.listen()
	var docs := DocsMonitors.new()
	network.server = docs.dtls
	equal(docs.connections(), 0)
	equal(docs.dtls.setup(Pki.key("server"), Pki.certificate("server")), OK)
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, false), OK)
	completed(client)
	equal(docs.connections(), 1)


func test_tutorial() -> void:
	prepare_tutorial()
	var server := play("res://demo/tutorial/main.tscn", ["--server"])
	wait_for_output(server, "The server listens on port %d.\n" % project.port)
	var client := play("res://demo/tutorial/main.tscn")
	wait_for_output(server, "A player says: Hello, server!\n")
	wait_for_output(client, "Connected by TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.\n")
	wait_for_output(client, "The server says: Hello, player!\n")


func test_tutorial_drops_a_client_that_was_killed() -> void:
	project.changes = {"20.0": "2.0", "5.0": "0.5"}
	prepare_tutorial()
	check_killed_client_is_dropped(
		play("res://demo/tutorial/server.tscn"),
		play("res://demo/tutorial/client.tscn"),
		"The server says: Hello, player!\n",
		"A player is gone. nothing came from the other side for 2 s\n"
	)


func test_tutorial_when_it_cannot_connect() -> void:
	prepare_tutorial()
	project.change("res://demo/tutorial/client.gd", '"127.0.0.1"', '"game.example.com"')
	var client := play("res://demo/tutorial/client.tscn")
	wait_for_output(client, "It cannot connect: ")
	check(not "has ended" in client.output, "nobody has ended anything")


func test_tutorial_with_the_wrong_name() -> void:
	prepare_tutorial()
	project.change("res://demo/tutorial/client.gd", '"localhost"', '"example.com"')
	play("res://demo/tutorial/server.tscn")
	var client := play("res://demo/tutorial/client.tscn")
	# What the page shows.
	wait_for_output(
		client,
		(
			"No connection: the certificate is for another name: wanted example.com, the"
			+ " certificate has localhost, 127.0.0.1, ::1\n"
		)
	)


func test_tutorial_without_certificates() -> void:
	project.copy("res://demo/tutorial")
	var server := play("res://demo/tutorial/server.tscn")
	wait_for_output(server, "No server: Invalid parameter.")


func test_errors() -> void:
	equal(network.serve("not_yet_valid"), OK)
	expect_doubt("not_yet_valid")
	equal(told(started_and_failed()), "Is the clock of this computer right?")
	expect_error("is not valid before")
	equal(network.serve("expired"), OK)
	expect_doubt("expired")
	contains(told(started_and_failed()), "This may not be our server: the certificate")
	expect_error("has expired")


func test_errors_of_what_has_not_failed() -> void:
	var pair := connected_pair()
	(pair.server.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.client, DISCONNECTED)
	equal(told(pair.client), "The connection has ended.")


func test_errors_when_the_server_refuses() -> void:
	var server := DTLSServerOpenSSL.new()
	var options := DTLSOptions.new()
	options.private_key = Pki.key("server")
	options.certificate = Pki.certificate("server")
	options.verify_mode = DTLSOptions.VERIFY_REQUIRED
	options.trusted_ca = Pki.certificate("ca")
	equal(server.setup_with_options(options), OK)
	network.server = server
	network.listen()
	equal(told(started_and_failed()), "The server refused. Is your game up to date?")
	expect_error("the other side refused")


func test_errors_without_an_answer() -> void:
	var silent := PacketPeerUDP.new()
	silent.bind(0, "127.0.0.1")
	var dtls := PacketPeerDTLSOpenSSL.new()
	var socket := Network.socket_to("127.0.0.1", silent.get_local_port())
	var client := network.add(Endpoint.new(socket, dtls))
	var options := DTLSOptions.new()
	options.verify_mode = DTLSOptions.VERIFY_NONE
	options.handshake_timeout = 1.0
	equal(dtls.connect_with_options(socket, "", options), OK)
	wait_for_status(client, ERROR)
	equal(told(client), "The server does not answer. Try again.")
	expect_error("the handshake timed out")


func test_migration_before() -> void:
	check_migration(Migration.before)


func test_migration_after() -> void:
	check_migration(Migration.after)


func test_migration_refined() -> void:
	equal(network.serve(), OK)
	var udp := network.client_socket()
	completed(network.add(Endpoint.new(udp, Migration.refined(udp, Pki.certificate("ca")))))


func test_status_of_what_did_not_begin() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_to_peer(PacketPeerUDP.new(), true, "localhost"), ERR_INVALID_PARAMETER)
	expect_error("the UDP peer is not connected")
	equal(peer.get_status(), DISCONNECTED)
	equal(peer.get_failure_reason(), PacketPeerDTLSOpenSSL.REASON_NONE)
	contains(peer.get_last_error(), "the UDP peer is not connected")


## What errors.md and README.md say of the engine's UDPServer on Linux.
func test_two_servers_listen_on_one_port() -> void:
	var servers: Array[UDPServer] = [UDPServer.new(), UDPServer.new()]
	for server in servers:
		equal(server.listen(project.port, "127.0.0.1"), OK)
	var probe := PacketPeerUDP.new()
	check(probe.bind(project.port, "127.0.0.1") != OK, "a PacketPeerUDP is refused")
	var client := Network.socket_to("127.0.0.1", project.port)
	client.put_packet("hello".to_utf8_buffer())
	var is_heard := func() -> bool:
		servers[1].poll()
		return servers[1].is_connection_available()
	wait_until("the later one hears it", is_heard)
	servers[0].poll()
	check(not servers[0].is_connection_available(), "the earlier one does not")
	servers[0].stop()
	servers[1].stop()
	equal(probe.bind(project.port, "127.0.0.1"), OK)


func test_server_in_a_thread() -> void:
	project.make_certificate(["localhost"])
	var server := play("res://tests/docs/server_in_a_thread.gd")
	play("res://tests/docs/readme_client.gd")
	wait_for_output(server, "heard hello\n")


## Both sides, as one of the two ways makes them, get a connection.
func check_migration(way: Callable) -> void:
	equal(network.listen(), OK)
	var udp := network.client_socket()
	var key := Pki.key("server")
	var both: Array[RefCounted] = way.call(
		udp, key, Pki.certificate("server"), Pki.certificate("ca")
	)
	network.server = both[0]
	exchange(completed(network.add(Endpoint.new(udp, both[1]))))


func started_and_failed() -> Endpoint:
	var client := network.add_client()
	equal(start(client), OK)
	wait_for_status(client, ERROR)
	return client


func told(client: Endpoint) -> String:
	return Errors.told_to_the_player(client.dtls)


## The client stays as long as it says something, for longer than the server's patience, and then is
## killed.
func check_killed_client_is_dropped(
	server: Program, client: Program, answer: String, last_line: String
) -> void:
	var has_stayed := func() -> bool:
		client.has_printed("")
		return client.output.count(answer) > 6
	wait_until("the client is answered for 3 s", has_stayed, PROGRAM_PATIENCE)
	check(not server.has_printed("gone"), "nobody was dropped before")
	client.end()
	wait_for_output(server, last_line)


func prepare_tutorial() -> void:
	project.copy("res://demo/tutorial")
	equal(project.make_the_dialog_s_files(OS.get_environment("DTLS_TEST_ENGINE")), OK)


## Runs a script or a scene of this project in the other one, in an engine of its own.
func play(path: String, arguments: PackedStringArray = []) -> Program:
	return run_named("DTLS_TEST_ENGINE", project.arguments_to_play(path) + arguments)
