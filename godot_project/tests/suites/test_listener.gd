# gdlint: disable=max-public-methods
## DTLSListener: many players on one socket.
extends "res://tests/support/options_suite.gd"

## Every number of threads that there can be.
const THREADS: Array[int] = [0, 1, 2, 3]

var _listeners: Array[DTLSListener] = []
var _events: Array[String] = []


func after_each() -> void:
	for listener in _listeners:
		listener.stop()
	_listeners.clear()
	_events.clear()
	super()


func test_packets_go_both_ways_through_one_object() -> void:
	for threads in THREADS:
		var listener := _listen(threads)
		var clients := _connect_players(listener, 10)
		for number in clients.size():
			equal(clients[number].send_text("player %d" % number), OK)
		_wait(listener, "all packets are there", _has_packets.bind(listener, 10))
		var heard: Dictionary[int, String] = {}
		while listener.get_available_packet_count() > 0:
			var id := listener.get_packet_peer()
			heard[id] = listener.get_packet().get_string_from_utf8()
			equal(listener.put_packet(id, heard[id].to_utf8_buffer()), OK, "put_packet")
		equal(listener.get_packet_peer(), 0, "there is none any more")
		equal(listener.get_packet(), PackedByteArray(), "nor a packet")
		_wait(listener, "all have an answer", _all_have_packets.bind(clients))
		var texts: Array[String] = []
		for number in clients.size():
			var text := clients[number].receive_text()
			equal(text, "player %d" % number)
			texts.append(text)
		texts.sort()
		var all := heard.values()
		all.sort()
		equal(all, Array(texts), "each player once")
		listener.stop()


func test_all_packets_at_once() -> void:
	var listener := _listen(2)
	var clients := _connect_players(listener, 3)
	for round_number in 5:
		for number in clients.size():
			clients[number].send_text("%d of %d" % [round_number, number])
	_wait(listener, "all packets are there", _has_packets.bind(listener, 15))
	var ids := listener.get_packet_peers()
	var packets := listener.get_packets()
	equal([ids.size(), packets.size()], [15, 15])
	equal(listener.get_available_packet_count(), 0)
	var by_id: Dictionary[int, Array] = {}
	for index in ids.size():
		var texts: Array = by_id.get_or_add(ids[index], [])
		texts.append(packets[index].get_string_from_utf8())
	equal(by_id.size(), 3)
	for texts: Array in by_id.values():
		var number: String = str(texts[0]).right(1)
		for round_number in 5:
			equal(texts[round_number], "%d of %s" % [round_number, number])
	var everyone := PackedInt32Array(by_id.keys())
	equal(listener.put_packet_to(everyone, "to all".to_utf8_buffer()), OK)
	_wait(listener, "all have it", _all_have_packets.bind(clients))
	for client in clients:
		equal(client.receive_text(), "to all")
	everyone.append(99)
	equal(listener.put_packet_to(everyone, "again".to_utf8_buffer()), ERR_DOES_NOT_EXIST)
	_wait(listener, "the others have it", _all_have_packets.bind(clients))


