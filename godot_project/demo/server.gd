# The example from the documentation of DTLSServer. Where it differs from Godot 3's, a comment
# says why. Like the original it keeps every peer for ever; how a server drops those that are gone
# is in README.md and demo/recipes/vanished_player.gd.
extends Node

var dtls := DTLSServerOpenSSL.new()  # DTLSServer is the engine's own class in Godot 4.
var server := UDPServer.new()
var peers: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	server.listen(4242)
	# The documentation loads both from files. A demo has none, so it makes them.
	var key := DTLSCrypto.generate_key()  # Your private key.
	var names: PackedStringArray = ["localhost", "127.0.0.1"]
	var cert := DTLSCrypto.generate_self_signed_certificate(key, names)  # Your X509 certificate.
	dtls.setup(key, cert)


func _process(_delta: float) -> void:
	server.poll()  # Since Godot 4, a UDPServer sees nothing without.
	while server.is_connection_available():
		var peer: PacketPeerUDP = server.take_connection()
		var dtls_peer: PacketPeerDTLSOpenSSL = dtls.take_connection(peer)
		if dtls_peer.get_status() != PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			continue  # It is normal that 50% of the connections fails due to cookie exchange.
		print("Peer connected!")
		peers.append(dtls_peer)
	for p in peers:
		p.poll()  # Must poll to update the state.
		if p.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			while p.get_available_packet_count() > 0:
				print("Received message from client: %s" % p.get_packet().get_string_from_utf8())
				p.put_packet("Hello DTLS client".to_utf8_buffer())  # to_utf8() in Godot 3.
