## The API: the documented one to the letter, our additions, and nothing else.
extends "res://tests/suite.gd"

const ClassDump := preload("res://tests/support/class_dump.gd")

const SERVER := &"DTLSServerOpenSSL"
const PEER := &"PacketPeerDTLSOpenSSL"
const CRYPTO := &"DTLSCrypto"
const LISTENER := &"DTLSListener"
const OPTIONS := &"DTLSOptions"
## ClassDB.API_CORE and ClassDB.API_EXTENSION, which have names since Godot 4.4.
const API_CORE := 0
const API_EXTENSION := 2
const GOLDEN := "res://tests/golden/api.txt"
const GOLDEN_HEADER := (
	"# The API as ClassDB has it. A test compares it; to accept a change:\n"
	+ "#   godot --headless --path godot_project -- --test api/ --update-golden\n\n"
)


func test_the_golden_dump() -> void:
	var classes: PackedStringArray = []
	for name: StringName in [SERVER, PEER, LISTENER, OPTIONS, CRYPTO]:
		classes.append(ClassDump.describe(name))
	var dump := GOLDEN_HEADER + "\n".join(classes)
	if "--update-golden" in arguments:
		var file := FileAccess.open(GOLDEN, FileAccess.WRITE)
		check(file != null and file.store_string(dump), "%s is written" % GOLDEN)
		return
	var golden := FileAccess.get_file_as_string(GOLDEN)
	check(golden != "", "%s exists" % GOLDEN)
	var actual_lines := dump.split("\n")
	var golden_lines := golden.split("\n")
	for line in actual_lines:
		check(line in golden_lines, 'the golden dump has "%s"' % line.strip_edges())
	for line in golden_lines:
		check(line in actual_lines, 'the classes have "%s"' % line.strip_edges())
	equal(dump == golden, true, "the same in the same order")


## Against the documentation rather than against what once was.
func test_the_documented_methods() -> void:
	var server: PackedStringArray = [
		(
			"setup(key: CryptoKey, certificate: X509Certificate, chain: X509Certificate = null)"
			+ " -> enum Error"
		),
		"take_connection(udp_peer: PacketPeerUDP) -> PacketPeerDTLSOpenSSL",
	]
	var peer: PackedStringArray = [
		(
			"connect_to_peer(packet_peer: PacketPeerUDP, validate_certs: bool = true,"
			+ ' for_hostname: String = "", valid_certificate: X509Certificate = null)'
			+ " -> enum Error"
		),
		"disconnect_from_peer() -> void",
		"get_status() -> enum PacketPeerDTLSOpenSSL.Status const",
		"poll() -> void",
	]
	for signature in server:
		check(signature in ClassDump.methods(SERVER), signature)
	for signature in peer:
		check(signature in ClassDump.methods(PEER), signature)


func test_our_own_methods() -> void:
	var server: PackedStringArray = [
		"setup_tls(server_options: TLSOptions) -> enum Error",
		"get_last_error() -> String const",
		"get_stats() -> Dictionary const",
	]
	var peer: PackedStringArray = [
		(
			"connect_tls(packet_peer: PacketPeerUDP, hostname: String,"
			+ " client_options: TLSOptions = null) -> enum Error"
		),
		(
			"connect_to_host(address: String, port: int, options: DTLSOptions = null)"
			+ " -> enum Error"
		),
		"get_last_error() -> String const",
		"is_session_reused() -> bool const",
		"get_max_unfragmented_packet_size() -> int const",
		"get_stats() -> Dictionary const",
	]
	for signature in server:
		check(signature in ClassDump.methods(SERVER), signature)
	for signature in peer:
		check(signature in ClassDump.methods(PEER), signature)


