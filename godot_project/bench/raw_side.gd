## UDP without encryption: what the others are built on.
extends "res://bench/side.gd"

var _clients: Array[PacketPeerUDP] = []
var _peers: Array[PacketPeerUDP] = []


func connect_one() -> bool:
	var client := client_socket()
	client.put_packet(PackedByteArray([0]))
	udp_server.poll()
	if not udp_server.is_connection_available():
		return false
	var peer := udp_server.take_connection()
	peer.get_packet()
	_clients.append(client)
	_peers.append(peer)
	return true


func clear() -> void:
	_clients.clear()
	_peers.clear()


func burst(payload: PackedByteArray, count: int) -> int:
	var client := _clients[0]
	var peer := _peers[0]
	for i in count:
		client.put_packet(payload)
	udp_server.poll()
	var received := 0
	while peer.get_available_packet_count() > 0:
		peer.get_packet()
		received += 1
	return received


func round_trips(payload: PackedByteArray, count: int) -> int:
	var client := _clients[0]
	var peer := _peers[0]
	for i in count:
		client.put_packet(payload)
		udp_server.poll()
		if peer.get_available_packet_count() == 0:
			return i
		peer.put_packet(peer.get_packet())
		if client.get_available_packet_count() == 0:
			return i
		client.get_packet()
	return count


## Nothing has to be polled: what counts is that it can be read.
func packets_of_one_poll(payload: PackedByteArray, count: int) -> int:
	return burst(payload, count)


func idle_frame() -> void:
	udp_server.poll()
	for peer in _peers:
		peer.get_available_packet_count()


func send_from(first: int, end: int, payload: PackedByteArray) -> void:
	for i in range(first, end):
		_clients[i].put_packet(payload)


func busy_frame() -> int:
	var received := 0
	for peer in _peers:
		while peer.get_available_packet_count() > 0:
			peer.get_packet()
			received += 1
	return received


func game_frame() -> int:
	udp_server.poll()
	while udp_server.is_connection_available():
		_peers.append(udp_server.take_connection())
	connected = _peers.size()
	return busy_frame()


func answering_frame() -> int:
	var received := 0
	for peer in _peers:
		while peer.get_available_packet_count() > 0:
			peer.put_packet(peer.get_packet())
			received += 1
	return received


func send_to_all(payload: PackedByteArray) -> void:
	for peer in _peers:
		peer.put_packet(payload)
