## Uses the chat demo as a user does, and takes pictures of it:
##
##     godot --path godot_project res://tests/screenshots/chat.tscn -- --out /absolute/folder
##
## Needs a display, and port 4242. Ends with 0, or with 1 and a sentence if something did not
## happen.
extends Node

const Chat := preload("res://demo/chat.tscn")

const SIZE := Vector2i(1152, 648)
## Seconds that one thing may take.
const PATIENCE := 10.0

var _chat: Control
var _folder := ""


func _ready() -> void:
	get_window().size = SIZE
	var arguments := OS.get_cmdline_user_args()
	var after := arguments.find("--out") + 1
	if after == 0 or after == arguments.size():
		_end("After -- there has to be --out and a folder.")
		return
	if DisplayServer.get_name() == "headless":
		_end("Without a display there are no pictures.")
		return
	_folder = arguments[after]
	DirAccess.make_dir_recursive_absolute(_folder)
	# How long a handshake takes is in the picture. It takes four frames, and without a graphics card
	# drawing them would be most of it. So only those are drawn that are taken.
	RenderingServer.render_loop_enabled = false
	_chat = Chat.instantiate()
	add_child(_chat)
	_end(await _take_all())


## Returns what went wrong, or nothing.
func _take_all() -> String:
	# The first frames are slow.
	for i in 30:
		await get_tree().process_frame
	for part: Callable in [_talk, _send_garbage, _try_a_wrong_name]:
		var problem: String = await part.call()
		if problem:
			return problem
	return ""


func _talk() -> String:
	_press("Listen")
	_show_tab("Client")
	_press("Connect")
	if not await _until(func() -> bool: return _text("Status") == "STATUS_CONNECTED"):
		return "The client did not get a connection. %s" % _text("Reason")
	if not await _say("Line", "Say", "Is anyone there?"):
		return "What the client said did not come back."
	if not await _say("Announcement", "Announce", "Welcome! Only you and I can read this."):
		return "What the server said did not arrive."
	return await _take("chat-client.png")


func _send_garbage() -> String:
	_press("Garbage")
	if not await _until(func() -> bool: return "malformed" in _text("Dropped")):
		return "The server has dropped nothing."
	if not await _say("Line", "Say", "And we are still here."):
		return "The garbage has ended the chat."
	_show_tab("Server")
	if not await _until(func() -> bool: return not "in: 0 B" in _text("Monitors")):
		return "The monitors show no traffic: %s" % _text("Monitors")
	return await _take("chat-server.png")


func _try_a_wrong_name() -> String:
	_show_tab("Client")
	_press("WrongName")
	var is_refused := func() -> bool: return _text("Status") == "STATUS_ERROR_HOSTNAME_MISMATCH"
	if not await _until(is_refused):
		return "The wrong host name was not refused, the status is %s." % _text("Status")
	return await _take("chat-wrong-host.png")


func _take(file: String) -> String:
	RenderingServer.render_loop_enabled = true
	# Once for what has changed in this frame, and once for the containers that follow.
	for i in 2:
		await RenderingServer.frame_post_draw
	RenderingServer.render_loop_enabled = false
	var image := get_viewport().get_texture().get_image()
	if image.get_size() != SIZE:
		return "The window is %s instead of %s." % [image.get_size(), SIZE]
	var path := _folder.path_join(file)
	var error := image.save_png(path)
	if error != OK:
		return "%s cannot be written: %s." % [path, error_string(error)]
	print("wrote ", path)
	return ""


## Has one side say something, and waits until the client shows it.
func _say(entry: String, button: String, text: String) -> bool:
	(_node(entry) as LineEdit).text = text
	_press(button)
	var messages := _node("Messages") as RichTextLabel
	return await _until(func() -> bool: return text in messages.get_parsed_text())


func _press(button: String) -> void:
	(_node(button) as Button).pressed.emit()


func _show_tab(tab: String) -> void:
	var tabs := _node("Tabs") as TabContainer
	tabs.current_tab = tabs.get_tab_idx_from_control(tabs.get_node(tab) as Control)


func _text(label: String) -> String:
	return (_node(label) as Label).text


func _node(unique_name: String) -> Node:
	return _chat.get_node("%" + unique_name)


func _until(condition: Callable) -> bool:
	var deadline := Time.get_ticks_msec() + int(PATIENCE * 1000.0)
	while not condition.call():
		if Time.get_ticks_msec() > deadline:
			return false
		await get_tree().process_frame
	return true


func _end(problem: String) -> void:
	if problem:
		printerr(problem)
	get_tree().quit(1 if problem else 0)
