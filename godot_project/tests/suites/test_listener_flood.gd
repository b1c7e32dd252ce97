## ClientHellos from 100,000 addresses at a DTLSListener, which serves a player meanwhile. Whatever
## the system leaves it is answered, or counted, and of the player nothing is lost.
extends "res://tests/support/flood_suite.gd"

## Cookies that were counted when it was last asked.
var _cookies := 0


func new_network() -> Network:
	return new_listener_network()


func test_with_threads() -> void:
	_listener().threads = 2
	await check_flood(100_000, 20_000)


func test_without_threads() -> void:
	_listener().threads = 0
	await check_flood(10_000, 10_000)


func test_clients_that_come_and_go() -> void:
	check_clients_that_come_and_go()


# --- helpers ---


func soak_options() -> PackedStringArray:
	return ["listener"]


func answered() -> int:
	var before := _cookies
	_cookies = _listener().get_stats()["cookies_sent"]
	return _cookies - before


func check_reached(addresses: int, dropped_by_the_system: int) -> void:
	var counted: int = _listener().get_stats()["socket"]["handshake_queue_full"]
	var known := _seen + counted + dropped_by_the_system
	check(
		known >= addresses,
		"%d answered, %d counted, %d dropped" % [_seen, counted, dropped_by_the_system]
	)
	check(_seen > addresses / 10, "it got through: %d" % _seen)
	# One of the player's may be among those that the system has dropped.
	check(_said - _heard <= dropped_by_the_system, "of %d packets %d were heard" % [_said, _heard])


func _listener() -> DTLSListener:
	return (network as ListenerNetwork).listener
