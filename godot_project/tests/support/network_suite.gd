## The base of suites that talk over the network. Each test has a `network` of its own, which is
## taken down after it.
extends "res://tests/suite.gd"

const Endpoint := preload("res://tests/support/endpoint.gd")
const ListenerNetwork := preload("res://tests/support/listener_network.gd")
const Network := preload("res://tests/support/network.gd")
const Pki := preload("res://tests/support/pki.gd")

const DISCONNECTED := PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED
const HANDSHAKING := PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
const CONNECTED := PacketPeerDTLSOpenSSL.STATUS_CONNECTED
const ERROR := PacketPeerDTLSOpenSSL.STATUS_ERROR
const MISMATCH := PacketPeerDTLSOpenSSL.STATUS_ERROR_HOSTNAME_MISMATCH

var network: Network


## Both sides of a connection.
class Pair:
	var client: Endpoint
	var server: Endpoint


func before_each() -> void:
	network = new_network()


func after_each() -> void:
	network.close()


## What a test talks over, for a suite to choose.
func new_network() -> Network:
	return Network.new()


## One whose server is a DTLSListener.
func new_listener_network() -> ListenerNetwork:
	# Where the system gives no large buffers, a listener says so.
	tolerate("receive buffer")
	tolerate("send buffer")
	return ListenerNetwork.new()


## Pumps the network until `condition` is true. `what` is what is waited for, for the report.
func wait_until(what: String, condition: Callable, seconds := PATIENCE) -> bool:
	assertions += 1
	# What follows a failure fails because of it, and says nothing new.
	var was_well := not has_failed()
	if network.until(condition, patience(seconds)):
		return true
	if was_well:
		fail("waited %.1f s in vain until %s" % [seconds, what])
	return false


## Pumps for a time. Only for tests that nothing happens in it.
func pass_time(seconds: float) -> void:
	network.until(func() -> bool: return false, patience(seconds))


func status_is(
	endpoint: Endpoint, expected: PacketPeerDTLSOpenSSL.Status, what := "status"
) -> bool:
	return equal(_status_name(endpoint.status()), _status_name(expected), what)


func wait_for_status(
	endpoint: Endpoint, status: PacketPeerDTLSOpenSSL.Status, seconds := PATIENCE
) -> bool:
	var reached := func() -> bool: return endpoint.status() == status
	var what := "the status is %s" % _status_name(status)
	var was_well := not has_failed()
	if wait_until(what, reached, seconds):
		return true
	if was_well:
		status_is(endpoint, status)
		if endpoint.dtls is PacketPeerDTLSOpenSSL:
			equal(last_error(endpoint), "", "get_last_error")
	return false


func last_error(endpoint: Endpoint) -> String:
	return (endpoint.dtls as PacketPeerDTLSOpenSSL).get_last_error()


## Starts a handshake as a careful game does: the name is verified, and the authority is our own.
func start(client: Endpoint, host_name := "localhost", trusted := "ca") -> Error:
	return network.start(client, host_name, Pki.certificate(trusted))


## A server was set up with this certificate of [Pki], and if that is one that clients refuse, a
## warning has said so.
func expect_doubt(shown: String) -> void:
	var doubts := {
		"expired": "(for localhost, 127.0.0.1, ::1) has expired, on ",
		"not_yet_valid": "(for localhost, 127.0.0.1, ::1) is not valid before ",
		"client_only": "(for localhost) is not meant for a server ",
	}
	if shown in doubts:
		expect_error("The server's own certificate %s" % doubts[shown])


## A client that is connected to the network's server, verified. Listens first if need be.
func connected_pair() -> Pair:
	if network.server == null:
		equal(network.serve(), OK, "serve")
	var client := network.add_client()
	equal(start(client), OK, "connect_to_peer")
	return completed(client)


## The connection of a client that has begun its handshake, when it is complete.
func completed(client: Endpoint) -> Pair:
	var pair := Pair.new()
	pair.client = client
	wait_for_status(client, CONNECTED)
	pair.server = network.server_side_of(client)
	if pair.server != null:
		wait_for_status(pair.server, CONNECTED)
	else:
		fail("the server has no such client")
		# So that the test fails for this reason alone.
		pair.server = Endpoint.new(PacketPeerUDP.new(), PacketPeerDTLSOpenSSL.new())
	return pair


## One packet each way arrives unchanged.
func exchange(pair: Pair) -> void:
	check_delivery(pair.client, pair.server, "from the client".to_utf8_buffer())
	check_delivery(pair.server, pair.client, "from the server".to_utf8_buffer())


func check_delivery(from: Endpoint, to: Endpoint, payload: PackedByteArray) -> bool:
	equal(from.dtls.put_packet(payload), OK, "put_packet")
	var what := "a packet of %d bytes arrives" % payload.size()
	if not wait_until(what, to.has_packets):
		return false
	# Not by equal(): a report of two packets of 16 KB helps nobody.
	var arrived := to.dtls.get_packet()
	return check(arrived == payload, "the packet of %d bytes is unchanged" % payload.size())


## Bytes of every value, the same for the same seed.
static func noise(size: int, seed_of_it := 1) -> PackedByteArray:
	var random := RandomNumberGenerator.new()
	random.seed = seed_of_it
	var bytes := PackedByteArray()
	bytes.resize(size)
	for i in size:
		bytes[i] = random.randi() & 0xff
	return bytes


func _status_name(status: PacketPeerDTLSOpenSSL.Status) -> String:
	for constant in ClassDB.class_get_enum_constants(&"PacketPeerDTLSOpenSSL", &"Status"):
		if ClassDB.class_get_integer_constant(&"PacketPeerDTLSOpenSSL", constant) == status:
			return constant
	return str(status)
