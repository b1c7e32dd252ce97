# gdlint: disable=max-public-methods
## Two peers of ours, one server and one client, over the loopback.
extends "res://tests/support/network_suite.gd"

const Datagram := preload("res://tests/support/datagram.gd")
const Relay := preload("res://tests/support/relay.gd")

const LARGEST := 16384
## Bytes of UDP payload that pass every path that games are played over.
const MTU := 1200
## Payload of a datagram of MTU bytes: the record header, the nonce and the tag of AES-GCM are the
## rest.
const LARGEST_UNSPLIT := MTU - 13 - 8 - 16

## Those that there are, and the numbers around them.
const RECORD_TYPES: Array[int] = [19, 20, 21, 22, 23, 24, 255]


func test_packets_go_both_ways() -> void:
	exchange(connected_pair())


func test_one_poll_receives_every_waiting_packet() -> void:
	var pair := connected_pair()
	check_one_poll_receives_all(pair.client, pair.server)
	check_one_poll_receives_all(pair.server, pair.client)


func test_packets_of_every_size_arrive_unchanged() -> void:
	var pair := connected_pair()
	for size: int in [1, 2, 15, 16, 17, 255, 256, 1163, 1164, 1500, 4096, LARGEST - 1, LARGEST]:
		check_delivery(pair.client, pair.server, noise(size))
		check_delivery(pair.server, pair.client, noise(size, 2))


func test_binary_content_is_kept() -> void:
	var pair := connected_pair()
	for content: PackedByteArray in [
		PackedByteArray([0]),
		PackedByteArray([0, 0, 0, 0]),
		PackedByteArray([255, 0, 255, 0, 10, 13, 26]),
		PackedByteArray(range(256)),
	]:
		check_delivery(pair.client, pair.server, content)


func test_packet_boundaries_are_kept() -> void:
	var pair := connected_pair()
	var sizes: Array[int] = [1, 700, 2, 5000, 3, 1200, 1]
	for size in sizes:
		equal(pair.client.dtls.put_packet(noise(size)), OK)
	wait_until("all of them are there", pair.server.has_packets.bind(sizes.size()))
	for size in sizes:
		check(pair.server.dtls.get_packet() == noise(size), "the packet of %d bytes" % size)


func test_order_is_kept() -> void:
	var pair := connected_pair()
	for i in 100:
		pair.client.dtls.put_var(i)
	wait_until("100 packets are there", pair.server.has_packets.bind(100))
	var arrived: Array[int] = []
	while pair.server.has_packets():
		arrived.append(pair.server.dtls.get_var())
	equal(arrived, Array(range(100), TYPE_INT, "", null))


func test_too_large_a_packet_is_refused() -> void:
	var pair := connected_pair()
	for size: int in [LARGEST + 1, 65_507, 65_536, 1_000_000]:
		for end: Endpoint in [pair.client, pair.server]:
			equal(end.dtls.put_packet(noise(size)), ERR_INVALID_PARAMETER, "%d bytes" % size)
	network.pump()
	check(not pair.server.has_packets() and not pair.client.has_packets(), "nothing was sent")
	exchange(pair)


func test_an_empty_packet_is_not_sent() -> void:
	var pair := connected_pair()
	equal(pair.client.dtls.put_packet(PackedByteArray()), OK)
	network.udp_server.poll()
	equal(pair.server.udp.get_available_packet_count(), 0, "datagrams")
	exchange(pair)


func test_variables_go_both_ways() -> void:
	var pair := connected_pair()
	for value: Variant in [
		42,
		"Grüße, 世界",
		Vector3(1.0, -2.5, 1e9),
		{"position": Vector2i(3, 4), "names": ["a", &"b", NodePath("c/d")]},
		PackedFloat32Array([0.5, 0.25]),
		null,
		noise(9000),
	]:
		equal(pair.client.dtls.put_var(value), OK, "put_var")
		if wait_until("the value is there", pair.server.has_packets):
			var echo: Variant = pair.server.dtls.get_var()
			equal(echo, value)
			pair.server.dtls.put_var(echo)
		if wait_until("its echo is there", pair.client.has_packets):
			equal(pair.client.dtls.get_var(), value, "echo")


