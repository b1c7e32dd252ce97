## The window of the chat. What it does with DTLS is in chat_server.gd and chat_client.gd.
extends Control

## What the client trusts, in the order of the list.
enum Trust { SERVER_TAB, FINGERPRINT }

const ChatClient := preload("res://demo/chat_client.gd")
const ChatServer := preload("res://demo/chat_server.gd")
const Monitors := preload("res://addons/dtls/monitors.gd")

const CONNECTED := PacketPeerDTLSOpenSSL.STATUS_CONNECTED
const STATUS_NAMES: PackedStringArray = [
	"STATUS_DISCONNECTED",
	"STATUS_HANDSHAKING",
	"STATUS_CONNECTED",
	"STATUS_ERROR",
	"STATUS_ERROR_HOSTNAME_MISMATCH",
]
const WRONG_NAME := "wrong.example"
const NOTHING := "-"
## Lines that a log keeps.
const MOST_LINES := 500
const GOOD := Color("7ee787")
const BAD := Color("ff7b72")

var _monitors: Monitors
## What the server has dropped so far, by reason.
var _dropped := {}

@onready var _server: ChatServer = %ChatServer
@onready var _client: ChatClient = %ChatClient
@onready var _tabs: TabContainer = %Tabs

@onready var _port: SpinBox = %Port
@onready var _listen: Button = %Listen
@onready var _server_state: Label = %ServerState
@onready var _names: Label = %Names
@onready var _fingerprint: Label = %Fingerprint
@onready var _copy: Button = %Copy
@onready var _players: Tree = %Players
@onready var _nobody_yet: Label = %NobodyYet
@onready var _dropped_text: Label = %Dropped
@onready var _log: RichTextLabel = %Log
@onready var _log_empty: Label = %LogEmpty
@onready var _announcement: LineEdit = %Announcement
@onready var _announce: Button = %Announce
@onready var _monitors_text: Label = %Monitors

@onready var _host: LineEdit = %Host
@onready var _server_port: SpinBox = %ServerPort
@onready var _trust: OptionButton = %Trust
@onready var _host_name_caption: Label = %HostNameCaption
@onready var _host_name: LineEdit = %HostName
@onready var _pin_caption: Label = %PinCaption
@onready var _pin: LineEdit = %Pin
@onready var _connect: Button = %Connect
@onready var _wrong_name: Button = %WrongName
@onready var _garbage: Button = %Garbage
@onready var _status: Label = %Status
@onready var _took: Label = %Took
@onready var _protocol: Label = %Protocol
@onready var _cipher: Label = %Cipher
@onready var _session: Label = %Session
@onready var _common_name: Label = %CommonName
@onready var _peer_fingerprint: Label = %PeerFingerprint
@onready var _reason: Label = %Reason
@onready var _steps: Tree = %Steps
@onready var _steps_empty: Label = %StepsEmpty
@onready var _messages: RichTextLabel = %Messages
@onready var _messages_empty: Label = %MessagesEmpty
@onready var _line: LineEdit = %Line
@onready var _say: Button = %Say


func _ready() -> void:
	_server.logged.connect(_write.bind(_log, _log_empty))
	_server.players_changed.connect(_show_players)
	_server.players_changed.connect(_show_counts)
	_client.status_changed.connect(_show_connection)
	_client.stepped.connect(_on_stepped)
	_client.heard.connect(_write.bind(_messages, _messages_empty))

	_listen.pressed.connect(_on_listen_pressed)
	_copy.pressed.connect(_on_copy_pressed)
	_announce.pressed.connect(_on_announce_pressed)
	_announcement.text_submitted.connect(_on_announce_pressed.unbind(1))

	_trust.item_selected.connect(_show_trust.unbind(1))
	_connect.pressed.connect(_on_connect_pressed)
	_wrong_name.pressed.connect(_on_wrong_name_pressed)
	_garbage.pressed.connect(_on_garbage_pressed)
	_say.pressed.connect(_on_say_pressed)
	_line.text_submitted.connect(_on_say_pressed.unbind(1))

	(%Refresh as Timer).timeout.connect(_show_counts)
	_name_columns(_players, {"Player": 80, "Address": 0, "Status": 95, "Handshake": 130})
	_name_columns(_steps, {"After": 72, "Datagrams": 128, "Messages": 0})
	_show_server()
	_show_connection()
	_show_trust()
	get_window().min_size = (%Margin as Control).get_combined_minimum_size()


