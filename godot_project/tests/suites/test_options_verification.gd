# gdlint: disable=max-public-methods
## DTLSOptions: what a side demands of the other's certificate, and what it tells about it.
extends "res://tests/support/options_suite.gd"

# --- a client about its server ---


func test_trusted_ca() -> void:
	check_accepted(server_options(), client_options())


func test_trusted_ca_pem() -> void:
	var options := DTLSOptions.new()
	options.trusted_ca_pem = Pki.text("ca.crt")
	check_accepted(server_options(), options)


func test_both_kinds_of_trust_count() -> void:
	var options := client_options("other_ca")
	options.trusted_ca_pem = Pki.text("ca.crt")
	check_accepted(server_options(), options)
	check_accepted(server_options("untrusted"), options)


func test_a_server_s_own_certificate_can_be_trusted() -> void:
	check_accepted(server_options("self_signed"), client_options("self_signed"))


func test_trust_without_a_name() -> void:
	check_accepted(server_options("wrong_name"), client_options(), "")


func test_untrusted() -> void:
	check_client_refuses(
		server_options("untrusted"),
		client_options(),
		REASON_CERTIFICATE_UNTRUSTED,
		"not signed by anyone"
	)


func test_self_signed() -> void:
	check_client_refuses(
		server_options("self_signed"),
		client_options(),
		REASON_CERTIFICATE_SELF_SIGNED,
		"is self-signed"
	)


func test_expired() -> void:
	check_client_refuses(
		server_options("expired"),
		client_options(),
		REASON_CERTIFICATE_EXPIRED,
		"the certificate (for localhost, 127.0.0.1, ::1) has expired, on "
	)
	expect_doubt("expired")


func test_not_yet_valid() -> void:
	check_client_refuses(
		server_options("not_yet_valid"),
		client_options(),
		REASON_CERTIFICATE_NOT_YET_VALID,
		"the certificate (for localhost, 127.0.0.1, ::1) is not valid before "
	)
	expect_doubt("not_yet_valid")


func test_wrong_purpose() -> void:
	check_client_refuses(
		server_options("client_only"),
		client_options(),
		REASON_CERTIFICATE_WRONG_PURPOSE,
		"the certificate (for localhost) is not meant for a server"
	)
	expect_doubt("client_only")


func test_wrong_name() -> void:
	check_client_refuses(
		server_options("wrong_name"), client_options(), REASON_HOSTNAME_MISMATCH, "for another name"
	)
	status_is(network.clients[0], MISMATCH)


func test_the_system_is_trusted_without_anything_else() -> void:
	check_client_refuses(
		server_options(), DTLSOptions.new(), REASON_CERTIFICATE_UNTRUSTED, "not signed by"
	)


func test_required_by_hand_is_the_default_of_a_client() -> void:
	var options := client_options()
	options.verify_mode = DTLSOptions.VERIFY_REQUIRED
	check_accepted(server_options(), options)
	check_client_refuses(
		server_options("untrusted"), options, REASON_CERTIFICATE_UNTRUSTED, "not signed by"
	)


func test_nothing_is_verified_with_verify_none() -> void:
	check_accepted(server_options("untrusted"), careless_options())
	check_accepted(server_options("expired"), careless_options(), "")
	expect_doubt("expired")


func test_a_client_that_could_not_verify() -> void:
	check_connect_refused(DTLSOptions.new(), "verify_mode", "without a host name", "")
	var options := client_options()
	options.verify_mode = DTLSOptions.VERIFY_OPTIONAL
	check_connect_refused(options, "verify_mode", "for servers")


func test_what_verify_none_would_not_look_at() -> void:
	var options := careless_options()
	options.trusted_ca = Pki.certificate("ca")
	check_connect_refused(options, "trusted_ca", "would not be looked at")
	options = careless_options()
	options.trusted_ca_pem = Pki.text("ca.crt")
	check_connect_refused(options, "trusted_ca_pem", "would not be looked at")
	options = careless_options()
	options.crl_pem = Pki.text("ca.crl")
	check_connect_refused(options, "crl_pem", "would not be looked at")


