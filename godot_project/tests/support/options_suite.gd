## The base of suites about DTLSOptions: a server and a client of ours, each by its options.
extends "res://tests/support/network_suite.gd"

const REASON_CERTIFICATE_EXPIRED := PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_EXPIRED
const REASON_CERTIFICATE_NOT_YET_VALID := PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_NOT_YET_VALID
const REASON_CERTIFICATE_REVOKED := PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_REVOKED
const REASON_CERTIFICATE_SELF_SIGNED := PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_SELF_SIGNED
const REASON_CERTIFICATE_UNTRUSTED := PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_UNTRUSTED
const REASON_CERTIFICATE_WRONG_PURPOSE := PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_WRONG_PURPOSE
const REASON_CLIENT_CERTIFICATE_REQUIRED := PacketPeerDTLSOpenSSL.REASON_CLIENT_CERTIFICATE_REQUIRED
const REASON_HOSTNAME_MISMATCH := PacketPeerDTLSOpenSSL.REASON_HOSTNAME_MISMATCH
const REASON_NONE := PacketPeerDTLSOpenSSL.REASON_NONE
const REASON_NO_APPLICATION_PROTOCOL := PacketPeerDTLSOpenSSL.REASON_NO_APPLICATION_PROTOCOL
const REASON_NO_SHARED_CIPHER := PacketPeerDTLSOpenSSL.REASON_NO_SHARED_CIPHER
const REASON_PEER_ALERT := PacketPeerDTLSOpenSSL.REASON_PEER_ALERT
const REASON_PIN_MISMATCH := PacketPeerDTLSOpenSSL.REASON_PIN_MISMATCH
const REASON_PSK_UNKNOWN_IDENTITY := PacketPeerDTLSOpenSSL.REASON_PSK_UNKNOWN_IDENTITY
const REASON_REVOCATION_UNKNOWN := PacketPeerDTLSOpenSSL.REASON_REVOCATION_UNKNOWN
const REASON_TIMEOUT := PacketPeerDTLSOpenSSL.REASON_TIMEOUT
const REASON_TOO_MANY_PENDING := PacketPeerDTLSOpenSSL.REASON_TOO_MANY_PENDING


## Those of a server that shows the certificate `name`.
static func server_options(name := "server") -> DTLSOptions:
	var options := DTLSOptions.new()
	options.private_key = Pki.key(name)
	options.certificate = Pki.certificate(name)
	return options


## Those of a client that trusts `name`.
static func client_options(trusted := "ca") -> DTLSOptions:
	var options := DTLSOptions.new()
	options.trusted_ca = Pki.certificate(trusted)
	return options


## Those of a client that verifies nothing.
static func careless_options() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.verify_mode = DTLSOptions.VERIFY_NONE
	return options


## Those of a server that asks its clients for a certificate of the root.
static func asking_options(
	mode: DTLSOptions.VerifyMode = DTLSOptions.VERIFY_REQUIRED
) -> DTLSOptions:
	var options := server_options()
	options.verify_mode = mode
	options.trusted_ca = Pki.certificate("ca")
	return options


## Those of a client that has the certificate `name`.
static func player_options(name: String) -> DTLSOptions:
	var options := client_options()
	options.private_key = Pki.key(name)
	options.certificate = Pki.certificate(name)
	return options


## What is given, with these application protocols.
static func speaking(options: DTLSOptions, protocols: PackedStringArray) -> DTLSOptions:
	options.alpn_protocols = protocols
	return options


## A key of so many bytes, the same for the same seed.
static func secret(size := 16, seed_of_it := 7) -> PackedByteArray:
	return noise(size, seed_of_it)


func serve_by(options: DTLSOptions) -> DTLSServerOpenSSL:
	var server := DTLSServerOpenSSL.new()
	equal(server.setup_with_options(options), OK, "setup_with_options")
	equal(server.get_last_error(), "")
	network.server = server
	if not network.udp_server.is_listening():
		equal(network.listen(), OK, "listen")
	return server


