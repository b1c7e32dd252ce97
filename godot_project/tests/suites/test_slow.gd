## What takes its time: handshakes that nobody answers. All of them at once.
extends "res://tests/support/network_suite.gd"

const Datagram := preload("res://tests/support/datagram.gd")

## When a client gives up to which nothing at all comes, in seconds.
const FIRST_ANSWER_TIMEOUT := 10.0
## When any other handshake is given up, in seconds.
const HANDSHAKE_TIMEOUT := 30.0
## How much later that may be noticed on a busy machine, in seconds.
const TOLERANCE := 3.0


func test_a_handshake_times_out() -> void:
	var began := Time.get_ticks_msec()
	# Somebody listens, and does not answer.
	var silent := PacketPeerUDP.new()
	equal(silent.bind(0, Network.IPV4), OK)
	var unanswered := client_of(silent.get_local_port())
	# Every datagram earns an ICMP message.
	var unreachable := client_of(Network.unused_port())
	# The server accepts it and never hears of it again.
	network.serve()
	var abandoned := network.add_client_behind_relay()
	for client: Endpoint in [unanswered, unreachable, abandoned]:
		equal(start(client), OK)
	wait_until("the server accepts", func() -> bool: return network.accepted.size() == 1)
	network.relays[0].client_filter = func(_datagram: PackedByteArray) -> Array: return []
	network.relays[0].server_filter = func(_datagram: PackedByteArray) -> Array: return []
	var unheard: Array[Endpoint] = [unanswered, unreachable]
	var answered: Array[Endpoint] = [abandoned, network.accepted[0]]

	var heard: Array[float] = []
	var is_any_over := func(ends: Array[Endpoint]) -> bool:
		while silent.get_available_packet_count() > 0:
			if Datagram.is_client_hello(silent.get_packet()):
				heard.append((Time.get_ticks_msec() - began) / 1000.0)
		return ends.any(func(end: Endpoint) -> bool: return end.is_over())
	wait_until("the first gives up", is_any_over.bind(unheard), FIRST_ANSWER_TIMEOUT + TOLERANCE)
	var waited := (Time.get_ticks_msec() - began) / 1000.0
	check(waited >= FIRST_ANSWER_TIMEOUT, "not before the time: %.1f s" % waited)
	wait_until_all_are_over(unheard)
	for i in 2:
		expect_error("timed out after 10 s")
	expect_silence()
	# It is tried until the end, or the last part of the time would be good for nothing.
	heard.append(waited)
	for i in range(1, heard.size()):
		check(heard[i] - heard[i - 1] < 3.0, "tried again after %.1f s" % heard[i - 1])

	wait_until(
		"one that was answered gives up", is_any_over.bind(answered), HANDSHAKE_TIMEOUT + TOLERANCE
	)
	waited = (Time.get_ticks_msec() - began) / 1000.0
	check(waited >= HANDSHAKE_TIMEOUT, "not before the time: %.1f s" % waited)
	wait_until_all_are_over(answered)
	# From the client: a server prints none.
	expect_error("timed out after 30 s")
	expect_silence()

	check_failures(unheard, "timed out after 10 s")
	check_failures(answered, "timed out after 30 s")


func wait_until_all_are_over(ends: Array[Endpoint]) -> void:
	wait_until(
		"all have given up",
		func() -> bool: return ends.all(func(end: Endpoint) -> bool: return end.is_over()),
		TOLERANCE
	)


func check_failures(ends: Array[Endpoint], why: String) -> void:
	for end in ends:
		wait_for_status(end, ERROR, TOLERANCE)
		contains(last_error(end), why)
		contains(last_error(end), "retransmissions")
		check(", 0 retransmissions" not in last_error(end), "it has tried more than once")


func client_of(port: int) -> Endpoint:
	var socket := Network.socket_to(Network.IPV4, port)
	return network.add(Endpoint.new(socket, PacketPeerDTLSOpenSSL.new()))
