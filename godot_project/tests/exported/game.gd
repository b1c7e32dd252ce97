# The game that `cargo xtask audit` exports: "server PORT", "client PORT LOG".
extends Node

var arguments := OS.get_cmdline_user_args()
var udp := PacketPeerUDP.new()
var listener := UDPServer.new()
var server := DTLSServerOpenSSL.new()
var peer := PacketPeerDTLSOpenSSL.new()


func _ready() -> void:
	var options := DTLSOptions.new()
	if arguments[0] == "server":
		options.private_key = load("res://certs/server.key")
		options.certificate = load("res://certs/server.crt")
		print("Set up: ", error_string(server.setup_with_options(options)))
		print("Listening: ", error_string(listener.listen(int(arguments[1]), "127.0.0.1")))
		return
	udp.connect_to_host("127.0.0.1", int(arguments[1]))
	options.trusted_ca = load("res://certs/ca.crt")
	options.key_log_path = arguments[2]
	if peer.connect_with_options(udp, "localhost", options) != OK:
		print("No key log")
		options.key_log_path = ""
		peer.connect_with_options(udp, "localhost", options)


func _process(_delta: float) -> void:
	if listener.poll() == OK and listener.is_connection_available():
		peer = server.take_connection(listener.take_connection())
	var before := peer.get_status()
	peer.poll()
	if before == peer.STATUS_HANDSHAKING and peer.get_status() == peer.STATUS_CONNECTED:
		peer.put_packet(("Hello from the " + arguments[0]).to_utf8_buffer())
	while peer.get_available_packet_count() > 0:
		print("Received: ", peer.get_packet().get_string_from_utf8())
		if arguments[0] == "client":
			get_tree().quit()
	if before == peer.STATUS_CONNECTED and peer.get_status() == peer.STATUS_DISCONNECTED:
		get_tree().quit()
