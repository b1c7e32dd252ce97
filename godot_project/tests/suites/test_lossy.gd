## Two engines, and bad networks between them: the demo's question and its answer get through from
## every client. `rust/dtls-core/tests/lossy.rs` does the same a thousand times over without an
## engine.
extends "res://tests/support/program_suite.gd"

const Crowd := preload("res://tests/support/crowd.gd")

## Clients on each network. Each has a seed of its own.
const CLIENTS := 25
## Seconds that all of them may take: what one handshake may take, and the start of an engine.
const CROWD_PATIENCE := 40.0
## What a path with an MTU of 576 bytes lets through: less the headers of IPv4 and UDP.
const PATH_OF_576 := 548
const BURSTS := "--burst-share 0.125 --burst-length 3 --burst-loss 0.8"
const EVERYTHING_ELSE := "--duplication 0.2 --reordering 0.2 --held-back-ms 300 --jitter-ms 100"


func test_loss() -> void:
	network.serve()
	var relays := check_crowd(
		[
			"--seed 100 --delay-ms 30 --loss 0.1",
			"--seed 200 --delay-ms 30 --loss 0.2",
			"--seed 300 --delay-ms 30 --loss 0.3",
			"--seed 400 --delay-ms 30 --loss 0.1 %s %s" % [BURSTS, EVERYTHING_ELSE],
		]
	)
	check_share(relays, "lost", [0.1, 0.2, 0.3, 0.19])


func test_duplicates_and_the_wrong_order() -> void:
	network.serve()
	var relays := check_crowd(
		[
			"--seed 500 --delay-ms 30 --jitter-ms 40 --duplication 0.5",
			"--seed 600 --delay-ms 30 --reordering 0.33 --held-back-ms 500",
			"--seed 700 --delay-ms 30 --jitter-ms 400",
		]
	)
	check_share(relays.slice(0, 1), "twice", [0.5])
	check_share(relays.slice(1), "overtaken", [0.2, 0.2])


func test_a_path_of_576_bytes_and_a_chain_that_does_not_fit_it() -> void:
	network.serve("chain_of_three")
	var relays := check_crowd(
		[
			"--seed 800 --delay-ms 30 --largest %d" % PATH_OF_576,
			"--seed 900 --delay-ms 30 --largest %d --loss 0.2" % PATH_OF_576,
		]
	)
	for relay in relays:
		var to_client: Dictionary = counts_of(relay).to_client
		check(
			to_client.lost >= 2 * CLIENTS, "every client has lost large datagrams: %s" % to_client
		)
		check(to_client.largest <= PATH_OF_576, "none came through: %s" % to_client)
		check(to_client.largest > PATH_OF_576 - 100, "smaller ones did: %s" % to_client)


# --- helpers ---


## How many of the clients on each network use `connect_to_host`.
func clients_with_a_host() -> int:
	return 0


## Clients in another engine, behind a relay for each of `conditions`, all get their answers from
## the network's server. Returns the relays.
func check_crowd(conditions: PackedStringArray) -> Array[Program]:
	var relays: Array[Program] = []
	var arguments: PackedStringArray = [str(CLIENTS), str(clients_with_a_host())]
	for options in conditions:
		var relay := run_relay(network.port(), options)
		relays.append(relay)
		arguments.append(str(port_of(relay)))
	var crowd := run_engine("crowd.gd", arguments)
	var is_done := func() -> bool:
		_answer()
		crowd.has_printed("")
		return not crowd.json_after(0).is_empty()
	wait_until("every client has its answer, or an error", is_done, CROWD_PATIENCE)
	var clients := CLIENTS * conditions.size()
	var report := crowd.json_after(0)
	equal(report.get("failures"), [], "the clients' errors")
	equal(report.get("answered"), float(clients), "clients that have an answer")
	note = "%d clients, the slowest after %d ms" % [clients, report.get("slowest_msec", 0)]
	equal(network.accepted.size(), clients, "clients of the server")
	for peer in network.accepted:
		status_is(peer, CONNECTED, "the server's side")
	return relays


## What the server of the demo does.
func _answer() -> void:
	for peer in network.accepted:
		while peer.has_packets():
			equal(peer.receive_text(), Crowd.QUESTION)
			peer.send_text(Crowd.ANSWER)


## The relays did to so many datagrams what they were told: or nothing is tested. How many there are
## depends on what is lost, so a share is near if it is within five standard deviations, which of
## 130 datagrams each way leaves some thousandths of a per cent to chance.
func check_share(relays: Array[Program], what: String, shares: Array[float]) -> void:
	for i in relays.size():
		var counts := counts_of(relays[i])
		var sent := 0.0
		var affected := 0.0
		for direction: String in ["to_server", "to_client"]:
			var count: Dictionary = counts.get(direction, {})
			check(count.get(what, 0.0) > 0.0, "some are %s %s: %s" % [what, direction, count])
			sent += count.get("sent", 0.0)
			affected += count.get(what, 0.0)
		var deviation := sqrt(shares[i] * (1.0 - shares[i]) / maxf(sent, 1.0))
		var is_near := absf(affected / maxf(sent, 1.0) - shares[i]) < 5.0 * deviation
		check(is_near, "%.2f are %s: %d of %d" % [shares[i], what, affected, sent])
