## A server and a client, and a logger that calls both of them whenever something is printed, as a
## console in a game may. It is run with --verbose and at the level Debug.
extends Node

const Console := preload("res://tests/console.gd")
const HOST := "127.0.0.1"
const HANDSHAKING := PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
const CONNECTED := PacketPeerDTLSOpenSSL.STATUS_CONNECTED

var _udp_server := UDPServer.new()
var _server := DTLSServerOpenSSL.new()
var _client := PacketPeerDTLSOpenSSL.new()
var _peer: PacketPeerDTLSOpenSSL
var _listener: Object
## What was printed by the addon, and how many datagrams the server had counted by then.
var _heard: PackedStringArray = []
var _is_asking := false


func _ready() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])
	_udp_server.listen(0, HOST)
	_server.setup(key, certificate)
	_listener = Console.listen(_ask)
	var udp := PacketPeerUDP.new()
	udp.connect_to_host(HOST, _udp_server.get_local_port())
	_client.connect_to_peer(udp, true, "localhost", certificate)


func _process(_delta: float) -> void:
	_udp_server.poll()
	while _udp_server.is_connection_available():
		var taken := _server.take_connection(_udp_server.take_connection())
		if taken.get_status() == HANDSHAKING:
			_peer = taken
	_client.poll()
	if _peer == null:
		return
	_peer.poll()
	if _peer.get_status() == CONNECTED and _client.get_status() == CONNECTED:
		Console.unlisten(_listener)
		for line in _heard:
			print("heard ", line)
		print("connected")
		set_process(false)
		get_tree().quit()


func _ask(entry: Console.Entry) -> void:
	if _is_asking or not entry.text.begins_with("DTLS: "):
		return
	_is_asking = true
	_heard.append("%s: %d" % [entry.text.strip_edges(), _server.get_stats().datagrams_received])
	_server.get_last_error()
	_server.remove_psk("nobody")
	for peer: PacketPeerDTLSOpenSSL in [_client, _peer]:
		if peer != null:
			peer.poll()
			peer.get_status()
			peer.get_last_error()
			peer.get_stats()
	_is_asking = false
