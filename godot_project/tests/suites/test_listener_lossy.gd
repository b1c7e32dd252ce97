## A DTLSListener behind bad networks, with clients of both ways.
extends "res://tests/suites/test_lossy.gd"


func new_network() -> Network:
	return new_listener_network()


func clients_with_a_host() -> int:
	return CLIENTS / 2
