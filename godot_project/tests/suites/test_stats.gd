## What get_stats() says.
extends "res://tests/support/network_suite.gd"

const Datagram := preload("res://tests/support/datagram.gd")

const FIRST_HELLO_AND_THE_ONE_THAT_OPENED := 2


func test_every_key_is_there_from_the_start() -> void:
	var peer := PacketPeerDTLSOpenSSL.new().get_stats()
	var server := DTLSServerOpenSSL.new().get_stats()
	equal(peer, server, "of a peer and of a server that were just made")
	var numbers := 0
	for key: String in peer:
		if peer[key] is Dictionary:
			for reason: String in peer[key]:
				equal(peer[key][reason], 0, "%s.%s" % [key, reason])
				numbers += 1
		else:
			equal(peer[key], 0, key)
			numbers += 1
	check(numbers > 30, "there is a lot to count")


func test_both_sides_count_what_went_between_them() -> void:
	var pair := connected_pair()
	exchange(pair)
	var client := stats_of(pair.client)
	var peer := stats_of(pair.server)
	var server: Dictionary = (network.server as DTLSServerOpenSSL).get_stats()
	for stats: Dictionary in [client, peer, server]:
		equal(stats.handshakes_started, 1, "handshakes started")
		equal(stats.handshakes_completed, 1, "handshakes completed")
		equal(stats.packets_sent, 1, "packets sent")
		equal(stats.packets_received, 1, "packets received")
	equal(client.datagrams_sent, server.datagrams_received, "datagrams to the server")
	equal(client.bytes_sent, server.bytes_received, "bytes to the server")
	equal(server.datagrams_sent, client.datagrams_received, "datagrams to the client")
	equal(server.bytes_sent, client.bytes_received, "bytes to the client")
	equal(server.cookies_sent, 1, "cookies")
	equal(
		server.datagrams_received,
		peer.datagrams_received + FIRST_HELLO_AND_THE_ONE_THAT_OPENED,
		"the server's own and its peer's"
	)


func test_a_server_remembers_peers_that_are_gone() -> void:
	var pair := connected_pair()
	exchange(pair)
	var server: DTLSServerOpenSSL = network.server
	var before := server.get_stats()
	network.forget(pair.server)
	pair.server = null
	var after := server.get_stats()
	equal(after.packets_received, before.packets_received, "packets received")
	equal(after.handshakes_completed, 1, "handshakes")


func test_forged_and_replayed_records_are_counted() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	var relay := network.relays[0]
	relay.from_client.clear()
	check_delivery(pair.client, pair.server, "once".to_utf8_buffer())
	var real := relay.from_client[-1]
	var forged := real.duplicate()
	forged[-1] ^= 1
	relay.send_to_server(real)
	# Another number, so that it is no replay.
	forged[10] += 1
	relay.send_to_server(forged)
	relay.send_to_server("noise".to_utf8_buffer())
	var noise_is_counted := func() -> bool:
		return stats_of(pair.server).records_dropped.malformed == 1
	wait_until("the noise is counted", noise_is_counted)
	var dropped: Dictionary = stats_of(pair.server).records_dropped
	equal(dropped.replayed, 1, "replayed")
	equal(dropped.forged, 1, "forged")
	equal(pair.server.dtls.get_available_packet_count(), 0, "packets")
	exchange(pair)


func test_failed_handshakes_are_counted_by_reason() -> void:
	network.serve("expired")
	expect_doubt("expired")
	var client := network.add_client()
	start(client)
	wait_for_status(client, ERROR)
	expect_error("expired")
	equal(stats_of(client).handshakes_failed.certificate_expired, 1, "at the client")
	var server: DTLSServerOpenSSL = network.server
	var is_told := func() -> bool: return server.get_stats().handshakes_failed.peer_alert == 1
	wait_until("the server has heard of it", is_told)


func stats_of(endpoint: Endpoint) -> Dictionary:
	return (endpoint.dtls as PacketPeerDTLSOpenSSL).get_stats()
