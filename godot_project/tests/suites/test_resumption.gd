## Sessions that go on in the next connection.
extends "res://tests/support/network_suite.gd"


func test_the_second_connection_is_resumed() -> void:
	equal(is_resumed(connected_pair()), false, "the first")
	var pair := connected_pair()
	equal(is_resumed(pair), true, "the second")
	exchange(pair)


func test_a_connection_that_ended_without_a_word_is_resumed() -> void:
	var pair := connected_pair()
	# As when a game is killed: nothing is sent any more.
	pair.client.udp.close()
	network.forget(pair.client)
	pair.client = null
	equal(is_resumed(connected_pair()), true, "the next one")


func test_before_the_end_of_a_handshake_nothing_is_resumed() -> void:
	network.serve()
	connected_pair()
	var client := network.add_client()
	start(client)
	status_is(client, HANDSHAKING)
	equal(
		(client.dtls as PacketPeerDTLSOpenSSL).is_session_reused(), false, "while it shakes hands"
	)
	equal(PacketPeerDTLSOpenSSL.new().is_session_reused(), false, "without a connection")


func test_other_arguments_do_not_resume() -> void:
	connected_pair()
	var named := network.add_client()
	equal(start(named, "127.0.0.1"), OK)
	equal(is_resumed(completed(named)), false, "another host name")
	var trusting := network.add_client()
	equal(start(trusting, "localhost", "bundle"), OK)
	equal(is_resumed(completed(trusting)), false, "another certificate to trust")
	var careless := network.add_client()
	var peer := careless.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_to_peer(careless.udp, false, "localhost"), OK)
	equal(is_resumed(completed(careless)), false, "no verification")


func test_what_was_not_verified_does_not_become_so() -> void:
	network.serve("untrusted")
	var careless := network.add_client()
	equal((careless.dtls as PacketPeerDTLSOpenSSL).connect_to_peer(careless.udp, false), OK)
	completed(careless)
	var careful := network.add_client()
	start(careful)
	wait_for_status(careful, ERROR)
	expect_error("not signed by anyone who is trusted")


func test_a_server_with_a_new_certificate_resumes_nothing_old() -> void:
	connected_pair()
	var server: DTLSServerOpenSSL = network.server
	equal(server.setup(Pki.key("chained"), Pki.certificate("chained")), OK)
	equal(is_resumed(connected_pair()), false, "after a new certificate")
	equal(is_resumed(connected_pair()), true, "and then")


func test_setting_up_the_same_again_resumes() -> void:
	connected_pair()
	var server: DTLSServerOpenSSL = network.server
	equal(server.setup(Pki.key("server"), Pki.certificate("server")), OK)
	equal(is_resumed(connected_pair()), true)


func is_resumed(pair: Pair) -> bool:
	var client := pair.client.dtls as PacketPeerDTLSOpenSSL
	var server := pair.server.dtls as PacketPeerDTLSOpenSSL
	equal(client.is_session_reused(), server.is_session_reused(), "both sides say the same")
	return client.is_session_reused()
