## One of the clients: comes, talks, and leaves in one of several ways, twice in a round.
extends RefCounted

enum Farewell { CLOSE_NOTIFY, SILENT, MID_HANDSHAKE }
enum State { AWAY, HANDSHAKING, TALKING }

const Pki := preload("res://tests/support/pki.gd")

const HOST := "127.0.0.1"
const VISITS := 2
const VISIT_MSEC := 2500
## Short enough that the server still has the peer of a visitor who left without a word.
const AWAY_MSEC := 500
## Visitors come one after the other, or their datagrams would not fit the server's socket.
const STAGGER_MSEC := 4
const TALK_MSEC := 250
## UDP may lose a packet; the next attempt is as good.
const REPEAT_MSEC := 500
## The longest that an echo may take, attempts and all.
const PATIENCE_MSEC := 10000
## The largest packet that is not split on the way.
const LARGEST := 1163

## What has happened in this round, by what it was.
var counts: Dictionary
## What went wrong, in words.
var failures: PackedStringArray = []

var _number: int
var _server_port: int
var _trusted := Pki.certificate("ca")
var _round := 0
var _visits_left := 0
var _state := State.AWAY
var _farewell: Farewell
## When the visitor comes back, or leaves.
var _next := 0
## While it is away: keeps its port, if it will come back from there.
var _kept: PacketPeerUDP
var _udp: PacketPeerUDP
var _dtls: PacketPeerDTLSOpenSSL
var _sent: Array[PackedByteArray] = []
var _is_answered := true
var _sent_at := 0
var _asked_at := 0


func _init(number: int, server_port: int) -> void:
	_number = number
	_server_port = server_port


func begin_round(number_of_round: int, now: int) -> void:
	counts = {"connected": 0, "broken_off": 0, "echoes": 0, "repeated": 0}
	_round = number_of_round
	_visits_left = VISITS
	_next = now + _number * STAGGER_MSEC


func is_done() -> bool:
	return _visits_left == 0


func is_shaking_hands() -> bool:
	return _state == State.HANDSHAKING


## Whether it has talked in this round, or broken off.
func has_come() -> bool:
	return _visits_left < VISITS or _state == State.TALKING


## What it does in a frame. It comes only if it `may_come`, and stays until it `may_leave`.
func pump(now: int, may_come: bool, may_leave: bool) -> void:
	match _state:
		State.AWAY:
			if may_come and _visits_left > 0 and now >= _next:
				_come(now)
		State.HANDSHAKING:
			_shake_hands(now)
		State.TALKING:
			_talk(now, may_leave)


func _come(now: int) -> void:
	if _kept == null:
		_udp = PacketPeerUDP.new()
	else:
		var port := _kept.get_local_port()
		# What has come for the old connection goes with it.
		_kept.close()
		_kept = null
		_udp = _bound(port)
	_expect_ok(_udp.connect_to_host(HOST, _server_port), "connect_to_host")
	_dtls = PacketPeerDTLSOpenSSL.new()
	_expect_ok(_dtls.connect_to_peer(_udp, true, "localhost", _trusted), "connect_to_peer")
	# Of ten, five say goodbye, four do not, and one does not even come to the end of the handshake.
	match (_number + _round) % 10:
		0:
			_farewell = Farewell.MID_HANDSHAKE
		1, 3, 5, 7, 9:
			_farewell = Farewell.CLOSE_NOTIFY
		_:
			_farewell = Farewell.SILENT
	_state = State.HANDSHAKING
	_next = now + VISIT_MSEC


func _shake_hands(now: int) -> void:
	# The first answer is the cookie. The ClientHello that brings it back makes the server's session.
	var is_answered := _udp.get_available_packet_count() > 0
	_dtls.poll()
	match _dtls.get_status():
		PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			if is_answered and _farewell == Farewell.MID_HANDSHAKE:
				counts.broken_off += 1
				_leave(now)
		PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			counts.connected += 1
			_state = State.TALKING
			_sent.clear()
			_is_answered = true
			_sent_at = 0
		_:
			_fail("has no handshake: %s" % _dtls.get_last_error(), now)


func _talk(now: int, may_leave: bool) -> void:
	_dtls.poll()
	if _dtls.get_status() != PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
		_fail("lost its connection: %s" % _dtls.get_last_error(), now)
		return
	while _dtls.get_available_packet_count() > 0:
		var echo := _dtls.get_packet()
		if echo not in _sent:
			_fail("got a packet of %d bytes that it had not sent" % echo.size(), now)
			return
		# A repeated packet has several echoes.
		if not _is_answered and echo == _sent.back():
			_is_answered = true
			counts.echoes += 1
	if not _is_answered:
		if now - _asked_at >= PATIENCE_MSEC:
			_fail("got no echo in %d ms" % PATIENCE_MSEC, now)
		elif now - _sent_at >= REPEAT_MSEC:
			counts.repeated += 1
			_send(now)
	elif may_leave and now >= _next:
		_leave(now)
	elif now - _sent_at >= TALK_MSEC:
		_sent.append(_packet())
		_is_answered = false
		_asked_at = now
		_send(now)


func _send(now: int) -> void:
	_sent_at = now
	_expect_ok(_dtls.put_packet(_sent.back()), "put_packet")


## No two packets of all the visitors' are the same.
func _packet() -> PackedByteArray:
	var packet := PackedByteArray()
	packet.resize(16 + (_number * 31 + _round * 57 + _sent.size() * 331) % (LARGEST - 15))
	packet.fill(_number + _sent.size())
	packet.encode_u32(0, _number)
	packet.encode_u32(4, _round)
	packet.encode_u32(8, _visits_left)
	packet.encode_u32(12, _sent.size())
	return packet


func _leave(now: int) -> void:
	_visits_left -= 1
	_state = State.AWAY
	_next = now + AWAY_MSEC
	var port := _udp.get_local_port()
	if _farewell == Farewell.CLOSE_NOTIFY:
		_dtls.disconnect_from_peer()
	# Without its socket the peer cannot say anything when it is freed.
	_udp.close()
	_dtls = null
	if _visits_left > 0 and (_number + _round) % 20 < 10:
		# Every other one comes back from there, whichever way it has left.
		_kept = _bound(port)


func _bound(port: int) -> PacketPeerUDP:
	var udp := PacketPeerUDP.new()
	_expect_ok(udp.bind(port, HOST), "bind")
	return udp


func _expect_ok(result: Error, call: String) -> void:
	if result != OK:
		failures.append("client %d: %s returned %s" % [_number, call, error_string(result)])


func _fail(why: String, now: int) -> void:
	failures.append("client %d %s" % [_number, why])
	_leave(now)
