## The monitors of addons/dtls/monitors.gd, against what get_stats() says.
extends "res://tests/support/network_suite.gd"

const Monitors := preload("res://addons/dtls/monitors.gd")

## Longer than the time that a rate is taken over.
const A_WHILE := Monitors.WINDOW + 0.1


func test_they_show_what_the_server_has_counted() -> void:
	network.serve()
	var server: DTLSServerOpenSSL = network.server
	var made_after := Time.get_ticks_usec()
	var monitors := Monitors.new(server)
	var made_before := Time.get_ticks_usec()
	for name in Monitors.NAMES:
		equal(value(monitors, name), 0.0, name)

	var pair := connected_pair()
	exchange(pair)
	pair.client.udp.put_packet("noise".to_ascii_buffer())
	Network.socket_to(network.address, network.port()).put_packet("noise".to_ascii_buffer())
	var is_dropped := func() -> bool: return value(monitors, Monitors.RECORDS_DROPPED) == 2.0
	wait_until("both are dropped", is_dropped)
	equal(value(monitors, Monitors.CONNECTIONS), 1.0, "connections")
	equal(server.get_stats().records_dropped.malformed, 2, "malformed")

	pass_time(A_WHILE)
	var asked_after := Time.get_ticks_usec()
	var rates := {}
	for name: String in Monitors.COUNTED:
		rates[name] = value(monitors, name)
	var asked_before := Time.get_ticks_usec()
	var stats := server.get_stats()
	check(stats.bytes_received != stats.bytes_sent, "the two cannot be taken for each other")
	var counted_by_name := {
		"handshakes_per_second": stats.handshakes_completed,
		"bytes_received_per_second": stats.bytes_received,
		"bytes_sent_per_second": stats.bytes_sent,
	}
	equal(counted_by_name.keys(), rates.keys(), "rates")
	for name: String in rates:
		var counted: int = counted_by_name[name]
		var most := counted * 1e6 / (asked_after - made_before)
		var least := counted * 1e6 / (asked_before - made_after)
		var rate: float = rates[name]
		check(least <= rate and rate <= most, "%s is %f, from %f to %f" % [name, rate, least, most])


func test_what_is_over_is_shown_no_more() -> void:
	network.serve()
	var monitors := Monitors.new(network.server)
	var pair := connected_pair()
	exchange(pair)
	pass_time(A_WHILE)
	check(value(monitors, Monitors.BYTES_RECEIVED) > 0.0, "there was something")
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	equal(value(monitors, Monitors.CONNECTIONS), 0.0, "connections")
	pass_time(A_WHILE)
	check(value(monitors, Monitors.BYTES_RECEIVED) > 0.0, "the close_notify")
	pass_time(A_WHILE)
	for name: String in Monitors.COUNTED:
		equal(value(monitors, name), 0.0, name)


func test_they_go_with_their_object() -> void:
	network.serve()
	var server: WeakRef = weakref(network.server)
	var before := Performance.get_custom_monitor_names()
	var monitors := Monitors.new(network.server)
	var ids: Array[StringName] = []
	for name in Monitors.NAMES:
		ids.append(monitors.id(name))
		check(Performance.has_custom_monitor(ids[-1]), "%s is there" % ids[-1])
		check(String(ids[-1]).begins_with("dtls/"), "%s is in the category" % ids[-1])
	monitors = null
	for id in ids:
		check(not Performance.has_custom_monitor(id), "%s is gone" % id)
	equal(Performance.get_custom_monitor_names(), before, "monitors")
	network.server = null
	equal(server.get_ref(), null, "what they held")


func test_two_servers_do_not_collide() -> void:
	network.serve()
	var idle := DTLSServerOpenSSL.new()
	idle.setup(Pki.key("server"), Pki.certificate("server"))
	var first := Monitors.new(idle)
	var second := Monitors.new(network.server)
	connected_pair()
	equal(value(first, Monitors.CONNECTIONS), 0.0, "of the idle server")
	equal(value(second, Monitors.CONNECTIONS), 1.0, "of the other one")
	first = null
	equal(value(second, Monitors.CONNECTIONS), 1.0, "after the idle server")
	first = Monitors.new(idle)
	equal(value(first, Monitors.CONNECTIONS), 0.0, "of the idle server again")


func test_a_label_is_a_part_of_the_name() -> void:
	var monitors := Monitors.new(DTLSServerOpenSSL.new(), "eu/lobby")
	# A second slash would put them out of the category.
	equal(monitors.id(Monitors.CONNECTIONS), &"dtls/eu_lobby_connections")
	var other := Monitors.new(DTLSServerOpenSSL.new(), "eu/lobby")
	equal(other.id(Monitors.CONNECTIONS), &"dtls/eu_lobby_connections_2")


func test_a_client_that_connects_again_counts_anew() -> void:
	var pair := connected_pair()
	var monitors := Monitors.new(pair.client.dtls, "client")
	equal(value(monitors, Monitors.CONNECTIONS), 1.0, "connections")
	pass_time(A_WHILE)
	check(value(monitors, Monitors.BYTES_SENT) == 0.0, "nothing was sent since")
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	network.forget(pair.server)
	pair.server = null
	start(pair.client)
	completed(pair.client)
	pass_time(A_WHILE)
	check(value(monitors, Monitors.HANDSHAKES) > 0.0, "the second handshake")
	check(value(monitors, Monitors.BYTES_SENT) > 0.0, "bytes out")


func value(monitors: Monitors, name: String) -> float:
	return Performance.get_custom_monitor(monitors.id(name))
