## What the help of DTLSServerOpenSSL shows.
extends Node

var dtls := DTLSServerOpenSSL.new()
var server := UDPServer.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	server.listen(4242)
	dtls.setup(load("res://server.key"), load("res://server.crt"))


func _process(_delta: float) -> void:
	server.poll()
	while server.is_connection_available():
		var peer := dtls.take_connection(server.take_connection())
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			peers.append(peer)
	for peer in peers:
		peer.poll()
