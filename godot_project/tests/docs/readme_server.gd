extends Node

var server := UDPServer.new()
var dtls := DTLSServerOpenSSL.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	server.listen(4242)
	dtls.setup(load("res://server.key"), load("res://server.crt"))


func _process(_delta: float) -> void:
	server.poll()
	while server.is_connection_available():
		var peer := dtls.take_connection(server.take_connection())
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			peers.append(peer)  # The others are the first half of a cookie exchange.
	for peer: PacketPeerDTLSOpenSSL in peers.duplicate():
		peer.poll()
		while peer.get_available_packet_count() > 0:
			peer.put_packet(peer.get_packet())
		match peer.get_status():
			PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
				pass
			_:
				peers.erase(peer)
