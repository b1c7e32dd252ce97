# gdlint: disable=max-public-methods
## What the classes do where the documentation is silent: the rows of the table in the design, one
## after the other.
extends "res://tests/support/network_suite.gd"

const Datagram := preload("res://tests/support/datagram.gd")

const HOSTILE := "hostile"

# --- setup ---


func test_setup_refuses_a_null_key() -> void:
	check_setup_refused(null, Pki.certificate("server"), "key is null")


func test_setup_refuses_an_empty_key() -> void:
	check_setup_refused(CryptoKey.new(), Pki.certificate("server"), "key is empty")


func test_setup_refuses_a_public_key() -> void:
	var public := CryptoKey.new()
	equal(public.load_from_string(Pki.key("server").save_to_string(true), true), OK)
	check_setup_refused(public, Pki.certificate("server"), "public half")


func test_setup_refuses_a_null_certificate() -> void:
	check_setup_refused(Pki.key("server"), null, "certificate is null")


func test_setup_refuses_an_empty_certificate() -> void:
	check_setup_refused(Pki.key("server"), X509Certificate.new(), "certificate is empty")


func test_setup_refuses_a_key_of_another_certificate() -> void:
	var why := "key does not belong to the certificate"
	check_setup_refused(Pki.key("self_signed"), Pki.certificate("server"), why)


func test_setup_refuses_an_empty_chain() -> void:
	var ours := DTLSServerOpenSSL.new()
	var result := ours.setup(Pki.key("server"), Pki.certificate("server"), X509Certificate.new())
	equal(result, ERR_INVALID_PARAMETER)
	expect_error("chain is empty")
	contains(ours.get_last_error(), "chain is empty")


func test_setup_that_works_clears_the_last_error() -> void:
	var ours := DTLSServerOpenSSL.new()
	equal(ours.get_last_error(), "", "at first")
	ours.setup(null, null)
	expect_error("DTLSServerOpenSSL.setup")
	check(ours.get_last_error() != "", "the error has a text")
	equal(ours.setup(Pki.key("server"), Pki.certificate("server")), OK)
	equal(ours.get_last_error(), "", "after success")


func test_setup_again_counts_for_new_clients_only() -> void:
	var early := connected_pair()
	var ours := network.server as DTLSServerOpenSSL
	equal(ours.setup(Pki.key("self_signed"), Pki.certificate("self_signed")), OK)
	exchange(early)

	# Only a server that shows the new certificate is accepted by it.
	var late := network.add_client()
	start(late, "localhost", "self_signed")
	exchange(completed(late))
	exchange(early)


func test_setup_again_keeps_the_cookie_of_a_client_under_way() -> void:
	network.serve()
	var client := network.add_client()
	start(client, "localhost", "self_signed")
	wait_until("the server sent a cookie", func() -> bool: return network.refused.size() == 1)
	var ours := network.server as DTLSServerOpenSSL
	equal(ours.setup(Pki.key("self_signed"), Pki.certificate("self_signed")), OK)
	exchange(completed(client))
	equal(network.refused.size(), 1, "cookie exchanges")


# --- take_connection ---


func test_take_connection_before_setup() -> void:
	network.listen()
	var ours := DTLSServerOpenSSL.new()
	check_misused(ours, ours.take_connection(udp_peer_with(noise(100))), "setup")


func test_take_connection_after_a_failed_setup() -> void:
	network.listen()
	var ours := DTLSServerOpenSSL.new()
	ours.setup(null, Pki.certificate("server"))
	expect_error("key is null")
	check_misused(ours, ours.take_connection(udp_peer_with(noise(100))), "setup")


func test_take_connection_of_null() -> void:
	network.serve()
	var ours := network.server as DTLSServerOpenSSL
	check_misused(ours, ours.take_connection(null), "null")


func test_take_connection_of_an_unconnected_peer() -> void:
	network.serve()
	var ours := network.server as DTLSServerOpenSSL
	check_misused(ours, ours.take_connection(PacketPeerUDP.new()), "not connected")


