## The server: answers every packet.
extends Node

const PORT := 4242
const PATIENCE := 20.0  # Seconds without a packet after which a player is gone.

var udp := UDPServer.new()
var dtls := DTLSServerOpenSSL.new()
var players: Array[PacketPeerDTLSOpenSSL] = []


func _ready() -> void:
	var folder := folder_of_the_key()
	var options := DTLSOptions.new()
	options.private_key_pem = FileAccess.get_file_as_string(folder.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(folder.path_join("server.crt"))
	options.idle_timeout = PATIENCE
	var error := dtls.setup_with_options(options)
	if error == OK:
		error = udp.listen(PORT)
	if error != OK:
		printerr("No server: %s. %s" % [error_string(error), dtls.get_last_error()])
		set_process(false)
		return
	print("The server listens on port %d." % PORT)


## In the project while you develop; beside the program once it is exported.
func folder_of_the_key() -> String:
	if OS.has_feature("editor"):
		return "res://dtls_certificates"
	return OS.get_executable_path().get_base_dir()


func _process(_delta: float) -> void:
	udp.poll()
	while udp.is_connection_available():
		var player := dtls.take_connection(udp.take_connection())
		# Every client comes twice: its first attempt only proves its address.
		if player.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			players.append(player)
	for player: PacketPeerDTLSOpenSSL in players.duplicate():
		player.poll()
		while player.get_available_packet_count() > 0:
			print("A player says: %s" % player.get_packet().get_string_from_utf8())
			player.put_packet("Hello, player!".to_utf8_buffer())
		match player.get_status():
			PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING, PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
				pass
			_:
				print("A player is gone. %s" % player.get_last_error())
				players.erase(player)
