## Our DTLSListener, with all players through one object: the loops of its help.
extends "res://bench/side.gd"

var listener := DTLSListener.new()
var threads := -1
var options := DTLSOptions.new()
var _ids: Array[int] = []


func prepare(key: CryptoKey, certificate: X509Certificate, root: X509Certificate) -> Error:
	options.private_key_pem = FileAccess.get_file_as_string("user://p256.key")
	options.certificate_pem = FileAccess.get_file_as_string("user://p256.crt")
	return super(key, certificate, root)


func listen() -> Error:
	_ids.clear()
	connected = 0
	listener = DTLSListener.new()
	listener.threads = threads
	listener.peer_connected.connect(_on_peer_connected)
	return listener.listen(0, options, ADDRESS)


func _on_peer_connected(id: int) -> void:
	_ids.append(id)
	connected += 1


func clear() -> void:
	listener.stop()


func port() -> int:
	return listener.get_local_port()


## Its thread has.
func poll_socket() -> void:
	pass


func idle_frame() -> void:
	busy_frame()


func busy_frame() -> int:
	var received := 0
	listener.poll()
	while listener.get_available_packet_count() > 0:
		listener.get_packet_peer()
		listener.get_packet()
		received += 1
	return received


func game_frame() -> int:
	return busy_frame()


func answering_frame() -> int:
	var received := 0
	listener.poll()
	while listener.get_available_packet_count() > 0:
		var id := listener.get_packet_peer()
		var packet := listener.get_packet()
		listener.put_packet(id, packet)
		received += 1
	return received


func send_to_all(payload: PackedByteArray) -> void:
	for id in _ids:
		listener.put_packet(id, payload)
