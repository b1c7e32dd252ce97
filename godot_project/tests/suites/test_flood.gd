## ClientHellos from 100,000 addresses, while a server of 60 frames per second serves a player.
##
## Most of them never get as far as this addon. What the socket's buffer has no room for, the system
## drops; of the rest, UDPServer drops new addresses beyond `max_pending_connections` at each poll.
## How many came how far is shown behind the name of each test.
extends "res://tests/support/flood_suite.gd"


func test_with_the_engine_s_limit_of_16_new_addresses() -> void:
	await check_flood(100_000, 20_000)


func test_with_a_limit_of_512() -> void:
	network.udp_server.max_pending_connections = 512
	await check_flood(10_000, 10_000)


func test_with_a_limit_of_4096() -> void:
	network.udp_server.max_pending_connections = 4096
	await check_flood(10_000, 10_000)


func test_clients_that_come_and_go() -> void:
	check_clients_that_come_and_go()


# --- helpers ---


func check_reached(_addresses: int, _dropped_by_the_system: int) -> void:
	check(_seen >= mini(network.udp_server.max_pending_connections, 100), "it got through")
