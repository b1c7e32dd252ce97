# gdlint: disable=max-public-methods
## The methods that take TLSOptions, with the meaning that these have for the engine's own classes.
extends "res://tests/support/network_suite.gd"

# --- setup_tls ---


func test_a_server() -> void:
	var ours := DTLSServerOpenSSL.new()
	var options := TLSOptions.server(Pki.key("server"), Pki.certificate("server"))
	equal(ours.setup_tls(options), OK)
	equal(ours.get_last_error(), "")
	serve_with(ours)
	exchange(connected_pair())


func test_a_server_with_a_chain() -> void:
	var ours := DTLSServerOpenSSL.new()
	equal(ours.setup_tls(TLSOptions.server(Pki.key("chained"), Pki.certificate("chained"))), OK)
	serve_with(ours)
	exchange(connected_pair())


func test_a_server_needs_options() -> void:
	check_setup_refused(null, "options are null")


func test_a_server_refuses_the_options_of_a_client() -> void:
	check_setup_refused(TLSOptions.client(), "for a client")
	check_setup_refused(TLSOptions.client_unsafe(), "for a client")


func test_a_server_refuses_a_key_of_another_certificate() -> void:
	var options := TLSOptions.server(Pki.key("self_signed"), Pki.certificate("server"))
	check_setup_refused(options, "does not belong")


func test_a_server_refuses_a_public_key() -> void:
	var public := CryptoKey.new()
	public.load_from_string(Pki.key("server").save_to_string(true), true)
	check_setup_refused(TLSOptions.server(public, Pki.certificate("server")), "public half")


# --- connect_tls ---


func test_client_with_an_authority() -> void:
	check_accepted("server", "localhost", TLSOptions.client(Pki.certificate("ca")))


func test_client_with_an_authority_verifies_the_name() -> void:
	var options := TLSOptions.client(Pki.certificate("ca"))
	check_refused("wrong_name", "localhost", options, MISMATCH, "for another name")


func test_client_with_an_authority_verifies_the_chain() -> void:
	var options := TLSOptions.client(Pki.certificate("ca"))
	check_refused("untrusted", "localhost", options, ERROR, "not signed by anyone")


func test_client_with_an_authority_verifies_the_purpose() -> void:
	var options := TLSOptions.client(Pki.certificate("ca"))
	check_refused("client_only", "localhost", options, ERROR, "not meant for a server")


func test_client_with_a_bundle() -> void:
	check_accepted("server", "localhost", TLSOptions.client(Pki.certificate("bundle")))


func test_client_trusts_the_system_without_an_authority() -> void:
	check_refused("server", "localhost", TLSOptions.client(), ERROR, "not signed by anyone")


func test_no_options_mean_the_system() -> void:
	check_refused("server", "localhost", null, ERROR, "not signed by anyone")


func test_options_can_be_left_out() -> void:
	network.serve()
	var client := network.add_client()
	equal((client.dtls as PacketPeerDTLSOpenSSL).connect_tls(client.udp, "localhost"), OK)
	wait_for_status(client, ERROR)
	expect_error("not signed by anyone")


func test_the_common_name_override_is_what_is_verified() -> void:
	var options := TLSOptions.client(Pki.certificate("ca"), "game.example")
	check_accepted("wrong_name", "localhost", options)
	check_accepted("wrong_name", "", options)


func test_the_common_name_override_replaces_the_host_name() -> void:
	var options := TLSOptions.client(Pki.certificate("ca"), "game.example")
	check_refused("server", "localhost", options, MISMATCH, "wanted game.example")


func test_client_unsafe_verifies_nothing() -> void:
	for shown: String in ["server", "expired", "wrong_name", "untrusted", "client_only"]:
		check_accepted(shown, "localhost", TLSOptions.client_unsafe())
	check_accepted("untrusted", "", TLSOptions.client_unsafe())


func test_client_unsafe_with_an_authority_ignores_the_name() -> void:
	var options := TLSOptions.client_unsafe(Pki.certificate("ca"))
	check_accepted("wrong_name", "localhost", options)
	check_accepted("wrong_name", "", options)


