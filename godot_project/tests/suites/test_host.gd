# gdlint: disable=max-public-methods
## connect_to_host: a client with a socket of its own, which finds its server by name.
extends "res://tests/support/options_suite.gd"

const Datagram := preload("res://tests/support/datagram.gd")

const REASON_CANNOT_RESOLVE := PacketPeerDTLSOpenSSL.REASON_CANNOT_RESOLVE
const BUNDLE_SETTING := "network/tls/certificate_bundle_override"
const CANNOT_RESOLVE := "no address was found for the host name "
## A name that has no address and will have none (RFC 6761 section 6.4).
const NO_NAME := "name.invalid"
## A plaintext handshake_failure. It ends a handshake, if it is the server who says it.
const REFUSAL: PackedByteArray = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]


func before_each() -> void:
	super()
	# So that it is looked up, and not remembered.
	IP.clear_cache("localhost")


func test_a_host_name() -> void:
	serve_by(server_options())
	var client := begin_at("localhost")
	status_is(client, HANDSHAKING)
	var pair := connected(client)
	exchange(pair)
	equal(ours(pair.server).get_server_name(), "localhost")
	equal(ours(client).get_failure_reason(), REASON_NONE)
	equal(ours(client).get_last_error(), "")
	equal(ours(client).get_stats().handshakes_completed, 1)


func test_an_ipv4_address() -> void:
	serve_by(server_options())
	var client := begin_at(Network.IPV4)
	equal(ours(client).get_stats().datagrams_sent, 1, "at once")
	var pair := connected(client)
	exchange(pair)
	equal(ours(pair.server).get_server_name(), "", "an address is not sent")


func test_an_ipv6_address() -> void:
	for address: String in [Network.IPV6, "[::1]"]:
		network.close()
		network = Network.new()
		if not equal(network.listen(Network.IPV6), OK, "this machine needs an IPv6 loopback"):
			return
		serve_by(server_options())
		exchange(connected(begin_at(address)))


func test_an_address_that_has_brackets_in_vain() -> void:
	check_refused("[127.0.0.1]", 4242, client_options(), "only an IPv6 address stands in brackets")


func test_the_wrong_name() -> void:
	serve_by(server_options("wrong_name"))
	check_fails("localhost", client_options(), REASON_HOSTNAME_MISMATCH, "wanted localhost")
	status_is(network.clients[-1], MISMATCH)


func test_the_wrong_address() -> void:
	serve_by(server_options("wrong_ip"))
	check_fails(Network.IPV4, client_options(), REASON_HOSTNAME_MISMATCH, "wanted 127.0.0.1")
	status_is(network.clients[-1], MISMATCH)


func test_a_server_that_is_not_trusted() -> void:
	serve_by(server_options("untrusted"))
	check_fails(
		"localhost", client_options(), REASON_CERTIFICATE_UNTRUSTED, "is not signed by anyone"
	)


func test_a_name_without_an_address() -> void:
	check_fails(NO_NAME, client_options(), REASON_CANNOT_RESOLVE, CANNOT_RESOLVE + NO_NAME)
	var client := network.clients[-1]
	status_is(client, ERROR)
	equal(ours(client).get_stats().handshakes_started, 0)
	equal(client.send_text("hello"), ERR_UNCONFIGURED)
	equal(client.dtls.get_packet().size(), 0)
	pass_time(0.05)
	# It is said once.
	expect_silence()
	status_is(client, ERROR)
	ours(client).disconnect_from_peer()
	status_is(client, DISCONNECTED)
	equal(ours(client).get_failure_reason(), REASON_NONE)
	equal(ours(client).get_last_error(), "")


func test_connecting_again_after_a_name_without_an_address() -> void:
	serve_by(server_options())
	check_fails(NO_NAME, client_options(), REASON_CANNOT_RESOLVE, CANNOT_RESOLVE)
	var client := network.clients[-1]
	equal(ours(client).connect_to_host("localhost", network.port(), client_options()), OK)
	equal(ours(client).get_last_error(), "")
	equal(ours(client).get_failure_reason(), REASON_NONE)
	exchange(connected(client))


func test_an_empty_address() -> void:
	check_refused("", 4242, client_options(), "the address is empty")
	# Also where no name is verified.
	check_refused("", 4242, careless_options(), "the address is empty")


