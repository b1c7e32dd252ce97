# gdlint: disable=max-public-methods
## DTLSOptions: pre-shared keys.
extends "res://tests/support/options_suite.gd"


func test_a_pre_shared_key() -> void:
	var pair := check_accepted(serving({"match-17": secret()}), having("match-17", secret()), "")
	equal(ours(pair.server).get_psk_identity(), "match-17")
	equal(ours(pair.client).get_psk_identity(), "match-17")
	contains(ours(pair.client).get_cipher_suite(), "PSK")
	check(ours(pair.client).get_peer_certificate() == null, "there is no certificate")


func test_one_key_for_each() -> void:
	var keys := {"one": secret(16, 1), "two": secret(32, 2)}
	for identity: String in keys:
		var key: PackedByteArray = keys[identity]
		var pair := check_accepted(serving(keys), having(identity, key))
		equal(ours(pair.server).get_psk_identity(), identity)


func test_identities_are_text_of_any_language() -> void:
	var pair := check_accepted(serving({"Zoë": secret()}), having("Zoë", secret()))
	equal(ours(pair.server).get_psk_identity(), "Zoë")


func test_an_unknown_identity() -> void:
	check_server_refuses(
		serving({"match-17": secret()}),
		having("match-18", secret()),
		REASON_PSK_UNKNOWN_IDENTITY,
		"match-18",
		"does not know this pre-shared key identity"
	)


func test_a_wrong_key() -> void:
	var options := having("match-17", secret(16, 8))
	options.handshake_timeout = 1.0
	var of_server := serving({"match-17": secret()})
	# Later than the client, which would hear of it otherwise.
	of_server.handshake_timeout = 2.0
	serve_by(of_server)
	var client := start_by(options)
	wait_until("the client gives up", client.is_over)
	equal(reason_name(ours(client).get_failure_reason()), "REASON_TIMEOUT")
	contains(last_error(client), "timed out")
	expect_error("timed out")
	for accepted in network.accepted:
		wait_until("the server gives up", accepted.is_over)
		check(not accepted.is_connected_securely(), "the server is not connected")


func test_a_client_with_a_key_takes_no_certificate() -> void:
	check_server_refuses(
		server_options(),
		having("match-17", secret()),
		REASON_NO_SHARED_CIPHER,
		"no cipher suite",
		"in common"
	)


func test_a_server_with_both() -> void:
	var options := server_options()
	options.psk_keys = {"match-17": secret()}
	var pair := check_accepted(options, having("match-17", secret()))
	equal(ours(pair.server).get_psk_identity(), "match-17")
	pair = check_accepted(options, client_options())
	equal(ours(pair.server).get_psk_identity(), "")
	contains(ours(pair.client).get_cipher_suite(), "ECDSA")


func test_a_server_without_a_certificate_has_nothing_for_others() -> void:
	check_server_refuses(
		serving({"match-17": secret()}),
		client_options(),
		REASON_NO_SHARED_CIPHER,
		"no cipher suite",
		"in common"
	)


func test_keys_come_and_go() -> void:
	var server := serve_by(serving({"first": secret()}))
	equal(server.set_psk("second", secret(16, 2)), OK)
	var pair := completed(start_by(having("second", secret(16, 2))))
	exchange(pair)
	equal(server.remove_psk("second"), true)
	equal(server.remove_psk("second"), false, "it is gone")
	exchange(pair)
	var late := start_by(having("second", secret(16, 2)))
	wait_for_status(late, ERROR)
	expect_error("does not know this pre-shared key identity")
	exchange(completed(start_by(having("first", secret()))))


func test_a_key_is_replaced() -> void:
	var server := serve_by(serving({"match-17": secret(16, 1)}))
	equal(server.set_psk("match-17", secret(16, 2)), OK)
	exchange(completed(start_by(having("match-17", secret(16, 2)))))


func test_the_first_key_of_a_server_with_a_certificate() -> void:
	var server := serve_by(server_options())
	equal(server.set_psk("match-17", secret()), OK)
	exchange(completed(start_by(having("match-17", secret()))))
	exchange(completed(start_by(client_options())))
	equal(server.setup_with_options(server_options()), OK)
	var late := start_by(having("match-17", secret()))
	wait_for_status(late, ERROR)
	expect_error("in common")