func test_trust_that_cannot_be_read() -> void:
	var options := DTLSOptions.new()
	options.trusted_ca_pem = "nobody"
	check_connect_refused(options, "trusted_ca_pem", "no certificate in it")
	for property: String in ["trusted_ca_pem", "crl_pem"]:
		options = DTLSOptions.new()
		options.set(property, "res://ca.crt")
		check_connect_refused(options, property, "FileAccess.get_file_as_string(path)")
	options = DTLSOptions.new()
	options.trusted_ca = X509Certificate.new()
	equal(refused_by_client(options), ERR_INVALID_PARAMETER)
	expect_error("the trusted_ca is empty")


# --- a server about its clients ---


func test_a_player_with_a_certificate() -> void:
	var pair := check_accepted(asking_options(), player_options("player"))
	equal(ours(pair.server).get_peer_common_name(), "player-17")
	equal(
		ours(pair.server).get_peer_fingerprint(), DTLSCrypto.fingerprint(Pki.certificate("player"))
	)


func test_a_player_without_a_certificate() -> void:
	check_server_refuses(
		asking_options(),
		client_options(),
		REASON_CLIENT_CERTIFICATE_REQUIRED,
		"showed no certificate",
		"wants a certificate"
	)


func test_a_player_need_not_have_one_where_it_is_optional() -> void:
	var options := asking_options(DTLSOptions.VERIFY_OPTIONAL)
	var pair := check_accepted(options, client_options())
	check(ours(pair.server).get_peer_certificate() == null, "none was shown")
	equal(ours(pair.server).get_peer_certificate_pem(), "")
	equal(ours(pair.server).get_peer_fingerprint(), "")
	equal(ours(pair.server).get_peer_common_name(), "")
	check_accepted(options, player_options("player"))


func test_a_bad_certificate_is_refused_where_it_is_optional() -> void:
	check_server_refuses(
		asking_options(DTLSOptions.VERIFY_OPTIONAL),
		player_options("stranger"),
		REASON_CERTIFICATE_UNTRUSTED,
		"not signed by anyone",
		"does not trust"
	)


func test_a_player_of_another_authority() -> void:
	check_server_refuses(
		asking_options(),
		player_options("stranger"),
		REASON_CERTIFICATE_UNTRUSTED,
		"not signed by anyone",
		"does not trust"
	)


func test_a_server_s_certificate_is_not_a_player_s() -> void:
	var player := player_options("server")
	# Of the same options, made once more, nobody would be warned again.
	player.handshake_timeout = 29.0
	check_server_refuses(
		asking_options(),
		player,
		REASON_CERTIFICATE_WRONG_PURPOSE,
		"not meant for a client",
		"does not accept"
	)
	expect_error("The client's own certificate (for localhost, 127.0.0.1, ::1) is not meant for a")


func test_a_pinned_player() -> void:
	var options := server_options()
	options.verify_mode = DTLSOptions.VERIFY_REQUIRED
	options.pinned_sha256 = [DTLSCrypto.fingerprint(Pki.certificate("stranger"))]
	check_accepted(options, player_options("stranger"))
	check_server_refuses(
		options,
		player_options("player"),
		REASON_PIN_MISMATCH,
		DTLSCrypto.fingerprint(Pki.certificate("player")),
		"does not accept"
	)


func test_a_server_that_verifies_needs_something_to_verify_by() -> void:
	for mode: DTLSOptions.VerifyMode in [DTLSOptions.VERIFY_OPTIONAL, DTLSOptions.VERIFY_REQUIRED]:
		var options := server_options()
		options.verify_mode = mode
		check_setup_refused(options, "verify_mode", "needs trusted_ca or pinned_sha256")


