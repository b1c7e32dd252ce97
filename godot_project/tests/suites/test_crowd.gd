## A crowd at a DTLSServerOpenSSL.
extends "res://tests/support/crowd_suite.gd"


func test_a_crowd_at_a_server_as_the_documents_have_it() -> void:
	for i in ROUNDS:
		equal(network.serve(), OK, "serve")
		check_round()


func test_a_crowd_at_a_server_that_takes_all_at_once() -> void:
	for i in ROUNDS:
		var options := DTLSOptions.new()
		options.private_key = Pki.key("server")
		options.certificate = Pki.certificate("server")
		options.max_pending_handshakes = CLIENTS
		var server := DTLSServerOpenSSL.new()
		equal(server.setup_with_options(options), OK, "setup_with_options")
		equal(network.listen(), OK, "listen")
		network.server = server
		network.udp_server.max_pending_connections = CLIENTS
		check_round()
