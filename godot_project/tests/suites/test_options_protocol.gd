# gdlint: disable=max-public-methods
## DTLSOptions: what is spoken, for how long, and what a connection can be asked for.
extends "res://tests/support/options_suite.gd"

const LOG := "user://keys.log"


func after_each() -> void:
	super()
	if FileAccess.file_exists(LOG):
		DirAccess.remove_absolute(ProjectSettings.globalize_path(LOG))


# --- alpn_protocols ---


func test_a_protocol_in_common() -> void:
	var pair := check_accepted(
		speaking(server_options(), ["game/3", "game/2"]),
		speaking(client_options(), ["game/1", "game/2", "game/3"])
	)
	equal(ours(pair.client).get_alpn_protocol(), "game/3", "the server's order counts")
	equal(ours(pair.server).get_alpn_protocol(), "game/3")


func test_no_protocol_in_common() -> void:
	check_server_refuses(
		speaking(server_options(), ["game/3"]),
		speaking(client_options(), ["game/1"]),
		REASON_NO_APPLICATION_PROTOCOL,
		"application protocol",
		"no application protocol in common"
	)


func test_a_side_without_protocols() -> void:
	var pair := check_accepted(server_options(), speaking(client_options(), ["game/1"]))
	equal(ours(pair.client).get_alpn_protocol(), "")
	pair = check_accepted(speaking(server_options(), ["game/1"]), client_options())
	equal(ours(pair.server).get_alpn_protocol(), "")


func test_protocols_that_are_none() -> void:
	for protocols: PackedStringArray in [[""], ["game/1", ""], ["x".repeat(256)]]:
		var options := speaking(client_options(), protocols)
		check_connect_refused(options, "alpn_protocols", "255 bytes")
		check_setup_refused(speaking(server_options(), protocols), "alpn_protocols", "255 bytes")


# --- cipher_suites ---


