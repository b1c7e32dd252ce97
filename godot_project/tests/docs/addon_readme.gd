## What addons/dtls/README.md shows.
extends Node

var server := UDPServer.new()
var dtls := DTLSServerOpenSSL.new()
var udp := PacketPeerUDP.new()
var client := PacketPeerDTLSOpenSSL.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	begin_to_serve()
	connect_to_the_server()


func _process(_delta: float) -> void:
	serve()
	look_after_the_client()


func begin_to_serve() -> void:
	server.listen(4242)
	dtls.setup(load("res://server.key"), load("res://server.crt"))


func serve() -> void:
	# Every frame:
	server.poll()
	while server.is_connection_available():
		var peer := dtls.take_connection(server.take_connection())
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			peers.append(peer)
	for peer in peers:
		peer.poll()
		while peer.get_available_packet_count() > 0:
			peer.put_packet(peer.get_packet())


func connect_to_the_server() -> void:
	udp.connect_to_host("127.0.0.1", 4242)
	client.connect_to_peer(udp, true, "localhost", load("res://ca.crt"))


func look_after_the_client() -> void:
	# Every frame:
	client.poll()
	match client.get_status():
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			client.put_packet("hello".to_utf8_buffer())
			while client.get_available_packet_count() > 0:
				print(client.get_packet().get_string_from_utf8())
		PacketPeerDTLSOpenSSL.STATUS_ERROR, PacketPeerDTLSOpenSSL.STATUS_ERROR_HOSTNAME_MISMATCH:
			print(client.get_last_error())
