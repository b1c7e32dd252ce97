## The server of `cargo xtask soak`: sends back what it receives, and drops who is silent.
##
##     godot --headless --script res://soak/server.gd -- ROUNDS
##
## It prints lines of JSON: its port, once a second what it holds, and a report whenever it has
## become empty again, which is the end of a round. After so many rounds it quits.
extends SceneTree

const Memory := preload("res://soak/memory.gd")
const Pki := preload("res://tests/support/pki.gd")

## How long a peer may say nothing. Nothing tells the server that a client has vanished, so it looks
## for itself, as a game has to; the visitors speak four times a second.
const SILENCE_MSEC := 3000
## More than ever come in one frame, where the engine's 16 would turn clients away.
const MOST_PENDING := 512


## The server's side of a connection.
class Guest:
	var dtls: PacketPeerDTLSOpenSSL
	var heard: int
	var is_in := false


var _server := UDPServer.new()
var _dtls := DTLSServerOpenSSL.new()
var _guests: Array[Guest] = []
var _rounds_left := 0
var _next_line := 0
## What has happened in this round, by what it was.
var _counts: Dictionary
var _most_guests := 0
var _peak_kib := 0


func _initialize() -> void:
	_rounds_left = OS.get_cmdline_user_args()[0].to_int()
	_server.max_pending_connections = MOST_PENDING
	_server.listen(0, "127.0.0.1")
	_dtls.setup(Pki.key("server"), Pki.certificate("server"))
	_begin_round()
	print(JSON.stringify({"port": _server.get_local_port()}))


func _process(_delta: float) -> bool:
	var now := Time.get_ticks_msec()
	# A frame later, when nothing refers to the last ones any more.
	if _guests.is_empty() and _counts.begun > 0:
		_end_round()
	_server.poll()
	while _server.is_connection_available():
		_take(_server.take_connection(), now)
	var staying: Array[Guest] = []
	for guest in _guests:
		if _serve(guest, now):
			staying.append(guest)
	_guests = staying
	_most_guests = maxi(_most_guests, _guests.size())
	if now >= _next_line:
		_next_line = now + 1000
		_peak_kib = maxi(_peak_kib, Memory.resident_kib())
		print(JSON.stringify({"peers": _guests.size(), "rss_kib": Memory.resident_kib()}))
	return _rounds_left == 0


func _begin_round() -> void:
	_counts = {"begun": 0, "connected": 0, "closed": 0, "restarted": 0, "dropped": 0, "failed": 0}
	_most_guests = 0
	_peak_kib = 0


func _end_round() -> void:
	_counts.most_peers = _most_guests
	_counts.peak_kib = _peak_kib
	_counts.end_kib = Memory.resident_kib()
	_counts.objects = Memory.objects()
	print(JSON.stringify(_counts))
	_rounds_left -= 1
	_begin_round()


func _take(udp: PacketPeerUDP, now: int) -> void:
	var dtls := _dtls.take_connection(udp)
	if dtls.get_status() != PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
		return
	var guest := Guest.new()
	guest.dtls = dtls
	guest.heard = now
	_guests.append(guest)
	_counts.begun += 1


## Whether it stays.
func _serve(guest: Guest, now: int) -> bool:
	guest.dtls.poll()
	while guest.dtls.get_available_packet_count() > 0:
		guest.heard = now
		guest.dtls.put_packet(guest.dtls.get_packet())
	var status := guest.dtls.get_status()
	if status == PacketPeerDTLSOpenSSL.STATUS_CONNECTED and not guest.is_in:
		guest.is_in = true
		guest.heard = now
		_counts.connected += 1
	match status:
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			if now - guest.heard < SILENCE_MSEC:
				return true
			_counts.dropped += 1
		PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED:
			var is_restart := guest.dtls.get_last_error() == "the client started again"
			_counts["restarted" if is_restart else "closed"] += 1
		_:
			_counts.failed += 1
			print(JSON.stringify({"failure": "a peer failed: %s" % guest.dtls.get_last_error()}))
	return false
