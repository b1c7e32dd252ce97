## What README.md, the addon's README, docs/ and the editor's help show, run as a game would run it.
extends "res://tests/support/program_suite.gd"

const GameProject := preload("res://tests/support/game_project.gd")
const HelpOptions := preload("res://tests/docs/help_options.gd")
const HelpCrypto := preload("res://tests/docs/help_crypto.gd")

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


func test_readme_without_the_right_certificate() -> void:
	project.make_certificate(["localhost"])
	play("res://tests/docs/readme_server.gd")
	# Another one takes its place for the client alone.
	project.make_certificate(["localhost"], "ca.crt")
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
	wait_for_output(play("res://tests/docs/editor.gd"), "setup: OK\n")


func test_tutorial() -> void:
	prepare_tutorial()
	var server := play("res://demo/tutorial/main.tscn", ["--server"])
	wait_for_output(server, "The server listens on port %d.\n" % project.port)
	var client := play("res://demo/tutorial/main.tscn")
	wait_for_output(server, "A player says: Hello, server!\n")
	wait_for_output(client, "Connected by TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.\n")
	wait_for_output(client, "The server says: Hello, player!\n")


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
	wait_for_output(server, "DTLSServerOpenSSL.setup: the key is empty")


func prepare_tutorial() -> void:
	project.copy("res://demo/tutorial")
	equal(project.make_the_dialog_s_files(OS.get_environment("DTLS_TEST_ENGINE")), OK)


## Runs a script or a scene of this project in the other one, in an engine of its own.
func play(path: String, arguments: PackedStringArray = []) -> Program:
	return run_named("DTLS_TEST_ENGINE", project.arguments_to_play(path) + arguments)
