## The base of suites with 400 clients that connect in one frame, five times over. What is lost or
## comes late is sent again: the machine decides how long it takes, and not whether it works.
extends "res://tests/support/network_suite.gd"

const CLIENTS := 400
const ROUNDS := 5
## In wine, a round takes more than 10 s on some machines.
const ROUND_PATIENCE := 60.0

## What clients call the server.
var host_name := "localhost"


func _init() -> void:
	time_limit = ROUNDS * ROUND_PATIENCE


## All of them begin before the server looks once, and all of them end up connected, on both sides.
func check_round() -> void:
	network.handshake_timeout = ROUND_PATIENCE
	for i in CLIENTS:
		equal(start(network.add_client(), host_name), OK, "it starts")
	var is_over := func() -> bool:
		return network.clients.all(
			func(client: Endpoint) -> bool: return client.status() != HANDSHAKING
		)
	wait_until("no client is left in its handshake", is_over, ROUND_PATIENCE)
	var connected := 0
	for client in network.clients:
		if client.status() == CONNECTED:
			connected += 1
		elif not has_failed():
			equal(last_error(client), "", "get_last_error of a client")
	equal(connected, CLIENTS, "clients that are connected")
	# The last Finished of a client may still be on its way.
	var are_served := func() -> bool:
		return (
			network.accepted.size() == CLIENTS
			and network.accepted.all(
				func(peer: Endpoint) -> bool: return peer.status() == CONNECTED
			)
		)
	wait_until("the server has every one of them", are_served)
	network.close()
	network = new_network()
