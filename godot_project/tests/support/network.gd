## A server on a port of its own, and clients of it.
##
## Nothing happens by itself: `pump()` does what a game does in a frame. So a test decides what has
## happened when it looks, waits in `until()` no longer than it has to (a frame of a headless engine
## takes 7 ms), and can run in a thread.
extends RefCounted

const Endpoint := preload("res://tests/support/endpoint.gd")
const Pki := preload("res://tests/support/pki.gd")
const Relay := preload("res://tests/support/relay.gd")

const IPV4 := "127.0.0.1"
const IPV6 := "::1"
const PAUSE_USEC := 200

var udp_server := UDPServer.new()
## DTLSServerOpenSSL, or the engine's DTLSServer.
var server: RefCounted
## Where clients find the server.
var address := IPV4
## The server's sides of connections, in the order in which their handshakes began.
var accepted: Array[Endpoint] = []
## What else `take_connection` returned.
var refused: Array[Endpoint] = []
var clients: Array[Endpoint] = []
var relays: Array[Relay] = []
## Seconds that clients of ours take for their handshake at most; 0 for the addon's own limits.
var handshake_timeout := 0.0


## Listens on a port that the system chooses. `bind_address` may be "*", for IPv6 and IPv4 at once.
func listen(bind_address := IPV4) -> Error:
	var result := udp_server.listen(0, bind_address)
	if bind_address != "*":
		address = bind_address
	return result


func port() -> int:
	return udp_server.get_local_port()


## Listens with a server of ours that shows the certificate `name`.
func serve(name := "server", chain: X509Certificate = null) -> Error:
	return serve_with(Pki.key(name), Pki.certificate(name), chain)


func serve_with(
	key: CryptoKey, certificate: X509Certificate, chain: X509Certificate = null
) -> Error:
	var ours := DTLSServerOpenSSL.new()
	server = ours
	var result := ours.setup(key, certificate, chain)
	if result == OK and not udp_server.is_listening():
		result = listen()
	return result


## Listens with a server of the engine's.
func serve_with_engine(name := "server", bind_address := IPV4) -> Error:
	var theirs := DTLSServer.new()
	server = theirs
	var result := theirs.setup(TLSOptions.server(Pki.key(name), Pki.certificate(name)))
	return listen(bind_address) if result == OK else result


## A socket that is connected to the server.
func client_socket() -> PacketPeerUDP:
	return socket_to(address, port())


static func socket_to(host: String, host_port: int) -> PacketPeerUDP:
	var udp := PacketPeerUDP.new()
	var result := udp.connect_to_host(host, host_port)
	assert(result == OK, "no UDP socket")
	return udp


## A port that nothing listens on.
static func unused_port() -> int:
	var probe := UDPServer.new()
	probe.listen(0, IPV4)
	var result := probe.get_local_port()
	probe.stop()
	return result


## A client of ours that is not connecting yet.
func add_client() -> Endpoint:
	return add_client_of(port())


## A client of ours for the server on that port, which may be another program.
func add_client_of(server_port: int) -> Endpoint:
	return add(Endpoint.new(socket_to(address, server_port), PacketPeerDTLSOpenSSL.new()))


## Starts the handshake of a client of ours.
func start(client: Endpoint, host_name: String, trusted: X509Certificate) -> Error:
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	if handshake_timeout == 0.0:
		return peer.connect_to_peer(client.udp, true, host_name, trusted)
	return peer.connect_with_options(client.udp, host_name, client_options(trusted))


func client_options(trusted: X509Certificate) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.trusted_ca = trusted
	if handshake_timeout > 0.0:
		options.handshake_timeout = handshake_timeout
	return options


## A client of ours that reaches the server through a relay, which is the last of `relays`.
func add_client_behind_relay() -> Endpoint:
	var relay := Relay.new(address, port())
	relays.append(relay)
	var client := add_client_of(relay.port())
	client.port_at_server = relay.port_at_server()
	return client


## A client of the engine's that is not connecting yet.
func add_engine_client() -> Endpoint:
	return add(Endpoint.new(client_socket(), PacketPeerDTLS.new()))


func add(client: Endpoint) -> Endpoint:
	clients.append(client)
	return client


## The server's side of the connection of `client`, or null.
func server_side_of(client: Endpoint) -> Endpoint:
	# From the end: a client that connects again over the same socket has another one.
	for i in range(accepted.size() - 1, -1, -1):
		if accepted[i].udp.get_packet_port() == client.port_at_server:
			return accepted[i]
	return null


## Lets go of both sides' objects, as a game does that erases a peer from its list. An object that
## nobody else holds is freed by it.
func forget(endpoint: Endpoint) -> void:
	accepted.erase(endpoint)
	clients.erase(endpoint)


## What a game does in a frame.
func pump() -> void:
	for relay in relays:
		relay.pump()
	accept()
	for endpoint: Endpoint in accepted + clients:
		endpoint.poll()


func accept() -> void:
	if not udp_server.is_listening():
		return
	udp_server.poll()
	while udp_server.is_connection_available():
		var udp := udp_server.take_connection()
		@warning_ignore("unsafe_method_access")
		var peer := Endpoint.new(udp, server.take_connection(udp))
		if peer.status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			accepted.append(peer)
		else:
			# Its socket is let go, or the UDPServer would not give the client a second chance.
			peer.udp = null
			refused.append(peer)


## Pumps until `condition` is true, which it returns, or the time is up.
func until(condition: Callable, seconds := 30.0) -> bool:
	var deadline := Time.get_ticks_usec() + int(seconds * 1e6)
	while true:
		pump()
		if condition.call():
			return true
		if Time.get_ticks_usec() > deadline:
			return false
		OS.delay_usec(PAUSE_USEC)
	return false


## Ends everything, without a word to the other side where the sockets are the test's.
func close() -> void:
	for endpoint: Endpoint in accepted + clients:
		endpoint.close()
	accepted.clear()
	clients.clear()
	refused.clear()
	for relay in relays:
		relay.close()
	relays.clear()
	server = null
	udp_server.stop()
