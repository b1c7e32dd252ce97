## A server and a client, and a logger that calls both of them whenever something is printed, as a
## console in a game may. It is run with --verbose and at the level Debug.
extends Node

const HOST := "127.0.0.1"
const HANDSHAKING := PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
const CONNECTED := PacketPeerDTLSOpenSSL.STATUS_CONNECTED

var _udp_server := UDPServer.new()
var _server := DTLSServerOpenSSL.new()
var _client := PacketPeerDTLSOpenSSL.new()
var _peer: PacketPeerDTLSOpenSSL
var _logger := CallingLogger.new()


class CallingLogger:
	extends Logger
	var server: DTLSServerOpenSSL
	var peers: Array[PacketPeerDTLSOpenSSL] = []
	## What was printed by the addon, and how many datagrams the server had counted by then.
	var heard: PackedStringArray = []
	var _is_asking := false

	func _log_message(message: String, _error: bool) -> void:
		if _is_asking or server == null or not message.begins_with("DTLS: "):
			return
		_is_asking = true
		heard.append("%s: %d" % [message.strip_edges(), server.get_stats().datagrams_received])
		server.get_last_error()
		server.remove_psk("nobody")
		for peer in peers:
			peer.poll()
			peer.get_status()
			peer.get_last_error()
			peer.get_stats()
		_is_asking = false


func _ready() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])
	_udp_server.listen(0, HOST)
	_server.setup(key, certificate)
	_logger.server = _server
	_logger.peers = [_client]
	OS.add_logger(_logger)
	var udp := PacketPeerUDP.new()
	udp.connect_to_host(HOST, _udp_server.get_local_port())
	_client.connect_to_peer(udp, true, "localhost", certificate)


func _process(_delta: float) -> void:
	_udp_server.poll()
	while _udp_server.is_connection_available():
		var taken := _server.take_connection(_udp_server.take_connection())
		if taken.get_status() == HANDSHAKING:
			_peer = taken
			_logger.peers.append(taken)
	_client.poll()
	if _peer == null:
		return
	_peer.poll()
	if _peer.get_status() == CONNECTED and _client.get_status() == CONNECTED:
		OS.remove_logger(_logger)
		_logger.server = null
		_logger.peers.clear()
		for line in _logger.heard:
			print("heard ", line)
		print("connected")
		set_process(false)
		get_tree().quit()
