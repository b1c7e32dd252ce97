## Our classes against the engine's own DTLSServer and PacketPeerDTLS, which are mbedTLS underneath.
extends "res://tests/support/network_suite.gd"

const EngineCertificate := preload("res://tests/support/engine_certificate.gd")

## What the engine prints when a handshake of its own fails.
const ENGINE_NOISE := "TLS handshake error"
# --- our client, the engine's server ---


func test_our_client() -> void:
	exchange(pair_with_engine_server())


func test_our_client_and_an_engine_server_over_ipv6() -> void:
	tolerate(ENGINE_NOISE)
	equal(network.serve_with_engine("server", Network.IPV6), OK)
	var client := network.add_client()
	equal(start(client, "::1"), OK)
	exchange(completed(client))


func test_our_client_and_packets_of_all_sizes() -> void:
	check_sizes(pair_with_engine_server())


func test_our_client_refuses_an_engine_server_that_it_does_not_trust() -> void:
	tolerate(ENGINE_NOISE)
	network.serve_with_engine("untrusted")
	var client := network.add_client()
	start(client)
	wait_for_status(client, ERROR)
	expect_error("not signed by anyone who is trusted")
	wait_until("the engine's server side gives up", network.accepted[0].is_over)


func test_our_client_refuses_an_engine_server_of_another_name() -> void:
	tolerate(ENGINE_NOISE)
	network.serve_with_engine("wrong_name")
	var client := network.add_client()
	start(client)
	wait_for_status(client, MISMATCH)
	expect_error("game.example")
	wait_until("the engine's server side gives up", network.accepted[0].is_over)


func test_our_client_closes() -> void:
	var pair := pair_with_engine_server()
	(pair.client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)


func test_the_engine_s_server_side_closes() -> void:
	var pair := pair_with_engine_server()
	(pair.server.dtls as PacketPeerDTLS).disconnect_from_peer()
	wait_for_status(pair.client, DISCONNECTED)
	equal(last_error(pair.client), "", "get_last_error")


# --- the engine's client, our server ---


func test_the_engine_s_client() -> void:
	exchange(pair_with_engine_client())


func test_the_engine_s_client_and_our_chain() -> void:
	exchange(pair_with_engine_client("chained"))


func test_the_engine_s_client_and_packets_of_all_sizes() -> void:
	check_sizes(pair_with_engine_client())


func test_the_engine_s_client_does_not_trust_us() -> void:
	tolerate(ENGINE_NOISE)
	network.serve("untrusted")
	var client := network.add_engine_client()
	connect_engine(client)
	wait_until("the engine's client gives up", client.is_over)
	wait_for_status(network.accepted[0], ERROR)
	contains(last_error(network.accepted[0]), "the other side refused")


func test_the_engine_s_client_closes() -> void:
	var pair := pair_with_engine_client()
	(pair.client.dtls as PacketPeerDTLS).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)
	equal(last_error(pair.server), "", "get_last_error")


func test_our_server_side_closes() -> void:
	var pair := pair_with_engine_client()
	(pair.server.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.client, DISCONNECTED)


func test_a_certificate_made_by_the_engine() -> void:
	var key := Crypto.new().generate_rsa(2048)
	var certificate := EngineCertificate.self_signed(key)
	equal(network.serve_with(key, certificate), OK)
	var client := network.add_engine_client()
	var options := TLSOptions.client(certificate)
	(client.dtls as PacketPeerDTLS).connect_to_peer(client.udp, "localhost", options)
	exchange(completed(client))


# --- helpers ---


func pair_with_engine_server() -> Pair:
	tolerate(ENGINE_NOISE)
	equal(network.serve_with_engine(), OK)
	var client := network.add_client()
	equal(start(client), OK)
	return completed(client)


func pair_with_engine_client(shown := "server") -> Pair:
	tolerate(ENGINE_NOISE)
	equal(network.serve(shown), OK)
	var client := network.add_engine_client()
	connect_engine(client)
	return completed(client)


func connect_engine(client: Endpoint) -> void:
	var options := TLSOptions.client(Pki.certificate("ca"))
	equal((client.dtls as PacketPeerDTLS).connect_to_peer(client.udp, "localhost", options), OK)


func check_sizes(pair: Pair) -> void:
	for size: int in [1, 488, 1163, 4096, 16_384]:
		check_delivery(pair.client, pair.server, noise(size))
		check_delivery(pair.server, pair.client, noise(size, 2))