func test_a_client_hello_without_a_cookie() -> void:
	network.serve()
	var client_hello := captured_client_hello()
	var socket := network.client_socket()
	socket.put_packet(client_hello)
	var udp := next_udp_peer()
	var peer := (network.server as DTLSServerOpenSSL).take_connection(udp)

	equal(peer.get_status(), ERROR, "status")
	equal(socket.get_available_packet_count(), 1, "answers")
	var answer := socket.get_packet()
	check(Datagram.is_hello_verify_request(answer), "the answer is a HelloVerifyRequest")
	# Or the server would multiply what an attacker sends under a false address.
	check(answer.size() <= client_hello.size(), "it is no larger than what it answers")
	equal(udp.get_reference_count(), 1, "references to the socket")
	equal((network.server as DTLSServerOpenSSL).get_last_error(), "", "the server's last error")


func test_noise_is_not_answered() -> void:
	network.serve()
	var hello := captured_client_hello()
	for datagram: PackedByteArray in [
		# The alert of a peer that this server has forgotten, in the clear and encrypted.
		Datagram.record(Datagram.TYPE_ALERT, 0, 1, PackedByteArray([1, 0])),
		Datagram.record(Datagram.TYPE_ALERT, 1, 1, noise(26)),
		Datagram.record(Datagram.TYPE_APPLICATION_DATA, 1, 7, noise(100)),
		Datagram.record(Datagram.TYPE_HANDSHAKE, 0, 0, noise(60)),
		"not DTLS at all".to_utf8_buffer(),
		PackedByteArray([0]),
		noise(1200),
		noise(60_000),
		# ClientHellos that end too early.
		hello.slice(0, Datagram.RECORD_HEADER + 1),
		hello.slice(0, hello.size() - 1),
	]:
		var socket := network.client_socket()
		socket.put_packet(datagram)
		var peer := (network.server as DTLSServerOpenSSL).take_connection(next_udp_peer())
		equal(peer.get_status(), ERROR, "status after %s" % datagram.slice(0, 20))
		equal(socket.get_available_packet_count(), 0, "answers to %s" % datagram.slice(0, 20))
	expect_silence()


func test_an_empty_datagram_is_not_answered() -> void:
	network.serve()
	# The engine cannot send one.
	var path := scratch("empty")
	FileAccess.open(path, FileAccess.WRITE).close()
	var arguments := ["flood", "--addresses", "1", "--datagram", path]
	arguments.append_array(["--to", "127.0.0.1:%d" % network.port()])
	var netsim := OS.get_environment("DTLS_TEST_NETSIM")
	equal(OS.execute(netsim, arguments), 0, "exit code of netsim")
	network.pump()
	equal(network.accepted.size(), 0, "connections")
	# The server is still there.
	exchange(connected_pair())


func test_a_waiting_datagram_is_needed() -> void:
	network.serve()
	var socket := network.client_socket()
	socket.put_packet(noise(10))
	var udp := next_udp_peer()
	udp.get_packet()
	var peer := (network.server as DTLSServerOpenSSL).take_connection(udp)
	equal(peer.get_status(), ERROR, "status")
	equal(socket.get_available_packet_count(), 0, "answers")


func test_the_same_udp_peer_is_taken_after_the_cookie() -> void:
	network.serve()
	var client := network.add_client()
	start(client)
	# Godot 4.7's UDPServer may keep the address alive, and the same object comes again.
	var udp := next_udp_peer()
	var first := (network.server as DTLSServerOpenSSL).take_connection(udp)
	equal(first.get_status(), ERROR, "status before the cookie")

	wait_until("the cookie comes back", func() -> bool: return udp.get_available_packet_count() > 0)
	var second := (network.server as DTLSServerOpenSSL).take_connection(udp)
	equal(second.get_status(), HANDSHAKING, "status with the cookie")
	network.accepted.append(Endpoint.new(udp, second))
	exchange(completed(client))


func test_noise_before_the_client_hello_does_not_hide_it() -> void:
	network.serve()
	var client := network.add_client()
	client.udp.put_packet(noise(50))
	start(client)
	exchange(completed(client))