# --- the server tab ---


func _on_listen_pressed() -> void:
	if _server.dtls != null:
		_server.stop()
		_show_server()
		return
	var why_not := _server.start(int(_port.value))
	_show_server()
	_server_state.text = why_not if why_not else "listening"
	_server_state.modulate = BAD if why_not else GOOD


func _on_copy_pressed() -> void:
	DisplayServer.clipboard_set(_fingerprint.text)


func _on_announce_pressed() -> void:
	if _server.dtls != null and _announcement.text != "":
		_server.broadcast("Server: " + _announcement.text)
		_announcement.clear()


## What a server has from its start to its end.
func _show_server() -> void:
	var runs := _server.dtls != null
	# Let go of the old ones first, so that the new ones are not numbered.
	_monitors = null
	if runs:
		_monitors = Monitors.new(_server.dtls)
	_dropped = {}
	_dropped_text.text = "None yet."
	_port.editable = not runs
	_listen.text = "Stop" if runs else "Start"
	_server_state.text = "stopped"
	_server_state.modulate = Color.WHITE
	_names.text = ", ".join(ChatServer.NAMES) if runs else NOTHING
	_fingerprint.text = DTLSCrypto.fingerprint(_server.certificate) if runs else NOTHING
	_copy.disabled = not runs
	_announce.disabled = not runs
	_show_players()
	_show_counts()


func _show_players() -> void:
	_players.clear()
	var root := _players.create_item()
	for player in _server.players:
		var item := _players.create_item(root)
		item.set_text(0, player.name)
		item.set_text(1, player.address)
		item.set_text(2, "connected" if player.status == CONNECTED else "handshaking")
		if player.status == CONNECTED:
			var resumed := " (resumed)" if player.peer.is_session_reused() else ""
			item.set_text(3, "%d ms%s" % [player.peer.get_stats().handshake_msec, resumed])
	_nobody_yet.visible = _server.players.is_empty()
	var count := _server.players.size()
	var title := "Server: %d player%s" % [count, "" if count == 1 else "s"]
	_tabs.set_tab_title(0, title if _server.dtls != null else "Server")


## What is counted: shown now and then, not for every datagram.
func _show_counts() -> void:
	if _server.dtls == null:
		_monitors_text.text = "No server runs in this window."
		return
	_note_dropped(_server.dtls.get_stats().records_dropped)
	_monitors_text.text = (
		"connections: %d    handshakes: %.1f/s    in: %s/s    out: %s/s    records dropped: %d"
		% [
			_monitored(Monitors.CONNECTIONS),
			_monitored(Monitors.HANDSHAKES),
			String.humanize_size(int(_monitored(Monitors.BYTES_RECEIVED))),
			String.humanize_size(int(_monitored(Monitors.BYTES_SENT))),
			_monitored(Monitors.RECORDS_DROPPED),
		]
	)


func _monitored(name_of_monitor: String) -> float:
	return Performance.get_custom_monitor(_monitors.id(name_of_monitor))


func _note_dropped(dropped: Dictionary) -> void:
	var all: PackedStringArray = []
	var new := 0
	for why: String in dropped:
		if dropped[why] > 0:
			all.append("%d %s" % [dropped[why], why.replace("_", " ")])
		new += dropped[why] - _dropped.get(why, 0)
	_dropped = dropped
	if new > 0:
		_dropped_text.text = ", ".join(all)
		_write("%d records dropped unread; the chat goes on" % new, _log, _log_empty)


# --- the client tab ---


func _on_connect_pressed() -> void:
	var status := _client.peer.get_status()
	if status in [CONNECTED, PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING]:
		_client.disconnect_from_server()
	else:
		_begin(_host_name.text)


func _on_wrong_name_pressed() -> void:
	_begin(WRONG_NAME)