func test_what_is_no_address() -> void:
	for address: String in [".example.com", "https://example.com", "1.2.3", "fe80::1%eth0", "a b"]:
		check_refused(address, 4242, client_options(), "is not a host name")


func test_ports() -> void:
	for port: int in [0, -1, 65_536, 4_294_967_297]:
		check_refused("localhost", port, client_options(), "%d cannot be the port" % port)
	var client := begin_at(Network.IPV4, client_options(), 65_535)
	status_is(client, HANDSHAKING)


func test_twice() -> void:
	serve_by(server_options())
	var client := begin_at("localhost")
	check_in_use(client)
	status_is(client, HANDSHAKING)
	var pair := connected(client)
	check_in_use(client)
	exchange(pair)
	client = begin_at(Network.IPV4)
	check_in_use(client)
	exchange(connected(client))


func test_disconnecting_while_the_name_is_looked_up() -> void:
	serve_by(server_options())
	var client := begin_at("localhost")
	ours(client).disconnect_from_peer()
	status_is(client, DISCONNECTED)
	pass_time(0.05)
	status_is(client, DISCONNECTED)
	equal(network.refused.size(), 0, "nothing was sent")
	equal(ours(client).connect_to_host("localhost", network.port(), client_options()), OK)
	exchange(connected(client))
	ours(client).disconnect_from_peer()
	status_is(client, DISCONNECTED)
	equal(ours(client).connect_to_host(Network.IPV4, network.port(), client_options()), OK)
	exchange(connected(client))


func test_a_connection_over_a_socket_of_the_game_s_may_follow() -> void:
	serve_by(server_options())
	var client := begin_at("localhost")
	exchange(connected(client))
	ours(client).disconnect_from_peer()
	client.udp = network.client_socket()
	client.port_at_server = client.udp.get_local_port()
	equal(start(client), OK)
	exchange(completed(client))


## The engine writes its answer into the item of its queue that it has read the name from, even if
## that has been erased and is for another name by then.
func test_a_name_that_was_given_up_does_not_answer_for_another() -> void:
	serve_by(server_options())
	for i in 10:
		IP.clear_cache("localhost")
		var client := begin_at(NO_NAME)
		# The engine's thread begins with it.
		OS.delay_usec(i * 200)
		ours(client).disconnect_from_peer()
		equal(ours(client).connect_to_host("localhost", network.port(), client_options()), OK)
		connected(client)
		# The system may give the next client the same port.
		network.clients.clear()
		network.accepted.clear()
		if has_failed():
			return


func test_names_that_were_given_up_leave_nothing_behind() -> void:
	for i in 2 * IP.RESOLVER_MAX_QUERIES:
		IP.clear_cache("localhost")
		var peer := PacketPeerDTLSOpenSSL.new()
		if not equal(peer.connect_to_host("localhost", 4242, client_options()), OK):
			return
		match i % 4:
			0:
				peer.disconnect_from_peer()
			1:
				peer = null
			2:
				wait_until("it is found", polled_until_sent.bind(peer))
			3:
				peer.disconnect_from_peer()
				peer = null
		OS.delay_usec(500)
	check_free_lookups(IP.RESOLVER_MAX_QUERIES - 1)


func test_a_full_queue() -> void:
	check(IP.resolve_hostname("localhost") != "", "it is remembered from here on")
	pass_time(0.05)
	# Erases what earlier tests have given up.
	ours(begin_at("localhost")).disconnect_from_peer()
	var items: Array[int] = []
	for i in IP.RESOLVER_MAX_QUERIES:
		items.append(IP.resolve_hostname_queue_item("localhost"))
	check(not IP.RESOLVER_INVALID_ID in items, "there was room for all")
	expect_silence()
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_to_host("localhost", 4242, client_options()), ERR_BUSY)
	contains(peer.get_last_error(), "the engine looks up 256 host names already")
	expect_error("connect_to_host: the engine looks up 256 host names already")
	expect_error("Out of resolver queries")
	equal(peer.get_status(), DISCONNECTED)
	equal(peer.connect_to_host(Network.IPV4, 4242, client_options()), OK, "it needs no lookup")
	peer.disconnect_from_peer()
	IP.erase_resolve_item(items.pop_back())
	equal(peer.connect_to_host("localhost", 4242, client_options()), OK)
	for item in items:
		IP.erase_resolve_item(item)


