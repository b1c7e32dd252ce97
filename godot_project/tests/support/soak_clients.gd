## Clients of the server in `soak_server.gd`, all in one engine: how many, and the server's port. It
## prints the port by which it is told to begin a round, with any datagram. With a third argument,
## those who say goodbye and do not keep their port use `connect_to_host`.
##
## In a round each comes twice. Of ten, five say goodbye, four leave without a word, and one breaks
## off its handshake. Every other one comes back to the port that it had.
extends "res://tests/support/soak_side.gd"

const HOST := "127.0.0.1"
const VISITS := 2
## More at once would be more than a slow machine can follow, and than a server goes on with (256).
const MOST_HANDSHAKES := 32
## Echoes that a client wants to hear before it leaves, and after how long it asks for the next.
const ECHOES := 6
const TALK_MSEC := 250
## Short enough that the server still has the peer of one that has left without a word.
const AWAY_MSEC := 500
## UDP may lose a packet; the next attempt is as good.
const REPEAT_MSEC := 500
## The longest that an echo may take, attempts and all.
const PATIENCE_MSEC := 10000
## The largest packet that is not split on the way.
const LARGEST := 1163

var _control := PacketPeerUDP.new()
var _clients := 0
var _server_port := 0
var _trusted := Pki.certificate("ca")
var _connects_to_host := false
var _round := 0
var _handshakes := 0
## How many have got through their first handshake in this round, or broken it off. Nobody leaves
## before all have: however slow the machine is, the server has them all at a time.
var _come := 0
var _busy := 0


func _initialize() -> void:
	var arguments := OS.get_cmdline_user_args()
	_clients = arguments[0].to_int()
	_server_port = arguments[1].to_int()
	_connects_to_host = arguments.size() > 2
	_control.bind(0, HOST)
	print(JSON.stringify({"port": _control.get_local_port()}))


func _process(_delta: float) -> bool:
	if _busy == 0 and _come > 0:
		# A frame later, when nothing refers to the last ones any more.
		_come = 0
		report.call_deferred()
	elif _busy == 0 and _control.get_available_packet_count() > 0:
		_control.get_packet()
		_round += 1
		_busy = _clients
		for number in _clients:
			_take_part(number)
	return false


## What one client does in a round.
func _take_part(number: int) -> void:
	var breaks_off := (number + _round) % 10 == 0
	var says_goodbye := number % 2 != _round % 2
	var keeps_port := (number + _round) % 20 < 10
	# Keeps a port while its client is away. What comes for the old connection goes with it.
	var kept := PacketPeerUDP.new()
	for visit in VISITS:
		while _handshakes >= MOST_HANDSHAKES:
			await process_frame
		var udp := PacketPeerUDP.new()
		var port := kept.get_local_port() if kept.is_bound() else 0
		kept.close()
		var dtls := PacketPeerDTLSOpenSSL.new()
		if _connects_to_host and says_goodbye and not keeps_port:
			var options := DTLSOptions.new()
			options.trusted_ca = _trusted
			_expect_ok(dtls.connect_to_host("localhost", _server_port, options), "connect_to_host")
			count("by_host")
		else:
			_expect_ok(udp.bind(port, HOST), "bind")
			_expect_ok(udp.connect_to_host(HOST, _server_port), "connect_to_host")
			_expect_ok(dtls.connect_to_peer(udp, true, "localhost", _trusted), "connect_to_peer")
		_handshakes += 1
		while dtls.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			await process_frame
			# The first answer is the cookie. The ClientHello that brings it back makes the server's
			# session.
			var is_answered := udp.get_available_packet_count() > 0
			dtls.poll()
			if is_answered and breaks_off:
				break
		_handshakes -= 1
		_come += int(visit == 0)
		if breaks_off:
			count("broken_off")
		elif dtls.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			count("connected")
			await _talk(dtls, number, visit)
		else:
			fail("client %d has no handshake: %s" % [number, dtls.get_last_error()])
		port = udp.get_local_port() if udp.is_bound() else 0
		if says_goodbye and not breaks_off:
			dtls.disconnect_from_peer()
		# Without its socket the peer cannot say anything when it is freed.
		udp.close()
		if keeps_port and visit + 1 < VISITS:
			_expect_ok(kept.bind(port, HOST), "bind")
		var back := Time.get_ticks_msec() + AWAY_MSEC
		while Time.get_ticks_msec() < back:
			await process_frame
	_busy -= 1


func _talk(dtls: PacketPeerDTLSOpenSSL, number: int, visit: int) -> void:
	var sent: Array[PackedByteArray] = []
	while sent.size() < ECHOES or _come < _clients:
		sent.append(_packet([number, _round, visit, sent.size()]))
		var asked := Time.get_ticks_msec()
		var attempts := 0
		var is_answered := false
		while not is_answered or Time.get_ticks_msec() < asked + TALK_MSEC:
			var waited := Time.get_ticks_msec() - asked
			if waited >= PATIENCE_MSEC:
				fail("client %d got no echo" % number)
				return
			if not is_answered and waited >= attempts * REPEAT_MSEC:
				_expect_ok(dtls.put_packet(sent[-1]), "put_packet")
				attempts += 1
			await process_frame
			dtls.poll()
			if dtls.get_status() != PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
				fail("client %d lost its connection: %s" % [number, dtls.get_last_error()])
				return
			while dtls.get_available_packet_count() > 0:
				var echo := dtls.get_packet()
				# A repeated packet has several echoes.
				if echo not in sent:
					fail("client %d got a packet that it had not sent" % number)
				is_answered = is_answered or echo == sent[-1]
		count("echoes")


## No two packets of all the clients' are the same.
func _packet(numbers: PackedInt32Array) -> PackedByteArray:
	var packet := numbers.to_byte_array()
	var begun := packet.size()
	packet.resize(
		begun + (numbers[0] * 31 + numbers[1] * 57 + numbers[3] * 331) % (LARGEST - begun)
	)
	return packet


func _expect_ok(result: Error, call: String) -> void:
	if result != OK:
		fail("%s returned %s" % [call, error_string(result)])
