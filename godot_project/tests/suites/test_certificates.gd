# gdlint: disable=max-public-methods
## Which certificates a client accepts, and what a server shows.
extends "res://tests/support/network_suite.gd"

const EngineCertificate := preload("res://tests/support/engine_certificate.gd")

const BUNDLE_SETTING := "network/tls/certificate_bundle_override"
## Seconds within which both sides know that a handshake has failed. The other side is told by an
## alert; it would have to wait for its timeout, ten times as long, without.
const SOON := 3.0

## One key for all tests: making one takes more than half a second.
static var _rsa_key: CryptoKey

# --- what is trusted ---


func test_a_server_s_own_certificate() -> void:
	check_accepted("self_signed", "localhost", "self_signed")


func test_a_server_s_own_certificate_that_someone_else_signed() -> void:
	check_accepted("server", "localhost", "server")


func test_an_authority() -> void:
	check_accepted("server", "localhost", "ca")


func test_a_bundle_with_the_authority_last() -> void:
	check_accepted("server", "localhost", "bundle")


func test_an_intermediate_authority() -> void:
	check_accepted("chained", "localhost", "intermediate")


func test_another_authority() -> void:
	check_refused("server", "localhost", "other_ca", ERROR, ["not signed by anyone who is trusted"])


func test_a_server_of_another_authority() -> void:
	check_refused("untrusted", "localhost", "ca", ERROR, ["not signed by anyone who is trusted"])


func test_a_self_signed_server_that_is_not_trusted() -> void:
	check_refused("self_signed", "localhost", "ca", ERROR, ["self-signed", "not trusted"])


func test_a_leaf_is_no_authority() -> void:
	# Trusting one server must not mean to trust another one of the same authority.
	check_refused("server", "localhost", "wildcard", ERROR, ["not signed by anyone who is trusted"])


func test_the_system_does_not_trust_our_authority() -> void:
	if OS.get_system_ca_certificates() == "":
		fail("this system trusts nobody; install the package ca-certificates")
		return
	network.serve()
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, true, "localhost"), OK)
	check_failure(client, ERROR, ["not signed by anyone who is trusted"])


func test_the_bundle_of_the_project() -> void:
	network.serve()
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	var path := Pki.path("bundle.crt")
	equal(with_bundle_setting(path, peer.connect_to_peer.bind(client.udp, true, "localhost")), OK)
	exchange(completed(client))


func test_the_bundle_of_the_project_replaces_the_system() -> void:
	network.serve()
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	var path := Pki.path("other_ca.crt")
	equal(with_bundle_setting(path, peer.connect_to_peer.bind(client.udp, true, "localhost")), OK)
	check_failure(client, ERROR, ["not signed by anyone who is trusted"])


func test_a_given_certificate_counts_more_than_the_bundle_of_the_project() -> void:
	network.serve()
	var client := network.add_client()
	equal(with_bundle_setting(Pki.path("other_ca.crt"), start.bind(client)), OK)
	exchange(completed(client))


func test_a_bundle_of_the_project_that_does_not_exist() -> void:
	network.serve()
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	var path := Pki.path("no_such_file.crt")
	var result := with_bundle_setting(
		path, peer.connect_to_peer.bind(client.udp, true, "localhost")
	)
	check(result != OK, "connect_to_peer fails")
	status_is(client, DISCONNECTED)
	expect_error(BUNDLE_SETTING)
	expect_silence()
	contains(last_error(client), path)


# --- chains ---


func test_a_chain_in_one_file_is_sent_whole() -> void:
	check_accepted("chained", "localhost", "ca")


func test_a_chain_in_a_file_of_the_project_is_sent_whole() -> void:
	# The path is the engine's own kind, which only the engine can open.
	var copied := user_copy_of("chained")
	equal(network.serve_with(Pki.key("chained"), load(copied)), OK)
	var client := network.add_client()
	start(client)
	exchange(completed(client))


func test_a_chain_in_two_objects_is_sent_whole() -> void:
	var leaf := Pki.certificate("chained_leaf")
	equal(network.serve_with(Pki.key("chained"), leaf, Pki.certificate("intermediate")), OK)
	var client := network.add_client()
	start(client)
	exchange(completed(client))


func test_a_leaf_without_its_intermediate() -> void:
	network.serve_with(Pki.key("chained"), Pki.certificate("chained_leaf"))
	var client := network.add_client()
	start(client)
	check_failure(client, ERROR, ["an intermediate certificate is missing"])