func test_freed_while_the_name_is_looked_up() -> void:
	network.listen()
	for address: String in ["localhost", NO_NAME]:
		var client := begin_at(address)
		network.forget(client)
		client = null
	pass_time(0.05)
	equal(network.refused.size(), 0, "nothing was sent")
	expect_silence()


func test_freed_while_connected() -> void:
	serve_by(server_options())
	var pair := connected(begin_at("localhost"))
	network.forget(pair.client)
	pair.client = null
	wait_for_status(pair.server, DISCONNECTED)
	equal(last_error(pair.server), "")


func test_disconnected_by_either_side() -> void:
	serve_by(server_options())
	var pair := connected(begin_at("localhost"))
	pair.server.send_text("the last")
	ours(pair.server).disconnect_from_peer()
	wait_for_status(pair.client, DISCONNECTED)
	equal(pair.client.receive_text(), "the last")
	pair = connected(begin_at("localhost"))
	ours(pair.client).disconnect_from_peer()
	status_is(pair.client, DISCONNECTED)
	equal(pair.client.send_text("too late"), ERR_UNCONFIGURED)
	wait_for_status(pair.server, DISCONNECTED)


func test_3000_packets_each_way() -> void:
	serve_by(server_options())
	var pair := connected(begin_at("localhost"))
	var ends: Array[Endpoint] = [pair.client, pair.server]
	var sums := [0, 0]
	for number in 3000:
		var packet := noise(4 + number % 997, number)
		packet.encode_u32(0, number)
		for end in ends:
			equal(end.dtls.put_packet(packet), OK)
		if number % 50 < 49:
			continue
		for i in 2:
			wait_until("the packets are there", ends[i].has_packets.bind(50))
			for expected in range(number - 49, number + 1):
				var received := ends[i].dtls.get_packet()
				var sent := noise(4 + expected % 997, expected)
				sent.encode_u32(0, expected)
				sums[i] += 1 if received == sent else 0
		if has_failed():
			return
	equal(sums, [3000, 3000], "all of them, in order and unchanged")
	equal(ours(pair.client).get_stats().packets_sent, 3000)
	equal(ours(pair.client).get_stats().packets_received, 3000)


func test_large_packets() -> void:
	serve_by(server_options())
	var pair := connected(begin_at(Network.IPV4))
	check_delivery(pair.client, pair.server, noise(16_384))
	check_delivery(pair.server, pair.client, noise(16_384))
	equal(pair.client.dtls.put_packet(noise(16_385)), ERR_INVALID_PARAMETER)
	exchange(pair)


func test_a_stranger_s_datagrams() -> void:
	var server := PacketPeerUDP.new()
	equal(server.bind(0, Network.IPV4), OK)
	var client := begin_at(Network.IPV4, client_options(), server.get_local_port())
	var has_asked := func() -> bool: return server.get_available_packet_count() > 0
	wait_until("the client has asked", has_asked)
	check(Datagram.is_client_hello(server.get_packet()), "a ClientHello")
	var port := server.get_packet_port()
	var stranger := Network.socket_to(Network.IPV4, port)
	for datagram: PackedByteArray in [REFUSAL, noise(100)]:
		equal(stranger.put_packet(datagram), OK)
	pass_time(0.05)
	status_is(client, HANDSHAKING)
	equal(ours(client).get_stats().datagrams_received, 0)
	equal(ours(client).get_stats().records_dropped.malformed, 0)
	server.set_dest_address(Network.IPV4, port)
	equal(server.put_packet(REFUSAL), OK)
	wait_for_status(client, ERROR)
	equal(ours(client).get_failure_reason(), REASON_PEER_ALERT)
	expect_error("the other side refused")


func test_a_stranger_s_datagrams_during_a_connection() -> void:
	serve_by(server_options())
	var pair := connected(begin_at("localhost"))
	var before := ours(pair.client).get_stats()
	var stranger := Network.socket_to(Network.IPV4, pair.client.port_at_server)
	for datagram: PackedByteArray in [REFUSAL, noise(100)]:
		equal(stranger.put_packet(datagram), OK)
	pass_time(0.05)
	equal(ours(pair.client).get_stats(), before)
	exchange(pair)