func test_a_cookie_is_good_for_its_own_port_only() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	var relay := network.relays[0]
	# What the client sends is kept from the server, but for the first ClientHello.
	relay.client_filter = func(datagram: PackedByteArray) -> Array:
		return [datagram] if relay.from_client.size() == 1 else []
	start(client)
	wait_until("the client has the cookie", func() -> bool: return relay.from_client.size() >= 2)
	var with_cookie := relay.from_client[1]
	check(Datagram.is_client_hello(with_cookie), "the client tries again")
	check(with_cookie.size() > relay.from_client[0].size(), "with a cookie")

	var thief := network.client_socket()
	thief.put_packet(with_cookie)
	var refusals := network.refused.size()
	wait_until("the thief is refused", func() -> bool: return network.refused.size() > refusals)
	equal(network.accepted.size(), 0, "connections")
	check(Datagram.is_hello_verify_request(thief.get_packet()), "the thief needs its own cookie")

	relay.client_filter = Callable()
	relay.send_to_server(with_cookie)
	exchange(completed(client))


func test_a_forged_cookie_is_not_accepted() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	var relay := network.relays[0]
	relay.server_filter = func(datagram: PackedByteArray) -> Array:
		var forged := datagram.duplicate()
		if Datagram.is_hello_verify_request(datagram) and relay.from_server.size() == 1:
			# The last byte of the cookie.
			forged[-1] ^= 1
		return [forged]
	start(client)
	var is_refused := func() -> bool: return relay.from_server.size() == 2
	if not wait_until("the forged one is answered", is_refused):
		return
	equal(network.accepted.size(), 0, "connections")
	check(Datagram.is_hello_verify_request(relay.from_server[1]), "another HelloVerifyRequest")


# --- connect_to_peer ---


func test_connect_to_peer_with_null() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	check_connect_refused(peer, peer.connect_to_peer(null, false), "null")


func test_connect_to_peer_with_an_unconnected_peer() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	check_connect_refused(peer, peer.connect_to_peer(PacketPeerUDP.new(), false), "not connected")


func test_connect_to_peer_while_handshaking() -> void:
	network.serve()
	var client := network.add_client()
	start(client)
	equal(start(client), ERR_ALREADY_IN_USE)
	expect_error("connected or connecting already")
	status_is(client, HANDSHAKING)
	exchange(completed(client))


func test_connect_to_peer_while_connected() -> void:
	var pair := connected_pair()
	equal(start(pair.client), ERR_ALREADY_IN_USE)
	expect_error("connected or connecting already")
	equal(start(pair.server), ERR_ALREADY_IN_USE)
	expect_error("connected or connecting already")
	exchange(pair)


func test_connect_to_peer_over_the_socket_of_another_peer() -> void:
	var pair := connected_pair()
	var second := PacketPeerDTLSOpenSSL.new()
	var result := second.connect_to_peer(pair.client.udp, false)
	equal(result, ERR_ALREADY_IN_USE, "connect_to_peer")
	contains(second.get_last_error(), "another peer uses this UDP peer")
	expect_error("another peer uses this UDP peer")
	status_is(pair.client, CONNECTED, "the first")
	exchange(pair)
	# Once that one is over, the socket is free.
	pair.client.dtls.call(&"disconnect_from_peer")
	equal(second.connect_to_peer(pair.client.udp, false), OK, "connect_to_peer")


func test_a_socket_is_free_when_its_peer_is_freed() -> void:
	network.serve()
	var udp := network.client_socket()
	var first := PacketPeerDTLSOpenSSL.new()
	equal(first.connect_to_peer(udp, false), OK)
	first = null
	equal(PacketPeerDTLSOpenSSL.new().connect_to_peer(udp, false), OK)


func test_take_connection_with_the_socket_of_another_peer() -> void:
	var pair := connected_pair()
	var server: DTLSServerOpenSSL = network.server
	pair.client.send_text("still there")
	OS.delay_msec(20)
	equal(network.udp_server.poll(), OK)
	var peer := server.take_connection(pair.server.udp)
	equal(peer.get_status(), PacketPeerDTLSOpenSSL.STATUS_ERROR, "status")
	contains(peer.get_last_error(), "another peer uses this UDP peer")
	contains(server.get_last_error(), "another peer uses this UDP peer")
	expect_error("take_connection: another peer uses this UDP peer")
	wait_until("nothing was taken away", pair.server.has_packets)
	equal(pair.server.receive_text(), "still there")
	exchange(pair)


func test_validation_needs_a_name_or_a_certificate() -> void:
	network.serve()
	var peer := PacketPeerDTLSOpenSSL.new()
	var socket := network.client_socket()
	check_connect_refused(peer, peer.connect_to_peer(socket), "name")
	check_connect_refused(peer, peer.connect_to_peer(socket, true), "name")
	check_connect_refused(peer, peer.connect_to_peer(socket, true, ""), "name")
	check_connect_refused(peer, peer.connect_to_peer(socket, true, "", null), "name")
	equal(network.udp_server.poll(), OK)
	check(not network.udp_server.is_connection_available(), "nothing was sent")