func test_set_psk_with_what_cannot_be_used() -> void:
	var server := DTLSServerOpenSSL.new()
	equal(server.set_psk("match-17", secret()), ERR_UNCONFIGURED)
	expect_error("call setup() first")
	equal(server.remove_psk("match-17"), false)
	server = serve_by(serving({"match-17": secret()}))
	equal(server.set_psk("match-18", secret(15)), ERR_INVALID_PARAMETER)
	expect_error("it can have 16 to 512")
	contains(server.get_last_error(), "it can have 16 to 512")
	equal(server.set_psk("", secret()), ERR_INVALID_PARAMETER)
	expect_error("set_psk")
	var careful := server_options()
	careful.verify_mode = DTLSOptions.VERIFY_REQUIRED
	careful.trusted_ca = Pki.certificate("ca")
	server = serve_by(careful)
	equal(server.set_psk("match-17", secret()), ERR_INVALID_PARAMETER)
	expect_error("set_psk")


func test_pre_shared_keys_do_not_resume() -> void:
	var options := serving({"match-17": secret()})
	serve_by(options)
	for i in 2:
		var pair := completed(start_by(having("match-17", secret())))
		equal(ours(pair.client).is_session_reused(), false)
		equal(ours(pair.server).is_session_reused(), false)


func test_keys_that_are_too_short() -> void:
	check_connect_refused(having("match-17", secret(15)), "psk_key", "it can have 16 to 512")
	var options := serving({"match-17": secret(15)})
	check_setup_refused(options, 'psk_keys["match-17"]', "it can have 16 to 512")


func test_identities_that_are_none() -> void:
	check_connect_refused(having("x".repeat(129), secret()), "psk_identity", "128 bytes")
	check_connect_refused(having("", secret()), "psk_identity", "needs a name")
	check_connect_refused(having("match-17", PackedByteArray()), "psk_key", "needs a key")
	check_setup_refused(serving({"": secret()}), 'psk_keys[""]', "it is empty")
	check_setup_refused(serving({17: secret()}), "psk_keys", "not a String")
	check_setup_refused(
		serving({"match-17": "0123456789abcdef"}), 'psk_keys["match-17"]', "not a PackedByteArray"
	)


func test_a_key_in_the_place_of_its_identity_is_not_printed() -> void:
	var server := DTLSServerOpenSSL.new()
	var options := serving({secret(): "match-17"})
	equal(server.setup_with_options(options), ERR_INVALID_PARAMETER)
	expect_error("psk_keys: one of its names is not a String")
	check(not str(secret()) in server.get_last_error(), "the key is not in it")


func test_a_key_and_certificates_at_once() -> void:
	var options := having("match-17", secret())
	options.verify_mode = DTLSOptions.VERIFY_REQUIRED
	check_connect_refused(options, "verify_mode", "no certificate to verify")
	options = having("match-17", secret())
	options.trusted_ca = Pki.certificate("ca")
	check_connect_refused(options, "trusted_ca", "there are no certificates")
	options = having("match-17", secret())
	options.pinned_sha256 = [DTLSCrypto.fingerprint(Pki.certificate("server"))]
	check_connect_refused(options, "pinned_sha256", "there are no certificates")
	options = having("match-17", secret())
	options.private_key = Pki.key("player")
	options.certificate = Pki.certificate("player")
	check_connect_refused(options, "certificate", "there are no certificates")
	var of_server := server_options()
	of_server.psk_keys = {"match-17": secret()}
	of_server.verify_mode = DTLSOptions.VERIFY_REQUIRED
	of_server.trusted_ca = Pki.certificate("ca")
	check_setup_refused(of_server, "verify_mode", "shows none")


func test_a_client_s_key_is_none_for_a_server() -> void:
	var options := server_options()
	options.psk_identity = "match-17"
	check_setup_refused(options, "psk_identity", "psk_keys")
	options = server_options()
	options.psk_key = secret()
	check_setup_refused(options, "psk_key", "psk_keys")
	options = client_options()
	options.psk_keys = {"match-17": secret()}
	check_connect_refused(options, "psk_keys", "for servers")


# --- helpers ---


static func serving(keys: Dictionary) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.psk_keys = keys
	return options


static func having(identity: String, key: PackedByteArray) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.psk_identity = identity
	options.psk_key = key
	return options
