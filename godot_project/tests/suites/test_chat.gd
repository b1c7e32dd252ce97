# gdlint: disable=max-public-methods
## The chat demo, used as a player does: by its buttons, in frames as they come.
extends "res://tests/suite.gd"

const Chat := preload("res://demo/chat.tscn")
const ChatClient := preload("res://demo/chat_client.gd")
const ChatServer := preload("res://demo/chat_server.gd")
const Datagram := preload("res://tests/support/datagram.gd")
const Network := preload("res://tests/support/network.gd")
const Relay := preload("res://tests/support/relay.gd")

## The garbage of one press: three datagrams that are no DTLS and a forged record, twice.
const GARBAGE := "6 malformed, 1 forged, 1 unexpected"

var _chat: Control
var _tree := Engine.get_main_loop() as SceneTree


func before_each() -> void:
	# The first test comes while the scene is still being set up.
	await _tree.process_frame
	_chat = Chat.instantiate()
	_tree.root.add_child(_chat)
	var port := Network.unused_port()
	for spin_box: String in ["Port", "ServerPort"]:
		(node(spin_box) as SpinBox).value = port


func after_each() -> void:
	_chat.free()


func test_before_anything_is_started() -> void:
	for button: String in ["Announce", "Copy", "Garbage", "Say"]:
		check(is_disabled(button), "%s is disabled" % button)
	for empty: String in ["NobodyYet", "LogEmpty", "StepsEmpty", "MessagesEmpty"]:
		check((node(empty) as Label).visible, "%s is shown" % empty)
	equal(tab_titles(), ["Server", "Client"])
	equal(text("Status"), "STATUS_DISCONNECTED")
	press("Connect")
	contains(text("Reason"), "Start the server")


func test_client_and_server_talk() -> void:
	await connect_them()
	equal(tab_titles(), ["Server: 1 player", "Client: connected"])
	equal(text("PeerFingerprint"), text("Fingerprint"), "what the client has seen")
	check(text("Fingerprint").begins_with("sha256:"), "it is a fingerprint")
	equal(text("CommonName"), "localhost")
	equal(text("Protocol"), "DTLS 1.2")
	contains(text("Cipher"), "TLS_ECDHE_ECDSA_WITH_")
	equal(text("Session"), "new")
	contains(text("Took"), "0 retransmissions")
	equal(rows("Players")[0][0], "Player 1")
	equal(rows("Players")[0][2], "connected")
	contains(lines("Log"), "Player 1 is connected after")
	await say("Line", "Say", "from the client", "Player 1: from the client\n")
	contains(lines("Log"), "Player 1: from the client\n")
	await say("Announcement", "Announce", "from the server", "Server: from the server\n")
	equal(rows("Steps").size(), ChatClient.FLIGHTS.size(), "steps")

	press("Connect")
	await wait_until("the player is gone", func() -> bool: return rows("Players").is_empty())
	equal(text("Status"), "STATUS_DISCONNECTED")
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	equal(text("Session"), "resumed")


func test_the_steps_are_those_on_the_wire() -> void:
	press("Listen")
	var port := (node("ServerPort") as SpinBox).value
	var relay := Relay.new(Network.IPV4, int(port))
	(node("ServerPort") as SpinBox).value = relay.port()
	_tree.process_frame.connect(relay.pump)
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	equal(first_messages(relay), [1, 3, 1, 2, 16, 4], "types of the first messages")
	var steps := rows("Steps")
	for flight in steps.size():
		equal(steps[flight][2], ChatClient.FLIGHTS[flight])
	press("Connect")
	await wait_until("the player is gone", func() -> bool: return rows("Players").is_empty())
	relay.from_client.clear()
	relay.from_server.clear()
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	equal(first_messages(relay).slice(0, 4), [1, 3, 1, 2], "types when it is resumed")
	equal(rows("Steps")[3][2], ChatClient.RESUMED_FLIGHTS[0])
	equal(rows("Steps")[4][2], ChatClient.RESUMED_FLIGHTS[1])
	equal(rows("Steps").size(), 5, "steps")
	_tree.process_frame.disconnect(relay.pump)
	relay.close()


func test_garbage_is_counted_and_the_chat_goes_on() -> void:
	await connect_them()
	press("Garbage")
	await wait_for_text("Dropped", GARBAGE)
	contains(lines("Log"), "8 records dropped unread")
	contains(text("Monitors"), "records dropped: 8")
	contains(text("Monitors"), "connections: 1")
	await say("Line", "Say", "still here", "Player 1: still here\n")
	await say("Announcement", "Announce", "so am I", "Server: so am I\n")
	equal(rows("Players").size(), 1, "players")
	equal(text("Status"), "STATUS_CONNECTED")


func test_a_wrong_host_name_is_refused() -> void:
	press("Listen")
	press("WrongName")
	await wait_for_text("Status", "STATUS_ERROR_HOSTNAME_MISMATCH")
	expect_error("wrong.example")
	contains(text("Reason"), "wanted wrong.example, the certificate has localhost")
	contains(lines("Log"), "Player 1 has proved the address")
	await wait_until("the server is told", func() -> bool: return "is gone" in lines("Log"))
	check(not "is connected" in lines("Log"), "there was no connection")
	var server := (node("ChatServer") as ChatServer).dtls
	equal(server.get_stats().handshakes_completed, 0, "handshakes")
	check(is_disabled("Say"), "nothing can be said")
	equal(rows("Steps")[-1][2], "an alert: this client wants no more")
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	equal(text("Reason"), "")

	press("WrongName")
	await wait_for_text("Status", "STATUS_ERROR_HOSTNAME_MISMATCH")
	expect_error("wrong.example")
	press("Listen")
	press("Connect")
	equal(text("Status"), "STATUS_DISCONNECTED")
	contains(text("Reason"), "Start the server")