func test_validation_with_a_certificate_and_no_name() -> void:
	network.serve("wrong_name")
	var client := network.add_client()
	equal(start(client, ""), OK)
	exchange(completed(client))


func test_validation_without_a_name_still_needs_the_chain() -> void:
	network.serve("untrusted")
	var client := network.add_client()
	start(client, "")
	wait_for_status(client, ERROR)
	expect_error("not signed by anyone who is trusted")


func test_validation_without_a_name_still_needs_the_purpose() -> void:
	network.serve("client_only")
	expect_doubt("client_only")
	var client := network.add_client()
	start(client, "")
	wait_for_status(client, ERROR)
	expect_error("not meant for a server")


func test_validation_with_an_empty_certificate() -> void:
	network.serve()
	var peer := PacketPeerDTLSOpenSSL.new()
	var socket := network.client_socket()
	var result := peer.connect_to_peer(socket, true, "localhost", X509Certificate.new())
	check_connect_refused(peer, result, "empty")


func test_what_is_no_host_name_is_refused() -> void:
	network.serve()
	for host_name: String in [
		".localhost",
		".",
		"*.example.com",
		"a..b",
		"with space",
		"with\nline",
		"host:4242",
		"https://localhost",
		"[127.0.0.1]",
		"[::1",
		"a".repeat(254),
		"ünïcode.example",
	]:
		var peer := PacketPeerDTLSOpenSSL.new()
		var trusted := Pki.certificate("ca")
		var result := peer.connect_to_peer(network.client_socket(), true, host_name, trusted)
		check_connect_refused(peer, result, "is not a host name")
		check_printable(peer.get_last_error())


func test_host_names_are_compared_without_case_and_final_dot() -> void:
	network.serve()
	for host_name: String in ["LocalHost", "localhost."]:
		var client := network.add_client()
		equal(start(client, host_name), OK)
		exchange(completed(client))


func test_a_host_name_is_sent_and_an_address_is_not() -> void:
	check(Datagram.has_text(captured_client_hello(true, "localhost"), "localhost"), "SNI")
	var unverified := captured_client_hello(false, "game.example")
	check(Datagram.has_text(unverified, "game.example"), "SNI without validation")
	check(not Datagram.has_text(captured_client_hello(true, "127.0.0.1"), "127.0.0.1"), "IPv4")
	check(not Datagram.has_text(captured_client_hello(true, "::1"), "::1"), "IPv6")


func test_without_validation_nothing_is_verified() -> void:
	for shown: String in ["expired", "wrong_name", "untrusted", "client_only", "self_signed"]:
		network.close()
		network = Network.new()
		network.serve(shown)
		expect_doubt(shown)
		var client := network.add_client()
		var peer := client.dtls as PacketPeerDTLSOpenSSL
		equal(peer.connect_to_peer(client.udp, false), OK, shown)
		exchange(completed(client))


# --- get_status, poll, packets ---


func test_a_new_peer() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.get_status(), DISCONNECTED)
	equal(peer.get_last_error(), "")
	peer.poll()
	peer.disconnect_from_peer()
	equal(peer.get_status(), DISCONNECTED, "after poll and disconnect")


func test_the_old_name_of_the_failure_reason() -> void:
	network.serve("wrong_name")
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.get_error_code(), PacketPeerDTLSOpenSSL.REASON_NONE)
	start(client)
	wait_for_status(client, MISMATCH)
	expect_error("for another name")
	equal(peer.get_failure_reason(), PacketPeerDTLSOpenSSL.REASON_HOSTNAME_MISMATCH)
	equal(peer.get_error_code(), peer.get_failure_reason(), "by the old name")


