## The base of suites with programs that other people wrote, as clients of our server and as servers
## for our client. The certificate is verified each time, and data goes both ways.
extends "res://tests/support/program_suite.gd"

const OPENSSL := "openssl"
const GNUTLS := "gnutls-bin"
## Without this, s_client and s_server wait for another packet after each that they drop as a
## replay, and read no input meanwhile.
const NOT_DEAF := "-nbio"
## After how many milliseconds something is said again that may have been lost.
const SAY_AGAIN_MSEC := 500


## The port by which the other side finds who listens on `port`.
func way_to(port: int) -> int:
	return port


## Seconds that a handshake may take, a program's start included.
func handshake_patience() -> float:
	return PROGRAM_PATIENCE


func check_s_client() -> void:
	network.serve("chained")
	check_as_client(run("openssl", s_client_arguments("ca"), OPENSSL), "Verification: OK")


func check_gnutls_cli() -> void:
	network.serve("chained")
	var port := way_to(network.port())
	var arguments: PackedStringArray = ["--udp", "--mtu", "1400", "--port", str(port)]
	arguments.append_array(["--x509cafile", Pki.path("ca.crt")])
	arguments.append_array(["--verify-hostname", "localhost", Network.IPV4])
	check_as_client(run("gnutls-cli", arguments, GNUTLS), "The certificate is trusted")


## A program that is connecting to our server says that it has verified us, if it says such a thing,
## gets a line through, and gets one back.
func check_as_client(program: Program, verified: String) -> void:
	var has_client := func() -> bool:
		return network.accepted.size() == 1 and network.accepted[0].is_connected_securely()
	if not wait_until("the program is connected", has_client, handshake_patience()):
		return
	if verified:
		wait_for_output(program, verified)
	var peer := network.accepted[0]
	var speak := func() -> void: program.write_line("hello from the program")
	say_until("its line is there", speak, peer.has_packets)
	contains(peer.receive_text(), "hello from the program")
	var answer := func() -> void: peer.send_text("hello from the engine\n")
	say_until_printed(answer, program, "hello from the engine")


func check_s_server(more: PackedStringArray) -> Program:
	var port := Network.unused_port()
	var program := run("openssl", s_server_arguments("server", port, more), OPENSSL)
	wait_for_output(program, "ACCEPT")
	var client := network.add_client_of(way_to(port))
	equal(start(client), OK)
	if not wait_for_status(client, CONNECTED, handshake_patience()):
		return program
	var speak := func() -> void: client.send_text("hello s_server\n")
	say_until_printed(speak, program, "hello s_server")
	var answer := func() -> void: program.write_line("hello from s_server")
	say_until("its line is there", answer, client.has_packets)
	equal(client.receive_text(), "hello from s_server\n")
	return program


func check_gnutls_serv() -> void:
	var port := Network.unused_port()
	var arguments: PackedStringArray = ["--udp", "--echo", "--port", str(port)]
	arguments.append_array(["--x509certfile", Pki.path("server.crt")])
	arguments.append_array(["--x509keyfile", Pki.path("server.key")])
	var program := run("gnutls-serv", arguments, GNUTLS)
	wait_for_output(program, "listening on IPv4")
	var client := network.add_client_of(way_to(port))
	equal(start(client), OK)
	if not wait_for_status(client, CONNECTED, handshake_patience()):
		return
	var speak := func() -> void: client.send_text("hello gnutls-serv\n")
	say_until("the echo is there", speak, client.has_packets)
	equal(client.receive_text(), "hello gnutls-serv\n")


func s_client_arguments(trusted: String) -> PackedStringArray:
	var arguments: PackedStringArray = ["s_client", "-dtls1_2", "-brief"]
	arguments.append_array(["-connect", "%s:%d" % [Network.IPV4, way_to(network.port())]])
	arguments.append_array(["-CAfile", Pki.path(trusted + ".crt"), "-verify_return_error"])
	arguments.append_array(["-verify_hostname", "localhost", NOT_DEAF])
	return arguments


func s_server_arguments(
	certificate: String, port: int, more: PackedStringArray
) -> PackedStringArray:
	var arguments: PackedStringArray = ["s_server", "-dtls1_2", "-mtu", "1400", "-timeout"]
	arguments.append_array(["-accept", "%s:%d" % [Network.IPV4, port]])
	arguments.append_array(["-cert", Pki.path(certificate + ".crt")])
	arguments.append_array(["-key", Pki.path(certificate + ".key")])
	arguments.append(NOT_DEAF)
	return arguments + more


## Lets `say` send a packet, again and again in case it is lost, until `condition` is true.
func say_until(what: String, say: Callable, condition: Callable) -> bool:
	# An array, since a lambda has its own copy of a variable.
	var next := [0]
	var is_heard := func() -> bool:
		if condition.call():
			return true
		if Time.get_ticks_msec() >= next[0]:
			say.call()
			next[0] = Time.get_ticks_msec() + SAY_AGAIN_MSEC
		return false
	return wait_until(what, is_heard, PROGRAM_PATIENCE)


func say_until_printed(say: Callable, program: Program, text: String) -> bool:
	var has_printed := func() -> bool: return program.has_printed(text)
	return say_until('the program prints "%s"' % text, say, has_printed)
