# gdlint: disable=max-public-methods
## DTLSOptions: what a side shows.
extends "res://tests/support/options_suite.gd"

## That of encrypted.key.
const PASSPHRASE := "correct horse"


func test_resources() -> void:
	check_accepted(server_options(), client_options())


func test_a_chain_in_the_certificate() -> void:
	var pair := check_accepted(server_options("chained"), client_options())
	var pem := ours(pair.client).get_peer_certificate_pem()
	equal(pem.count("BEGIN CERTIFICATE"), 2)


func test_a_chain_of_its_own() -> void:
	var options := server_options("chained")
	options.certificate = Pki.certificate("chained_leaf")
	options.chain = Pki.certificate("intermediate")
	var pair := check_accepted(options, client_options())
	equal(ours(pair.client).get_peer_certificate_pem().count("BEGIN CERTIFICATE"), 2)


func test_pem_text() -> void:
	check_accepted(pem_options("chained"), client_options())


func test_pem_text_and_a_chain() -> void:
	var options := pem_options("chained")
	options.certificate_pem = Pki.text("chained_leaf.crt")
	options.chain = Pki.certificate("intermediate")
	check_accepted(options, client_options())


func test_an_encrypted_key() -> void:
	var options := encrypted_options()
	options.private_key_passphrase = PASSPHRASE
	check_accepted(options, client_options())


func test_an_encrypted_key_with_a_wrong_passphrase() -> void:
	var options := encrypted_options()
	options.private_key_passphrase = "battery staple"
	check_setup_refused(options, "private_key_pem", "passphrase")


func test_an_encrypted_key_without_a_passphrase() -> void:
	check_setup_refused(encrypted_options(), "private_key_pem", "passphrase")


func test_a_passphrase_without_a_key_that_it_is_for() -> void:
	var options := server_options()
	options.private_key_passphrase = PASSPHRASE
	check_setup_refused(options, "private_key_passphrase", "leave it empty")
	options = DTLSOptions.new()
	options.private_key_passphrase = PASSPHRASE
	check_setup_refused(options, "private_key_passphrase", "no key")


func test_one_of_each_is_enough() -> void:
	var options := server_options()
	options.private_key_pem = Pki.text("server.key")
	check_setup_refused(options, "private_key_pem", "private_key is set as well")
	options = server_options()
	options.certificate_pem = Pki.text("server.crt")
	check_setup_refused(options, "certificate_pem", "certificate is set as well")


func test_half_an_identity() -> void:
	var options := server_options()
	options.certificate = null
	check_setup_refused(options, "certificate", "needs its certificate")
	options = server_options()
	options.private_key = null
	check_setup_refused(options, "private_key", "needs its key")
	options = DTLSOptions.new()
	options.chain = Pki.certificate("intermediate")
	check_setup_refused(options, "chain", "no key and no certificate")


func test_nothing_to_show() -> void:
	check_setup_refused(DTLSOptions.new(), "private_key", "or psk_keys")
	equal(DTLSServerOpenSSL.new().setup_with_options(null), ERR_INVALID_PARAMETER)
	expect_error("the options are null; make them with DTLSOptions.new()")
	var udp := Network.socket_to(Network.IPV4, Network.unused_port())
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_with_options(udp, "localhost", null), ERR_INVALID_PARAMETER)
	expect_error("the options are null; make them with DTLSOptions.new()")


func test_what_cannot_be_read() -> void:
	var options := pem_options("server")
	options.private_key_pem = "no key"
	check_setup_refused(options, "private_key_pem", "cannot be read")
	options = pem_options("server")
	options.certificate_pem = "no certificate"
	check_setup_refused(options, "certificate_pem", "no certificate in it")
	options = pem_options("server")
	options.certificate_pem = Pki.text("self_signed.crt")
	check_setup_refused(options, "private_key_pem", "does not belong to the certificate")
	options = server_options()
	options.private_key = CryptoKey.new()
	check_setup_refused(options, "private_key", "empty")