func test_a_peer_each() -> void:
	for threads in THREADS:
		var listener := _listen(threads)
		check(not listener.is_connection_available(), "nobody is there")
		var peers: Array[PacketPeerDTLSOpenSSL] = []
		var clients: Array[Endpoint] = []
		for number in 5:
			clients.append(_begin(listener))
		var take := func() -> bool:
			while listener.is_connection_available():
				peers.append(listener.take_connection())
			return peers.size() == 5
		_wait(listener, "all are taken", take)
		_wait(listener, "all are connected", _all_connected.bind(clients))
		for number in clients.size():
			clients[number].send_text("player %d" % number)
		var has_each := func() -> bool:
			return peers.all(
				func(it: PacketPeerDTLSOpenSSL) -> bool: return it.get_available_packet_count() > 0
			)
		_wait(listener, "each peer has its packet", has_each)
		for peer in peers:
			equal(peer.get_status(), CONNECTED)
			check(peer.get_cipher_suite() != "", "it knows its cipher suite")
			equal(peer.get_protocol_version(), "DTLS 1.2")
			equal(peer.get_max_unfragmented_packet_size(), 1163)
			equal(peer.put_packet(peer.get_packet()), OK)
		_wait(listener, "all have an answer", _all_have_packets.bind(clients))
		for number in clients.size():
			equal(clients[number].receive_text(), "player %d" % number)
		# A player leaves, and another is sent away.
		(clients[0].dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
		var one_is_over := func() -> bool:
			return peers.any(
				func(it: PacketPeerDTLSOpenSSL) -> bool: return it.get_status() == DISCONNECTED
			)
		_wait(listener, "its peer is over", one_is_over)
		var left: PacketPeerDTLSOpenSSL
		for peer in peers:
			if peer.get_status() == DISCONNECTED:
				left = peer
		equal(left.put_packet([1]), ERR_UNCONFIGURED)
		peers.erase(left)
		peers[0].disconnect_from_peer()
		equal(peers[0].get_status(), DISCONNECTED)
		peers.remove_at(1)
		var two_are_over := func() -> bool:
			return 3 == clients.filter(func(it: Endpoint) -> bool: return it.is_over()).size()
		_wait(listener, "who was sent away or freed is told", two_are_over)
		listener.stop()
		for peer in peers:
			equal(peer.get_status(), DISCONNECTED)


func test_who_comes_and_goes_is_a_signal() -> void:
	var listener := _listen(2)
	var clients := _connect_players(listener, 2)
	equal(_events, ["1 is here", "2 is here"] as Array[String])
	_events.clear()
	listener.disconnect_peer(1)
	_wait(listener, "it has left", func() -> bool: return _events.size() == 1)
	equal(_events, ["1 has left: this side closed the connection"] as Array[String])
	equal(listener.put_packet(1, [1]), ERR_DOES_NOT_EXIST)
	_events.clear()
	for client in clients:
		(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	_wait(listener, "the other has left", func() -> bool: return _events.size() == 1)
	equal(_events, ["2 has left: the other side closed the connection"] as Array[String])
	_events.clear()
	var another := _connect_players(listener, 1)
	equal(_events, ["3 is here"] as Array[String], "no number is used again")
	equal(another[0].status(), CONNECTED)


func test_a_handler_may_call_the_listener() -> void:
	var listener := _listen(2)
	var greeted := func(id: int) -> void:
		equal(listener.put_packet(id, "welcome".to_utf8_buffer()), OK)
		listener.poll()
		if id == 2:
			listener.stop()
	listener.peer_connected.connect(greeted)
	var first := _connect_players(listener, 1)
	_wait(listener, "it is welcome", _all_have_packets.bind(first))
	var second := _begin(listener)
	_wait(
		listener, "the handler has stopped it", func() -> bool: return not listener.is_listening()
	)
	_wait(listener, "both are told", func() -> bool: return first[0].is_over() and second.is_over())
	listener.peer_connected.disconnect(greeted)


func test_the_two_ways_exclude_each_other() -> void:
	var listener := _listen(0)
	_connect_players(listener, 1)
	equal(listener.put_packet(1, [1]), OK)
	check(not listener.is_connection_available(), "it is used the other way")
	expect_error("packets come through the listener already")
	contains(listener.get_last_error(), "packets come through the listener already")
	equal(listener.take_connection().get_status(), ERROR)
	listener.stop()
	listener = _listen(0)
	check(not listener.is_connection_available(), "nobody is there")
	_begin(listener)
	_wait(listener, "one is there", func() -> bool: return listener.is_connection_available())
	equal(listener.put_packet(1, [1]), ERR_ALREADY_IN_USE)
	expect_error("players are taken with take_connection() already")
	equal(listener.get_available_packet_count(), 0)
	check(listener.get_peer(1) == null, "players are taken")


func test_a_peer_can_be_looked_at() -> void:
	var options := asking_options()
	var listener := _listen(2, options)
	var socket := Network.socket_to("127.0.0.1", listener.get_local_port())
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_with_options(socket, "localhost", player_options("player")), OK)
	var client := network.add(Endpoint.new(socket, peer))
	_wait(listener, "it is there", func() -> bool: return not _events.is_empty())
	var looked_at := listener.get_peer(1)
	equal(looked_at.get_status(), CONNECTED)
	equal(looked_at.get_peer_common_name(), "player-17")
	check(looked_at.get_peer_certificate() != null, "it has shown a certificate")
	equal(looked_at.get_peer_fingerprint().length(), 71)
	equal(looked_at.export_keying_material("EXPORTER-test", 16).size(), 16)
	equal(looked_at.get_stats()["handshakes_completed"], 1)
	looked_at = null
	_wait(listener, "the player is connected", _all_connected.bind([client]))
	equal(client.send_text("still here"), OK)
	_wait(listener, "looking ends nothing", _has_packets.bind(listener, 1))
	check(listener.get_peer(2) == null, "there is no such player")
	check(listener.get_peer(-1) == null, "nor such a number")


func test_what_cannot_be_listened_to() -> void:
	var listener := _new_listener(2)
	equal(listener.listen(0, null), ERR_INVALID_PARAMETER)
	expect_error("DTLSListener.listen: ")
	equal(listener.listen(0, DTLSOptions.new()), ERR_INVALID_PARAMETER)
	expect_error("a server needs a key and a certificate, or psk_keys")
	var options := server_options()
	for port: int in [-1, 65_536]:
		equal(listener.listen(port, options), ERR_INVALID_PARAMETER)
		expect_error("the port is %d" % port)
	equal(listener.listen(0, options, "localhost"), ERR_INVALID_PARAMETER)
	expect_error('"localhost" is no IP address')
	equal(listener.listen(0, options, "192.0.2.1"), ERR_UNAVAILABLE)
	expect_error("this machine has no network address 192.0.2.1")
	for peers: int in [0, -1, 65_536]:
		equal(listener.listen(0, options, "*", peers), ERR_INVALID_PARAMETER)
		expect_error("max_peers is %d" % peers)
	for threads: int in [-2, 4]:
		listener.threads = threads
		equal(listener.listen(0, options), ERR_INVALID_PARAMETER)
		expect_error("threads is %d" % threads)
	listener.threads = -1
	check(not listener.is_listening(), "it does not listen")
	equal(listener.get_local_port(), 0)
	equal(listener.put_packet(1, [1]), ERR_UNCONFIGURED)
	equal(listener.set_options(options), ERR_UNCONFIGURED)
	expect_error("it does not listen")
	equal(listener.listen(0, options), OK)
	equal(listener.get_last_error(), "")
	_tolerate_small_buffers()
	equal(listener.listen(0, options), ERR_ALREADY_IN_USE)
	expect_error("it listens already")
	var other := _new_listener(2)
	equal(other.listen(listener.get_local_port(), options), ERR_UNAVAILABLE)
	expect_error("UDP port %d is in use" % listener.get_local_port())
	var too_large := PackedByteArray()
	too_large.resize(16_385)
	equal(listener.put_packet(1, too_large), ERR_INVALID_PARAMETER)


func test_a_full_listener_refuses() -> void:
	var listener := _new_listener(2)
	equal(listener.listen(0, server_options(), "127.0.0.1", 1), OK)
	_tolerate_small_buffers()
	_connect_players(listener, 1)
	var refused := _begin(listener)
	_wait(listener, "it is refused", refused.is_over)
	expect_error("it denies access (alert 49)")
	var stats := listener.get_stats()
	equal(stats["handshakes_failed"]["server_full"], 1)
	equal(stats["connections"], 1)
	equal(stats["socket"]["send_errors"], 0)


func test_options_can_be_renewed() -> void:
	var listener := _listen(2)
	var clients := _connect_players(listener, 1)
	equal(listener.set_options(asking_options()), OK)
	var without := _begin(listener)
	_wait(listener, "who has no certificate is refused", without.is_over)
	tolerate("DTLS connection failed: ")
	equal(listener.set_options(DTLSOptions.new()), ERR_INVALID_PARAMETER)
	expect_error("DTLSListener.set_options: ")
	equal(clients[0].send_text("still here"), OK)
	_wait(listener, "who was there before stays", _has_packets.bind(listener, 1))


func test_a_player_that_starts_again() -> void:
	for threads in THREADS:
		_events.clear()
		var listener := _listen(threads)
		var client := _connect_players(listener, 1)[0]
		# The old peer falls silent as in a crash: it cannot say that it goes.
		var port := client.udp.get_local_port()
		client.udp.close()
		client.dtls.poll()
		expect_error("the UDP socket was closed")
		network.clients.erase(client)
		var socket := PacketPeerUDP.new()
		equal(socket.bind(port, "127.0.0.1"), OK)
		socket.connect_to_host("127.0.0.1", listener.get_local_port())
		var again := PacketPeerDTLSOpenSSL.new()
		equal(again.connect_with_options(socket, "localhost", client_options()), OK)
		client = network.add(Endpoint.new(socket, again))
		_wait(listener, "it is connected again", func() -> bool: return _events.size() == 3)
		equal(
			_events,
			["1 is here", "1 has left: the client started again", "2 is here"] as Array[String]
		)
		_wait(listener, "so is the player", _all_connected.bind([client]))
		equal(again.get_stats()["retransmissions"], 0)
		listener.stop()


func test_it_stops_with_its_last_reference() -> void:
	var listener := _listen(2)
	var clients := _connect_players(listener, 1)
	var port := listener.get_local_port()
	_listeners.clear()
	for connection in listener.get_signal_connection_list("peer_connected"):
		listener.peer_connected.disconnect(connection["callable"])
	for connection in listener.get_signal_connection_list("peer_disconnected"):
		listener.peer_disconnected.disconnect(connection["callable"])
	listener = null
	wait_until("the player is told", clients[0].is_over)
	var udp := PacketPeerUDP.new()
	equal(udp.bind(port), OK, "the port is free")


func _new_listener(threads: int) -> DTLSListener:
	var listener := DTLSListener.new()
	listener.threads = threads
	listener.peer_connected.connect(func(id: int) -> void: _events.append("%d is here" % id))
	listener.peer_disconnected.connect(
		func(id: int, reason: String) -> void: _events.append("%d has left: %s" % [id, reason])
	)
	_listeners.append(listener)
	return listener


func _listen(threads: int, options := server_options()) -> DTLSListener:
	var listener := _new_listener(threads)
	equal(listener.listen(0, options, "127.0.0.1"), OK, "listen")
	_tolerate_small_buffers()
	return listener


## Where the system gives no large buffers, a listener says so.
func _tolerate_small_buffers() -> void:
	tolerate("receive buffer")
	tolerate("send buffer")


## A client that has begun to connect.
func _begin(listener: DTLSListener) -> Endpoint:
	var socket := Network.socket_to("127.0.0.1", listener.get_local_port())
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_with_options(socket, "localhost", client_options()), OK)
	return network.add(Endpoint.new(socket, peer))


## Clients that are connected one after the other.
func _connect_players(listener: DTLSListener, count: int) -> Array[Endpoint]:
	var clients: Array[Endpoint] = []
	for number in count:
		var seen := _events.size()
		clients.append(_begin(listener))
		_wait(listener, "the listener has it", func() -> bool: return _events.size() > seen)
	_wait(listener, "all are connected", _all_connected.bind(clients))
	return clients


func _wait(listener: DTLSListener, what: String, condition: Callable) -> void:
	var polled := func() -> bool:
		listener.poll()
		return condition.call()
	wait_until(what, polled)


func _has_packets(listener: DTLSListener, count: int) -> bool:
	return listener.get_available_packet_count() >= count


func _all_have_packets(clients: Array) -> bool:
	return clients.all(func(it: Endpoint) -> bool: return it.has_packets())


func _all_connected(clients: Array) -> bool:
	return clients.all(func(it: Endpoint) -> bool: return it.is_connected_securely())
