## The same as `test_lossy_interop.gd`, with a DTLSListener and with clients that use
## `connect_to_host`.
extends "res://tests/suites/test_lossy_interop.gd"


func new_network() -> Network:
	return new_listener_network()
