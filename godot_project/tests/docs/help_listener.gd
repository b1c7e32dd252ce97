## What the help of DTLSListener shows.
extends Node

var listener := DTLSListener.new()


func _ready() -> void:
	var options := DTLSOptions.new()
	var folder := "res://dtls_certificates"
	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
	options.idle_timeout = 20.0
	listener.peer_connected.connect(func(id: int) -> void: print("player ", id, " is here"))
	listener.peer_disconnected.connect(
		func(id: int, reason: String) -> void: print("player ", id, " has left: ", reason)
	)
	set_process(listener.listen(4242, options) == OK)


func _process(_delta: float) -> void:
	listener.poll()
	while listener.get_available_packet_count() > 0:
		var id := listener.get_packet_peer()
		var packet := listener.get_packet()
		listener.put_packet(id, packet)
