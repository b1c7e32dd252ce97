extends Node

const ALIVE := [PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED]

var udp := UDPServer.new()
var dtls := DTLSServerOpenSSL.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []
var thread := Thread.new()
var is_over := false


func _ready() -> void:
	var options := DTLSOptions.new()
	var folder := "res://dtls_certificates"
	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
	options.idle_timeout = 20.0  # Players who are gone do not stay in `peers`.
	if dtls.setup_with_options(options) == OK and udp.listen(4242) == OK:
		thread.start(serve)


## From now on nothing else touches udp, dtls and peers.
func serve() -> void:
	while not is_over:
		udp.poll()
		while udp.is_connection_available():
			var peer := dtls.take_connection(udp.take_connection())
			if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
				peers.append(peer)
		for peer: PacketPeerDTLSOpenSSL in peers.duplicate():
			peer.poll()
			while peer.get_available_packet_count() > 0:
				handle.call_deferred(peer.get_packet())
			if not peer.get_status() in ALIVE:
				peers.erase(peer)
		OS.delay_msec(1)


## In the main thread again.
func handle(packet: PackedByteArray) -> void:
	print("heard ", packet.get_string_from_utf8())


func _exit_tree() -> void:
	is_over = true
	if thread.is_started():
		thread.wait_to_finish()