func test_the_crypto_class() -> void:
	var methods: PackedStringArray = [
		"static generate_key(kind: enum DTLSCrypto.KeyKind = 0) -> CryptoKey",
		(
			"static generate_self_signed_certificate(key: CryptoKey, names: PackedStringArray,"
			+ " days: int = 365) -> X509Certificate"
		),
		(
			"static generate_ca(key: CryptoKey, common_name: String, days: int = 3650)"
			+ " -> X509Certificate"
		),
		(
			"static issue_certificate(ca_key: CryptoKey, ca_certificate: X509Certificate,"
			+ " key: CryptoKey, names: PackedStringArray, usage: enum DTLSCrypto.Usage,"
			+ " days: int = 365) -> X509Certificate"
		),
		(
			"static issue_revocation_list(ca_key: CryptoKey, ca_certificate: X509Certificate,"
			+ " revoked: Array, days: int = 30) -> String"
		),
		"static certificate_to_pem(certificate: X509Certificate) -> String",
		"static fingerprint(certificate: X509Certificate) -> String",
		"static spki_pin(certificate: X509Certificate) -> String",
	]
	equal(ClassDump.methods(CRYPTO), methods)
	equal(ClassDB.class_get_enum_list(CRYPTO, true), PackedStringArray(["Usage", "KeyKind"]))
	var names: PackedStringArray = ["USAGE_SERVER", "USAGE_CLIENT"]
	equal(ClassDB.class_get_enum_constants(CRYPTO, &"Usage", true), names)
	equal(DTLSCrypto.USAGE_SERVER, 0)
	equal(DTLSCrypto.USAGE_CLIENT, 1)
	check(not ClassDB.can_instantiate(CRYPTO), "it cannot be instantiated")
	check_kind(CRYPTO, API_EXTENSION)


func test_there_are_no_other_methods() -> void:
	equal(ClassDump.methods(SERVER).size(), 8, "methods of the server")
	equal(ClassDump.methods(PEER).size(), 23, "methods of the peer")
	equal(ClassDump.methods(CRYPTO).size(), 8, "methods of the crypto class")
	for name: StringName in [SERVER, PEER, CRYPTO]:
		equal(ClassDB.class_get_property_list(name, true), [] as Array[Dictionary], "properties")
		equal(ClassDB.class_get_signal_list(name, true), [] as Array[Dictionary], "signals")


func test_the_status_constants() -> void:
	equal(PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED, 0)
	equal(PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, 1)
	equal(PacketPeerDTLSOpenSSL.STATUS_CONNECTED, 2)
	equal(PacketPeerDTLSOpenSSL.STATUS_ERROR, 3)
	equal(PacketPeerDTLSOpenSSL.STATUS_ERROR_HOSTNAME_MISMATCH, 4)
	equal(ClassDB.class_get_enum_list(PEER, true), PackedStringArray(["Status", "Reason"]))
	var names: PackedStringArray = [
		"STATUS_DISCONNECTED",
		"STATUS_HANDSHAKING",
		"STATUS_CONNECTED",
		"STATUS_ERROR",
		"STATUS_ERROR_HOSTNAME_MISMATCH",
	]
	equal(ClassDB.class_get_enum_constants(PEER, &"Status", true), names)
	# The engine's own class has the same, so that code can move between them.
	for constant in names:
		equal(
			ClassDB.class_get_integer_constant(PEER, constant),
			ClassDB.class_get_integer_constant(&"PacketPeerDTLS", constant),
			constant
		)


