# gdlint: disable=max-public-methods
## Keys and certificates of DTLSCrypto: the engine reads them, and the right sides accept them.
extends "res://tests/support/interop_suite.gd"

const KINDS: Array[DTLSCrypto.KeyKind] = [
	DTLSCrypto.KEY_P256,
	DTLSCrypto.KEY_P384,
	DTLSCrypto.KEY_RSA_2048,
	DTLSCrypto.KEY_RSA_3072,
	DTLSCrypto.KEY_RSA_4096,
]
const LOCALHOST: PackedStringArray = ["localhost", "127.0.0.1", "::1"]
const PLAYER: PackedStringArray = ["player-17"]
## What the engine prints when a handshake of its own fails.
const ENGINE_NOISE := "TLS handshake error"
const SERVER := DTLSCrypto.USAGE_SERVER
const CLIENT := DTLSCrypto.USAGE_CLIENT

## One authority for all tests.
static var _ca_key := DTLSCrypto.generate_key()
static var _ca := DTLSCrypto.generate_ca(_ca_key, "A Game's CA")

# --- self-signed ---


func test_every_key_serves_our_client_and_the_engine_s() -> void:
	for kind in KINDS:
		network.close()
		network = Network.new()
		var key := DTLSCrypto.generate_key(kind)
		var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
		if not check(key != null and certificate != null, "kind %d can be made" % kind):
			continue
		check(not key.is_public_only(), "kind %d is private" % kind)
		equal(network.serve_with(key, certificate), OK, "kind %d" % kind)
		for host_name in LOCALHOST:
			exchange(connect_ours(host_name, certificate))
		exchange(connect_engine("localhost", certificate))


func test_the_engine_s_server_takes_them() -> void:
	tolerate(ENGINE_NOISE)
	for kind in KINDS:
		network.close()
		network = Network.new()
		var key := DTLSCrypto.generate_key(kind)
		var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
		var theirs := DTLSServer.new()
		network.server = theirs
		equal(theirs.setup(TLSOptions.server(key, certificate)), OK, "kind %d" % kind)
		equal(network.listen(), OK)
		exchange(connect_ours("localhost", certificate))


func test_one_with_more_names_than_the_engine_gives_back() -> void:
	var names := LOCALHOST.duplicate()
	for number in 150:
		names.append("%03d.of-very-many.game.example" % number)
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, names)
	check_large(key, certificate, certificate)
	var pem := DTLSCrypto.certificate_to_pem(certificate)
	check(pem.length() > 4096, "%d bytes" % pem.length())
	# From a file, after which the object may be gone.
	var path := scratch("large.crt")
	write(path, pem)
	var trusted := ResourceLoader.load(path, "", ResourceLoader.CACHE_MODE_IGNORE)
	check_large(key, trusted as X509Certificate, certificate)
	# The same of an authority that issued one.
	var issued := DTLSCrypto.issue_certificate(_ca_key, _ca, key, names, SERVER)
	check_large(key, issued, _ca)
	# Nothing of it is behind this one.
	var copied := X509Certificate.new()
	equal(copied.load_from_string(pem), OK)
	equal(DTLSServerOpenSSL.new().setup(key, copied), ERR_CANT_ACQUIRE_RESOURCE)
	expect_error("the certificate has more than 4,096 bytes as PEM text")
	equal(DTLSCrypto.fingerprint(copied), "")
	expect_error("the certificate has more than 4,096 bytes as PEM text")
	expect_silence()
	# The engine adds what is loaded into an object, so the first stays the one it was made with.
	var before := DTLSCrypto.fingerprint(certificate)
	equal(certificate.load_from_string(DTLSCrypto.certificate_to_pem(_ca)), OK)
	equal(DTLSCrypto.fingerprint(certificate), before)


func test_a_large_one_whose_file_has_changed() -> void:
	var names := LOCALHOST.duplicate()
	for number in 150:
		names.append("%03d.of-very-many.game.example" % number)
	var key := DTLSCrypto.generate_key()
	var path := scratch("changed.crt")
	var large := DTLSCrypto.generate_self_signed_certificate(key, names)
	write(path, DTLSCrypto.certificate_to_pem(large))
	var certificate := ResourceLoader.load(path, "", ResourceLoader.CACHE_MODE_IGNORE)
	write(path, DTLSCrypto.certificate_to_pem(_ca))
	equal(DTLSServerOpenSSL.new().setup(key, certificate), ERR_INVALID_PARAMETER)
	expect_error("has changed since it was loaded")
	DirAccess.remove_absolute(path)
	equal(DTLSServerOpenSSL.new().setup(key, certificate), ERR_CANT_ACQUIRE_RESOURCE)
	expect_error("the certificate has more than 4,096 bytes as PEM text")


