## A chat server: every client that connects is a player, and what one of them says goes to all.
##
## It has no window, and can be copied. [method start] it, and connect its signals.
extends Node

## Something happened that its owner may want to read.
signal logged(line: String)
## A player has come, has gone, or has another status.
signal players_changed

const ChatClient := preload("res://demo/chat_client.gd")

## What clients connect to, which the certificate is for.
const NAMES: PackedStringArray = ["localhost", "127.0.0.1", "::1"]


class Player:
	var name: String
	## IP address and port.
	var address: String
	var peer: PacketPeerDTLSOpenSSL
	## As the signal [signal players_changed] has told last.
	var status := PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING


## Seconds without a packet after which a player is taken for gone, from the next start on.
var patience := ChatClient.PATIENCE
var players: Array[Player] = []
## Made at each start. A client of this demo trusts exactly this one.
var certificate: X509Certificate
## Null while the server is stopped.
var dtls: DTLSServerOpenSSL

var _udp := UDPServer.new()
var _players_ever := 0


## Returns why the server did not start, or nothing.
func start(port: int) -> String:
	stop()
	# On Linux the engine's UDPServer listens on a port that another server has, too, and only one of
	# the two hears anything; a PacketPeerUDP is refused there.
	var error := PacketPeerUDP.new().bind(port)
	if error == OK:
		error = _udp.listen(port)
	if error != OK:
		return "Port %d cannot be had: %s." % [port, error_string(error)]
	# A server that players know by its certificate would keep both; docs/recipes.md has an example.
	var options := DTLSOptions.new()
	options.private_key = DTLSCrypto.generate_key()
	options.certificate = DTLSCrypto.generate_self_signed_certificate(options.private_key, NAMES)
	options.idle_timeout = patience
	var server := DTLSServerOpenSSL.new()
	if server.setup_with_options(options) != OK:
		_udp.stop()
		return server.get_last_error()
	certificate = options.certificate
	dtls = server
	logged.emit("listening on port %d" % port)
	return ""


func stop() -> void:
	if dtls == null:
		return
	for player in players:
		player.peer.disconnect_from_peer()
	players.clear()
	_udp.stop()
	dtls = null
	certificate = null
	logged.emit("stopped")
	players_changed.emit()


## Sends `text` to everyone who is connected.
func broadcast(text: String) -> void:
	logged.emit(text)
	for player in players:
		if player.peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
			player.peer.put_packet(text.to_utf8_buffer())


func _process(_delta: float) -> void:
	if dtls == null:
		return
	_udp.poll()
	while _udp.is_connection_available():
		var socket := _udp.take_connection()
		var peer := dtls.take_connection(socket)
		# The others are the first half of a cookie exchange, or no clients at all.
		if peer.get_status() == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING:
			_add(socket, peer)
	for player: Player in players.duplicate():
		player.peer.poll()
		_follow(player)
		_listen_to(player)


func _add(socket: PacketPeerUDP, peer: PacketPeerDTLSOpenSSL) -> void:
	_players_ever += 1
	var player := Player.new()
	player.name = "Player %d" % _players_ever
	var ip := socket.get_packet_ip()
	player.address = "%s:%d" % ["[%s]" % ip if ":" in ip else ip, socket.get_packet_port()]
	player.peer = peer
	players.append(player)
	logged.emit("%s has proved the address %s" % [player.name, player.address])
	players_changed.emit()


## Takes note of what has become of the connection.
func _follow(player: Player) -> void:
	var status := player.peer.get_status()
	if status == player.status:
		return
	player.status = status
	if status == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
		var took: int = player.peer.get_stats().handshake_msec
		logged.emit("%s is connected after %d ms" % [player.name, took])
	else:
		players.erase(player)
		var why := player.peer.get_last_error()
		logged.emit("%s is gone%s" % [player.name, ": " + why if why else ""])
	players_changed.emit()


func _listen_to(player: Player) -> void:
	while player.peer.get_available_packet_count() > 0:
		var packet := player.peer.get_packet()
		if packet == ChatClient.PING:
			player.peer.put_packet(ChatClient.PING)
		else:
			broadcast("%s: %s" % [player.name, packet.get_string_from_utf8()])
