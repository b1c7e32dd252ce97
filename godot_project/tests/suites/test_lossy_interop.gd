## Programs that other people wrote, over a network that is not well. They wait for a second before
## they send anything again, and twice as long each time.
extends "res://tests/support/interop_suite.gd"

## A fifth of all datagrams is lost, each way: with this seed, of those of a handshake, the client's
## second one and the server's third.
const CONDITIONS := "--seed 333 --loss 0.2 --duplication 0.1 --delay-ms 20 --jitter-ms 30"

var _relay: Program


func test_openssl_s_client() -> void:
	check_s_client()
	check_loss()


func test_openssl_s_server_with_cookies() -> void:
	check_s_server(["-listen"])
	check_loss()


func test_openssl_s_server_without_cookies() -> void:
	check_s_server([])
	check_loss()


func test_gnutls_cli() -> void:
	check_gnutls_cli()
	check_loss()


func test_gnutls_serv() -> void:
	check_gnutls_serv()
	check_loss()


# --- helpers ---


func way_to(port: int) -> int:
	_relay = run_relay(port, CONDITIONS)
	return port_of(_relay)


func handshake_patience() -> float:
	return 30.0


## Something was lost in both directions, or nothing is tested.
func check_loss() -> void:
	var counts := counts_of(_relay)
	var lost: PackedStringArray = []
	for direction: String in ["to_server", "to_client"]:
		var count: Dictionary = counts.get(direction, {})
		check(count.get("lost", 0.0) >= 1.0, "%s: %s" % [direction, count])
		lost.append("%d of %d" % [count.get("lost", 0), count.get("sent", 0)])
	note = "%s datagrams lost" % " and ".join(lost)