func test_a_fingerprint_suffices() -> void:
	press("Listen")
	choose_fingerprint(text("Fingerprint"))
	check(is_disabled("WrongName"), "no name is verified")
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	await say("Line", "Say", "pinned", "Player 1: pinned\n")
	press("Connect")

	choose_fingerprint("sha256:" + "00".repeat(32))
	press("Connect")
	await wait_for_text("Status", "STATUS_ERROR")
	expect_error("pinned")
	contains(text("Reason"), "pinned")

	choose_fingerprint("what is this")
	press("Connect")
	expect_error("pinned_sha256")
	contains(text("Reason"), "pinned_sha256")


func test_a_server_that_stops() -> void:
	await connect_them()
	var monitor := &"dtls/connections"
	check(Performance.has_custom_monitor(monitor), "there are monitors")
	press("Listen")
	await wait_for_text("Status", "STATUS_DISCONNECTED")
	check(not Performance.has_custom_monitor(monitor), "there are none")
	equal(tab_titles(), ["Server", "Client"])
	equal(text("ServerState"), "stopped")
	var before := text("Fingerprint")
	press("Listen")
	equal(text("ServerState"), "listening")
	check(text("Fingerprint") != before, "it has another certificate")
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	equal(text("Session"), "new")


func test_a_port_that_another_server_has() -> void:
	var other := UDPServer.new()
	equal(other.listen(int((node("Port") as SpinBox).value)), OK)
	press("Listen")
	contains(text("ServerState"), "cannot be had")
	other.stop()
	press("Listen")
	equal(text("ServerState"), "listening")


func test_a_player_who_vanishes() -> void:
	(node("ChatServer") as ChatServer).patience = 1.0
	await connect_them()
	# As if its program had been killed: nothing more is sent, not even a close_notify.
	node("ChatClient").set_process(false)
	var is_gone := func() -> bool: return rows("Players").is_empty()
	await wait_until("the player is gone", is_gone)
	contains(lines("Log"), "Player 1 is gone: nothing came from the other side for 1 s")


func test_pings_are_answered_and_not_shown() -> void:
	press("Listen")
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	var peer: PacketPeerDTLSOpenSSL = (node("ChatClient") as ChatClient).peer
	var before: int = peer.get_stats().packets_received
	peer.put_packet(ChatClient.PING)
	var is_answered := func() -> bool: return peer.get_stats().packets_received == before + 1
	await wait_until("it is answered", is_answered)
	equal(lines("Messages"), "", "messages")
	check(not "Player 1: " in lines("Log"), "nobody has said anything")


# --- helpers ---


func connect_them() -> void:
	press("Listen")
	equal(text("ServerState"), "listening")
	press("Connect")
	await wait_for_text("Status", "STATUS_CONNECTED")
	var is_known := func() -> bool:
		return not rows("Players").is_empty() and rows("Players")[0][2] == "connected"
	await wait_until("the server has the player", is_known)


func say(entry: String, button: String, what: String, shown: String) -> void:
	(node(entry) as LineEdit).text = what
	press(button)
	equal((node(entry) as LineEdit).text, "", "what is left in %s" % entry)
	var is_shown := func() -> bool: return shown in lines("Messages")
	await wait_until('the client shows "%s"' % shown, is_shown)


func choose_fingerprint(fingerprint: String) -> void:
	var trust := node("Trust") as OptionButton
	trust.select(1)
	trust.item_selected.emit(1)
	(node("Pin") as LineEdit).text = fingerprint


func press(button: String) -> void:
	if check(not is_disabled(button), "%s can be pressed" % button):
		(node(button) as Button).pressed.emit()


## Lets frames go by until `condition` is true.
func wait_until(what: String, condition: Callable) -> void:
	assertions += 1
	var deadline := Time.get_ticks_msec() + int(patience() * 1000.0)
	while not condition.call():
		if Time.get_ticks_msec() > deadline:
			fail("waited in vain until %s" % what)
			return
		await _tree.process_frame


func wait_for_text(label: String, wanted: String) -> void:
	await wait_until("%s is %s" % [label, wanted], func() -> bool: return text(label) == wanted)
	equal(text(label), wanted, label)


func node(unique_name: String) -> Node:
	return _chat.get_node("%" + unique_name)


func text(label: String) -> String:
	return (node(label) as Label).text


func lines(log_name: String) -> String:
	return (node(log_name) as RichTextLabel).get_parsed_text()


func is_disabled(button: String) -> bool:
	return (node(button) as Button).disabled


func tab_titles() -> Array:
	var tabs := node("Tabs") as TabContainer
	return [tabs.get_tab_title(0), tabs.get_tab_title(1)]


## What stands in the rows of a table.
func rows(tree_name: String) -> Array[PackedStringArray]:
	var found: Array[PackedStringArray] = []
	var tree := node(tree_name) as Tree
	if tree.get_root() == null:
		return found
	for item in tree.get_root().get_children():
		var row: PackedStringArray = []
		for column in tree.columns:
			row.append(item.get_text(column))
		found.append(row)
	return found


## The types of the first handshake message of each datagram, as client and server took turns.
func first_messages(relay: Relay) -> Array:
	var types := []
	for turn in maxi(relay.from_client.size(), relay.from_server.size()):
		for datagrams: Array[PackedByteArray] in [relay.from_client, relay.from_server]:
			if turn < datagrams.size():
				types.append(datagrams[turn][Datagram.RECORD_HEADER])
	return types
