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
	var options := DTLSOptions.new()
	var folder := "res://dtls_certificates"
	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
	options.idle_timeout = 20.0  # Seconds of silence after which a peer is over.
	var error := dtls.setup_with_options(options)
	if error == OK:
		error = server.listen(4242)
	if error != OK:
		printerr("no server: %s. %s" % [error_string(error), dtls.get_last_error()])


func serve() -> void:
	# Every frame:
	server.poll()
	while server.is_connection_available():
		var peer := dtls.take_connection(server.take_connection())
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			peers.append(peer)
	for peer: PacketPeerDTLSOpenSSL in peers.duplicate():
		peer.poll()
		while peer.get_available_packet_count() > 0:
			peer.put_packet(peer.get_packet())
		match peer.get_status():
			PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
				pass
			_:
				peers.erase(peer)


func connect_to_the_server() -> void:
	var error := udp.connect_to_host("127.0.0.1", 4242)
	if error == OK:
		error = client.connect_to_peer(udp, true, "localhost", load("res://server.crt"))
	if error != OK:
		printerr("cannot connect: %s. %s" % [error_string(error), client.get_last_error()])


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
