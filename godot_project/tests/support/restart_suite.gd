## The base of suites with clients that vanish and start again from the same address (RFC 6347
## section 4.2.8).
extends "res://tests/support/network_suite.gd"

## Where `_silent_socket` leads.
var _intercepted := UDPServer.new()


func check_a_client_that_starts_again_is_let_in_through_a_new_connection() -> void:
	network.serve()
	var pair := connected_pair()
	var again := _same_address(pair.client)
	equal(start(again), OK, "connect_to_peer")
	wait_until("the old connection is over", pair.server.is_over)
	status_is(pair.server, DISCONNECTED, "the old peer")
	equal(last_error(pair.server), "the client started again")
	# As a game does with a peer that is over: then the UDPServer takes its address for a new one.
	network.forget(pair.server)
	pair.server = null
	var next := completed(again)
	if next != null:
		exchange(next)


func check_a_stranger_who_says_hello_from_that_address_ends_nothing() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	var relay := network.relays[0]
	# The first datagram of another client, as if it came from this one's address.
	var stranger := network.add(Endpoint.new(_silent_socket(), PacketPeerDTLSOpenSSL.new()))
	start(stranger)
	var arrived := func() -> bool:
		return _intercepted.poll() == OK and _intercepted.is_connection_available()
	wait_until("the stranger speaks", arrived)
	var datagram := _intercepted.take_connection().get_packet()
	_intercepted.stop()
	relay.from_server.clear()
	relay.send_to_server(datagram)
	var answered := func() -> bool: return not relay.from_server.is_empty()
	wait_until("it is answered", answered)
	equal(relay.from_server.size(), 1, "answers")
	equal(relay.from_server[0][13], 3, "the answer is a HelloVerifyRequest")
	check(relay.from_server[0].size() <= datagram.size(), "which is no larger than the question")
	status_is(pair.server, CONNECTED, "the connection")
	exchange(pair)


func check_the_hellos_of_an_earlier_connection_end_nothing() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	var relay := network.relays[0]
	var earlier := relay.from_client.duplicate()
	ours(pair.client).disconnect_from_peer()
	wait_until("the connection is over", pair.server.is_over)
	network.forget(pair.server)
	network.forget(pair.client)
	pair = null
	var next := Endpoint.new(
		Network.socket_to(network.address, relay.port()), PacketPeerDTLSOpenSSL.new()
	)
	next.port_at_server = relay.port_at_server()
	start(network.add(next))
	pair = completed(next)
	var before := datagrams_received(pair.server)
	relay.from_server.clear()
	for datagram in earlier:
		relay.send_to_server(datagram)
	var arrived := func() -> bool: return datagrams_received(pair.server) == before + earlier.size()
	wait_until("they arrive", arrived)
	status_is(pair.server, CONNECTED, "the connection")
	exchange(pair)
	equal(ours(pair.server).get_stats()["handshakes_started"], 1)
	equal(handshakes_of_the_server(), 2, "handshakes of the server")


## How many datagrams have come from the client's address.
func datagrams_received(peer: Endpoint) -> int:
	return ours(peer).get_stats()["datagrams_received"]


func handshakes_of_the_server() -> int:
	return (network.server as DTLSServerOpenSSL).get_stats()["handshakes_started"]


static func ours(endpoint: Endpoint) -> PacketPeerDTLSOpenSSL:
	return endpoint.dtls as PacketPeerDTLSOpenSSL


## A socket whose other end is kept from the server.
func _silent_socket() -> PacketPeerUDP:
	_intercepted.listen(0, Network.IPV4)
	return Network.socket_to(Network.IPV4, _intercepted.get_local_port())


## A client on the port of `client`, which is gone without a word, as after a crash.
func _same_address(client: Endpoint) -> Endpoint:
	var local_port := client.udp.get_local_port()
	client.udp.close()
	network.forget(client)
	var udp := PacketPeerUDP.new()
	equal(udp.bind(local_port, Network.IPV4), OK, "bind")
	equal(udp.connect_to_host(network.address, network.port()), OK, "connect_to_host")
	return network.add(Endpoint.new(udp, PacketPeerDTLSOpenSSL.new()))
