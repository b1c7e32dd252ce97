## The client: connects, says hello every few seconds, and shows what the server answers.
extends Node

const SERVER := "127.0.0.1"  # The server's IP address.
const PORT := 4242
const HOST_NAME := "localhost"  # The name that its certificate has to be for.
const HELLO_EVERY := 5.0  # Seconds. The server drops a client that is silent for too long.

var udp := PacketPeerUDP.new()
var dtls := PacketPeerDTLSOpenSSL.new()
var has_connected := false
var until_hello := 0.0


func _ready() -> void:
	var error := udp.connect_to_host(SERVER, PORT)
	if error == OK:
		error = dtls.connect_to_peer(udp, true, HOST_NAME, load("res://server.crt"))
	if error != OK:
		printerr("It cannot connect: %s. %s" % [error_string(error), dtls.get_last_error()])
		set_process(false)


func _process(delta: float) -> void:
	dtls.poll()
	match dtls.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			pass
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			if not has_connected:
				has_connected = true
				print("Connected by %s." % dtls.get_cipher_suite())
			until_hello -= delta
			if until_hello <= 0.0:
				until_hello = HELLO_EVERY
				dtls.put_packet("Hello, server!".to_utf8_buffer())
			while dtls.get_available_packet_count() > 0:
				print("The server says: %s" % dtls.get_packet().get_string_from_utf8())
		PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED:
			print("The connection has ended. %s" % dtls.get_last_error())
			set_process(false)
		_:
			print("No connection: %s" % dtls.get_last_error())
			set_process(false)


## So that the server knows at once when the window is closed.
func _exit_tree() -> void:
	dtls.disconnect_from_peer()