func test_a_chain_that_no_file_stands_behind_is_refused() -> void:
	var from_load := X509Certificate.new()
	equal(from_load.load(Pki.path("chained.crt")), OK, "load")
	var from_text := X509Certificate.new()
	equal(from_text.load_from_string(Pki.text("chained.crt")), OK, "load_from_string")
	for chain: X509Certificate in [from_load, from_text]:
		equal(network.serve_with(Pki.key("chained"), chain), ERR_INVALID_PARAMETER, "setup")
		expect_error("load it as a resource")
		expect_silence()
		contains((network.server as DTLSServerOpenSSL).get_last_error(), "2 certificates")


func test_a_bundle_that_no_file_stands_behind_is_refused() -> void:
	network.serve()
	var bundle := X509Certificate.new()
	equal(bundle.load(Pki.path("bundle.crt")), OK, "load")
	var peer := PacketPeerDTLSOpenSSL.new()
	var socket := network.client_socket()
	var result := peer.connect_to_peer(socket, true, "localhost", bundle)
	equal(result, ERR_INVALID_PARAMETER)
	equal(peer.get_status(), DISCONNECTED)
	expect_error("load it as a resource")
	contains(peer.get_last_error(), "3 certificates")


func test_a_chain_whose_file_has_changed_is_refused() -> void:
	var copied := user_copy_of("chained")
	var chain := load(copied) as X509Certificate
	var file := FileAccess.open(copied, FileAccess.WRITE)
	file.store_string(Pki.text("server.crt") + Pki.text("intermediate.crt"))
	file.close()
	equal(network.serve_with(Pki.key("chained"), chain), ERR_INVALID_PARAMETER)
	expect_error("has changed since it was loaded")
	# As the error says; the key has changed with the certificate.
	var anew := ResourceLoader.load(copied, "", ResourceLoader.CACHE_MODE_IGNORE)
	equal(network.serve_with(Pki.key("server"), anew as X509Certificate), OK)


func test_a_chain_that_the_engine_saved_is_refused() -> void:
	var copied := user_copy_of("chained")
	equal(ResourceSaver.save(Pki.certificate("chained"), copied), OK, "save")
	var chain := ResourceLoader.load(copied, "", ResourceLoader.CACHE_MODE_IGNORE)
	equal(network.serve_with(Pki.key("chained"), chain as X509Certificate), ERR_INVALID_PARAMETER)
	expect_error("the same certificate several times")


func test_a_chain_that_was_cut_off_is_refused() -> void:
	var copied := user_copy_of("chained")
	var whole := Pki.text("chained.crt").strip_edges()
	for length: int in [whole.length() - 30, whole.length() - 200]:
		var file := FileAccess.open(copied, FileAccess.WRITE)
		file.store_string(whole.left(length))
		file.close()
		# The engine takes the leaf and says nothing.
		var chain := ResourceLoader.load(copied, "", ResourceLoader.CACHE_MODE_IGNORE)
		equal(
			network.serve_with(Pki.key("chained"), chain as X509Certificate), ERR_INVALID_PARAMETER
		)
		expect_error("cut off or cannot be read")


func test_a_bundle_with_a_certificate_that_the_engine_cannot_read() -> void:
	var copied := user_copy_of("ca")
	var file := FileAccess.open(copied, FileAccess.WRITE)
	for name: String in ["other_ca", "ed25519", "ca"]:
		file.store_string(Pki.text(name + ".crt"))
	file.close()
	network.serve()
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, true, "localhost", load(copied)), OK)
	exchange(completed(client))


func test_a_bundle_that_has_changed_is_read_again() -> void:
	var copied := user_copy_of("ca")
	network.serve()
	var trusting := func(second: String) -> Endpoint:
		var file := FileAccess.open(copied, FileAccess.WRITE)
		file.store_string(Pki.text("other_ca.crt") + Pki.text(second + ".crt"))
		file.close()
		var bundle := ResourceLoader.load(copied, "", ResourceLoader.CACHE_MODE_IGNORE)
		var client := network.add_client()
		var peer := client.dtls as PacketPeerDTLSOpenSSL
		equal(peer.connect_to_peer(client.udp, true, "localhost", bundle as X509Certificate), OK)
		return client
	var known: Endpoint = trusting.call("ca")
	exchange(completed(known))
	# To the engine it is the same as before: what it gives back is the first one, twice.
	var late: Endpoint = trusting.call("wildcard")
	check_failure(late, ERROR, ["not signed by anyone who is trusted"])


