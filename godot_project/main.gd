## The project's entry. Shows the demo, or with `-- --test [filter]` runs the tests and quits.
extends Node

const DEMO_TEXT := """A DTLS server and a client of it are running in this window.
They talk once; what they say is in the output panel (or on the terminal).

Their code: res://demo/server.gd and res://demo/client.gd"""


func _ready() -> void:
	if "--test" in OS.get_cmdline_user_args():
		_run_tests()
	else:
		_show_demo()


func _run_tests() -> void:
	if Engine.get_version_info().hex < 0x040500:
		print("The tests need Godot 4.5 or later, for its class Logger. The addon itself does not.")
		print("engine: 0 passed, 1 failed")
		get_tree().quit(1)
		return
	# Loaded here, not preloaded: the demo must not depend on the tests.
	var script := load("res://tests/runner.gd") as GDScript
	if script == null or not script.can_instantiate():
		print("engine: 0 passed, 1 failed")
		get_tree().quit(1)
		return
	var runner: Node = script.new()
	add_child(runner)
	get_tree().quit(await runner.run(OS.get_cmdline_user_args()))


func _show_demo() -> void:
	var label := Label.new()
	label.text = DEMO_TEXT
	label.set_anchors_and_offsets_preset(Control.PRESET_FULL_RECT, Control.PRESET_MODE_MINSIZE, 24)
	add_child(label)
	# The server first: it has to listen when the client sends.
	for scene: String in ["res://demo/server.tscn", "res://demo/client.tscn"]:
		add_child((load(scene) as PackedScene).instantiate())
