# gdlint: disable=max-public-methods
## DTLSOptions with programs that other people wrote: each option in the direction that it is for.
extends "res://tests/support/interop_suite.gd"

const OptionsSuite := preload("res://tests/support/options_suite.gd")

const PSK_IDENTITY := "match-17"
const PSK_HEX := "000102030405060708090a0b0c0d0e0f"
const GNUTLS_PSK := "NORMAL:-KX-ALL:+ECDHE-PSK:+PSK:-VERS-ALL:+VERS-DTLS1.2"
## gnutls-cli 3.7.9 crashes when it describes a connection with ECDHE-PSK, whoever the server is.
const GNUTLS_CLI_PSK := "NORMAL:-KX-ALL:+PSK:-VERS-ALL:+VERS-DTLS1.2"

# --- client certificates ---


func test_s_client_with_a_certificate() -> void:
	serve_by(OptionsSuite.asking_options())
	check_as_client(run_s_client(own_certificate("player")), "Verification: OK")
	equal(server_side().get_peer_common_name(), "player-17")


func test_s_client_without_a_certificate() -> void:
	serve_by(OptionsSuite.asking_options())
	check_s_client_is_refused([], "REASON_CLIENT_CERTIFICATE_REQUIRED")


func test_s_client_with_the_certificate_of_a_stranger() -> void:
	serve_by(OptionsSuite.asking_options())
	check_s_client_is_refused(own_certificate("stranger"), "REASON_CERTIFICATE_UNTRUSTED")


func test_gnutls_cli_with_a_certificate() -> void:
	serve_by(OptionsSuite.asking_options())
	var more: PackedStringArray = ["--x509certfile", Pki.path("player.crt")]
	more.append_array(["--x509keyfile", Pki.path("player.key")])
	check_as_client(run_gnutls_cli(more), "The certificate is trusted")
	equal(server_side().get_peer_common_name(), "player-17")


func test_s_server_that_wants_a_certificate() -> void:
	var more: PackedStringArray = ["-Verify", "1", "-verify_return_error"]
	more.append_array(["-CAfile", Pki.path("ca.crt")])
	var port := Network.unused_port()
	run_s_server(s_server_arguments("server", port, more))
	check_as_server(port, OptionsSuite.player_options("player"))


func test_s_server_that_wants_another_certificate() -> void:
	var more: PackedStringArray = ["-Verify", "1", "-verify_return_error"]
	more.append_array(["-CAfile", Pki.path("ca.crt")])
	var port := Network.unused_port()
	run_s_server(s_server_arguments("server", port, more))
	var client := start_by(port, OptionsSuite.player_options("stranger"))
	wait_for_status(client, ERROR)
	expect_error("the other side refused")


func test_gnutls_serv_that_wants_a_certificate() -> void:
	var port := Network.unused_port()
	var more: PackedStringArray = ["--require-client-cert", "--verify-client-cert"]
	more.append_array(["--x509cafile", Pki.path("ca.crt")])
	run_gnutls_serv(port, x509_of("server") + more)
	check_as_server(port, OptionsSuite.player_options("player"))


# --- pre-shared keys ---


func test_s_client_with_a_pre_shared_key() -> void:
	serve_by(psk_server_options())
	check_as_client(run_s_client(psk_arguments(PSK_HEX), false), "CONNECTION ESTABLISHED")
	equal(server_side().get_psk_identity(), PSK_IDENTITY)


func test_s_client_with_an_unknown_identity() -> void:
	serve_by(psk_server_options())
	var arguments := psk_arguments(PSK_HEX)
	arguments[arguments.find("-psk_identity") + 1] = "match-18"
	check_s_client_is_refused(arguments, "REASON_PSK_UNKNOWN_IDENTITY", false)


func test_gnutls_cli_with_a_pre_shared_key() -> void:
	serve_by(psk_server_options())
	var arguments: PackedStringArray = ["--udp", "--mtu", "1400"]
	arguments.append_array(["--port", str(way_to(network.port()))])
	arguments.append_array(["--pskusername", PSK_IDENTITY, "--pskkey", PSK_HEX])
	arguments.append_array(["--priority", GNUTLS_CLI_PSK, Network.IPV4])
	check_as_client(run("gnutls-cli", arguments, GNUTLS), "")
	equal(server_side().get_psk_identity(), PSK_IDENTITY)


