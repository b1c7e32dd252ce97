## Connecting by the server's name: no frame waits for its address.
extends "res://demo/recipes/recipe.gd"


func cook() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])
	check_done("the server is set up", server.setup(key, certificate))
	var options := DTLSOptions.new()
	options.trusted_ca = certificate

	var client := client_of("localhost", udp_server.get_local_port(), options)
	wait_until(is_decided.bind(client), [client])
	check_connected("the client has found its server", client)

	print("The next ERROR is expected: there is no such name.")
	client = client_of("name.invalid", udp_server.get_local_port(), options)
	wait_until(is_decided.bind(client), [client])
	check_refused("no other", client, PacketPeerDTLSOpenSSL.REASON_CANNOT_RESOLVE)


## A client of the server with this name. From here on it is polled in every frame.
func client_of(host_name: String, port: int, options: DTLSOptions) -> PacketPeerDTLSOpenSSL:
	var client := PacketPeerDTLSOpenSSL.new()
	check_done("the client begins", client.connect_to_host(host_name, port, options))
	return client


func is_decided(client: PacketPeerDTLSOpenSSL) -> bool:
	return client.get_status() != PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
