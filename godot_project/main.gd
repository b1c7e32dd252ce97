## The project's entry. Shows the demo, or with `-- --test [filter]` runs the tests and quits.
extends Node


func _ready() -> void:
	if "--test" in OS.get_cmdline_user_args():
		_run_tests()
	else:
		get_tree().change_scene_to_file.call_deferred("res://demo/chat.tscn")


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