func test_they_survive_being_saved() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
	var paths: PackedStringArray = [scratch("saved.key"), scratch("saved.crt")]
	equal(key.save(paths[0]), OK)
	equal(certificate.save(paths[1]), OK)
	var loaded_certificate := X509Certificate.new()
	equal(loaded_certificate.load(paths[1]), OK)
	equal(network.serve_with(load(paths[0]), load(paths[1])), OK)
	exchange(connect_ours("localhost", loaded_certificate))


func test_another_name_is_a_mismatch() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["*.game.example"])
	equal(network.serve_with(key, certificate), OK)
	exchange(connect_ours("eu.game.example", certificate))
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, true, "localhost", certificate), OK)
	wait_for_status(client, MISMATCH)
	expect_error("*.game.example")


func test_s_client_takes_a_self_signed_one() -> void:
	var path := serve_self_signed()
	var arguments: PackedStringArray = ["s_client", "-dtls1_2", "-brief", NOT_DEAF]
	arguments.append_array(["-connect", "%s:%d" % [Network.IPV4, network.port()]])
	arguments.append_array(["-CAfile", path, "-verify_return_error", "-x509_strict"])
	arguments.append_array(["-verify_hostname", "localhost"])
	check_as_client(run("openssl", arguments, OPENSSL), "Verification: OK")


func test_gnutls_cli_takes_a_self_signed_one() -> void:
	var path := serve_self_signed()
	var arguments: PackedStringArray = ["--udp", "--mtu", "1400", "--port", str(network.port())]
	arguments.append_array(["--x509cafile", path, "--verify-hostname", "localhost", Network.IPV4])
	check_as_client(run("gnutls-cli", arguments, GNUTLS), "The certificate is trusted")


# --- an authority ---


func test_an_authority_of_every_key() -> void:
	for kind in KINDS:
		network.close()
		network = Network.new()
		var ca_key := DTLSCrypto.generate_key(kind)
		var ca := DTLSCrypto.generate_ca(ca_key, "A CA", 30)
		var key := DTLSCrypto.generate_key()
		var own := DTLSCrypto.issue_certificate(ca_key, ca, key, LOCALHOST, SERVER, 30)
		equal(network.serve_with(key, own), OK, "kind %d" % kind)
		exchange(connect_ours("localhost", ca))
		exchange(connect_engine("localhost", ca))


func test_programs_take_what_an_authority_issued() -> void:
	var key := DTLSCrypto.generate_key()
	var own := DTLSCrypto.issue_certificate(_ca_key, _ca, key, LOCALHOST, SERVER)
	var player := DTLSCrypto.issue_certificate(_ca_key, _ca, key, PLAYER, CLIENT)
	var ca_path := saved(_ca, "ca.crt")
	for certificate: X509Certificate in [own, player]:
		var purpose := "sslserver" if certificate == own else "sslclient"
		var arguments := ["verify", "-x509_strict", "-CAfile", ca_path, "-purpose", purpose]
		contains(openssl(arguments + [saved(certificate, "leaf.crt")]), ": OK")


func test_a_player_is_no_server() -> void:
	tolerate(ENGINE_NOISE)
	var key := DTLSCrypto.generate_key()
	var player := DTLSCrypto.issue_certificate(_ca_key, _ca, key, ["localhost"], CLIENT)
	equal(network.serve_with(key, player), OK)
	expect_doubt("client_only")
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, true, "localhost", _ca), OK)
	wait_for_status(client, ERROR)
	expect_error("not meant for a server")
	var theirs := network.add_engine_client()
	var options := TLSOptions.client(_ca)
	(theirs.dtls as PacketPeerDTLS).connect_to_peer(theirs.udp, "localhost", options)
	wait_until("the engine's client gives up", theirs.is_over)


func test_the_public_half_of_a_key_is_enough() -> void:
	for kind: DTLSCrypto.KeyKind in [DTLSCrypto.KEY_P256, DTLSCrypto.KEY_RSA_2048]:
		network.close()
		network = Network.new()
		var key := DTLSCrypto.generate_key(kind)
		var public_half := CryptoKey.new()
		equal(public_half.load_from_string(key.save_to_string(true), true), OK)
		check(public_half.is_public_only(), "it is only the public half")
		var own := DTLSCrypto.issue_certificate(_ca_key, _ca, public_half, LOCALHOST, SERVER)
		equal(network.serve_with(key, own), OK, "kind %d" % kind)
		exchange(connect_ours("localhost", _ca))


