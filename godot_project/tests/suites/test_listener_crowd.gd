## A crowd at a DTLSListener that takes all at once.
extends "res://tests/support/crowd_suite.gd"

## Whether the clients of this test use `connect_to_host`.
var _connects_to_host := true


func new_network() -> Network:
	var made := new_listener_network()
	made.connects_to_host = _connects_to_host
	return made


func test_a_crowd_that_uses_connect_to_host() -> void:
	# The engine looks up 256 names at a time. This needs no lookup.
	host_name = Network.IPV4
	check_rounds()


func test_a_crowd_with_sockets_of_the_game_s() -> void:
	_connects_to_host = false
	network = new_network()
	check_rounds()


func check_rounds() -> void:
	for i in ROUNDS:
		var options := DTLSOptions.new()
		options.private_key = Pki.key("server")
		options.certificate = Pki.certificate("server")
		options.max_pending_handshakes = CLIENTS
		equal((network as ListenerNetwork).serve_by(options), OK, "listen")
		check_round()