func test_s_server_with_a_pre_shared_key() -> void:
	var port := Network.unused_port()
	run_s_server(psk_server_arguments(port))
	var client := check_as_server(port, psk_client_options(), "")
	equal(client.get_psk_identity(), PSK_IDENTITY)


func test_s_server_with_another_pre_shared_key() -> void:
	var port := Network.unused_port()
	run_s_server(psk_server_arguments(port))
	var options := psk_client_options()
	options.psk_key = OptionsSuite.secret()
	options.handshake_timeout = 2.0
	var client := start_by(port, options, "")
	wait_until("it gives up", client.is_over)
	status_is(client, ERROR)
	expect_error("DTLS connection failed")


func test_gnutls_serv_with_a_pre_shared_key() -> void:
	var path := scratch("psk.txt")
	var keys := FileAccess.open(path, FileAccess.WRITE)
	keys.store_string("%s:%s\n" % [PSK_IDENTITY, PSK_HEX])
	keys.close()
	var port := Network.unused_port()
	run_gnutls_serv(port, ["--pskpasswd", path, "--priority", GNUTLS_PSK])
	check_as_server(port, psk_client_options(), "")


# --- ALPN ---


func test_s_client_with_protocols() -> void:
	serve_by(OptionsSuite.speaking(OptionsSuite.server_options(), ["game/2", "game/1"]))
	check_as_client(run_s_client(["-alpn", "game/1,game/2"]), "Verification: OK")
	equal(server_side().get_alpn_protocol(), "game/2")


func test_s_client_without_a_protocol_in_common() -> void:
	serve_by(OptionsSuite.speaking(OptionsSuite.server_options(), ["game/2"]))
	check_s_client_is_refused(["-alpn", "http/1.1"], "REASON_NO_APPLICATION_PROTOCOL")


func test_s_server_with_protocols() -> void:
	var port := Network.unused_port()
	run_s_server(s_server_arguments("server", port, ["-alpn", "game/2,game/1"]))
	var options := OptionsSuite.speaking(OptionsSuite.client_options(), ["game/1"])
	equal(check_as_server(port, options).get_alpn_protocol(), "game/1")


func test_gnutls_cli_with_protocols() -> void:
	serve_by(OptionsSuite.speaking(OptionsSuite.server_options(), ["game/2"]))
	check_as_client(run_gnutls_cli(["--alpn", "game/2"]), "The certificate is trusted")
	equal(server_side().get_alpn_protocol(), "game/2")


func test_gnutls_serv_with_protocols() -> void:
	var port := Network.unused_port()
	run_gnutls_serv(port, x509_of("server") + PackedStringArray(["--alpn", "game/2"]))
	var options := OptionsSuite.speaking(OptionsSuite.client_options(), ["game/2", "game/1"])
	equal(check_as_server(port, options).get_alpn_protocol(), "game/2")


# --- SNI ---


func test_s_client_that_asks_for_a_name() -> void:
	serve_by(two_names())
	var more: PackedStringArray = ["-servername", "game.example"]
	check_as_client(run_s_client(more, true, "game.example"), "CN = game.example")
	equal(server_side().get_server_name(), "game.example")


func test_s_client_that_asks_for_no_name() -> void:
	serve_by(two_names())
	check_as_client(run_s_client(["-noservername"]), "CN = localhost")
	equal(server_side().get_server_name(), "")


func test_gnutls_cli_that_asks_for_a_name() -> void:
	serve_by(two_names())
	var more: PackedStringArray = ["--sni-hostname", "game.example"]
	check_as_client(run_gnutls_cli(more, "game.example"), "The certificate is trusted")
	equal(server_side().get_server_name(), "game.example")


func test_gnutls_serv_with_a_name() -> void:
	var port := Network.unused_port()
	var more: PackedStringArray = ["--sni-hostname", "game.example", "--sni-hostname-fatal"]
	run_gnutls_serv(port, x509_of("wrong_name") + more)
	var client := check_as_server(port, OptionsSuite.client_options(), "game.example")
	equal(client.get_server_name(), "game.example")