func test_a_block_that_cannot_be_read_is_not_left_out() -> void:
	var leaf := Pki.text("chained_leaf.crt")
	var damaged := Pki.text("intermediate.crt")
	var four_dashes := damaged.replace("-----", "----")
	var trusted := damaged.replace(" CERTIFICATE", " TRUSTED CERTIFICATE")
	for second: String in [four_dashes, trusted, damaged.left(200)]:
		var options := pem_options("chained")
		options.certificate_pem = leaf + second
		check_setup_refused(options, "certificate_pem", "no. 2 in it cannot be read")
		options = client_options()
		options.trusted_ca = null
		options.trusted_ca_pem = leaf + second
		check_connect_refused(options, "trusted_ca_pem", "no. 2 in it cannot be read")


func test_what_the_engine_gives_back_as_text() -> void:
	# It ends in U+FFFD, of which the engine says so itself.
	tolerate("Unicode parsing error")
	var options := pem_options("chained")
	var leaf := Pki.certificate("chained_leaf").save_to_string()
	options.certificate_pem = leaf + Pki.certificate("intermediate").save_to_string()
	var trusting := client_options()
	trusting.trusted_ca = null
	trusting.trusted_ca_pem = Pki.certificate("other_ca").save_to_string()
	trusting.trusted_ca_pem += Pki.certificate("ca").save_to_string()
	check_accepted(options, trusting)


func test_an_own_certificate_that_is_refused_elsewhere() -> void:
	for name: String in ["expired", "not_yet_valid", "client_only"]:
		equal(DTLSServerOpenSSL.new().setup_with_options(server_options(name)), OK, name)
		expect_doubt(name)
		expect_silence()
	var options := server_options()
	options.server_identities = {"game.example": server_options("client_only")}
	equal(DTLSServerOpenSSL.new().setup_with_options(options), OK)
	var where := 'own certificate in server_identities["game.example"] (for localhost)'
	expect_error("%s is not meant for a server" % where)
	expect_silence()
	# Once, however often it connects.
	options = player_options("server")
	for _time in 2:
		var udp := Network.socket_to(Network.IPV4, Network.unused_port())
		equal(PacketPeerDTLSOpenSSL.new().connect_with_options(udp, "localhost", options), OK)
	var names := "(for localhost, 127.0.0.1, ::1)"
	expect_error("The client's own certificate %s is not meant for a client" % names)
	expect_silence()


func test_a_path_is_no_pem_text() -> void:
	for path: String in ["res://server.key", "user://server.key", "/etc/ssl/server.key"]:
		for property: String in ["private_key_pem", "certificate_pem"]:
			var options := pem_options("server")
			options.set(property, path)
			check_setup_refused(options, property, "FileAccess.get_file_as_string(path)")


func test_a_setup_that_fails_changes_nothing() -> void:
	var server := serve_by(server_options())
	equal(server.setup_with_options(DTLSOptions.new()), ERR_INVALID_PARAMETER)
	expect_error("private_key: a server needs")
	exchange(completed(start_by(client_options())))


func test_options_are_read_once() -> void:
	var options := server_options()
	serve_by(options)
	options.private_key = null
	options.certificate = null
	var of_client := client_options()
	var client := start_by(of_client)
	of_client.trusted_ca = Pki.certificate("other_ca")
	exchange(completed(client))


# --- server_identities ---


func test_the_name_that_a_client_asks_for_chooses_the_certificate() -> void:
	var options := server_options()
	options.server_identities = {"game.example": server_options("wrong_name")}
	serve_by(options)
	var pair := completed(start_by(client_options(), "game.example"))
	exchange(pair)
	equal(ours(pair.client).get_peer_common_name(), "game.example")
	equal(ours(pair.server).get_server_name(), "game.example")
	equal(ours(pair.client).get_server_name(), "game.example")
	var other := completed(start_by(client_options(), "localhost"))
	equal(ours(other.client).get_peer_common_name(), "localhost")
	equal(ours(other.server).get_server_name(), "localhost")


func test_an_address_is_not_asked_for() -> void:
	var options := server_options()
	options.server_identities = {"game.example": server_options("wrong_name")}
	serve_by(options)
	var pair := completed(start_by(client_options(), "127.0.0.1"))
	equal(ours(pair.server).get_server_name(), "")
	equal(ours(pair.client).get_peer_common_name(), "localhost")