func test_the_properties_of_the_options() -> void:
	var expected := {
		"private_key": null,
		"certificate": null,
		"chain": null,
		"private_key_pem": "",
		"certificate_pem": "",
		"private_key_passphrase": "",
		"server_identities": {},
		"verify_mode": DTLSOptions.VERIFY_DEFAULT,
		"trusted_ca": null,
		"trusted_ca_pem": "",
		"pinned_sha256": PackedStringArray(),
		"crl_pem": "",
		"psk_identity": "",
		"psk_key": PackedByteArray(),
		"psk_keys": {},
		"alpn_protocols": PackedStringArray(),
		"cipher_suites": "",
		"mtu": 0,
		"handshake_timeout": 30.0,
		"idle_timeout": 0.0,
		"max_pending_handshakes": 256,
		"max_peers_per_prefix": 0,
		"exempt_addresses": PackedStringArray(),
		"session_resumption": true,
		"ticket_keys": [] as Array[PackedByteArray],
		"key_log_path": "",
	}
	var options := DTLSOptions.new()
	var found: PackedStringArray = []
	for property in ClassDB.class_get_property_list(OPTIONS, true):
		if int(property["usage"]) & PROPERTY_USAGE_GROUP:
			continue
		var name: String = property["name"]
		found.append(name)
		check(expected.has(name), name)
		check(options.get(name) == expected.get(name), "the default of %s" % name)
		check(int(property["usage"]) & PROPERTY_USAGE_EDITOR, "%s can be edited" % name)
		check(int(property["usage"]) & PROPERTY_USAGE_STORAGE, "%s is saved" % name)
	equal(found.size(), expected.size())
	var modes: PackedStringArray = [
		"VERIFY_DEFAULT", "VERIFY_NONE", "VERIFY_OPTIONAL", "VERIFY_REQUIRED"
	]
	equal(ClassDB.class_get_enum_constants(OPTIONS, &"VerifyMode", true), modes)


func test_the_status_is_a_type() -> void:
	var status: PacketPeerDTLSOpenSSL.Status = PacketPeerDTLSOpenSSL.new().get_status()
	equal(status, PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED)


func test_what_the_classes_are() -> void:
	var server: Variant = DTLSServerOpenSSL.new()
	check(server is RefCounted, "the server is a RefCounted")
	equal(ClassDB.get_parent_class(SERVER), &"RefCounted")
	var peer: Variant = PacketPeerDTLSOpenSSL.new()
	check(peer is PacketPeer, "the peer is a PacketPeer")
	check(peer is RefCounted, "the peer is a RefCounted")
	for name: StringName in [SERVER, PEER]:
		check(ClassDB.can_instantiate(name), "%s can be instantiated" % name)
		check_kind(name, API_EXTENSION)


func test_the_engine_s_own_classes_are_still_there() -> void:
	for name: StringName in [&"DTLSServer", &"PacketPeerDTLS"]:
		check(ClassDB.can_instantiate(name), "there is %s" % name)
		check_kind(name, API_CORE)


func test_what_a_packet_peer_gives() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.get_available_packet_count(), 0, "get_available_packet_count")
	equal(peer.get_packet(), PackedByteArray(), "get_packet")
	equal(peer.get_packet_error(), ERR_UNAVAILABLE, "get_packet_error")
	equal(peer.get_var(), null, "get_var")
	# The engine's own habit, for every PacketPeer.
	expect_error("err != OK")
	equal(peer.put_packet(PackedByteArray([1])), ERR_UNCONFIGURED, "put_packet")
	equal(peer.put_var("a"), ERR_UNCONFIGURED, "put_var")
	peer.encode_buffer_max_size = 4096
	equal(peer.encode_buffer_max_size, 4096, "encode_buffer_max_size")


func test_the_defaults_can_be_left_out() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	var udp := PacketPeerUDP.new()
	equal(peer.connect_to_peer(udp), ERR_INVALID_PARAMETER)
	expect_error("not connected")
	equal(peer.connect_to_peer(udp, false), ERR_INVALID_PARAMETER)
	expect_error("not connected")
	equal(peer.connect_to_peer(udp, true, "localhost"), ERR_INVALID_PARAMETER)
	expect_error("not connected")
	equal(peer.connect_tls(udp, "localhost"), ERR_INVALID_PARAMETER)
	expect_error("not connected")
	equal(DTLSServerOpenSSL.new().setup(null, null), ERR_INVALID_PARAMETER)
	expect_error("null")


## Whether a class is the engine's or an extension's. Godot 4.3 does not tell.
func check_kind(name: StringName, kind: int) -> void:
	if ClassDB.has_method(&"class_get_api_type"):
		equal(ClassDB.call(&"class_get_api_type", name), kind, "kind of %s" % name)