func test_suites_of_the_server_s_choice() -> void:
	var options := server_options()
	options.cipher_suites = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE+AESGCM"
	var pair := check_accepted(options, client_options())
	equal(ours(pair.client).get_cipher_suite(), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")


func test_suites_of_the_client_s_choice() -> void:
	var options := client_options()
	options.cipher_suites = "AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384"
	var pair := check_accepted(server_options(), options)
	equal(ours(pair.server).get_cipher_suite(), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")


func test_no_suite_in_common() -> void:
	var of_server := server_options()
	of_server.cipher_suites = "ECDHE-ECDSA-AES256-GCM-SHA384"
	var of_client := client_options()
	of_client.cipher_suites = "ECDHE-ECDSA-CHACHA20-POLY1305"
	check_server_refuses(
		of_server, of_client, REASON_NO_SHARED_CIPHER, "no cipher suite", "in common"
	)


func test_suites_that_are_refused() -> void:
	for list: String in [
		"nonsense",
		"AES128-SHA",
		"ECDHE-ECDSA-AES128-SHA256",
		"AES128-GCM-SHA256",
		"aNULL",
		"ECDHE+AESGCM:aNULL",
		"eNULL",
		"ADH-AES256-GCM-SHA384",
		"ECDHE+AESGCM:@SECLEVEL=0",
		"@STRENGTH",
		"PSK",
	]:
		var options := client_options()
		options.cipher_suites = list
		check_connect_refused(options, "cipher_suites", "cipher suites")
		options = server_options()
		options.cipher_suites = list
		check_setup_refused(options, "cipher_suites", "cipher suites")


# --- limits ---


func test_mtu() -> void:
	var options := client_options()
	options.mtu = 600
	check_accepted(server_options("chain_of_three"), options)
	var of_server := server_options("chain_of_three")
	of_server.mtu = 600
	var pair := check_accepted(of_server, options)
	var stats := ours(pair.server).get_stats()
	check(int(stats["datagrams_sent"]) >= 4, "its flight takes several datagrams: %s" % stats)
	for mtu: int in [-1, 1, 507, 8973, 1 << 40]:
		options.mtu = mtu
		check_connect_refused(options, "mtu", "%d is out of range; it can be 508 to 8,972" % mtu)
		of_server.mtu = mtu
		check_setup_refused(of_server, "mtu", "508 to 8,972, or 0")


func test_handshake_timeout() -> void:
	var options := client_options()
	options.handshake_timeout = 1.0
	var socket := Network.socket_to(Network.IPV4, Network.unused_port())
	var client := network.add(Endpoint.new(socket, PacketPeerDTLSOpenSSL.new()))
	equal(ours(client).connect_with_options(socket, "localhost", options), OK)
	var before := Time.get_ticks_msec()
	wait_for_status(client, ERROR)
	check(absi(Time.get_ticks_msec() - before - 1000) < 500, "after one second")
	check_failure(client, REASON_TIMEOUT, "timed out after 1 s")
	expect_error("timed out after 1 s")
	for timeout: float in [0.0, 0.9, 300.5, -1.0, NAN, INF]:
		options.handshake_timeout = timeout
		check_connect_refused(options, "handshake_timeout", " s is ")


func test_idle_timeout() -> void:
	var options := server_options()
	options.idle_timeout = 0.4
	var pair := check_accepted(options, client_options())
	wait_for_status(pair.server, DISCONNECTED)
	contains(last_error(pair.server), "nothing came from the other side for 0.4 s")
	wait_for_status(pair.client, DISCONNECTED)
	for timeout: float in [-1.0, NAN, INF]:
		options.idle_timeout = timeout
		check_setup_refused(options, "idle_timeout", "is not a time")


func test_max_pending_handshakes() -> void:
	var options := server_options()
	options.max_pending_handshakes = 1
	serve_by(options)
	var first := start_by(client_options())
	# It does not go on once the server has begun.
	network.clients.erase(first)
	var has_begun := func() -> bool:
		if network.accepted.is_empty():
			first.poll()
		return network.accepted.size() == 1
	wait_until("the first has begun", has_begun)
	var abandoned := network.accepted[0]
	exchange(completed(start_by(client_options())))
	wait_for_status(abandoned, ERROR)
	check_failure(abandoned, REASON_TOO_MANY_PENDING, "too many handshakes")
	for count: int in [0, -1]:
		options.max_pending_handshakes = count
		check_setup_refused(options, "max_pending_handshakes", "less than one")
	var of_client := client_options()
	of_client.max_pending_handshakes = 1
	check_connect_refused(of_client, "max_pending_handshakes", "for servers")


func test_max_peers_per_prefix() -> void:
	var options := server_options()
	options.max_peers_per_prefix = 1
	var pair := check_accepted(options, client_options())
	network.refused.clear()
	var second := start_by(client_options())
	wait_until("the second has failed", second.is_over)
	check_failure(second, REASON_PEER_ALERT, "it denies access (alert 49)")
	expect_error("it denies access (alert 49)")
	# The first attempt of every client is refused, too: it is asked for its cookie.
	var at_server: Endpoint = network.refused[-1]
	check_failure(
		at_server,
		PacketPeerDTLSOpenSSL.REASON_TOO_MANY_PEERS,
		"1 clients of this network are connected already"
	)
	var failed: Dictionary = network.server.call(&"get_stats")["handshakes_failed"]
	equal(failed["too_many_peers"], 1)
	exchange(pair)
	# Whoever leaves makes room.
	ours(pair.client).disconnect_from_peer()
	wait_until("the first is gone", pair.server.is_over)
	exchange(completed(start_by(client_options())))
	options.max_peers_per_prefix = -1
	check_setup_refused(options, "max_peers_per_prefix", "0 is for no limit")
	var of_client := client_options()
	of_client.max_peers_per_prefix = 1
	check_connect_refused(of_client, "max_peers_per_prefix", "for servers")


func test_exempt_addresses() -> void:
	var options := server_options()
	options.max_peers_per_prefix = 1
	options.exempt_addresses = ["2001:db8::1", "127.0.0.1"]
	serve_by(options)
	var pairs: Array[Pair] = []
	for i in 3:
		pairs.append(completed(start_by(client_options())))
	for pair in pairs:
		exchange(pair)
	for address: String in ["", "localhost", "127.0.0.1:4242", "10.0.0.0/8"]:
		options.exempt_addresses = ["127.0.0.1", address]
		check_setup_refused(options, "exempt_addresses", "is not an IP address")
	var of_client := client_options()
	of_client.exempt_addresses = ["127.0.0.1"]
	check_connect_refused(of_client, "exempt_addresses", "for servers")


# --- sessions ---


func test_sessions_are_resumed() -> void:
	serve_by(server_options())
	var options := client_options()
	equal(is_resumed(completed(start_by(options))), false, "the first")
	equal(is_resumed(completed(start_by(options))), true, "the second")
	# What counts is what they say.
	equal(is_resumed(completed(start_by(client_options()))), true, "with equal options")


func test_sessions_with_a_client_certificate_are_resumed() -> void:
	var of_server := server_options()
	of_server.verify_mode = DTLSOptions.VERIFY_REQUIRED
	of_server.trusted_ca = Pki.certificate("ca")
	serve_by(of_server)
	var options := client_options()
	options.private_key = Pki.key("player")
	options.certificate = Pki.certificate("player")
	equal(is_resumed(completed(start_by(options))), false)
	var pair := completed(start_by(options))
	equal(is_resumed(pair), true)
	equal(ours(pair.server).get_peer_common_name(), "player-17", "it is known who it is")
	options.private_key = null
	options.certificate = null
	var nobody := start_by(options)
	wait_for_status(nobody, ERROR)
	expect_error("wants a certificate")


func test_other_options_do_not_resume() -> void:
	serve_by(server_options())
	completed(start_by(client_options()))
	var options := client_options()
	options.pinned_sha256 = [DTLSCrypto.fingerprint(Pki.certificate("server"))]
	equal(is_resumed(completed(start_by(options))), false, "with a pin")
	options = client_options()
	options.crl_pem = Pki.text("ca.crl")
	equal(is_resumed(completed(start_by(options))), false, "with a revocation list")
	serve_by(speaking(server_options(), ["game/1"]))
	equal(is_resumed(completed(start_by(client_options()))), false, "with a server set up anew")


func test_without_resumption() -> void:
	for sides: Array in [[true, false], [false, true]]:
		var of_server := server_options()
		of_server.session_resumption = sides[0]
		serve_by(of_server)
		var options := client_options()
		options.session_resumption = sides[1]
		for i in 2:
			equal(is_resumed(completed(start_by(options))), false)


func test_ticket_keys_are_for_several_servers() -> void:
	var keys: Array[PackedByteArray] = [secret(80, 1), secret(80, 2)]
	var of_server := server_options()
	of_server.ticket_keys = keys
	serve_by(of_server)
	completed(start_by(client_options()))
	# Another process would have the keys in another order.
	of_server.ticket_keys = [keys[1], keys[0]] as Array[PackedByteArray]
	serve_by(of_server)
	equal(is_resumed(completed(start_by(client_options()))), true, "with the same keys")
	of_server.ticket_keys = [secret(80, 3)] as Array[PackedByteArray]
	serve_by(of_server)
	equal(is_resumed(completed(start_by(client_options()))), false, "with another one")


func test_ticket_keys_that_are_none() -> void:
	for key: PackedByteArray in [secret(79), secret(81), PackedByteArray()]:
		var options := server_options()
		options.ticket_keys = [key] as Array[PackedByteArray]
		check_setup_refused(options, "ticket_keys", "80 bytes")
	var forgetful := server_options()
	forgetful.ticket_keys = [secret(80)] as Array[PackedByteArray]
	forgetful.session_resumption = false
	check_setup_refused(forgetful, "ticket_keys", "session_resumption is off")
	var options := client_options()
	options.ticket_keys = [secret(80)] as Array[PackedByteArray]
	check_connect_refused(options, "ticket_keys", "for servers")


# --- key_log_path ---


func test_a_key_log() -> void:
	var options := client_options()
	options.key_log_path = LOG
	check_accepted(server_options(), options)
	var line := FileAccess.get_file_as_string(LOG)
	var format := RegEx.create_from_string("^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$")
	check(format.search(line.to_lower().replace("client_random", "CLIENT_RANDOM")) != null, line)
	var of_server := server_options()
	of_server.key_log_path = LOG
	check_accepted(of_server, options)
	var lines := FileAccess.get_file_as_string(LOG).split("\n", false)
	equal(lines.size(), 3, "what was there stays")
	equal(lines[1].to_lower(), lines[2].to_lower(), "both sides write the same")
	DirAccess.remove_absolute(ProjectSettings.globalize_path(LOG))
	completed(start_by(options))
	contains(FileAccess.get_file_as_string(LOG), "CLIENT_RANDOM ")


func test_a_key_log_that_was_deleted_begins_anew() -> void:
	var options := client_options()
	options.key_log_path = LOG
	for time in 2:
		check_accepted(server_options(), options)
		equal(FileAccess.get_file_as_string(LOG).split("\n", false).size(), 1, "time %d" % time)
		DirAccess.remove_absolute(ProjectSettings.globalize_path(LOG))


func test_a_key_log_that_cannot_be_written() -> void:
	var options := client_options()
	options.key_log_path = "user://no/such/folder/keys.log"
	check_connect_refused(options, "key_log_path", "cannot be written")
	var of_server := server_options()
	of_server.key_log_path = "user://no/such/folder/keys.log"
	check_setup_refused(of_server, "key_log_path", "cannot be written")


# --- export_keying_material ---


func test_both_sides_export_the_same() -> void:
	var pair := check_accepted(server_options(), client_options())
	var client := ours(pair.client)
	var server := ours(pair.server)
	var exported := client.export_keying_material("EXPERIMENTAL game", 32)
	equal(exported.size(), 32)
	equal(exported, server.export_keying_material("EXPERIMENTAL game", 32))
	check(exported != client.export_keying_material("EXPERIMENTAL other", 32), "another label")
	var context := "match 17".to_utf8_buffer()
	var tied := client.export_keying_material("EXPERIMENTAL game", 32, context)
	equal(tied, server.export_keying_material("EXPERIMENTAL game", 32, context))
	check(tied != exported, "another context")
	var other := completed(start_by(careless_options()))
	check(
		exported != ours(other.client).export_keying_material("EXPERIMENTAL game", 32),
		"another connection"
	)


func test_what_cannot_be_exported() -> void:
	var pair := check_accepted(server_options(), client_options())
	var client := ours(pair.client)
	for length: int in [0, -1, 8161]:
		equal(client.export_keying_material("EXPERIMENTAL game", length), PackedByteArray())
		expect_error("1 to 8,160 bytes")
	for label: String in ["", "master secret", "client finished", "key expansion"]:
		equal(client.export_keying_material(label, 32), PackedByteArray())
		expect_error("a label that TLS does not use")
	equal(
		PacketPeerDTLSOpenSSL.new().export_keying_material("EXPERIMENTAL game", 32),
		PackedByteArray()
	)
	expect_error("it takes a connection")


# --- helpers ---


func is_resumed(pair: Pair) -> bool:
	var client := ours(pair.client).is_session_reused()
	equal(client, ours(pair.server).is_session_reused(), "both sides say the same")
	return client
