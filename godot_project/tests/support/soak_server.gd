## Sends back what it receives, and drops who is silent: for how many seconds is its first argument,
## and how long a handshake may take the second. Nothing but these tells it that a client has
## vanished. With a third one it is a DTLSListener.
##
## It prints its port, and a report whenever everybody is gone again, which is the end of a round.
extends "res://tests/support/soak_side.gd"

## More than ever come in one frame, where the engine's 16 would turn clients away.
const MOST_PENDING := 512

var _server := UDPServer.new()
var _dtls := DTLSServerOpenSSL.new()
## Null without a third argument.
var _listener: DTLSListener
var _handshake_timeout := 0.0
## Handshakes that a listener had begun and given up by the last frame.
var _begun := 0
var _given_up := 0
## When the last of them is over, in milliseconds.
var _handshakes_until := 0
var _peers: Array[PacketPeerDTLSOpenSSL] = []
var _most_peers := 0


func _initialize() -> void:
	var options := DTLSOptions.new()
	options.private_key = Pki.key("server")
	options.certificate = Pki.certificate("server")
	options.idle_timeout = OS.get_cmdline_user_args()[0].to_float()
	_handshake_timeout = OS.get_cmdline_user_args()[1].to_float()
	options.handshake_timeout = _handshake_timeout
	if OS.get_cmdline_user_args().size() > 2:
		_listener = DTLSListener.new()
		_listener.listen(0, options, "127.0.0.1")
		print(JSON.stringify({"port": _listener.get_local_port()}))
		return
	_dtls.setup_with_options(options)
	_server.max_pending_connections = MOST_PENDING
	_server.listen(0, "127.0.0.1")
	print(JSON.stringify({"port": _server.get_local_port()}))


func _process(_delta: float) -> bool:
	# A frame later, when nothing refers to the last ones any more.
	if _peers.is_empty() and _most_peers > 0 and not _has_handshakes():
		counts.most_peers = _most_peers
		_most_peers = 0
		report()
	if _listener != null:
		_take_players()
	else:
		_accept()
	_most_peers = maxi(_most_peers, _peers.size())
	_peers.assign(_peers.filter(_serve))
	return false


func _accept() -> void:
	_server.poll()
	while _server.is_connection_available():
		var peer := _dtls.take_connection(_server.take_connection())
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			_peers.append(peer)


func _take_players() -> void:
	_listener.poll()
	while _listener.is_connection_available():
		_peers.append(_listener.take_connection())
	var stats := _listener.get_stats()
	if stats["handshakes_started"] > _begun:
		_begun = stats["handshakes_started"]
		_handshakes_until = Time.get_ticks_msec() + int(_handshake_timeout * 1000.0) + 500
	var given_up: int = stats["handshakes_failed"]["timeout"]
	while _given_up < given_up:
		count("unfinished")
		_given_up += 1


## Whether a listener, which has no peers for those, may be in the middle of a handshake.
func _has_handshakes() -> bool:
	return Time.get_ticks_msec() < _handshakes_until


## Whether the peer stays.
func _serve(peer: PacketPeerDTLSOpenSSL) -> bool:
	peer.poll()
	while peer.get_available_packet_count() > 0:
		peer.put_packet(peer.get_packet())
	match peer.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			return true
	if peer.get_failure_reason() == PacketPeerDTLSOpenSSL.REASON_TIMEOUT:
		count("unfinished")
	elif peer.get_last_error() == "the client started again":
		count("restarted")
	elif peer.get_last_error().begins_with("nothing came from the other side"):
		count("silent")
	elif peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED:
		count("closed")
	else:
		fail("a peer failed: %s" % peer.get_last_error())
	return false
