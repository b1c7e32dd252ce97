## One side of a connection: a DTLS peer of our class or the engine's, and the socket beneath it.
extends RefCounted

## Null if the peer has a socket of its own, or a DTLSListener has it.
var udp: PacketPeerUDP
## PacketPeerDTLSOpenSSL, or the engine's PacketPeerDTLS. They have the same methods and constants,
## but no class in common that has get_status() and poll().
var dtls: PacketPeer
## The port by which the other side of the network knows this one.
var port_at_server := 0
## The port that a client without `udp` connects to.
var server_port := 0


func _init(socket: PacketPeerUDP, peer: PacketPeer) -> void:
	udp = socket
	dtls = peer
	if socket != null and socket.is_bound():
		port_at_server = socket.get_local_port()


func status() -> PacketPeerDTLSOpenSSL.Status:
	@warning_ignore("unsafe_method_access")
	return dtls.get_status()


func is_connected_securely() -> bool:
	return status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED


func is_over() -> bool:
	return (
		status()
		not in [PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED]
	)


func has_packets(count := 1) -> bool:
	return dtls.get_available_packet_count() >= count


func send_text(text: String) -> Error:
	return dtls.put_packet(text.to_utf8_buffer())


func receive_text() -> String:
	return dtls.get_packet().get_string_from_utf8()


func poll() -> void:
	@warning_ignore("unsafe_method_access")
	dtls.poll()


## Ends the connection, without a word to the other side if the socket is the test's.
func close() -> void:
	if udp != null:
		udp.close()
	else:
		(dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
