## The project's entry. Shows the demo, or with `-- --test [filter]` runs the tests and quits.
extends Node


func _ready() -> void:
	if "--test" in OS.get_cmdline_user_args():
		_run_tests()
	else:
		get_tree().change_scene_to_file.call_deferred("res://demo/chat.tscn")


func _run_tests() -> void:
	# Loaded here, not preloaded: the demo must not depend on the tests.
	var script := load("res://tests/runner.gd") as GDScript
	if script == null or not script.can_instantiate():
		print("engine: 0 passed, 1 failed")
		get_tree().quit(1)
		return
	var runner: Node = script.new()
	add_child(runner)
	get_tree().quit(await runner.run(OS.get_cmdline_user_args()))
