## What the help of DTLSServerOpenSSL shows.
extends Node

var dtls := DTLSServerOpenSSL.new()
var server := UDPServer.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	var options := DTLSOptions.new()
	var folder := "res://dtls_certificates"
	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
	options.idle_timeout = 20.0
	if dtls.setup_with_options(options) != OK or server.listen(4242) != OK:
		set_process(false)


func _process(_delta: float) -> void:
	server.poll()
	while server.is_connection_available():
		var peer := dtls.take_connection(server.take_connection())
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			peers.append(peer)
	for peer: PacketPeerDTLSOpenSSL in peers.duplicate():
		peer.poll()
		while peer.get_available_packet_count() > 0:
			print(peer.get_packet().get_string_from_utf8())
		match peer.get_status():
			PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
				pass
			_:
				peers.erase(peer)
