extends Node

const FOLDER := "res://dtls_certificates"  # Of a server that is exported: where its program is.

var server := UDPServer.new()
var dtls := DTLSServerOpenSSL.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	var options := DTLSOptions.new()
	options.private_key_pem = FileAccess.get_file_as_string(FOLDER.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(FOLDER.path_join("server.crt"))
	options.idle_timeout = 20.0  # Who says nothing for so many seconds is gone: UDP does not tell.
	var error := dtls.setup_with_options(options)
	if error == OK:
		error = server.listen(4242)
	if error != OK:
		print("no server: %s. %s" % [error_string(error), dtls.get_last_error()])
		set_process(false)


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
				print("a player is gone. ", peer.get_last_error())
				peers.erase(peer)