func test_no_options_are_those_of_a_careful_client() -> void:
	serve_by(server_options())
	check_fails("localhost", null, REASON_CERTIFICATE_UNTRUSTED, "is not signed by anyone")
	ProjectSettings.set_setting(BUNDLE_SETTING, Pki.path("ca.crt"))
	exchange(connected(begin_at("localhost", null)))
	serve_by(server_options("wrong_name"))
	check_fails("localhost", null, REASON_HOSTNAME_MISMATCH, "wanted localhost")
	var peer := PacketPeerDTLSOpenSSL.new()
	network.add(Endpoint.new(PacketPeerUDP.new(), peer))
	serve_by(server_options())
	equal(peer.connect_to_host("localhost", network.port()), OK, "they may be left out")
	exchange(connected(network.clients[-1]))


func test_what_is_not_verified() -> void:
	serve_by(server_options("wrong_name"))
	var pair := connected(begin_at("localhost", careless_options()))
	exchange(pair)
	equal(ours(pair.server).get_server_name(), "localhost", "the name is sent all the same")


func test_a_pin() -> void:
	serve_by(server_options("self_signed"))
	var options := DTLSOptions.new()
	options.pinned_sha256 = [DTLSCrypto.spki_pin(Pki.certificate("self_signed"))]
	# A name is given, so the chain has to be good as well.
	check_fails("localhost", options, REASON_CERTIFICATE_SELF_SIGNED, "is self-signed")
	options.verify_mode = DTLSOptions.VERIFY_NONE
	exchange(connected(begin_at("localhost", options)))
	options.pinned_sha256 = [DTLSCrypto.spki_pin(Pki.certificate("server"))]
	check_fails("localhost", options, REASON_PIN_MISMATCH, "is not one of those that are pinned")


func test_a_pre_shared_key() -> void:
	var server := DTLSOptions.new()
	server.psk_keys = {"player": secret()}
	serve_by(server)
	var options := DTLSOptions.new()
	options.psk_identity = "player"
	options.psk_key = secret()
	var pair := connected(begin_at("localhost", options))
	exchange(pair)
	equal(ours(pair.server).get_psk_identity(), "player")


func test_a_session_is_resumed() -> void:
	serve_by(server_options())
	var options := client_options()
	check(
		not ours(connected(begin_at("localhost", options)).client).is_session_reused(), "at first"
	)
	ours(network.clients[-1]).disconnect_from_peer()
	check(ours(connected(begin_at("localhost", options)).client).is_session_reused(), "then")


func test_options_that_cannot_be_used() -> void:
	var options := client_options()
	options.psk_keys = {"player": secret()}
	check_refused("localhost", 4242, options, "psk_keys: it is for servers")
	options = client_options()
	options.verify_mode = DTLSOptions.VERIFY_OPTIONAL
	check_refused("localhost", 4242, options, "verify_mode: VERIFY_OPTIONAL is for servers")
	options = DTLSOptions.new()
	options.trusted_ca_pem = "nothing"
	check_refused("localhost", 4242, options, "trusted_ca_pem: there is no certificate")
	options = client_options()
	options.handshake_timeout = 0.5
	check_refused("localhost", 4242, options, "handshake_timeout: ")


func test_a_server_that_is_silent() -> void:
	var silent := PacketPeerUDP.new()
	equal(silent.bind(0, Network.IPV4), OK)
	var options := client_options()
	options.handshake_timeout = 1.0
	var client := begin_at("localhost", options, silent.get_local_port())
	wait_for_status(client, ERROR, 5.0)
	equal(ours(client).get_failure_reason(), REASON_TIMEOUT)
	contains(last_error(client), "the handshake timed out after 1 s")
	expect_error("the handshake timed out after 1 s")
	check(silent.get_available_packet_count() > 1, "it has asked more than once")


func test_a_server_of_the_engine() -> void:
	equal(network.serve_with_engine(), OK)
	exchange(connected(begin_at("localhost")))