func test_a_single_certificate_needs_no_file() -> void:
	var certificate := X509Certificate.new()
	equal(certificate.load_from_string(Pki.text("server.crt")), OK, "load_from_string")
	var key := CryptoKey.new()
	equal(key.load_from_string(Pki.text("server.key")), OK, "load_from_string")
	equal(network.serve_with(key, certificate), OK)
	var client := network.add_client()
	start(client)
	exchange(completed(client))


# --- time and purpose ---


func test_an_expired_certificate() -> void:
	check_refused("expired", "localhost", "ca", ERROR, ["has expired"])


func test_an_expired_certificate_is_refused_even_if_trusted_itself() -> void:
	check_refused("expired", "localhost", "expired", ERROR, ["has expired"])


func test_a_certificate_that_is_not_valid_yet() -> void:
	check_refused("not_yet_valid", "localhost", "ca", ERROR, ["not valid before"])


func test_a_certificate_for_clients() -> void:
	check_refused("client_only", "localhost", "ca", ERROR, ["not meant for a server"])


func test_a_certificate_for_clients_is_refused_even_if_trusted_itself() -> void:
	check_refused("client_only", "localhost", "client_only", ERROR, ["not meant for a server"])


# --- names ---


func test_a_wrong_name() -> void:
	# Which name was wanted, and which the certificate has.
	var names: Array[String] = ["localhost", "game.example", "*.wild.example"]
	check_refused("wrong_name", "localhost", "ca", MISMATCH, names)


func test_a_wrong_name_of_a_certificate_that_is_trusted_itself() -> void:
	var names: Array[String] = ["localhost", "game.example"]
	check_refused("wrong_name", "localhost", "wrong_name", MISMATCH, names)


func test_the_right_name() -> void:
	check_accepted("wrong_name", "game.example", "ca")


func test_a_wrong_address() -> void:
	check_refused("wrong_ip", "127.0.0.1", "ca", MISMATCH, ["127.0.0.1", "192.0.2.1"])
	check_refused("wrong_ip", "::1", "ca", MISMATCH, ["::1", "192.0.2.1"])


func test_an_ipv4_address() -> void:
	check_accepted("server", "127.0.0.1", "ca")


func test_an_ipv6_address() -> void:
	check_accepted("server", "::1", "ca")
	check_accepted("server", "[::1]", "ca")
	check_accepted("server", "0:0:0:0:0:0:0:1", "ca")


func test_an_address_is_no_name() -> void:
	check_refused("wrong_name", "127.0.0.1", "ca", MISMATCH, ["127.0.0.1", "game.example"])


func test_a_wildcard() -> void:
	check_accepted("wildcard", "one.example.test", "ca")
	check_accepted("wrong_name", "any.wild.example", "ca")


func test_a_wildcard_stands_for_one_label() -> void:
	for host_name: String in ["example.test", "two.one.example.test", "example.com"]:
		check_refused("wildcard", host_name, "ca", MISMATCH, [host_name, "*.example.test"])


func test_the_common_name_where_there_is_no_other() -> void:
	check_accepted("cn_only", "localhost", "ca")
	check_refused("cn_only", "game.example", "ca", MISMATCH, ["game.example", "localhost"])


func test_an_address_as_the_common_name() -> void:
	check_accepted("cn_ip", "127.0.0.1", "ca")
	check_refused("cn_ip", "127.0.0.2", "ca", MISMATCH, ["127.0.0.2", "127.0.0.1"])


func test_the_common_name_does_not_count_beside_others() -> void:
	# Its common name is localhost.
	check_refused("wrong_ip", "localhost", "ca", MISMATCH, ["localhost", "192.0.2.1"])


func test_an_untrusted_certificate_with_a_wrong_name_is_untrusted_first() -> void:
	# "For another name" would suggest that the certificate is someone's.
	check_refused("untrusted", "game.example", "ca", ERROR, ["not signed by anyone"])


# --- certificates of the engine ---


func test_a_certificate_made_by_the_engine() -> void:
	var certificate := made_by_engine("CN=localhost")
	network.serve_with(rsa_key(), certificate)
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, true, "localhost", certificate), OK)
	exchange(completed(client))