func test_an_unknown_name_gets_the_default() -> void:
	var options := server_options()
	options.server_identities = {"game.example": server_options("wrong_name")}
	check_client_refuses(
		options, client_options(), REASON_HOSTNAME_MISMATCH, "for another name", "other.example"
	)


func test_identities_have_nothing_else() -> void:
	for property: String in [
		"trusted_ca_pem", "crl_pem", "psk_identity", "cipher_suites", "key_log_path"
	]:
		var other := server_options("wrong_name")
		other.set(property, "something")
		check_identity_refused(other, "but %s is" % property)
	for property: String in ["mtu", "max_pending_handshakes", "max_peers_per_prefix"]:
		var other := server_options("wrong_name")
		other.set(property, 1000)
		check_identity_refused(other, "but %s is" % property)
	var careful := server_options("wrong_name")
	careful.verify_mode = DTLSOptions.VERIFY_REQUIRED
	check_identity_refused(careful, "but verify_mode is")
	var forgetful := server_options("wrong_name")
	forgetful.session_resumption = false
	check_identity_refused(forgetful, "but session_resumption is")
	var hasty := server_options("wrong_name")
	hasty.handshake_timeout = 2.0
	check_identity_refused(hasty, "but handshake_timeout is")
	check_identity_refused(DTLSOptions.new(), "no key and no certificate")


func test_identities_that_are_none() -> void:
	var options := server_options()
	options.server_identities = {"game.example": "something"}
	check_setup_refused(options, 'server_identities["game.example"]', "not a DTLSOptions")
	options.server_identities = {"game.example": null}
	check_setup_refused(options, 'server_identities["game.example"]', "not a DTLSOptions")
	options.server_identities = {"127.0.0.1": server_options("wrong_name")}
	check_setup_refused(options, 'server_identities["127.0.0.1"]', "address")
	options.server_identities = {".example": server_options("wrong_name")}
	check_setup_refused(options, 'server_identities[".example"]', "not a host name")
	var of_client := client_options()
	of_client.server_identities = {"game.example": server_options("wrong_name")}
	check_connect_refused(of_client, "server_identities", "for servers")


# --- as a resource ---


func test_pem_text_survives_a_file() -> void:
	var options := encrypted_options()
	options.private_key_passphrase = PASSPHRASE
	var loaded := saved_and_loaded(options)
	check(loaded != options, "it is another object")
	check_accepted(loaded, client_options())


func test_every_property_survives_a_file() -> void:
	var options := every_property()
	var loaded := saved_and_loaded(options)
	for property in stored_properties():
		var value: Variant = loaded.get(property)
		var before: Variant = options.get(property)
		if before is CryptoKey or before is X509Certificate:
			var resource: Resource = before
			check(value is Resource, property)
			equal((value as Resource).resource_path, resource.resource_path, property)
		elif property == "server_identities":
			var identity: DTLSOptions = loaded.server_identities["game.example"]
			equal(identity.private_key_pem, Pki.text("wrong_name.key"))
			equal(identity.certificate_pem, Pki.text("wrong_name.crt"))
		else:
			equal(value, before, property)
			check(value != DTLSOptions.new().get(property), "%s was set" % property)


## All properties with something in them.
static func every_property() -> DTLSOptions:
	var options := server_options()
	options.chain = Pki.certificate("intermediate")
	options.private_key_pem = Pki.text("server.key")
	options.certificate_pem = Pki.text("server.crt")
	options.private_key_passphrase = PASSPHRASE
	options.server_identities = {"game.example": pem_options("wrong_name")}
	options.verify_mode = DTLSOptions.VERIFY_OPTIONAL
	options.trusted_ca = Pki.certificate("ca")
	options.trusted_ca_pem = Pki.text("other_ca.crt")
	options.pinned_sha256 = ["sha256:" + "0123456789abcdef".repeat(4)]
	options.crl_pem = "a list"
	options.psk_identity = "player"
	options.psk_key = secret()
	options.psk_keys = {"other": secret()}
	options.alpn_protocols = ["game/2", "game/1"]
	options.cipher_suites = "ECDHE+AESGCM"
	options.mtu = 1000
	options.handshake_timeout = 2.5
	options.idle_timeout = 7.5
	options.max_pending_handshakes = 17
	options.max_peers_per_prefix = 18
	options.exempt_addresses = ["192.0.2.1"]
	options.session_resumption = false
	options.ticket_keys = [secret(80)]
	options.key_log_path = "user://keys.log"
	return options