func test_put_packet_when_not_connected() -> void:
	network.serve("wrong_name")
	var packet := "too early".to_utf8_buffer()
	var client := network.add_client()
	equal(client.dtls.put_packet(packet), ERR_UNCONFIGURED, "unused")
	start(client)
	equal(client.dtls.put_packet(packet), ERR_UNCONFIGURED, "handshaking")
	equal(client.dtls.put_var(1), ERR_UNCONFIGURED, "put_var while handshaking")
	wait_for_status(client, MISMATCH)
	expect_error("for another name")
	equal(client.dtls.put_packet(packet), ERR_UNCONFIGURED, "after an error")

	client.udp = network.client_socket()
	client.port_at_server = client.udp.get_local_port()
	start(client, "game.example")
	var pair := completed(client)
	(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	equal(client.dtls.put_packet(packet), ERR_UNCONFIGURED, "disconnected")
	wait_for_status(pair.server, DISCONNECTED)
	equal(pair.server.dtls.put_packet(packet), ERR_UNCONFIGURED, "closed by the other side")

	var refused := (network.server as DTLSServerOpenSSL).take_connection(null)
	expect_error("null")
	equal(refused.put_packet(packet), ERR_UNCONFIGURED, "refused")


func test_a_full_queue_pauses_reading_and_loses_nothing() -> void:
	var pair := connected_pair()
	for ends: Pair in [pair, turned(pair)]:
		var size := 16_384
		var sent := 0
		# One at a time, so that neither the system nor the engine has to drop any.
		while ends.server.udp.get_available_packet_count() == 0 and sent < 1000:
			ends.client.dtls.put_packet(noise(size, sent))
			sent += 1
			network.pump()
		var held := ends.server.dtls.get_available_packet_count()
		check(sent < 1000, "reading pauses")
		check(held * size >= 256 * 1024, "not before a good deal waits: %d packets" % held)
		check(held * size <= 4 * 1024 * 1024, "what waits is bounded: %d packets" % held)
		equal(held, sent - 1, "packets before the one that is left in the socket")
		network.pump()
		equal(ends.server.dtls.get_available_packet_count(), held, "packets, still")

		# As soon as there is room it goes on.
		for i in sent:
			check(ends.server.dtls.get_packet() == noise(size, i), "packet %d" % i)
			network.pump()
		equal(ends.server.dtls.get_available_packet_count(), 0, "packets left")
	exchange(pair)


func test_one_poll_is_bounded() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	# A flood of the smallest datagrams, in portions that the socket's buffer can hold.
	var flood := 2500
	var waiting := 0
	while waiting < flood and not has_failed():
		for i in 100:
			network.relays[0].send_to_client(PackedByteArray([0]))
		var before := waiting
		waiting = client.udp.get_available_packet_count()
		check(waiting > before, "the socket takes %d datagrams" % (before + 100))
	client.poll()
	check(client.udp.get_available_packet_count() > 0, "one poll does not handle %d" % waiting)
	exchange(pair)


func test_connecting_again_clears_the_queue_and_the_error() -> void:
	var pair := connected_pair()
	pair.server.send_text("of the old connection")
	wait_until("it is there", pair.client.has_packets)
	pair.client.udp.close()
	wait_for_status(pair.client, ERROR)
	expect_error("closed underneath")
	check(last_error(pair.client) != "", "the error has a text")
	equal(pair.client.dtls.get_available_packet_count(), 1, "packets of the old connection")

	pair.client.udp = network.client_socket()
	pair.client.port_at_server = pair.client.udp.get_local_port()
	start(pair.client)
	equal(last_error(pair.client), "", "get_last_error")
	equal(pair.client.dtls.get_available_packet_count(), 0, "packets")
	exchange(completed(pair.client))


func test_disconnecting_while_handshaking() -> void:
	network.serve()
	var client := network.add_client()
	start(client)
	(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	status_is(client, DISCONNECTED)
	equal(last_error(client), "", "get_last_error")
	client.udp = network.client_socket()
	client.port_at_server = client.udp.get_local_port()
	start(client)
	exchange(completed(client))


# --- the network ---


func test_text_of_a_peer_is_escaped() -> void:
	network.serve(HOSTILE)
	for host_name: String in ["localhost", "evil"]:
		var client := network.add_client()
		start(client, host_name)
		wait_for_status(client, MISMATCH)
		expect_error("for another name")
		var text := last_error(client)
		check_printable(text)
		contains(text, host_name)
		contains(text, "evil")
		# A NUL in a name hides what stands behind it from those who stop there.
		contains(text, ".example")


func test_an_unreachable_port_is_not_fatal() -> void:
	var port := Network.unused_port()
	var client := network.add(
		Endpoint.new(Network.socket_to(Network.IPV4, port), PacketPeerDTLSOpenSSL.new())
	)
	equal(start(client), OK)
	# Time for two retransmissions, each of which earns an ICMP message.
	pass_time(1.2)
	status_is(client, HANDSHAKING)
	equal(last_error(client), "", "get_last_error")
	expect_silence()

	equal(network.udp_server.listen(port, Network.IPV4), OK, "listen")
	network.serve()
	exchange(completed(client))


func test_a_vanished_server_is_not_fatal_to_a_connection() -> void:
	var pair := connected_pair()
	network.udp_server.stop()
	network.forget(pair.server)
	pair.server.udp.close()
	for i in 5:
		# The first ones earn ICMP messages, which a later call has to step over.
		equal(pair.client.send_text("anyone?"), OK, "put_packet %d" % i)
		network.pump()
	status_is(pair.client, CONNECTED)


func test_a_client_s_socket_is_closed_underneath() -> void:
	var pair := connected_pair()
	pair.client.udp.close()
	wait_for_status(pair.client, ERROR)
	expect_error("closed underneath")
	contains(last_error(pair.client), "closed underneath")


func test_a_client_s_socket_is_closed_during_the_handshake() -> void:
	network.serve()
	var client := network.add_client()
	start(client)
	client.udp.close()
	wait_for_status(client, ERROR)
	expect_error("closed underneath")


func test_a_server_side_s_socket_is_closed_underneath() -> void:
	var pair := connected_pair()
	pair.server.udp.close()
	wait_for_status(pair.server, ERROR)
	contains(last_error(pair.server), "closed underneath")


func test_freeing_sends_close_notify() -> void:
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	var pair := completed(client)
	var relay := network.relays[0]
	network.pump()
	relay.from_client.clear()
	network.forget(client)
	pair.client = null
	client = null
	wait_until("it is sent", func() -> bool: return relay.from_client.any(Datagram.is_alert))
	wait_for_status(pair.server, DISCONNECTED)


func test_freeing_during_the_handshake() -> void:
	network.serve()
	var client := network.add_client()
	start(client)
	wait_until("the server accepted", func() -> bool: return network.accepted.size() == 1)
	network.close()
	client = null
	expect_silence()


# --- threads ---


func test_a_thread_with_its_own_connection() -> void:
	var thread := Thread.new()
	equal(thread.start(exchange_in_thread.bind(200)), OK)
	# Meanwhile the main thread does the same.
	equal(exchange_in_thread(200), "", "main thread")
	equal(thread.wait_to_finish(), "", "thread")


func test_a_connection_that_moves_to_a_thread() -> void:
	var pair := connected_pair()
	var work := func() -> bool:
		pair.client.send_text("from a thread")
		return network.until(pair.server.has_packets)
	var thread := Thread.new()
	thread.start(work)
	equal(thread.wait_to_finish(), true)
	equal(pair.server.receive_text(), "from a thread")
	exchange(pair)


# --- a console in the game ---


## Calls the object that has just printed an error, as a console in a game may.
func test_a_logger_may_ask_the_object_that_reports() -> void:
	if not engine_has(Console.has_loggers(), "Logger"):
		return
	# In an array, since a lambda has its own copy of a plain variable.
	var ask: Array[Callable] = []
	var answers: PackedStringArray = []
	var heard := func(entry: Console.Entry) -> void:
		if entry.kind == Console.Kind.ERROR:
			answers.append(str(ask.back().call()))
	var listener := Console.listen(heard)
	var ours := DTLSServerOpenSSL.new()
	ask.append(ours.get_last_error)
	ours.setup(null, null)
	ours.take_connection(null)
	var peer := PacketPeerDTLSOpenSSL.new()
	ask.append(peer.get_last_error)
	peer.connect_to_peer(null)
	network.serve("wrong_name")
	var client := network.add_client()
	ask.append((client.dtls as PacketPeerDTLSOpenSSL).get_status)
	start(client)
	wait_for_status(client, MISMATCH)
	Console.unlisten(listener)
	equal(answers.size(), 4, "questions")
	contains(answers[0], "the key is null")
	contains(answers[1], "no certificate yet")
	contains(answers[2], "the UDP peer is null")
	equal(answers[3], str(MISMATCH), "the status")
	expect_error("DTLSServerOpenSSL.setup")
	expect_error("DTLSServerOpenSSL.take_connection")
	expect_error("PacketPeerDTLSOpenSSL.connect_to_peer")
	expect_error("DTLS connection failed")


func test_why_setup_failed_is_not_forgotten_when_a_client_comes() -> void:
	network.serve()
	var ours: DTLSServerOpenSSL = network.server
	ours.setup(CryptoKey.new(), Pki.certificate("server"))
	expect_error("the key is empty")
	exchange(connected_pair())
	contains(ours.get_last_error(), "the key is empty")
	equal(ours.setup(Pki.key("server"), Pki.certificate("server")), OK)
	equal(ours.get_last_error(), "")


# --- helpers ---


## `setup` fails for both a new server and one that serves already, which goes on as before.
func check_setup_refused(key: CryptoKey, certificate: X509Certificate, why: String) -> void:
	network.serve()
	for ours: DTLSServerOpenSSL in [DTLSServerOpenSSL.new(), network.server]:
		equal(ours.setup(key, certificate), ERR_INVALID_PARAMETER, "setup")
		expect_error("DTLSServerOpenSSL.setup")
		expect_silence()
		contains(ours.get_last_error(), why)
	exchange(connected_pair())


func check_misused(ours: DTLSServerOpenSSL, peer: PacketPeerDTLSOpenSSL, why: String) -> void:
	if not check(peer != null, "a peer is returned"):
		return
	equal(peer.get_status(), ERROR, "status")
	expect_error("DTLSServerOpenSSL.take_connection")
	expect_silence()
	contains(ours.get_last_error(), why)
	check(peer.get_last_error() != "", "the peer's error has a text")
	# Nothing that a loop does to all of its peers hurts.
	peer.poll()
	equal(peer.get_available_packet_count(), 0)
	equal(peer.get_status(), ERROR, "status after poll")


func check_connect_refused(peer: PacketPeerDTLSOpenSSL, result: Error, why: String) -> void:
	equal(result, ERR_INVALID_PARAMETER, "connect_to_peer")
	equal(peer.get_status(), DISCONNECTED, "status")
	expect_error("PacketPeerDTLSOpenSSL.connect_to_peer")
	expect_silence()
	contains(peer.get_last_error(), why)


func check_printable(text: String) -> void:
	for character in text:
		var code := character.unicode_at(0)
		if code < 32 or (code >= 127 and code < 160):
			fail("%s has a character %d in it" % [var_to_str(text), code])
			return
	check(text != "", "there is a text")


## The first datagram of a client.
func captured_client_hello(validate := true, host_name := "localhost") -> PackedByteArray:
	var listener := PacketPeerUDP.new()
	listener.bind(0, Network.IPV4)
	var socket := Network.socket_to(Network.IPV4, listener.get_local_port())
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_to_peer(socket, validate, host_name, Pki.certificate("ca")), OK)
	var hello := listener.get_packet()
	check(Datagram.is_client_hello(hello), "the first datagram is a ClientHello")
	return hello


## The UDP peer of a client that has sent this.
func udp_peer_with(datagram: PackedByteArray) -> PacketPeerUDP:
	network.client_socket().put_packet(datagram)
	return next_udp_peer()


func next_udp_peer() -> PacketPeerUDP:
	network.udp_server.poll()
	return network.udp_server.take_connection()


## The pair seen from the other side.
func turned(pair: Pair) -> Pair:
	var other := Pair.new()
	other.client = pair.server
	other.server = pair.client
	return other


## Connects to a server of its own and has `count` packets echoed. Returns what went wrong, since
## assertions are for the main thread alone.
func exchange_in_thread(count: int) -> String:
	var own := Network.new()
	own.serve()
	var client := own.add_client()
	start(client)
	if not own.until(client.is_connected_securely):
		return "not connected: %s" % last_error(client)
	for i in count:
		client.send_text("packet %d" % i)
		if not own.until(own.accepted[0].has_packets):
			return "packet %d did not arrive" % i
		own.accepted[0].send_text(own.accepted[0].receive_text())
		if not own.until(client.has_packets):
			return "packet %d did not come back" % i
		var echo := client.receive_text()
		if echo != "packet %d" % i:
			return "packet %d came back as %s" % [i, echo]
	own.close()
	return ""
