## Programs that other people wrote, as clients of our server and as servers for our client. The
## certificate is verified each time, and data goes both ways.
extends "res://tests/support/network_suite.gd"

const Program := preload("res://tests/support/program.gd")

const OPENSSL := "openssl"
const GNUTLS := "gnutls-bin"
## Seconds that a program may take to start, or to do the next thing.
const PROGRAM_PATIENCE := 10.0

var _programs: Array[Program] = []


func after_each() -> void:
	super()
	for program in _programs:
		if has_failed():
			failures.append("the program printed:\n%s" % program.output.indent("    "))
		program.end()


func test_openssl_s_client() -> void:
	network.serve("chained")
	var program := run("openssl", s_client_arguments("ca"), OPENSSL)
	check_as_client(program, "Verification: OK")


func test_openssl_s_client_that_does_not_trust_us() -> void:
	network.serve()
	var program := run("openssl", s_client_arguments("other_ca"), OPENSSL)
	var has_refused := func() -> bool: return program.has_printed("certificate verify failed")
	wait_until("s_client refuses the certificate", has_refused, PROGRAM_PATIENCE)
	if check(network.accepted.size() == 1, "the server has a client"):
		wait_for_status(network.accepted[0], ERROR)
		contains(last_error(network.accepted[0]), "the other side refused")
	expect_silence()


func test_openssl_s_server_with_cookies() -> void:
	check_s_server(["-listen"])


func test_openssl_s_server_without_cookies() -> void:
	check_s_server([])


func test_openssl_s_server_that_we_do_not_trust() -> void:
	var port := Network.unused_port()
	var program := run("openssl", s_server_arguments("untrusted", port, ["-listen"]), OPENSSL)
	wait_for_output(program, "ACCEPT")
	var client := client_of(port)
	start(client)
	wait_for_status(client, ERROR)
	expect_error("not signed by anyone who is trusted")
	# Its name for the alert that we sent.
	wait_for_output(program, "unknown ca")


func test_gnutls_cli() -> void:
	network.serve("chained")
	var arguments: PackedStringArray = ["--udp", "--mtu", "1400", "--port", str(network.port())]
	arguments.append_array(["--x509cafile", Pki.path("ca.crt")])
	arguments.append_array(["--verify-hostname", "localhost", Network.IPV4])
	check_as_client(run("gnutls-cli", arguments, GNUTLS), "The certificate is trusted")


func test_gnutls_serv() -> void:
	var port := Network.unused_port()
	var arguments: PackedStringArray = ["--udp", "--echo", "--port", str(port)]
	arguments.append_array(["--x509certfile", Pki.path("server.crt")])
	arguments.append_array(["--x509keyfile", Pki.path("server.key")])
	var program := run("gnutls-serv", arguments, GNUTLS)
	wait_for_output(program, "listening on IPv4")
	var client := client_of(port)
	equal(start(client), OK)
	if not wait_for_status(client, CONNECTED, PROGRAM_PATIENCE):
		return
	client.send_text("hello gnutls-serv\n")
	wait_until("the echo is there", client.has_packets, PROGRAM_PATIENCE)
	equal(client.receive_text(), "hello gnutls-serv\n")


# --- helpers ---


## A program that is connecting to our server gets a line through, and gets one back.
func check_as_client(program: Program, verified: String) -> void:
	var has_client := func() -> bool:
		return network.accepted.size() == 1 and network.accepted[0].is_connected_securely()
	if not wait_until("the program is connected", has_client, PROGRAM_PATIENCE):
		return
	wait_for_output(program, verified)
	var peer := network.accepted[0]
	program.write_line("hello from the program")
	wait_until("its line is there", peer.has_packets, PROGRAM_PATIENCE)
	contains(peer.receive_text(), "hello from the program")
	peer.send_text("hello from the engine\n")
	wait_for_output(program, "hello from the engine")


func check_s_server(more: PackedStringArray) -> void:
	var port := Network.unused_port()
	var program := run("openssl", s_server_arguments("server", port, more), OPENSSL)
	wait_for_output(program, "ACCEPT")
	var client := client_of(port)
	equal(start(client), OK)
	if not wait_for_status(client, CONNECTED, PROGRAM_PATIENCE):
		return
	client.send_text("hello s_server\n")
	wait_for_output(program, "hello s_server")
	program.write_line("hello from s_server")
	wait_until("its line is there", client.has_packets, PROGRAM_PATIENCE)
	equal(client.receive_text(), "hello from s_server\n")
	# Our close_notify ends its connection.
	(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_output(program, "DONE")


func s_client_arguments(trusted: String) -> PackedStringArray:
	var arguments: PackedStringArray = ["s_client", "-dtls1_2", "-brief"]
	arguments.append_array(["-connect", "%s:%d" % [Network.IPV4, network.port()]])
	arguments.append_array(["-CAfile", Pki.path(trusted + ".crt"), "-verify_return_error"])
	arguments.append_array(["-verify_hostname", "localhost"])
	return arguments


func s_server_arguments(
	certificate: String, port: int, more: PackedStringArray
) -> PackedStringArray:
	var arguments: PackedStringArray = ["s_server", "-dtls1_2", "-mtu", "1400", "-timeout"]
	arguments.append_array(["-accept", "%s:%d" % [Network.IPV4, port]])
	arguments.append_array(["-cert", Pki.path(certificate + ".crt")])
	arguments.append_array(["-key", Pki.path(certificate + ".key")])
	return arguments + more


func client_of(port: int) -> Endpoint:
	var socket := Network.socket_to(Network.IPV4, port)
	return network.add(Endpoint.new(socket, PacketPeerDTLSOpenSSL.new()))


func run(name: String, arguments: PackedStringArray, package: String) -> Program:
	var program := Program.new()
	if program.start(name, arguments, package):
		_programs.append(program)
	else:
		fail(program.output)
	return program


func wait_for_output(program: Program, text: String) -> void:
	var has_printed := func() -> bool: return program.has_printed(text)
	wait_until('the program prints "%s"' % text, has_printed, PROGRAM_PATIENCE)
