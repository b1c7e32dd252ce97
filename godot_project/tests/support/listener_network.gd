## A network whose server is a DTLSListener, with a peer for each client that is connected. Its
## clients find it by name with `connect_to_host`, unless they are to have a socket of the test's.
extends "res://tests/support/network.gd"

## Seconds from when a client is connected until the server has taken it.
const TAKING_PATIENCE := 10.0
## A label for keys that both sides of a connection have, and nobody else.
const LABEL := "EXPORTER-test-sides"

var listener := DTLSListener.new()
var connects_to_host := true


func port() -> int:
	return listener.get_local_port()


func serve_with(
	key: CryptoKey, certificate: X509Certificate, chain: X509Certificate = null
) -> Error:
	var options := DTLSOptions.new()
	options.private_key = key
	options.certificate = certificate
	options.chain = chain
	return serve_by(options)


func serve_by(options: DTLSOptions) -> Error:
	server = listener
	return listener.listen(0, options, address)


func add_client_of(server_port: int) -> Endpoint:
	if not connects_to_host:
		return super(server_port)
	var client := add(Endpoint.new(null, PacketPeerDTLSOpenSSL.new()))
	client.server_port = server_port
	return client


func start(client: Endpoint, host_name: String, trusted: X509Certificate) -> Error:
	if client.udp != null:
		return super(client, host_name, trusted)
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	return peer.connect_to_host(host_name, client.server_port, client_options(trusted))


## A client that is connected may be in the listener before the game knows. A listener's peers have
## no address; the keys of a connection tell which side belongs to which.
func server_side_of(client: Endpoint) -> Endpoint:
	var found: Array[Endpoint] = []
	var key := _key_of(client)
	var has_key := func(peer: Endpoint) -> bool: return _key_of(peer) == key
	var is_taken := func() -> bool:
		found.assign(accepted.filter(has_key))
		return not found.is_empty()
	if key.is_empty() or not until(is_taken, TAKING_PATIENCE):
		return null
	return found[0]


func accept() -> void:
	if not listener.is_listening():
		return
	listener.poll()
	while listener.is_connection_available():
		accepted.append(Endpoint.new(null, listener.take_connection()))


func close() -> void:
	super()
	listener.stop()


static func _key_of(side: Endpoint) -> PackedByteArray:
	if not side.is_connected_securely():
		return []
	return (side.dtls as PacketPeerDTLSOpenSSL).export_keying_material(LABEL, 16)
