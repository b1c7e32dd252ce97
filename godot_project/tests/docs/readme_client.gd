extends Node

const SERVER := "127.0.0.1"  # Where it is.
const HOST_NAME := "localhost"  # Whom its certificate has to be for: in a game, "game.example.com".

var udp := PacketPeerUDP.new()
var dtls := PacketPeerDTLSOpenSSL.new()
var greeted := false


func _ready() -> void:
	udp.connect_to_host(SERVER, 4242)
	dtls.connect_to_peer(udp, true, HOST_NAME, load("res://ca.crt"))


func _process(_delta: float) -> void:
	dtls.poll()
	match dtls.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			pass
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			if not greeted:
				greeted = true
				dtls.put_packet("hello".to_utf8_buffer())
			while dtls.get_available_packet_count() > 0:
				print(dtls.get_packet().get_string_from_utf8())
		_:
			print("no connection: ", dtls.get_last_error())
			set_process(false)
