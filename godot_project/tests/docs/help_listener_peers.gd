## The other way that the help of DTLSListener shows.
extends Node

var listener := DTLSListener.new()
var players: Array[PacketPeerDTLSOpenSSL] = []


func _process(_delta: float) -> void:
	listener.poll()
	while listener.is_connection_available():
		players.append(listener.take_connection())
	for player: PacketPeerDTLSOpenSSL in players.duplicate():
		while player.get_available_packet_count() > 0:
			player.put_packet(player.get_packet())
		if player.get_status() != PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			players.erase(player)