func _begin(host_name: String) -> void:
	_client.disconnect_from_server()
	_steps.clear()
	_steps.create_item()
	_steps_empty.show()
	var options: DTLSOptions
	if _trust.selected == Trust.FINGERPRINT:
		host_name = ""
		options = ChatClient.options_pinning(_pin.text.strip_edges())
	elif _server.certificate != null:
		options = ChatClient.options_trusting(_server.certificate)
	else:
		_refuse("The server tab has no certificate yet. Start the server, or trust a fingerprint.")
		return
	var port := int(_server_port.value)
	var why_not := _client.connect_to_server(_host.text, port, host_name, options)
	if why_not:
		_refuse(why_not)


## Shows why there is no connection, if there is a reason.
func _refuse(why: String) -> void:
	_reason.text = why
	_reason.modulate = BAD


func _on_garbage_pressed() -> void:
	var count := _client.send_garbage()
	var text := "(%d datagrams of garbage sent, half of them over this connection's socket)" % count
	_write(text, _messages, _messages_empty)


func _on_say_pressed() -> void:
	if _line.text != "" and _client.say(_line.text) == OK:
		_line.clear()


func _on_stepped(step: ChatClient.Step) -> void:
	_steps_empty.hide()
	var item := _steps.create_item(_steps.get_root())
	item.set_text(0, "%d ms" % step.msec)
	var way := "in" if step.is_incoming else "out"
	item.set_text(1, "%d %s, %d bytes" % [step.datagrams, way, step.bytes])
	item.set_text(2, step.what)
	_steps.scroll_to_item(item)


func _show_connection() -> void:
	var peer := _client.peer
	var status := peer.get_status()
	var is_there := status == CONNECTED
	var failed := peer.get_failure_reason() != PacketPeerDTLSOpenSSL.REASON_NONE
	_status.text = STATUS_NAMES[status]
	_status.modulate = GOOD if is_there else BAD if failed else Color.WHITE
	_refuse(peer.get_last_error())
	var stats := peer.get_stats()
	var plural := "" if stats.retransmissions == 1 else "s"
	var took := [stats.handshake_msec, stats.retransmissions, plural]
	_took.text = "%d ms, %d retransmission%s" % took if is_there else NOTHING
	_protocol.text = peer.get_protocol_version() if is_there else NOTHING
	_cipher.text = peer.get_cipher_suite() if is_there else NOTHING
	_common_name.text = peer.get_peer_common_name() if is_there else NOTHING
	_peer_fingerprint.text = peer.get_peer_fingerprint() if is_there else NOTHING
	_session.text = NOTHING
	if is_there:
		_session.text = "resumed" if peer.is_session_reused() else "new"
	var is_begun := is_there or status == PacketPeerDTLSOpenSSL.STATUS_HANDSHAKING
	_connect.text = "Disconnect" if is_begun else "Connect"
	_garbage.disabled = not is_there
	_say.disabled = not is_there
	_tabs.set_tab_title(1, "Client: connected" if is_there else "Client")


func _show_trust() -> void:
	var by_pin := _trust.selected == Trust.FINGERPRINT
	_pin_caption.visible = by_pin
	_pin.visible = by_pin
	_host_name_caption.visible = not by_pin
	_host_name.visible = not by_pin
	_wrong_name.disabled = by_pin
	_wrong_name.tooltip_text = "With a fingerprint no name is verified." if by_pin else ""


# --- both ---


## Columns by their titles, with their widths. The one with none gets the room that is left.
func _name_columns(tree: Tree, widths: Dictionary) -> void:
	tree.columns = widths.size()
	for column in widths.size():
		var title: String = widths.keys()[column]
		tree.set_column_title(column, title)
		tree.set_column_title_alignment(column, HORIZONTAL_ALIGNMENT_LEFT)
		tree.set_column_expand(column, widths[title] == 0)
		tree.set_column_custom_minimum_width(column, widths[title])


## Adds a line, as it is: it may come from a stranger.
func _write(line: String, to: RichTextLabel, empty: Label) -> void:
	empty.hide()
	to.add_text(line + "\n")
	if to.get_paragraph_count() > MOST_LINES:
		to.remove_paragraph(0)
