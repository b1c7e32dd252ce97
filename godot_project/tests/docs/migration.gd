## What docs/migration.md shows.
extends RefCounted


static func before(
	udp: PacketPeerUDP, key: CryptoKey, certificate: X509Certificate, ca: X509Certificate
) -> Array[RefCounted]:
	var server := DTLSServer.new()
	var error := server.setup(TLSOptions.server(key, certificate))
	var client := PacketPeerDTLS.new()
	if error == OK:
		error = client.connect_to_peer(udp, "localhost", TLSOptions.client(ca))
	if error != OK:
		push_error(error_string(error))
	return [server, client]


static func after(
	udp: PacketPeerUDP, key: CryptoKey, certificate: X509Certificate, ca: X509Certificate
) -> Array[RefCounted]:
	var server := DTLSServerOpenSSL.new()
	var error := server.setup_tls(TLSOptions.server(key, certificate))
	var client := PacketPeerDTLSOpenSSL.new()
	if error == OK:
		error = client.connect_tls(udp, "localhost", TLSOptions.client(ca))
	if error != OK:
		push_error(error_string(error))
	return [server, client]


static func refined(udp: PacketPeerUDP, ca: X509Certificate) -> PacketPeerDTLSOpenSSL:
	var options := DTLSOptions.from_tls_options(TLSOptions.client(ca))
	options.idle_timeout = 20.0
	var client := PacketPeerDTLSOpenSSL.new()
	if client.connect_with_options(udp, "localhost", options) != OK:
		push_error(client.get_last_error())
	return client
