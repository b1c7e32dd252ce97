## The programs that other people wrote, as clients of a DTLSListener and as servers for clients
## that use `connect_to_host`.
extends "res://tests/suites/test_interop.gd"


func new_network() -> Network:
	return new_listener_network()


## A listener has a peer only for who is connected. It counts the others.
func check_refused_by_client() -> void:
	var listener := (network as ListenerNetwork).listener
	var is_counted := func() -> bool:
		return listener.get_stats()["handshakes_failed"]["peer_alert"] == 1
	wait_until("the listener has heard of it", is_counted)
	equal(network.accepted.size(), 0, "players")
