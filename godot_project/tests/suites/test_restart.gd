## Clients of a DTLSServerOpenSSL that start again.
extends "res://tests/support/restart_suite.gd"


func test_a_client_that_starts_again_is_let_in_over_the_same_udp_peer() -> void:
	network.serve()
	var pair := connected_pair()
	var again := _same_address(pair.client)
	equal(start(again), OK, "connect_to_peer")
	wait_until("the old connection is over", pair.server.is_over)
	var ours: DTLSServerOpenSSL = network.server
	var udp := pair.server.udp
	# An array, since a lambda has its own copy of a variable.
	var taken: Array[PacketPeerDTLSOpenSSL] = []
	var take := func() -> bool:
		if udp.get_available_packet_count() == 0:
			return false
		var peer := ours.take_connection(udp)
		if peer.get_status() == HANDSHAKING:
			taken.append(peer)
		return not taken.is_empty()
	if not wait_until("the client comes back", take):
		return
	var side := Endpoint.new(udp, taken[0])
	network.accepted.append(side)
	wait_for_status(side, CONNECTED)
	wait_for_status(again, CONNECTED)
	side.send_text("welcome back")
	wait_until("it arrives", again.has_packets)
	equal(again.receive_text(), "welcome back")


func test_a_client_that_starts_again_is_let_in_through_a_new_connection() -> void:
	check_a_client_that_starts_again_is_let_in_through_a_new_connection()


func test_a_stranger_who_says_hello_from_that_address_ends_nothing() -> void:
	check_a_stranger_who_says_hello_from_that_address_ends_nothing()


func test_the_hellos_of_an_earlier_connection_end_nothing() -> void:
	check_the_hellos_of_an_earlier_connection_end_nothing()