func test_the_engine_s_own_keys_can_be_used() -> void:
	var key := Crypto.new().generate_rsa(2048)
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
	equal(network.serve_with(key, certificate), OK)
	exchange(connect_ours("127.0.0.1", certificate))


# --- revocation ---


func test_a_revoked_player_is_on_the_list() -> void:
	var key := DTLSCrypto.generate_key()
	var players: Array[X509Certificate] = []
	for name: String in ["Anna", "Bert"]:
		players.append(DTLSCrypto.issue_certificate(_ca_key, _ca, key, [name], CLIENT))
	var list := DTLSCrypto.issue_revocation_list(_ca_key, _ca, [players[0]])
	contains(list, "-----BEGIN X509 CRL-----")
	contains(verdict_on(players[0], list), "certificate revoked")
	contains(verdict_on(players[1], list), ": OK")
	var nobody := DTLSCrypto.issue_revocation_list(_ca_key, _ca, [], 1)
	contains(verdict_on(players[0], nobody), ": OK")


# --- fingerprints ---


func test_the_fingerprint_is_the_one_that_openssl_shows() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
	var path := saved(certificate, "own.crt")
	var shown := openssl(["x509", "-in", path, "-noout", "-fingerprint", "-sha256"])
	var digits := shown.strip_edges().get_slice("=", 1).replace(":", "").to_lower()
	equal(digits.length(), 64, shown)
	equal(DTLSCrypto.fingerprint(certificate), "sha256:" + digits)


func test_the_pin_is_that_of_rfc_7469() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
	var path := saved(certificate, "own.crt")
	var lines := openssl(["x509", "-in", path, "-noout", "-pubkey"]).split("\n", false)
	var digest := HashingContext.new()
	digest.start(HashingContext.HASH_SHA256)
	digest.update(Marshalls.base64_to_raw("".join(lines.slice(1, -1))))
	var expected := "spki:" + Marshalls.raw_to_base64(digest.finish())
	equal(DTLSCrypto.spki_pin(certificate), expected)
	var renewed := DTLSCrypto.generate_self_signed_certificate(key, ["other.example"])
	equal(DTLSCrypto.spki_pin(renewed), expected)
	check(DTLSCrypto.fingerprint(renewed) != DTLSCrypto.fingerprint(certificate), "another one")


# --- what is refused ---


func test_an_unknown_kind_of_key() -> void:
	for kind: int in [-1, 5]:
		@warning_ignore("int_as_enum_without_cast", "int_as_enum_without_match")
		var made := DTLSCrypto.generate_key(kind)
		check_nothing(made)
		expect_error("not a KeyKind")


func test_a_key_that_cannot_sign() -> void:
	var public_half := CryptoKey.new()
	public_half.load_from_string(_ca_key.save_to_string(true), true)
	var small := Crypto.new().generate_rsa(1024)
	for key: CryptoKey in [null, CryptoKey.new(), public_half, small]:
		check_nothing(DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST))
		expect_error("DTLSCrypto.generate_self_signed_certificate: ")
		check_nothing(DTLSCrypto.generate_ca(key, "A CA"))
		expect_error("DTLSCrypto.generate_ca: ")
		check_nothing(DTLSCrypto.issue_certificate(key, _ca, _ca_key, LOCALHOST, SERVER))
		expect_error("DTLSCrypto.issue_certificate: ")
		equal(DTLSCrypto.issue_revocation_list(key, _ca, []), "")
		expect_error("DTLSCrypto.issue_revocation_list: ")
	expect_silence()


func test_a_key_that_cannot_be_certified() -> void:
	check_nothing(DTLSCrypto.issue_certificate(_ca_key, _ca, null, LOCALHOST, SERVER))
	expect_error("the key is null")
	check_nothing(DTLSCrypto.issue_certificate(_ca_key, _ca, CryptoKey.new(), LOCALHOST, SERVER))
	expect_error("Error saving key")
	expect_error("the key is empty")
	var small := Crypto.new().generate_rsa(1024)
	check_nothing(DTLSCrypto.issue_certificate(_ca_key, _ca, small, LOCALHOST, SERVER))
	expect_error("2,048 bits or more")