func test_s_server_with_two_names() -> void:
	var port := Network.unused_port()
	var more: PackedStringArray = ["-servername", "game.example"]
	more.append_array(["-cert2", Pki.path("wrong_name.crt"), "-key2", Pki.path("wrong_name.key")])
	run_s_server(s_server_arguments("server", port, more))
	var client := check_as_server(port, OptionsSuite.client_options(), "game.example")
	equal(client.get_peer_common_name(), "game.example")


# --- resumption ---


func test_s_client_that_comes_back() -> void:
	serve_by(OptionsSuite.server_options())
	var file := ProjectSettings.globalize_path("user://session_%d.pem" % Time.get_ticks_usec())
	check_as_client(run_s_client(["-sess_out", file]), "Verification: OK")
	equal(server_side().is_session_reused(), false, "the first time")
	_programs[0].end()
	for endpoint in network.accepted.duplicate():
		network.forget(endpoint)
	check_as_client(run_s_client(["-sess_in", file]), "CONNECTION ESTABLISHED")
	equal(server_side().is_session_reused(), true, "the second time")
	DirAccess.remove_absolute(file)


func test_gnutls_cli_that_comes_back() -> void:
	serve_by(OptionsSuite.server_options())
	var program := run_gnutls_cli(["--resume"])
	wait_for_output(program, "This is a resumed session")
	var has_come_twice := func() -> bool: return network.accepted.size() == 2
	if not wait_until("it has come twice", has_come_twice):
		return
	wait_for_status(network.accepted[1], CONNECTED)
	equal(server_side().is_session_reused(), true, "the second time")
	var speak := func() -> void: program.write_line("hello")
	say_until("its line is there", speak, network.accepted[1].has_packets)


func test_s_server_to_which_we_come_back() -> void:
	var port := Network.unused_port()
	run_s_server(s_server_arguments("server", port, []))
	check_resumed(port)


func test_gnutls_serv_to_which_we_come_back() -> void:
	var port := Network.unused_port()
	run_gnutls_serv(port, x509_of("server"))
	check_resumed(port)


# --- revocation ---


func test_s_server_whose_certificate_is_revoked() -> void:
	var port := Network.unused_port()
	run_s_server(s_server_arguments("revoked", port, []))
	var options := OptionsSuite.client_options()
	options.crl_pem = Pki.text("ca.crl")
	var client := start_by(port, options)
	wait_for_status(client, ERROR)
	expect_error("has been revoked")


func test_gnutls_serv_whose_certificate_is_revoked() -> void:
	var port := Network.unused_port()
	run_gnutls_serv(port, x509_of("revoked"))
	var options := OptionsSuite.client_options()
	options.crl_pem = Pki.text("ca.crl")
	var client := start_by(port, options)
	wait_for_status(client, ERROR)
	expect_error("has been revoked")


func test_s_client_whose_certificate_is_revoked() -> void:
	var options := OptionsSuite.asking_options()
	options.crl_pem = Pki.text("ca.crl")
	serve_by(options)
	check_s_client_is_refused(own_certificate("revoked_player"), "REASON_CERTIFICATE_REVOKED")


func test_gnutls_cli_whose_certificate_is_revoked() -> void:
	var options := OptionsSuite.asking_options()
	options.crl_pem = Pki.text("ca.crl")
	serve_by(options)
	var more: PackedStringArray = ["--x509certfile", Pki.path("revoked_player.crt")]
	more.append_array(["--x509keyfile", Pki.path("revoked_player.key")])
	var program := run_gnutls_cli(more)
	var is_over := func() -> bool:
		return network.accepted.size() == 1 and network.accepted[0].is_over()
	wait_until("the server has refused it", is_over, PROGRAM_PATIENCE)
	equal(server_side().get_failure_reason(), PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_REVOKED)
	wait_for_output(program, "alert")


# --- helpers ---


func serve_by(options: DTLSOptions) -> void:
	var server := DTLSServerOpenSSL.new()
	equal(server.setup_with_options(options), OK)
	network.server = server
	equal(network.listen(), OK)


func server_side() -> PacketPeerDTLSOpenSSL:
	if network.accepted.is_empty():
		return PacketPeerDTLSOpenSSL.new()
	return network.accepted[-1].dtls as PacketPeerDTLSOpenSSL


func start_by(port: int, options: DTLSOptions, host_name := "localhost") -> Endpoint:
	var client := network.add_client_of(way_to(port))
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_with_options(client.udp, host_name, options), OK)
	return client


