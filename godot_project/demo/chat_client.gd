## A client of the chat server.
##
## It has no window, and can be copied. [method connect_to_server], and connect its signals.
extends Node

## [member peer] has another status.
signal status_changed
## The handshake has gone on.
signal stepped(step: Step)
## The server has sent a line.
signal heard(text: String)

## Says that this side is still there. The other side answers the same.
const PING: PackedByteArray = [0]
## Seconds between two of them.
const PING_EVERY := 5.0
## Seconds without a packet after which either side takes the other for gone.
const PATIENCE := 15.0
## What goes back and forth in a handshake (RFC 6347 section 4.2.4), the client's first.
const FLIGHTS: PackedStringArray = [
	"ClientHello",
	"HelloVerifyRequest: a cookie, to prove the address",
	"ClientHello with the cookie",
	"ServerHello, Certificate, ServerKeyExchange, …",
	"ClientKeyExchange, ChangeCipherSpec, Finished",
	"NewSessionTicket, ChangeCipherSpec, Finished",
]
## The same from the server's ServerHello on, with the session of an earlier connection.
const RESUMED_FLIGHTS: PackedStringArray = [
	"ServerHello, ChangeCipherSpec, Finished",
	"ChangeCipherSpec, Finished",
]


## Datagrams of a handshake that went the same way at the same time.
class Step:
	## Milliseconds since the beginning.
	var msec: int
	var is_incoming: bool
	var datagrams: int
	var bytes: int
	## The messages in them, if nothing got lost.
	var what: String


var peer := PacketPeerDTLSOpenSSL.new()

var _udp := PacketPeerUDP.new()
var _status := PacketPeerDTLSOpenSSL.STATUS_DISCONNECTED
var _stats := peer.get_stats()
var _began_at := 0
var _flight := -1
var _until_ping := PING_EVERY


## For a client that has the server's certificate, or that of the authority which signed it.
static func options_trusting(certificate: X509Certificate) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.trusted_ca = certificate
	options.idle_timeout = PATIENCE
	return options


## For a client that has been told the fingerprint of the server's certificate, which then may be
## for any name: connect with none.
static func options_pinning(fingerprint: String) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.pinned_sha256 = [fingerprint]
	options.idle_timeout = PATIENCE
	return options


## Returns why no handshake has begun, or nothing.
func connect_to_server(host: String, port: int, host_name: String, options: DTLSOptions) -> String:
	disconnect_from_server()
	# A game would use IP.resolve_hostname_queue_item(), which does not wait.
	var address := host if host.is_valid_ip_address() else IP.resolve_hostname(host)
	if address == "":
		return 'There is no host "%s".' % host
	_udp = PacketPeerUDP.new()
	peer = PacketPeerDTLSOpenSSL.new()
	_stats = peer.get_stats()
	_began_at = Time.get_ticks_msec()
	_flight = -1
	var error := _udp.connect_to_host(address, port)
	if error != OK:
		return "There is no way to %s: %s." % [address, error_string(error)]
	if peer.connect_with_options(_udp, host_name, options) != OK:
		return peer.get_last_error()
	_follow()
	return ""


func disconnect_from_server() -> void:
	peer.disconnect_from_peer()
	_follow()


func say(text: String) -> Error:
	return peer.put_packet(text.to_utf8_buffer())


## Sends datagrams to the server that are no DTLS of this client: over its own connection's socket,
## as someone could who forges addresses, and from a stranger's. Returns how many.
func send_garbage() -> int:
	var stranger := PacketPeerUDP.new()
	stranger.connect_to_host(_udp.get_packet_ip(), _udp.get_packet_port())
	var sockets: Array[PacketPeerUDP] = [_udp, stranger]
	for socket in sockets:
		for datagram in _garbage():
			socket.put_packet(datagram)
	return sockets.size() * _garbage().size()


func _garbage() -> Array[PackedByteArray]:
	var zeros := PackedByteArray()
	zeros.resize(1200)
	# A record of encrypted data by its header: type 23, DTLS 1.2, epoch 1, number 99, 40 bytes.
	var forged := PackedByteArray([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0, 40])
	forged.append_array(zeros.slice(0, 40))
	return ["GET / HTTP/1.1\r\n\r\n".to_ascii_buffer(), PackedByteArray([22]), zeros, forged]


func _process(delta: float) -> void:
	peer.poll()
	_follow()
	while peer.get_available_packet_count() > 0:
		var packet := peer.get_packet()
		if packet != PING:
			heard.emit(packet.get_string_from_utf8())
	_until_ping -= delta
	if _until_ping <= 0.0:
		_until_ping = PING_EVERY
		if _status == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			peer.put_packet(PING)


## Takes note of what has become of the connection.
func _follow() -> void:
	var status := peer.get_status()
	if PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING in [status, _status]:
		_note_steps()
	if status != _status:
		_status = status
		status_changed.emit()


## Tells what went over the wire since the last call. What comes in is answered in the same call of
## poll(), so it was first.
func _note_steps() -> void:
	var before := _stats
	_stats = peer.get_stats()
	_note_step(true, before, "datagrams_received", "bytes_received")
	_note_step(false, before, "datagrams_sent", "bytes_sent")


func _note_step(is_incoming: bool, before: Dictionary, datagrams: String, bytes: String) -> void:
	var step := Step.new()
	step.msec = Time.get_ticks_msec() - _began_at
	step.is_incoming = is_incoming
	step.datagrams = _stats[datagrams] - before[datagrams]
	step.bytes = _stats[bytes] - before[bytes]
	if step.datagrams > 0:
		step.what = _name_of_flight(is_incoming)
		stepped.emit(step)


## Client and server take turns, so the direction tells which flight it is.
func _name_of_flight(is_incoming: bool) -> String:
	var status := peer.get_status()
	var is_connected_now := status == PacketPeerDTLSOpenSSL.STATUS_CONNECTED
	if not is_connected_now and status != PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
		if not is_incoming:
			return "an alert: this client wants no more"
		if peer.get_failure_reason() == PacketPeerDTLSOpenSSL.REASON_PEER_ALERT:
			return "an alert: the server wants no more"
	var next := _flight + 1
	var is_turn_of_server := next % 2 == 1
	var is_last := next == FLIGHTS.size() - 1
	if is_incoming != is_turn_of_server or is_last and not is_connected_now:
		return "more of that" if is_incoming else "the same again, for want of an answer"
	_flight = next
	if peer.is_session_reused():
		return RESUMED_FLIGHTS[next - (FLIGHTS.size() - 1 - RESUMED_FLIGHTS.size())]
	return FLIGHTS[next]
