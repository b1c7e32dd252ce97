## Programs that other people wrote, over a network that is well.
extends "res://tests/support/interop_suite.gd"


func test_openssl_s_client() -> void:
	check_s_client()


func test_openssl_s_client_that_does_not_trust_us() -> void:
	network.serve()
	var program := run("openssl", s_client_arguments("other_ca"), OPENSSL)
	var has_refused := func() -> bool: return program.has_printed("certificate verify failed")
	wait_until("s_client refuses the certificate", has_refused, PROGRAM_PATIENCE)
	check_refused_by_client()
	expect_silence()


func test_openssl_s_server_with_cookies() -> void:
	check_close_notify(check_s_server(["-listen"]))


func test_openssl_s_server_without_cookies() -> void:
	check_close_notify(check_s_server([]))


func test_openssl_s_server_that_we_do_not_trust() -> void:
	var port := Network.unused_port()
	var program := run("openssl", s_server_arguments("untrusted", port, ["-listen"]), OPENSSL)
	wait_for_output(program, "ACCEPT")
	var client := network.add_client_of(port)
	start(client)
	wait_for_status(client, ERROR)
	expect_error("not signed by anyone who is trusted")
	# Its name for the alert that we sent.
	wait_for_output(program, "unknown ca")


func test_gnutls_cli() -> void:
	check_gnutls_cli()


func test_gnutls_serv() -> void:
	check_gnutls_serv()


# --- helpers ---


## The server has heard that its client refuses it.
func check_refused_by_client() -> void:
	if check(network.accepted.size() == 1, "the server has a client"):
		wait_for_status(network.accepted[0], ERROR)
		contains(last_error(network.accepted[0]), "the other side refused")


## Our close_notify ends the connection of s_server.
func check_close_notify(s_server: Program) -> void:
	(network.clients[0].dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_output(s_server, "DONE")
