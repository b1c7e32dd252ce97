## What the recipes have in common: a server and its clients in one process, over the loopback
## interface. A game has them in two programs, and does in `_process` what `wait_until` does here.
extends Node

## Seconds until a recipe gives up.
const PATIENCE := 5.0

var udp_server := UDPServer.new()
var server := DTLSServerOpenSSL.new()
## The server's sides of its connections.
var players: Array[PacketPeerDTLSOpenSSL] = []
## The one of them that was over last. A game has no use for it.
var gone: PacketPeerDTLSOpenSSL

var _succeeded := true


func _ready() -> void:
	check_done("the server listens", udp_server.listen(0, "127.0.0.1"))
	cook()
	print("The recipe works." if _succeeded else "THE RECIPE DOES NOT WORK.")
	get_tree().quit(0 if _succeeded else 1)


## The recipe.
func cook() -> void:
	pass


## A client of the server that is connected, or has failed.
func connect_client(host_name: String, options: DTLSOptions) -> PacketPeerDTLSOpenSSL:
	var udp := PacketPeerUDP.new()
	var client := PacketPeerDTLSOpenSSL.new()
	var error := udp.connect_to_host("127.0.0.1", udp_server.get_local_port())
	if error == OK:
		error = client.connect_with_options(udp, host_name, options)
	check_done("the client begins", error)
	var is_decided := func() -> bool:
		return client.get_status() != PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
	wait_until(is_decided, [client])
	return client


## The same of a client that is to be refused, about which the addon prints an error.
func connect_in_vain(host_name: String, options: DTLSOptions) -> PacketPeerDTLSOpenSSL:
	print("The next ERROR is expected: this client is to be refused.")
	return connect_client(host_name, options)


func wait_until(condition: Callable, clients: Array[PacketPeerDTLSOpenSSL]) -> bool:
	var deadline := Time.get_ticks_msec() + int(PATIENCE * 1000.0)
	while Time.get_ticks_msec() < deadline:
		udp_server.poll()
		while udp_server.is_connection_available():
			var peer := server.take_connection(udp_server.take_connection())
			if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
				players.append(peer)
		for peer: PacketPeerDTLSOpenSSL in players.duplicate():
			peer.poll()
			match peer.get_status():
				PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
					pass
				_:
					players.erase(peer)
					gone = peer
		for client in clients:
			client.poll()
		if condition.call():
			return true
		OS.delay_msec(1)
	return false


## Says whether what the recipe promises is so.
func check(what: String, is_so: bool) -> void:
	print("%s: %s" % [what, "yes" if is_so else "NO"])
	_succeeded = _succeeded and is_so


## Says what went wrong in a call, if something did.
func check_done(what: String, error: Error) -> void:
	if error != OK:
		check("%s (%s)" % [what, error_string(error)], false)


func check_connected(what: String, client: PacketPeerDTLSOpenSSL) -> void:
	check(what, client.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED)


func check_refused(what: String, peer: PacketPeerDTLSOpenSSL, why: int) -> void:
	check("%s (%s)" % [what, peer.get_last_error()], peer.get_failure_reason() == why)