func test_what_a_server_that_does_not_ask_would_not_look_at() -> void:
	for mode: DTLSOptions.VerifyMode in [DTLSOptions.VERIFY_DEFAULT, DTLSOptions.VERIFY_NONE]:
		var options := server_options()
		options.verify_mode = mode
		options.crl_pem = Pki.text("ca.crl")
		check_setup_refused(options, "crl_pem", "VERIFY_REQUIRED")
		options.pinned_sha256 = [DTLSCrypto.fingerprint(Pki.certificate("player"))]
		check_setup_refused(options, "pinned_sha256", "VERIFY_REQUIRED")
		options.trusted_ca_pem = Pki.text("ca.crt")
		check_setup_refused(options, "trusted_ca_pem", "VERIFY_REQUIRED")
		options.trusted_ca = Pki.certificate("ca")
		check_setup_refused(options, "trusted_ca", "VERIFY_REQUIRED")


# --- pins ---


func test_a_pin_alone_suffices() -> void:
	for name: String in ["self_signed", "expired", "wrong_name", "server"]:
		var pair := check_accepted(server_options(name), pinning_options(name), "")
		expect_doubt(name)
		equal(
			ours(pair.client).get_peer_fingerprint(),
			DTLSCrypto.fingerprint(Pki.certificate(name)),
			name
		)


func test_a_pin_of_the_key() -> void:
	var options := DTLSOptions.new()
	options.pinned_sha256 = [DTLSCrypto.spki_pin(Pki.certificate("self_signed"))]
	check_accepted(server_options("self_signed"), options, "")


func test_one_of_several_pins_has_to_fit() -> void:
	var options := DTLSOptions.new()
	options.pinned_sha256 = [
		DTLSCrypto.fingerprint(Pki.certificate("self_signed")),
		DTLSCrypto.spki_pin(Pki.certificate("server")),
	]
	check_accepted(server_options("self_signed"), options, "")
	check_accepted(server_options("server"), options, "")


func test_a_pin_of_another_certificate() -> void:
	check_client_refuses(
		server_options("server"),
		pinning_options("self_signed"),
		REASON_PIN_MISMATCH,
		DTLSCrypto.spki_pin(Pki.certificate("server")),
		""
	)


func test_a_pin_is_for_the_own_certificate_only() -> void:
	var options := pinning_options("intermediate")
	check_client_refuses(server_options("chained"), options, REASON_PIN_MISMATCH, "sha256:", "")


func test_a_pin_counts_beside_the_chain() -> void:
	var options := client_options()
	options.pinned_sha256 = pinning_options("server").pinned_sha256
	check_accepted(server_options("server"), options)
	check_client_refuses(server_options("chained"), options, REASON_PIN_MISMATCH, "sha256:")
	options.pinned_sha256 = pinning_options("untrusted").pinned_sha256
	check_client_refuses(
		server_options("untrusted"), options, REASON_CERTIFICATE_UNTRUSTED, "not signed by anyone"
	)


func test_with_a_host_name_the_chain_counts_beside_the_pin() -> void:
	check_client_refuses(
		server_options("self_signed"),
		pinning_options("self_signed"),
		REASON_CERTIFICATE_SELF_SIGNED,
		"is self-signed"
	)


func test_a_pin_counts_with_verify_none() -> void:
	var options := pinning_options("self_signed")
	options.verify_mode = DTLSOptions.VERIFY_NONE
	check_accepted(server_options("self_signed"), options)
	check_client_refuses(server_options("server"), options, REASON_PIN_MISMATCH, "sha256:")


func test_pins_that_are_none() -> void:
	for pin: String in ["", "sha256:", "sha256:abc", "sha1:" + "00".repeat(20), "spki:AAAA", "x"]:
		var options := DTLSOptions.new()
		options.pinned_sha256 = [pin]
		check_connect_refused(options, "pinned_sha256", "is not a pin")


# --- revocation ---


func test_a_certificate_that_is_not_revoked() -> void:
	var options := client_options()
	options.crl_pem = Pki.text("ca.crl")
	check_accepted(server_options(), options)