## Our client is connected to a program, and gets a line through.
func check_as_server(
	port: int, options: DTLSOptions, host_name := "localhost"
) -> PacketPeerDTLSOpenSSL:
	var client := start_by(port, options, host_name)
	if wait_for_status(client, CONNECTED, handshake_patience()):
		var program := _programs[-1]
		var speak := func() -> void: client.send_text("hello\n")
		var is_heard := func() -> bool: return program.has_printed("hello") or client.has_packets()
		say_until("the program has heard it", speak, is_heard)
	return client.dtls as PacketPeerDTLSOpenSSL


func check_resumed(port: int) -> void:
	var options := OptionsSuite.client_options()
	var first := check_as_server(port, options)
	equal(first.is_session_reused(), false, "the first time")
	first.disconnect_from_peer()
	pass_time(0.2)
	equal(check_as_server(port, options).is_session_reused(), true, "the second time")


## The server refuses what s_client shows, which hears of it.
func check_s_client_is_refused(more: PackedStringArray, reason: String, verifies := true) -> void:
	var program := run_s_client(more, verifies)
	var reason_of := func(peer: Endpoint) -> String:
		return OptionsSuite.reason_name((peer.dtls as PacketPeerDTLSOpenSSL).get_failure_reason())
	# What fails at its very ClientHello is not begun.
	var is_refused := func() -> bool:
		return (network.accepted + network.refused).any(
			func(peer: Endpoint) -> bool: return reason_of.call(peer) == reason
		)
	wait_until("the server has refused it", is_refused, PROGRAM_PATIENCE)
	wait_for_output(program, "alert")


func run_s_client(more: PackedStringArray, verifies := true, host_name := "localhost") -> Program:
	var arguments := s_client_arguments("ca")
	if verifies:
		arguments[arguments.find("-verify_hostname") + 1] = host_name
	else:
		arguments = arguments.slice(0, arguments.find("-CAfile")) + PackedStringArray([NOT_DEAF])
	return run("openssl", arguments + more, OPENSSL)


func run_gnutls_cli(more: PackedStringArray, host_name := "localhost") -> Program:
	var arguments: PackedStringArray = ["--udp", "--mtu", "1400"]
	arguments.append_array(["--port", str(way_to(network.port()))])
	arguments.append_array(["--x509cafile", Pki.path("ca.crt")])
	arguments.append_array(["--verify-hostname", host_name])
	return run("gnutls-cli", arguments + more + PackedStringArray([Network.IPV4]), GNUTLS)


func run_s_server(arguments: PackedStringArray) -> void:
	wait_for_output(run("openssl", arguments, OPENSSL), "ACCEPT")


func run_gnutls_serv(port: int, more: PackedStringArray) -> void:
	var arguments: PackedStringArray = ["--udp", "--echo", "--port", str(port)]
	wait_for_output(run("gnutls-serv", arguments + more, GNUTLS), "listening on IPv4")


static func x509_of(name: String) -> PackedStringArray:
	return ["--x509certfile", Pki.path(name + ".crt"), "--x509keyfile", Pki.path(name + ".key")]


static func own_certificate(name: String) -> PackedStringArray:
	return ["-cert", Pki.path(name + ".crt"), "-key", Pki.path(name + ".key")]


static func psk_arguments(key: String) -> PackedStringArray:
	return ["-psk", key, "-psk_identity", PSK_IDENTITY, "-cipher", "PSK"]


static func psk_server_arguments(port: int) -> PackedStringArray:
	var arguments: PackedStringArray = ["s_server", "-dtls1_2", "-mtu", "1400", "-timeout"]
	arguments.append_array(["-accept", "%s:%d" % [Network.IPV4, port], "-nocert", NOT_DEAF])
	return arguments + psk_arguments(PSK_HEX)


static func psk_server_options() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.psk_keys = {PSK_IDENTITY: PSK_HEX.hex_decode()}
	return options


static func psk_client_options() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.psk_identity = PSK_IDENTITY
	options.psk_key = PSK_HEX.hex_decode()
	return options


static func two_names() -> DTLSOptions:
	var options := OptionsSuite.server_options()
	options.server_identities = {"game.example": OptionsSuite.server_options("wrong_name")}
	return options