func test_names_and_days_that_cannot_be() -> void:
	check_nothing(DTLSCrypto.generate_self_signed_certificate(_ca_key, []))
	expect_error("there is no name")
	check_nothing(DTLSCrypto.generate_self_signed_certificate(_ca_key, ["localhost", "not a name"]))
	expect_error('"not a name" is not a host name')
	for days: int in [0, -1, 3651]:
		check_nothing(DTLSCrypto.generate_self_signed_certificate(_ca_key, LOCALHOST, days))
		expect_error("a validity of %d days is out of range" % days)
	check_nothing(DTLSCrypto.generate_ca(_ca_key, ""))
	expect_error("1 to 64 characters")
	for names: PackedStringArray in [[], ["Anna", "Bert"]]:
		check_nothing(DTLSCrypto.issue_certificate(_ca_key, _ca, _ca_key, names, CLIENT))
		expect_error("a client has one name")
	var short := DTLSCrypto.generate_ca(_ca_key, "Short", 5)
	check_nothing(DTLSCrypto.issue_certificate(_ca_key, short, _ca_key, PLAYER, CLIENT))
	expect_error("the certificate of the authority expires in ")


func test_who_is_no_authority() -> void:
	var key := DTLSCrypto.generate_key()
	var own := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
	check_nothing(DTLSCrypto.issue_certificate(key, own, key, PLAYER, CLIENT))
	expect_error("not one of an authority")
	check_nothing(DTLSCrypto.issue_certificate(key, _ca, key, PLAYER, CLIENT))
	expect_error("does not belong to the certificate")
	check_nothing(DTLSCrypto.issue_certificate(_ca_key, null, key, PLAYER, CLIENT))
	expect_error("the certificate is null")
	equal(DTLSCrypto.issue_revocation_list(_ca_key, _ca, [own]), "")
	expect_error("certificate no. 1 of those to revoke was not issued by this authority")
	equal(DTLSCrypto.issue_revocation_list(_ca_key, _ca, [null]), "")
	expect_error("the certificate is null")


func test_what_has_no_fingerprint() -> void:
	for certificate: X509Certificate in [null, X509Certificate.new()]:
		equal(DTLSCrypto.fingerprint(certificate), "")
		expect_error("DTLSCrypto.fingerprint: ")
		equal(DTLSCrypto.spki_pin(certificate), "")
		expect_error("DTLSCrypto.spki_pin: ")
	expect_silence()


# --- helpers ---


func check_nothing(made: Object) -> void:
	check(made == null, "nothing is made")


func connect_ours(host_name: String, trusted: X509Certificate) -> Pair:
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(client.udp, true, host_name, trusted), OK)
	return completed(client)


func connect_engine(host_name: String, trusted: X509Certificate) -> Pair:
	tolerate(ENGINE_NOISE)
	var client := network.add_engine_client()
	var options := TLSOptions.client(trusted)
	equal((client.dtls as PacketPeerDTLS).connect_to_peer(client.udp, host_name, options), OK)
	return completed(client)


## Listens with a self-signed certificate, and returns where it stands.
func serve_self_signed() -> String:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, LOCALHOST)
	equal(network.serve_with(key, certificate), OK)
	return saved(certificate, "own.crt")


## A server with this certificate and a client that trusts `trusted` find each other, in silence.
func check_large(key: CryptoKey, certificate: X509Certificate, trusted: X509Certificate) -> void:
	network.close()
	network = Network.new()
	equal(network.serve_with(key, certificate), OK)
	exchange(connect_ours("localhost", trusted))
	check(DTLSCrypto.fingerprint(certificate).begins_with("sha256:"), "it has a fingerprint")
	check(DTLSCrypto.spki_pin(certificate).begins_with("spki:"), "it has a pin")
	var options := DTLSOptions.new()
	options.private_key = key
	options.certificate = certificate
	equal(DTLSServerOpenSSL.new().setup_with_options(options), OK)
	expect_silence()


func write(path: String, text: String) -> void:
	var file := FileAccess.open(path, FileAccess.WRITE)
	file.store_string(text)
	file.close()


func saved(certificate: X509Certificate, name: String) -> String:
	var path := scratch(name)
	equal(certificate.save(path), OK)
	return path


## What `openssl verify` says of a player, with a revocation list.
func verdict_on(player: X509Certificate, list: String) -> String:
	var path := scratch("list.crl")
	var file := FileAccess.open(path, FileAccess.WRITE)
	file.store_string(list)
	file.close()
	var arguments: Array = ["verify", "-crl_check", "-CRLfile", path]
	return openssl(arguments + ["-CAfile", saved(_ca, "ca.crt"), saved(player, "player.crt")])


## What OpenSSL's program prints.
func openssl(arguments: Array) -> String:
	var output := []
	OS.execute("openssl", PackedStringArray(arguments), output, true)
	return "".join(output)
