## Clients of a DTLSListener that start again, from a port that they choose: their sockets are the
## test's.
extends "res://tests/support/restart_suite.gd"


func new_network() -> Network:
	var made := new_listener_network()
	made.connects_to_host = false
	return made


## A listener counts ClientHellos by itself, and not as what came over the connection.
func datagrams_received(_peer: Endpoint) -> int:
	return (network as ListenerNetwork).listener.get_stats()["datagrams_received"]


func handshakes_of_the_server() -> int:
	return (network as ListenerNetwork).listener.get_stats()["handshakes_started"]


func test_a_client_that_starts_again_is_let_in_through_a_new_connection() -> void:
	check_a_client_that_starts_again_is_let_in_through_a_new_connection()


func test_a_stranger_who_says_hello_from_that_address_ends_nothing() -> void:
	check_a_stranger_who_says_hello_from_that_address_ends_nothing()


func test_the_hellos_of_an_earlier_connection_end_nothing() -> void:
	check_the_hellos_of_an_earlier_connection_end_nothing()