func test_get_packet_without_a_packet() -> void:
	var pair := connected_pair()
	equal(pair.client.dtls.get_packet(), PackedByteArray())
	equal(pair.client.dtls.get_packet_error(), ERR_UNAVAILABLE)
	exchange(pair)
	equal(pair.client.dtls.get_packet_error(), OK, "after a packet")
	var unused := PacketPeerDTLSOpenSSL.new()
	equal(unused.get_available_packet_count(), 0, "count of an unused peer")
	equal(unused.get_packet(), PackedByteArray(), "packet of an unused peer")
	equal(unused.get_packet_error(), ERR_UNAVAILABLE, "error of an unused peer")


func test_no_datagram_of_a_handshake_is_larger_than_the_path_allows() -> void:
	# The longest flight there is: two certificates in it.
	network.serve("chained")
	var client := network.add_client_behind_relay()
	start(client)
	completed(client)
	var relay := network.relays[0]
	check(relay.from_server.size() >= 3, "the relay saw the handshake")
	for datagram: PackedByteArray in relay.from_client + relay.from_server:
		check(datagram.size() <= MTU, "%d bytes are at most %d" % [datagram.size(), MTU])


func test_the_largest_unsplit_packet_fills_one_datagram() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	var relay := network.relays[0]
	relay.from_client.clear()
	check_delivery(pair.client, pair.server, noise(LARGEST_UNSPLIT))
	equal(relay.from_client.size(), 1, "datagrams")
	equal(relay.from_client[0].size(), MTU, "bytes of the datagram")


func test_many_clients_of_one_server() -> void:
	network.serve()
	for i in 8:
		equal(start(network.add_client()), OK)
	var pairs: Array[Pair] = []
	for client in network.clients:
		pairs.append(completed(client))
	for i in pairs.size():
		pairs[i].client.send_text("I am %d" % i)
	for i in pairs.size():
		wait_until("client %d is heard" % i, pairs[i].server.has_packets)
		equal(pairs[i].server.receive_text(), "I am %d" % i)
		pairs[i].server.send_text("You are %d" % i)
	for i in pairs.size():
		wait_until("client %d is answered" % i, pairs[i].client.has_packets)
		equal(pairs[i].client.receive_text(), "You are %d" % i)


func test_closing_tells_the_server() -> void:
	var pair := connected_pair()
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	status_is(pair.client, DISCONNECTED)
	wait_for_status(pair.server, DISCONNECTED)
	equal(last_error(pair.server), "", "get_last_error")