## The names of what is saved, apart from what every Resource has.
static func stored_properties() -> PackedStringArray:
	var names: PackedStringArray = []
	for property in ClassDB.class_get_property_list(&"DTLSOptions", true):
		if int(property["usage"]) & PROPERTY_USAGE_STORAGE:
			names.append(property["name"])
	return names


func saved_and_loaded(options: DTLSOptions) -> DTLSOptions:
	var path := "user://options_%d.tres" % Time.get_ticks_usec()
	equal(ResourceSaver.save(options, path), OK)
	var loaded: DTLSOptions = ResourceLoader.load(
		path, "DTLSOptions", ResourceLoader.CACHE_MODE_IGNORE
	)
	equal(DirAccess.remove_absolute(ProjectSettings.globalize_path(path)), OK)
	return loaded


## The engine saves what has no file of its own empty.
func test_what_was_saved_without_a_file_of_its_own() -> void:
	var options := DTLSOptions.new()
	options.private_key = DTLSCrypto.generate_key()
	options.certificate = DTLSCrypto.generate_self_signed_certificate(
		options.private_key, ["localhost"]
	)
	var loaded := saved_and_loaded(options)
	check_setup_refused(loaded, "private_key", "a .tres that it was saved in")
	loaded.private_key = options.private_key
	equal(DTLSServerOpenSSL.new().setup_with_options(loaded), ERR_INVALID_PARAMETER)
	expect_error("the certificate is empty. A wrong path leaves it so, and a .tres")


# --- from_tls_options ---


func test_from_the_options_of_a_server() -> void:
	var theirs := TLSOptions.server(Pki.key("server"), Pki.certificate("server"))
	check_accepted(DTLSOptions.from_tls_options(theirs), client_options())


func test_from_the_options_of_a_client() -> void:
	var theirs := TLSOptions.client(Pki.certificate("ca"))
	check_accepted(server_options(), DTLSOptions.from_tls_options(theirs))
	check_client_refuses(
		server_options("untrusted"),
		DTLSOptions.from_tls_options(theirs),
		REASON_CERTIFICATE_UNTRUSTED,
		"not signed by anyone"
	)


func test_from_the_options_of_a_careless_client() -> void:
	var ours_too := DTLSOptions.from_tls_options(TLSOptions.client_unsafe())
	equal(ours_too.verify_mode, DTLSOptions.VERIFY_NONE)
	check_accepted(server_options("untrusted"), ours_too)


func test_from_options_that_cannot_be_expressed() -> void:
	check(DTLSOptions.from_tls_options(null) == null, "no options")
	expect_error("options are null")
	check(
		DTLSOptions.from_tls_options(TLSOptions.client(Pki.certificate("ca"), "name")) == null,
		"refused"
	)
	expect_error("passed to connect_with_options")
	check(
		DTLSOptions.from_tls_options(TLSOptions.client_unsafe(Pki.certificate("ca"))) == null,
		"refused"
	)
	expect_error("no host name is passed")


# --- helpers ---


## A key that needs its passphrase, and its certificate.
static func encrypted_options() -> DTLSOptions:
	var options := pem_options("server")
	options.private_key_pem = Pki.text("encrypted.key")
	return options


static func pem_options(name: String) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.private_key_pem = Pki.text(name + ".key")
	options.certificate_pem = Pki.text(name + ".crt")
	return options


func check_identity_refused(identity: DTLSOptions, text: String) -> void:
	var options := server_options()
	options.server_identities = {"game.example": identity}
	check_setup_refused(options, 'server_identities["game.example"]', text)
