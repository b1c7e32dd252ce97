## Our DTLSListener, with a PacketPeer for each player.
extends "res://bench/listener_side.gd"

var _players: Array[PacketPeerDTLSOpenSSL] = []


func clear() -> void:
	super()
	_players.clear()


func game_frame() -> int:
	var received := 0
	listener.poll()
	while listener.is_connection_available():
		_players.append(listener.take_connection())
	for player: PacketPeerDTLSOpenSSL in _players.duplicate():
		while player.get_available_packet_count() > 0:
			player.get_packet()
			received += 1
		if player.get_status() != PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			_players.erase(player)
	return received


func busy_frame() -> int:
	return game_frame()


func send_to_all(payload: PackedByteArray) -> void:
	for player in _players:
		player.put_packet(payload)
