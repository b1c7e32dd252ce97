## The engine's own DTLS.
extends "res://bench/side.gd"

var _server: DTLSServer
var _clients: Array[PacketPeerDTLS] = []
var _peers: Array[PacketPeerDTLS] = []


func prepare(key: CryptoKey, certificate: X509Certificate, root: X509Certificate) -> Error:
	super(key, certificate, root)
	# A new one: it cannot be set up twice.
	_server = DTLSServer.new()
	return _server.setup(TLSOptions.server(key, certificate))


func connect_one() -> bool:
	var client := PacketPeerDTLS.new()
	if client.connect_to_peer(client_socket(), HOST_NAME, TLSOptions.client(trusted)) != OK:
		return false
	var peer: PacketPeerDTLS = null
	var deadline := Time.get_ticks_msec() + PATIENCE_MSEC
	while Time.get_ticks_msec() < deadline:
		udp_server.poll()
		while udp_server.is_connection_available():
			var taken := _server.take_connection(udp_server.take_connection())
			if taken.get_status() == PacketPeerDTLS.STATUS_HANDSHAKING:
				peer = taken
		if peer != null:
			peer.poll()
		client.poll()
		if (
			peer != null
			and peer.get_status() == PacketPeerDTLS.STATUS_CONNECTED
			and client.get_status() == PacketPeerDTLS.STATUS_CONNECTED
		):
			_clients.append(client)
			_peers.append(peer)
			return true
	return false


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
	for i in MOST_LOOKS:
		peer.poll()
		while peer.get_available_packet_count() > 0:
			peer.get_packet()
			received += 1
		if received == count:
			break
	return received


func round_trips(payload: PackedByteArray, count: int) -> int:
	var client := _clients[0]
	var peer := _peers[0]
	for i in count:
		client.put_packet(payload)
		udp_server.poll()
		peer.poll()
		if peer.get_available_packet_count() == 0:
			return i
		peer.put_packet(peer.get_packet())
		client.poll()
		if client.get_available_packet_count() == 0:
			return i
		client.get_packet()
	return count


func packets_of_one_poll(payload: PackedByteArray, count: int) -> int:
	var peer := _peers[0]
	for i in count:
		_clients[0].put_packet(payload)
	udp_server.poll()
	peer.poll()
	var received := 0
	while peer.get_available_packet_count() > 0:
		peer.get_packet()
		received += 1
	return received


func idle_frame() -> void:
	udp_server.poll()
	_frame()


func send_from(first: int, end: int, payload: PackedByteArray) -> void:
	for i in range(first, end):
		_clients[i].put_packet(payload)


func busy_frame() -> int:
	return _frame()


## The loop of the README. How many packets came.
func _frame() -> int:
	var received := 0
	while udp_server.is_connection_available():
		_server.take_connection(udp_server.take_connection())
	for peer: PacketPeerDTLS in _peers.duplicate():
		peer.poll()
		while peer.get_available_packet_count() > 0:
			peer.get_packet()
			received += 1
		match peer.get_status():
			PacketPeerDTLS.STATUS_HANDSHAKING, PacketPeerDTLS.STATUS_CONNECTED:
				pass
			_:
				_peers.erase(peer)
	return received


func connect_with_system_trust() -> Error:
	return PacketPeerDTLS.new().connect_to_peer(client_socket(), HOST_NAME, TLSOptions.client())


func game_frame() -> int:
	var received := 0
	connected = 0
	udp_server.poll()
	while udp_server.is_connection_available():
		_peers.append(_server.take_connection(udp_server.take_connection()))
	for peer: PacketPeerDTLS in _peers.duplicate():
		peer.poll()
		match peer.get_status():
			PacketPeerDTLS.STATUS_HANDSHAKING:
				pass
			PacketPeerDTLS.STATUS_CONNECTED:
				connected += 1
				# It complains before.
				while peer.get_available_packet_count() > 0:
					peer.get_packet()
					received += 1
			_:
				_peers.erase(peer)
	return received


func send_to_all(payload: PackedByteArray) -> void:
	for peer in _peers:
		peer.put_packet(payload)
