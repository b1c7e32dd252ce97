## What the help of PacketPeerDTLSOpenSSL shows.
extends Node

var dtls := PacketPeerDTLSOpenSSL.new()
var udp := PacketPeerUDP.new()


func _ready() -> void:
	var error := udp.connect_to_host("127.0.0.1", 4242)
	if error == OK:
		error = dtls.connect_to_peer(udp, true, "localhost", load("res://server.crt"))
	set_process(error == OK)


func _process(_delta: float) -> void:
	dtls.poll()
	match dtls.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			pass
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			while dtls.get_available_packet_count() > 0:
				print(dtls.get_packet().get_string_from_utf8())
		_:
			print("The connection is over. ", dtls.get_last_error())
			set_process(false)