func test_closing_tells_the_client() -> void:
	var pair := connected_pair()
	(pair.server.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	status_is(pair.server, DISCONNECTED)
	wait_for_status(pair.client, DISCONNECTED)
	equal(last_error(pair.client), "", "get_last_error")


func test_close_notify_is_answered() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	var relay := network.relays[0]
	relay.from_server.clear()
	(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	# RFC 5246 section 7.2.1.
	var has_answered := func() -> bool: return relay.from_server.any(Datagram.is_alert)
	wait_until("the server answers with its own close_notify", has_answered)


func test_freeing_a_client_tells_the_server() -> void:
	var pair := connected_pair()
	free_dtls_of(pair.client)
	wait_for_status(pair.server, DISCONNECTED)


func test_freeing_a_server_side_tells_the_client() -> void:
	var pair := connected_pair()
	free_dtls_of(pair.server)
	wait_for_status(pair.client, DISCONNECTED)


func test_freeing_the_server_leaves_its_connections_alone() -> void:
	var pair := connected_pair()
	var observer: WeakRef = weakref(network.server)
	network.server = null
	check(observer.get_ref() == null, "the server is freed")
	exchange(pair)


func test_packets_stay_readable_after_the_other_side_closed() -> void:
	var pair := connected_pair()
	pair.client.send_text("one")
	pair.client.send_text("two")
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	equal(pair.server.dtls.get_available_packet_count(), 2, "packets")
	equal(pair.server.receive_text(), "one")
	equal(pair.server.receive_text(), "two")
	equal(pair.server.dtls.get_available_packet_count(), 0, "packets left")


func test_packets_stay_readable_after_closing() -> void:
	var pair := connected_pair()
	pair.client.send_text("one")
	wait_until("it is there", pair.server.has_packets)
	(pair.server.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	status_is(pair.server, DISCONNECTED)
	equal(pair.server.receive_text(), "one")


func test_a_second_connection_after_disconnecting() -> void:
	var pair := connected_pair()
	exchange(pair)
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	pair.client.udp = network.client_socket()
	pair.client.port_at_server = pair.client.udp.get_local_port()
	equal(start(pair.client), OK)
	status_is(pair.client, HANDSHAKING)
	exchange(completed(pair.client))


func test_a_second_connection_over_the_same_socket() -> void:
	var pair := connected_pair()
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	# UDPServer forgets an address when its PacketPeerUDP is freed.
	network.forget(pair.server)
	pair.server = null
	equal(start(pair.client), OK)
	exchange(completed(pair.client))


func test_a_second_connection_after_the_server_closed() -> void:
	var pair := connected_pair()
	pair.server.send_text("a last word")
	(pair.server.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.client, DISCONNECTED)
	network.forget(pair.server)
	pair.server = null
	equal(start(pair.client), OK)
	equal(pair.client.dtls.get_available_packet_count(), 0, "packets of the old connection")
	exchange(completed(pair.client))


func test_a_second_connection_after_an_error() -> void:
	network.serve("wrong_name")
	var client := network.add_client()
	start(client)
	wait_for_status(client, MISMATCH)
	expect_error("for another name")
	client.udp = network.client_socket()
	client.port_at_server = client.udp.get_local_port()
	equal(start(client, "game.example"), OK)
	equal(last_error(client), "", "get_last_error of the new connection")
	exchange(completed(client))


func test_a_lost_packet_is_lost_alone() -> void:
	var pair := pair_behind_relay()
	var relay := network.relays[0]
	var count := [0]
	relay.client_filter = func(datagram: PackedByteArray) -> Array:
		count[0] += 1
		return [] if count[0] == 2 else [datagram]
	for text: String in ["one", "two", "three"]:
		pair.client.send_text(text)
	wait_until("the others are there", pair.server.has_packets.bind(2))
	equal(pair.server.receive_text(), "one")
	equal(pair.server.receive_text(), "three")


func test_a_packet_never_arrives_twice() -> void:
	var pair := pair_behind_relay()
	var relay := network.relays[0]
	relay.client_filter = func(datagram: PackedByteArray) -> Array: return [datagram, datagram]
	pair.client.send_text("one")
	pair.client.send_text("two")
	wait_until("they are there", pair.server.has_packets.bind(2))
	equal(pair.server.dtls.get_available_packet_count(), 2, "packets")


func test_packets_may_overtake_one_another() -> void:
	var pair := pair_behind_relay()
	var relay := network.relays[0]
	var held: Array[PackedByteArray] = []
	relay.client_filter = func(datagram: PackedByteArray) -> Array:
		held.append(datagram)
		return [] if held.size() < 3 else [held[2], held[0], held[1]]
	for text: String in ["one", "two", "three"]:
		pair.client.send_text(text)
	wait_until("they are there", pair.server.has_packets.bind(3))
	equal(pair.server.receive_text(), "three")
	equal(pair.server.receive_text(), "one")
	equal(pair.server.receive_text(), "two")


func test_a_forged_packet_is_dropped_without_a_word() -> void:
	var pair := pair_behind_relay()
	var relay := network.relays[0]
	relay.client_filter = func(datagram: PackedByteArray) -> Array:
		var forged := datagram.duplicate()
		forged[-1] ^= 1
		return [forged]
	pair.client.send_text("forged on the way")
	wait_until("it came by", func() -> bool: return relay.from_client.size() > 0)
	relay.client_filter = Callable()
	exchange(pair)


func test_noise_does_not_disturb_a_connection() -> void:
	var pair := pair_behind_relay()
	var relay := network.relays[0]
	for size: int in [1, 12, 13, 14, 100, 1200, 9000]:
		relay.send_to_server(noise(size))
		relay.send_to_client(noise(size))
	exchange(pair)


func test_records_of_a_stranger_do_not_disturb_a_connection() -> void:
	var pair := pair_behind_relay()
	for type in RECORD_TYPES:
		for forged in forged_records(type, [0, 1, 2]):
			network.relays[0].send_to_server(forged)
			network.relays[0].send_to_client(forged)
		network.pump()
		if not (status_is(pair.server, CONNECTED) and status_is(pair.client, CONNECTED)):
			fail("that was after records of type %d" % type)
			return
	exchange(pair)


func test_alerts_in_the_clear_do_not_end_a_connection() -> void:
	var pair := pair_behind_relay()
	# Level and description: close_notify, handshake_failure.
	for alert: PackedByteArray in [PackedByteArray([1, 0]), PackedByteArray([2, 40])]:
		var forged := Datagram.record(Datagram.TYPE_ALERT, 0, 99, alert)
		network.relays[0].send_to_server(forged)
		network.relays[0].send_to_client(forged)
	exchange(pair)


func test_records_of_a_stranger_do_not_disturb_a_handshake() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	# Each datagram is preceded by forged ones. Those in the clear are left out: nobody can tell a
	# forged handshake message or alert from a true one before there are keys.
	var forged: Array[PackedByteArray] = [noise(1), noise(13), noise(1200)]
	forged.append(Datagram.record(Datagram.TYPE_APPLICATION_DATA, 0, 99, noise(40)))
	for type in RECORD_TYPES:
		forged.append_array(forged_records(type, [1, 2]))
	var precede := func(datagram: PackedByteArray) -> Array: return forged + [datagram]
	network.relays[0].client_filter = precede
	network.relays[0].server_filter = precede
	start(client)
	var pair := completed(client)
	network.relays[0].client_filter = Callable()
	network.relays[0].server_filter = Callable()
	exchange(pair)


func test_a_handshake_survives_the_loss_of_every_first_try() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	var relay := network.relays[0]
	var lost := [false, false]
	relay.client_filter = func(datagram: PackedByteArray) -> Array:
		var is_first: bool = not lost[0]
		lost[0] = true
		return [] if is_first else [datagram]
	relay.server_filter = func(datagram: PackedByteArray) -> Array:
		# The server's first flight; its HelloVerifyRequest is small.
		var is_first: bool = not lost[1] and datagram.size() > 100
		lost[1] = lost[1] or is_first
		return [] if is_first else [datagram]
	start(client)
	exchange(completed(client))
	equal(lost, [true, true], "what was lost")


## Well-formed records of nobody, of sizes around those of the nonce and the tag of AES-GCM: too
## short for what is in them, and just long enough.
func forged_records(type: int, epochs: Array[int]) -> Array[PackedByteArray]:
	var records: Array[PackedByteArray] = []
	for epoch in epochs:
		for size: int in [0, 1, 8, 15, 16, 23, 24, 25, 100]:
			records.append(Datagram.record(type, epoch, 99, noise(size)))
	return records


## A pair whose datagrams go through a relay, which has seen nothing yet.
func pair_behind_relay() -> Pair:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	network.pump()
	network.relays[0].from_client.clear()
	network.relays[0].from_server.clear()
	return pair


func check_one_poll_receives_all(from: Endpoint, to: Endpoint) -> void:
	for i in 20:
		from.dtls.put_packet(PackedByteArray([i]))
	# Gives the waiting datagrams to the sockets of the server's peers; the peers see none of it
	# yet.
	network.udp_server.poll()
	equal(to.udp.get_available_packet_count(), 20, "datagrams waiting")
	to.poll()
	equal(to.dtls.get_available_packet_count(), 20, "packets after one poll")
	for i in 20:
		equal(to.dtls.get_packet(), PackedByteArray([i]), "packet %d" % i)
	equal(to.dtls.get_available_packet_count(), 0, "packets left")


func free_dtls_of(endpoint: Endpoint) -> void:
	network.forget(endpoint)
	var observer: WeakRef = weakref(endpoint.dtls)
	endpoint.dtls = null
	check(observer.get_ref() == null, "the peer is freed")