func test_client_unsafe_with_an_authority_verifies_the_chain() -> void:
	var options := TLSOptions.client_unsafe(Pki.certificate("ca"))
	check_refused("untrusted", "localhost", options, ERROR, "not signed by anyone")
	check_refused("expired", "localhost", options, ERROR, "has expired")
	check_refused("client_only", "localhost", options, ERROR, "not meant for a server")


func test_a_client_refuses_the_options_of_a_server() -> void:
	var options := TLSOptions.server(Pki.key("server"), Pki.certificate("server"))
	check_connect_refused("localhost", options, "for a server")


func test_a_client_needs_a_host_name() -> void:
	check_connect_refused("", TLSOptions.client(Pki.certificate("ca")), "host name is needed")
	check_connect_refused("", TLSOptions.client(), "host name is needed")
	check_connect_refused("", null, "host name is needed")


func test_a_client_refuses_what_is_no_host_name() -> void:
	var trusted := Pki.certificate("ca")
	check_connect_refused(".localhost", TLSOptions.client(trusted), "not a host name")
	check_connect_refused("localhost", TLSOptions.client(trusted, ".example"), "not a host name")


func test_a_client_refuses_an_authority_that_is_empty() -> void:
	check_connect_refused("localhost", TLSOptions.client(X509Certificate.new()), "empty")


func test_a_client_needs_a_connected_socket() -> void:
	var options := TLSOptions.client(Pki.certificate("ca"))
	var peer := PacketPeerDTLSOpenSSL.new()
	for udp: PacketPeerUDP in [null, PacketPeerUDP.new()]:
		equal(peer.connect_tls(udp, "localhost", options), ERR_INVALID_PARAMETER)
		equal(peer.get_status(), DISCONNECTED, "status")
		expect_error("PacketPeerDTLSOpenSSL.connect_tls")
		check(peer.get_last_error() != "", "the error has a text")


func test_a_client_in_use_is_left_alone() -> void:
	var pair := connected_pair()
	var peer := pair.client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_tls(pair.client.udp, "localhost"), ERR_ALREADY_IN_USE)
	expect_error("connected or connecting already")
	exchange(pair)


# --- helpers ---


func serve_with(ours: DTLSServerOpenSSL) -> void:
	network.server = ours
	equal(network.listen(), OK, "listen")


func check_setup_refused(options: TLSOptions, why: String) -> void:
	var ours := DTLSServerOpenSSL.new()
	equal(ours.setup_tls(options), ERR_INVALID_PARAMETER, "setup_tls")
	expect_error("DTLSServerOpenSSL.setup_tls")
	expect_silence()
	contains(ours.get_last_error(), why)


func connecting(shown: String, host_name: String, options: TLSOptions) -> Endpoint:
	network.close()
	network = Network.new()
	network.serve(shown)
	expect_doubt(shown)
	var client := network.add_client()
	var peer := client.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_tls(client.udp, host_name, options), OK, "connect_tls")
	return client


func check_accepted(shown: String, host_name: String, options: TLSOptions) -> void:
	exchange(completed(connecting(shown, host_name, options)))


func check_refused(
	shown: String,
	host_name: String,
	options: TLSOptions,
	status: PacketPeerDTLSOpenSSL.Status,
	why: String
) -> void:
	var client := connecting(shown, host_name, options)
	wait_for_status(client, status)
	expect_error(why)
	expect_silence()
	contains(last_error(client), why)


func check_connect_refused(host_name: String, options: TLSOptions, why: String) -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	network.close()
	network = Network.new()
	network.listen()
	var result := peer.connect_tls(network.client_socket(), host_name, options)
	equal(result, ERR_INVALID_PARAMETER, "connect_tls")
	equal(peer.get_status(), DISCONNECTED, "status")
	expect_error("PacketPeerDTLSOpenSSL.connect_tls")
	expect_silence()
	contains(peer.get_last_error(), why)
