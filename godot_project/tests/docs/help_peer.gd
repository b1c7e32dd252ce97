## What the help of PacketPeerDTLSOpenSSL shows.
extends Node

var dtls := PacketPeerDTLSOpenSSL.new()
var udp := PacketPeerUDP.new()


func _ready() -> void:
	udp.connect_to_host("127.0.0.1", 4242)
	dtls.connect_to_peer(udp, true, "localhost", load("res://ca.crt"))


func _process(_delta: float) -> void:
	dtls.poll()
	if dtls.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
		while dtls.get_available_packet_count() > 0:
			print(dtls.get_packet().get_string_from_utf8())
