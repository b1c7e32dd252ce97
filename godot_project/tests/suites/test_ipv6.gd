## IPv6, and IPv4 through an IPv6 socket. A machine without an IPv6 loopback fails these tests: they
## are not skipped.
extends "res://tests/support/network_suite.gd"


func test_both_sides() -> void:
	if not serve_on(Network.IPV6):
		return
	var client := network.add_client()
	equal(start(client), OK)
	exchange(completed(client))


func test_the_address_is_verified() -> void:
	if not serve_on(Network.IPV6):
		return
	var client := network.add_client()
	equal(start(client, "::1"), OK)
	exchange(completed(client))


func test_large_packets() -> void:
	if not serve_on(Network.IPV6):
		return
	var client := network.add_client()
	start(client)
	var pair := completed(client)
	check_delivery(pair.client, pair.server, noise(16_384))
	check_delivery(pair.server, pair.client, noise(16_384))


func test_an_ipv4_client_of_a_server_for_both() -> void:
	if not serve_on("*"):
		return
	network.address = Network.IPV4
	var client := network.add_client()
	equal(start(client), OK)
	exchange(completed(client))


func test_an_ipv6_client_of_a_server_for_both() -> void:
	if not serve_on("*"):
		return
	network.address = Network.IPV6
	var client := network.add_client()
	equal(start(client), OK)
	exchange(completed(client))


func test_clients_of_both_kinds_at_once() -> void:
	if not serve_on("*"):
		return
	for address: String in [Network.IPV4, Network.IPV6, Network.IPV4, Network.IPV6]:
		network.address = address
		equal(start(network.add_client()), OK)
	for client in network.clients:
		exchange(completed(client))


func test_one_cookie_is_enough() -> void:
	for bind_address: String in [Network.IPV6, "*"]:
		if not serve_on(bind_address):
			return
		network.address = Network.IPV6 if bind_address == Network.IPV6 else Network.IPV4
		var client := network.add_client()
		start(client)
		completed(client)
		equal(network.refused.size(), 1, "cookie exchanges")


func test_closing() -> void:
	if not serve_on(Network.IPV6):
		return
	var client := network.add_client()
	start(client)
	var pair := completed(client)
	(client.dtls as PacketPeerDTLSOpenSSL).disconnect_from_peer()
	wait_for_status(pair.server, DISCONNECTED)


func serve_on(bind_address: String) -> bool:
	network.close()
	network = Network.new()
	if network.listen(bind_address) != OK or not has_ipv6():
		fail("this machine has no IPv6 loopback, which the tests need")
		return false
	return equal(network.serve(), OK, "serve")


func has_ipv6() -> bool:
	var probe := UDPServer.new()
	return probe.listen(0, Network.IPV6) == OK
