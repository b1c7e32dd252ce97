## Many clients in an engine of their own, started with `--script` and these arguments: how many on
## each port, how many of those use `connect_to_host`, and the ports. Each does what the client of
## the demo does, with the certificate verified.
##
## When every client has its answer or has failed, it prints one line of JSON. Then the connections
## are kept, until somebody ends the engine or it is `LIFETIME` seconds old.
extends SceneTree

const Pki := preload("res://tests/support/pki.gd")

const QUESTION := "The answer is... 42!"
const ANSWER := "Hello DTLS client"
## A question may be lost, and so may its answer: asked again after so many milliseconds.
const ASK_AGAIN_MSEC := 100
const LIFETIME := 60.0


class Client:
	var udp := PacketPeerUDP.new()
	var dtls := PacketPeerDTLSOpenSSL.new()
	var connected_after := -1
	var is_answered := false
	var asked := -ASK_AGAIN_MSEC

	func poll(now: int) -> void:
		dtls.poll()
		if dtls.get_status() != PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			return
		if connected_after < 0:
			connected_after = now
		while dtls.get_available_packet_count() > 0:
			is_answered = dtls.get_packet().get_string_from_utf8() == ANSWER
		if not is_answered and now - asked >= ASK_AGAIN_MSEC:
			dtls.put_packet(QUESTION.to_utf8_buffer())
			asked = now

	func has_failed() -> bool:
		return dtls.get_last_error() != ""


var _clients: Array[Client] = []
var _began := 0
var _is_told := false


func _initialize() -> void:
	_began = Time.get_ticks_msec()
	var arguments := OS.get_cmdline_user_args()
	var authority := Pki.certificate("ca")
	var options := DTLSOptions.new()
	options.trusted_ca = authority
	for port in arguments.slice(2):
		for i in int(arguments[0]):
			var client := Client.new()
			if i < int(arguments[1]):
				client.dtls.connect_to_host("localhost", int(port), options)
			else:
				client.udp.connect_to_host("127.0.0.1", int(port))
				client.dtls.connect_to_peer(client.udp, true, "localhost", authority)
			_clients.append(client)


func _process(_delta: float) -> bool:
	var now := Time.get_ticks_msec() - _began
	var waiting := 0
	for client in _clients:
		client.poll(now)
		waiting += int(not client.is_answered and not client.has_failed())
	if waiting == 0 and not _is_told:
		_is_told = true
		_tell()
	return now > LIFETIME * 1000.0


func _tell() -> void:
	var answered := 0
	var slowest := 0
	var failures: PackedStringArray = []
	for client in _clients:
		answered += int(client.is_answered)
		slowest = maxi(slowest, client.connected_after)
		if client.has_failed():
			failures.append(client.dtls.get_last_error())
	var report := {"answered": answered, "slowest_msec": slowest, "failures": failures}
	print(JSON.stringify(report))
