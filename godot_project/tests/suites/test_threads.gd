## Threads that have servers, clients and connections: each its own, handed over, or by turns.
##
## Assertions are for the main thread alone. What goes on in a thread is told by what it returns:
## the first thing that went wrong, in words, or nothing.
extends "res://tests/support/network_suite.gd"

## How long the threads are kept busy, in seconds.
const BUSY := 5.0
const CLIENTS := 4
## Packets that a connection carries before it ends and another one takes its place.
const PACKETS := 20
const SIZES: Array[int] = [1, 37, 500, 1163, 1164, 5000, 16384]


## What a thread has done.
class Work:
	var failure := ""
	var connections := 0


## A server that two threads serve by turns.
class Shared:
	const Endpoint := preload("res://tests/support/endpoint.gd")
	const Network := preload("res://tests/support/network.gd")

	var network := Network.new()
	## Connections that it has had and that are over.
	var over := 0
	var _lock := Mutex.new()
	var _is_running := true
	var _turn := 0

	## Sends back what comes until it is told to stop, whenever it is the turn of `number`, 0 or 1.
	func serve(number: int) -> void:
		while true:
			_lock.lock()
			if not _is_running:
				_lock.unlock()
				return
			if _turn == number:
				_echo()
				_turn = 1 - number
			_lock.unlock()
			OS.delay_usec(Network.PAUSE_USEC)

	func stop() -> void:
		_lock.lock()
		_is_running = false
		_lock.unlock()

	func _echo() -> void:
		network.pump()
		for side: Endpoint in network.accepted.duplicate():
			while side.has_packets():
				side.dtls.put_packet(side.dtls.get_packet())
			# A client that has gone without a word leaves its port to the next one, perhaps.
			if side.is_over():
				network.forget(side)
				over += 1


func test_two_threads_with_a_server_and_clients_each_beside_the_main_thread() -> void:
	var threads: Array[Thread] = [Thread.new(), Thread.new()]
	for i in threads.size():
		equal(threads[i].start(_be_busy.bind(i)), OK, "start")
	_check(_be_busy(threads.size()), "the main thread")
	for thread in threads:
		_check(thread.wait_to_finish() as Work, "a thread")
	expect_silence()


func test_a_connection_that_goes_from_thread_to_thread() -> void:
	network.serve()
	var client := network.add_client()
	equal(start(client), OK, "connect_to_peer")
	# The first one does the handshake.
	for turn in 10:
		var thread := Thread.new()
		equal(thread.start(_converse.bind(network, client, turn)), OK, "start")
		equal(thread.wait_to_finish(), "", "in thread %d" % turn)
		equal(_converse(network, client, turn), "", "in the main thread, after thread %d" % turn)
	var last := Thread.new()
	last.start((client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer)
	last.wait_to_finish()
	status_is(client, DISCONNECTED)
	wait_until("the server knows", network.server_side_of(client).is_over)
	expect_silence()


func test_connections_that_are_freed_in_another_thread() -> void:
	network.serve()
	for i in 10:
		var pair := connected_pair()
		network.forget(pair.client)
		network.forget(pair.server)
		var freed: Array[WeakRef] = [weakref(pair.client.dtls), weakref(pair.server.dtls)]
		# The array is the last to hold them.
		var held: Array[Pair] = [pair]
		pair = null
		var thread := Thread.new()
		thread.start(func() -> void: held.clear())
		thread.wait_to_finish()
		for object in freed:
			equal(object.get_ref(), null, "what was freed")
	expect_silence()


func test_a_server_that_two_threads_share_under_a_mutex() -> void:
	var shared := Shared.new()
	equal(shared.network.serve(), OK, "serve")
	var port := shared.network.port()
	var threads: Array[Thread] = [Thread.new(), Thread.new()]
	for i in threads.size():
		equal(threads[i].start(shared.serve.bind(i)), OK, "start")
	for turn in 20:
		equal(_visit(port, turn), "", "client %d" % turn)
	shared.stop()
	for thread in threads:
		thread.wait_to_finish()
	equal(shared.over + shared.network.accepted.size(), 20, "clients that the server has had")
	shared.network.close()
	expect_silence()


func _check(work: Work, whose: String) -> void:
	equal(work.failure, "", whose)
	# More than one round of clients, or nothing was torn down while the others went on.
	check(work.connections > CLIENTS, "%s: %d connections" % [whose, work.connections])


## A server and clients that come and go for `BUSY` seconds.
func _be_busy(seed_of_it: int) -> Work:
	var work := Work.new()
	var own := Network.new()
	var deadline := Time.get_ticks_msec() + int(BUSY * 1000.0)
	if own.serve() != OK:
		work.failure = "no server"
	while work.failure == "" and Time.get_ticks_msec() < deadline:
		work.failure = _serve_some(own, seed_of_it + work.connections)
		work.connections += CLIENTS
	own.close()
	return work


## Some clients at once, from the handshake to the end.
func _serve_some(own: Network, seed_of_it: int) -> String:
	var clients: Array[Endpoint] = []
	for i in CLIENTS:
		var client := own.add_client()
		if start(client) != OK:
			return "connect_to_peer: %s" % last_error(client)
		clients.append(client)
	for number in PACKETS:
		for client in clients:
			var failure := _converse(own, client, seed_of_it + number)
			if failure:
				return failure
	# Half of them say so, the others are let go.
	for i in CLIENTS:
		var side := own.server_side_of(clients[i])
		if i % 2 == 0:
			(clients[i].dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
			if not own.until(side.is_over):
				return "the server was not told the end"
		own.forget(clients[i])
		own.forget(side)
	return ""


## One packet each way over the connection of `client`, which is made if it is not there yet.
func _converse(own: Network, client: Endpoint, number: int) -> String:
	if not own.until(client.is_connected_securely):
		return "not connected: %s" % last_error(client)
	var side := own.server_side_of(client)
	var failure := _deliver(own, client, side, number)
	return failure if failure else _deliver(own, side, client, number)


func _deliver(own: Network, from: Endpoint, to: Endpoint, number: int) -> String:
	var packet := _packet(number)
	from.dtls.put_packet(packet)
	if not own.until(to.has_packets):
		return "packet %d did not arrive" % number
	return "" if to.dtls.get_packet() == packet else "packet %d was changed" % number


## A client of a server that is not in its own thread, from the handshake to the end.
func _visit(port: int, turn: int) -> String:
	var own := Network.new()
	var socket := Network.socket_to(Network.IPV4, port)
	var client := own.add(Endpoint.new(socket, PacketPeerDTLSOpenSSL.new()))
	if start(client) != OK or not own.until(client.is_connected_securely):
		return "not connected: %s" % last_error(client)
	for i in PACKETS:
		# Its echo is what arrives.
		var failure := _deliver(own, client, client, turn + i)
		if failure:
			return failure
	if turn % 2 == 0:
		(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	own.close()
	return ""


static func _packet(number: int) -> PackedByteArray:
	var packet := PackedByteArray()
	packet.resize(SIZES[number % SIZES.size()])
	packet.fill(number)
	return packet