func test_a_revoked_certificate() -> void:
	check_accepted(server_options("revoked"), client_options())
	var options := client_options()
	options.crl_pem = Pki.text("ca.crl")
	check_client_refuses(
		server_options("revoked"), options, REASON_CERTIFICATE_REVOKED, "has been revoked"
	)


func test_a_revoked_certificate_that_is_pinned() -> void:
	var options := pinning_options("revoked")
	options.crl_pem = Pki.text("ca.crl")
	check_client_refuses(
		server_options("revoked"), options, REASON_CERTIFICATE_REVOKED, "has been revoked", ""
	)


func test_the_issuer_has_to_have_a_list() -> void:
	var options := client_options()
	options.crl_pem = Pki.text("ca.crl")
	check_client_refuses(
		server_options("chained"), options, REASON_REVOCATION_UNKNOWN, "revocation list"
	)


func test_an_outdated_list() -> void:
	var options := client_options()
	options.crl_pem = Pki.text("expired.crl")
	check_client_refuses(server_options(), options, REASON_REVOCATION_UNKNOWN, "revocation list")


func test_a_list_of_someone_else() -> void:
	var options := client_options()
	options.crl_pem = Pki.text("other_ca.crl")
	check_client_refuses(server_options(), options, REASON_REVOCATION_UNKNOWN, "revocation list")


func test_a_revoked_player() -> void:
	var options := asking_options()
	options.crl_pem = Pki.text("ca.crl")
	check_accepted(options, player_options("player"))
	check_server_refuses(
		options,
		player_options("revoked_player"),
		REASON_CERTIFICATE_REVOKED,
		"has been revoked",
		"revoked"
	)


func test_a_list_that_cannot_be_read() -> void:
	var options := client_options()
	options.crl_pem = "no list"
	check_connect_refused(options, "crl_pem", "no revocation list")
	options.crl_pem = Pki.text("ca.crt")
	check_connect_refused(options, "crl_pem", "it is something else")


# --- what is known of the other side ---


func test_what_is_known_before_and_after() -> void:
	serve_by(server_options())
	var client := start_by(client_options())
	var peer := ours(client)
	for known: Variant in known_about(peer):
		check(not known, "nothing is known before")
	var pair := completed(client)
	var certificate := peer.get_peer_certificate()
	equal(DTLSCrypto.fingerprint(certificate), peer.get_peer_fingerprint())
	contains(peer.get_peer_certificate_pem(), "BEGIN CERTIFICATE")
	equal(peer.get_peer_common_name(), "localhost")
	equal(peer.get_protocol_version(), "DTLS 1.2")
	check(peer.get_cipher_suite().begins_with("TLS_ECDHE_ECDSA_WITH_"), peer.get_cipher_suite())
	equal(ours(pair.server).get_cipher_suite(), peer.get_cipher_suite())
	peer.disconnect_from_peer()
	for known: Variant in known_about(peer):
		check(not known, "nothing is known afterwards")


func test_hostile_names_are_escaped() -> void:
	var pair := check_accepted(server_options("hostile"), careless_options())
	var name := ours(pair.client).get_peer_common_name()
	check(not name.contains("\n") and not name.contains("\u001b"), "no control characters")
	contains(name, "evil")


# --- helpers ---


static func known_about(peer: PacketPeerDTLSOpenSSL) -> Array:
	return [
		peer.get_peer_certificate(),
		peer.get_peer_certificate_pem(),
		peer.get_peer_fingerprint(),
		peer.get_peer_common_name(),
		peer.get_psk_identity(),
		peer.get_alpn_protocol(),
		peer.get_cipher_suite(),
		peer.get_protocol_version(),
		peer.is_session_reused(),
	]


## Those of a client that knows its server by its certificate alone.
static func pinning_options(name: String) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.pinned_sha256 = [DTLSCrypto.fingerprint(Pki.certificate(name))]
	return options


static func refused_by_client(options: DTLSOptions) -> Error:
	var udp := Network.socket_to(Network.IPV4, Network.unused_port())
	return PacketPeerDTLSOpenSSL.new().connect_with_options(udp, "localhost", options)
