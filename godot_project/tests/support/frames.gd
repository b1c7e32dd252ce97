## Many frames of the documented loops over one connection, for a program that counts the system
## calls of this engine's main thread. The argument after `--` is how many.
extends SceneTree

const HOST := "127.0.0.1"
## What the network may take to connect, in seconds.
const PATIENCE := 30.0
const HANDSHAKING := PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
const CONNECTED := PacketPeerDTLSOpenSSL.STATUS_CONNECTED

var _udp_server := UDPServer.new()
var _server := DTLSServerOpenSSL.new()
var _client := PacketPeerDTLSOpenSSL.new()
var _peer: PacketPeerDTLSOpenSSL
var _echoes := 0


func _init() -> void:
	var frames := int(OS.get_cmdline_user_args()[0])
	if _connect():
		# Nothing waits on it, so each call of take_connection makes a peer that leads nowhere.
		var silent := PacketPeerUDP.new()
		silent.connect_to_host(HOST, _udp_server.get_local_port())
		for i in frames:
			_frame()
			_server.take_connection(silent)
		print("echoes: ", _echoes)
	quit()


func _connect() -> bool:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])
	_udp_server.listen(0, HOST)
	_server.setup(key, certificate)
	var udp := PacketPeerUDP.new()
	udp.connect_to_host(HOST, _udp_server.get_local_port())
	_client.connect_to_peer(udp, true, "localhost", certificate)
	var deadline := Time.get_ticks_msec() + int(PATIENCE * 1000.0)
	while Time.get_ticks_msec() < deadline:
		_udp_server.poll()
		while _udp_server.is_connection_available():
			var taken := _server.take_connection(_udp_server.take_connection())
			if taken.get_status() == HANDSHAKING:
				_peer = taken
		_client.poll()
		if _peer != null:
			_peer.poll()
			if _peer.get_status() == CONNECTED and _client.get_status() == CONNECTED:
				return true
	return false


func _frame() -> void:
	_client.put_packet(PackedByteArray([1, 2, 3]))
	_udp_server.poll()
	_peer.poll()
	while _peer.get_available_packet_count() > 0:
		_peer.put_packet(_peer.get_packet())
	_client.poll()
	while _client.get_available_packet_count() > 0:
		_client.get_packet()
		_echoes += 1
	for one: PacketPeerDTLSOpenSSL in [_client, _peer]:
		if (
			one.get_status() != CONNECTED
			or one.get_failure_reason() != 0
			or one.get_last_error() != ""
		):
			print("no connection any more")
	if _server.get_last_error() != "" or _server.get_stats().is_empty():
		print("the server has failed")
