## The client: connects, says hello, and shows what the server answers.
extends Node

const SERVER := "127.0.0.1"  # The server's IP address.
const PORT := 4242
const HOST_NAME := "localhost"  # The name that its certificate has to be for.

var udp := PacketPeerUDP.new()
var dtls := PacketPeerDTLSOpenSSL.new()
var has_greeted := false


func _ready() -> void:
	udp.connect_to_host(SERVER, PORT)
	dtls.connect_to_peer(udp, true, HOST_NAME, load("res://server.crt"))


func _process(_delta: float) -> void:
	dtls.poll()
	match dtls.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			pass
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			if not has_greeted:
				has_greeted = true
				print("Connected by %s." % dtls.get_cipher_suite())
				dtls.put_packet("Hello, server!".to_utf8_buffer())
			while dtls.get_available_packet_count() > 0:
				print("The server says: %s" % dtls.get_packet().get_string_from_utf8())
		PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED:
			print("The server has ended the connection.")
			set_process(false)
		_:
			print("No connection: %s" % dtls.get_last_error())
			set_process(false)


## So that the server knows at once when the window is closed.
func _exit_tree() -> void:
	dtls.disconnect_from_peer()