## A client that has begun its handshake with the network's server.
func start_by(options: DTLSOptions, host_name := "localhost") -> Endpoint:
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_with_options(client.udp, host_name, options), OK, "connect_with_options")
	equal(peer.get_last_error(), "")
	return client


## Both get through to each other.
func check_accepted(server: DTLSOptions, client: DTLSOptions, host_name := "localhost") -> Pair:
	serve_by(server)
	var pair := completed(start_by(client, host_name))
	exchange(pair)
	equal(ours(pair.client).get_failure_reason(), REASON_NONE)
	equal(ours(pair.server).get_failure_reason(), REASON_NONE)
	return pair


## The client refuses its server, for `reason` and with `text` among its words. Nobody gets in.
func check_client_refuses(
	server: DTLSOptions,
	client: DTLSOptions,
	reason: PacketPeerDTLSOpenSSL.Reason,
	text: String,
	host_name := "localhost"
) -> void:
	serve_by(server)
	var before := network.accepted.size()
	var peer := start_by(client, host_name)
	wait_until("the client has failed", peer.is_over)
	check_failure(peer, reason, text)
	expect_error(text)
	for accepted: Endpoint in network.accepted.slice(before):
		wait_until("the server has heard of it", accepted.is_over)
		check(not accepted.is_connected_securely(), "the server is not connected")


## The server refuses the client.
func check_server_refuses(
	server: DTLSOptions,
	client: DTLSOptions,
	reason: PacketPeerDTLSOpenSSL.Reason,
	text: String,
	alert: String
) -> void:
	serve_by(server)
	var before := network.accepted.size()
	var peer := start_by(client)
	wait_until("the client has failed", peer.is_over)
	check_failure(peer, REASON_PEER_ALERT, alert)
	expect_error(alert)
	# What fails at its very ClientHello is not begun.
	var of_server := network.accepted.slice(before) + network.refused
	if check(not of_server.is_empty(), "the server had the client"):
		check_failure(of_server[-1 if network.accepted.size() == before else 0], reason, text)


func check_failure(peer: Endpoint, reason: PacketPeerDTLSOpenSSL.Reason, text: String) -> void:
	equal(reason_name(ours(peer).get_failure_reason()), reason_name(reason))
	contains(last_error(peer), text)


## The options cannot be used by a server, since of `property` it is true that `text`.
func check_setup_refused(options: DTLSOptions, property: String, text: String) -> void:
	var server := DTLSServerOpenSSL.new()
	equal(server.setup_with_options(options), ERR_INVALID_PARAMETER, property)
	check(server.get_last_error().begins_with(property + ": "), server.get_last_error())
	contains(server.get_last_error(), text)
	expect_error("setup_with_options: %s" % property)


## The options cannot be used by a client.
func check_connect_refused(
	options: DTLSOptions, property: String, text: String, host_name := "localhost"
) -> void:
	var udp := Network.socket_to(Network.IPV4, Network.unused_port())
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.connect_with_options(udp, host_name, options), ERR_INVALID_PARAMETER, property)
	equal(peer.get_status(), DISCONNECTED)
	check(peer.get_last_error().begins_with(property + ": "), peer.get_last_error())
	contains(peer.get_last_error(), text)
	expect_error("connect_with_options: %s" % property)


static func ours(endpoint: Endpoint) -> PacketPeerDTLSOpenSSL:
	return endpoint.dtls as PacketPeerDTLSOpenSSL


static func reason_name(reason: PacketPeerDTLSOpenSSL.Reason) -> String:
	for constant in ClassDB.class_get_enum_constants(&"PacketPeerDTLSOpenSSL", &"Reason"):
		if ClassDB.class_get_integer_constant(&"PacketPeerDTLSOpenSSL", constant) == reason:
			return constant
	return str(reason)
