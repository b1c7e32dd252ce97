# The example from the documentation of PacketPeerDTLS. Where it differs from Godot 3's, a comment
# says why.
extends Node

var dtls := PacketPeerDTLSOpenSSL.new()  # PacketPeerDTLS is the engine's own class in Godot 4.
var udp := PacketPeerUDP.new()
var connected := false


func _ready() -> void:
	udp.connect_to_host("127.0.0.1", 4242)
	dtls.connect_to_peer(udp, false)  # Use true in production for certificate validation!


func _process(_delta: float) -> void:
	dtls.poll()
	if dtls.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
		if !connected:
			# Try to contact server
			dtls.put_packet("The answer is... 42!".to_utf8_buffer())  # to_utf8() in Godot 3.
		while dtls.get_available_packet_count() > 0:
			print("Connected: %s" % dtls.get_packet().get_string_from_utf8())
			connected = true
