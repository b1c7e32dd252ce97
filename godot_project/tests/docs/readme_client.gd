extends Node

const SERVER := "127.0.0.1"  # Where it is.
const HOST_NAME := "localhost"  # The name in its certificate: in a game, "game.example.com".
const HELLO_EVERY := 5.0  # Seconds. A client that is silent for too long is dropped.

var udp := PacketPeerUDP.new()
var dtls := PacketPeerDTLSOpenSSL.new()
var until_hello := 0.0


func _ready() -> void:
	var error := udp.connect_to_host(SERVER, 4242)
	if error == OK:
		error = dtls.connect_to_peer(udp, true, HOST_NAME, load("res://server.crt"))
	if error != OK:
		print("cannot connect: %s. %s" % [error_string(error), dtls.get_last_error()])
		set_process(false)


func _process(delta: float) -> void:
	dtls.poll()
	match dtls.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			pass
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			until_hello -= delta
			if until_hello <= 0.0:
				until_hello = HELLO_EVERY
				dtls.put_packet("hello".to_utf8_buffer())
			while dtls.get_available_packet_count() > 0:
				print(dtls.get_packet().get_string_from_utf8())
		PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED:
			print("the connection has ended. ", dtls.get_last_error())
			set_process(false)
		_:
			print("no connection: ", dtls.get_last_error())
			set_process(false)