func test_a_certificate_made_by_the_engine_for_another_name() -> void:
	var certificate := made_by_engine("CN=game.example,O=A Game,C=NL")
	network.serve_with(rsa_key(), certificate)
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	peer.connect_to_peer(client.udp, true, "localhost", certificate)
	check_failure(client, MISMATCH, ["localhost", "game.example"])


func test_a_certificate_made_by_the_engine_whose_time_is_over() -> void:
	var certificate := EngineCertificate.self_signed(
		rsa_key(), "CN=localhost", "20140101000000", "20150101000000"
	)
	network.serve_with(rsa_key(), certificate)
	expect_error("own certificate (for localhost) has expired, on Jan  1 00:00:00 2015 GMT")
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	peer.connect_to_peer(client.udp, true, "localhost", certificate)
	check_failure(client, ERROR, ["has expired"])


func test_an_rsa_key_that_is_too_short() -> void:
	var key := Crypto.new().generate_rsa(1024)
	var certificate := EngineCertificate.self_signed(key)
	check(network.serve_with(key, certificate) != OK, "setup fails")
	expect_error("DTLSServerOpenSSL.setup")
	expect_silence()
	contains((network.server as DTLSServerOpenSSL).get_last_error(), "too small")


func test_an_ed25519_key_cannot_be_loaded_by_the_engine() -> void:
	# Nobody's loss: OpenSSL does not use these keys with DTLS 1.2, on either side. But mbedTLS,
	# which the engine loads with, says so first, and before any code of ours. If that changes, this
	# test is where it is noticed.
	Pki.certificate("ed25519")
	expect_error("Error parsing X509 certificates")
	Pki.key("ed25519")
	expect_error("Error parsing key")


# --- helpers ---


## A client that wants `host_name` and trusts `trusted` connects to a server that shows `shown`.
func check_accepted(shown: String, host_name: String, trusted: String) -> void:
	if not serve_anew(shown):
		return
	var client := network.add_client()
	equal(start(client, host_name, trusted), OK, "connect_to_peer")
	exchange(completed(client))


## It does not, in the way that `check_failure` says.
func check_refused(
	shown: String,
	host_name: String,
	trusted: String,
	status: PacketPeerDTLSOpenSSL.Status,
	parts: Array[String]
) -> void:
	if not serve_anew(shown):
		return
	var client := network.add_client()
	equal(start(client, host_name, trusted), OK, "connect_to_peer")
	check_failure(client, status, parts)


## The client fails with `status`, says why in one printed error with all of `parts` in it, and
## tells the server, which prints nothing.
func check_failure(
	client: Endpoint, status: PacketPeerDTLSOpenSSL.Status, parts: Array[String]
) -> void:
	wait_for_status(client, status, SOON)
	for part in parts:
		contains(last_error(client), part)
	var peer := network.server_side_of(client)
	if not check(peer != null, "the server has such a client"):
		return
	wait_for_status(peer, ERROR, SOON)
	contains(last_error(peer), "the other side refused")
	expect_error(last_error(client))
	expect_silence()
	# Whoever goes on as if nothing had happened sends nothing.
	equal(client.dtls.put_packet(noise(10)), ERR_UNCONFIGURED, "put_packet")
	equal(peer.dtls.put_packet(noise(10)), ERR_UNCONFIGURED, "put_packet of the server")


func serve_anew(shown: String) -> bool:
	network.close()
	network = Network.new()
	var served := equal(network.serve(shown), OK, "serve")
	expect_doubt(shown)
	return served


## What `connect` returns while the project setting has this value.
func with_bundle_setting(path: String, connect_peer: Callable) -> Error:
	var before: Variant = ProjectSettings.get_setting(BUNDLE_SETTING)
	ProjectSettings.set_setting(BUNDLE_SETTING, path)
	var result: Error = connect_peer.call()
	ProjectSettings.set_setting(BUNDLE_SETTING, before)
	return result


func rsa_key() -> CryptoKey:
	if _rsa_key == null:
		_rsa_key = Crypto.new().generate_rsa(2048)
	return _rsa_key


func made_by_engine(issuer: String) -> X509Certificate:
	return EngineCertificate.self_signed(rsa_key(), issuer)


## A file of its own, so that no other test has its resource loaded.
func user_copy_of(certificate: String) -> String:
	var path := scratch(certificate + ".crt")
	var file := FileAccess.open(path, FileAccess.WRITE)
	file.store_string(Pki.text(certificate + ".crt"))
	file.close()
	return path