func test_a_client_in_a_thread() -> void:
	serve_by(server_options())
	var port := network.port()
	var thread := Thread.new()
	thread.start(say_hello.bind(port))
	var has_come := func() -> bool:
		return not network.accepted.is_empty() and network.accepted[0].has_packets()
	wait_until("it says hello", has_come)
	if not has_failed():
		equal(network.accepted[0].receive_text(), "hello")
	equal(thread.wait_to_finish(), CONNECTED)


static func say_hello(port: int) -> PacketPeerDTLSOpenSSL.Status:
	var peer := PacketPeerDTLSOpenSSL.new()
	peer.connect_to_host("localhost", port, client_options())
	for i in 10_000:
		peer.poll()
		if peer.get_status() != HANDSHAKING:
			break
		OS.delay_msec(1)
	peer.put_packet("hello".to_utf8_buffer())
	return peer.get_status()


## A logger hears of it and asks the peer, which is unlocked.
func test_a_logger_may_ask_the_peer_that_reports() -> void:
	if not engine_has(Console.has_loggers(), "Logger"):
		return
	var client := begin_at(NO_NAME)
	var heard: Array = []
	var ask := func(entry: Console.Entry) -> void:
		if CANNOT_RESOLVE in entry.text:
			var peer := ours(client)
			heard.append([peer.get_status(), peer.get_failure_reason()])
			heard.append(peer.connect_to_host(Network.IPV4, 4242, client_options()))
	var listener := Console.listen(ask)
	wait_until("it has failed", func() -> bool: return not heard.is_empty())
	Console.unlisten(listener)
	equal(heard, [[ERROR, REASON_CANNOT_RESOLVE], OK])
	status_is(client, HANDSHAKING)
	expect_error(CANNOT_RESOLVE)


func after_each() -> void:
	ProjectSettings.set_setting(BUNDLE_SETTING, "")
	super()


## A client of ours that has begun to connect, to the network's server if no port is given and there
## is one.
func begin_at(address: String, options := client_options(), port := 0) -> Endpoint:
	if port == 0:
		port = network.port() if network.udp_server.is_listening() else 4242
	var peer := PacketPeerDTLSOpenSSL.new()
	var client := network.add(Endpoint.new(PacketPeerUDP.new(), peer))
	equal(peer.connect_to_host(address, port, options), OK, "connect_to_host")
	equal(peer.get_last_error(), "")
	return client


## Its connection, when it is complete: the last that the server has accepted.
func connected(client: Endpoint) -> Pair:
	wait_for_status(client, CONNECTED)
	client.port_at_server = network.accepted[-1].udp.get_packet_port() if network.accepted else 0
	return completed(client)


func check_fails(
	address: String, options: DTLSOptions, reason: PacketPeerDTLSOpenSSL.Reason, text: String
) -> void:
	var client := begin_at(address, options)
	status_is(client, HANDSHAKING)
	wait_until("the client has failed", client.is_over)
	check_failure(client, reason, text)
	expect_error("DTLS connection failed: ")


func check_refused(address: String, port: int, options: DTLSOptions, text: String) -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_to_host(address, port, options), ERR_INVALID_PARAMETER, address)
	equal(peer.get_status(), DISCONNECTED)
	equal(peer.get_failure_reason(), REASON_NONE)
	contains(peer.get_last_error(), text)
	expect_error("connect_to_host: ")


func check_in_use(client: Endpoint) -> void:
	var port := network.port()
	equal(ours(client).connect_to_host("localhost", port, client_options()), ERR_ALREADY_IN_USE)
	contains(last_error(client), "is connected or connecting already")
	expect_error("connect_to_host: the peer is connected or connecting already")


func polled_until_sent(peer: PacketPeerDTLSOpenSSL) -> bool:
	peer.poll()
	return peer.get_stats().datagrams_sent > 0


## So many names can be looked up at once.
func check_free_lookups(least: int) -> void:
	var items: Array[int] = []
	for i in IP.RESOLVER_MAX_QUERIES:
		items.append(IP.resolve_hostname_queue_item("localhost"))
	var taken := items.count(IP.RESOLVER_INVALID_ID)
	for i in taken:
		expect_error("Out of resolver queries")
	for item in items:
		if item != IP.RESOLVER_INVALID_ID:
			IP.erase_resolve_item(item)
	check(items.size() - taken >= least, "%d are taken" % taken)
