## What the calls of a documented loop cost the system, and who may call them when.
extends "res://tests/support/program_suite.gd"

const GameProject := preload("res://tests/support/game_project.gd")

const FRAMES := 2000


## gdext lends an object out for a call, and with threads that is a system call each time. The
## methods that a loop calls for each peer in each frame do without.
func test_no_call_of_a_loop_is_a_system_call() -> void:
	var counted := OS.get_user_data_dir().path_join("futex_%d.txt" % OS.get_process_id())
	var script := ProjectSettings.globalize_path("res://tests/support/frames.gd")
	# The main thread alone, since there is no -f.
	var arguments: PackedStringArray = ["-c", "-e", "trace=futex", "-o", counted]
	arguments.append(OS.get_environment("DTLS_TEST_ENGINE"))
	arguments.append_array(["--headless", "--path", ProjectSettings.globalize_path("res://")])
	arguments.append_array(["--script", script, "--", str(FRAMES)])
	var engine := run("strace", arguments, "strace")
	wait_for_output(engine, "echoes: %d\n" % FRAMES)
	var has_counts := func() -> bool: return "total" in FileAccess.get_file_as_string(counted)
	wait_until("strace has counted", has_counts, PROGRAM_PATIENCE)
	var calls := _futex_calls(FileAccess.get_file_as_string(counted))
	DirAccess.remove_absolute(counted)
	note = "%d futex calls in %d frames" % [calls, FRAMES]
	# One of the calls alone would make one in each frame.
	check(calls < FRAMES / 2, "less than one system call in two frames: %d" % calls)
	check(calls > 0, "an engine has some of its own")
	check(not "no connection" in engine.output and not "has failed" in engine.output, "all is well")


## The calls that the table of `strace -c` says.
func _futex_calls(table: String) -> int:
	for line in table.split("\n"):
		var cells := line.split(" ", false)
		if cells.size() >= 5 and cells[-1] == "futex":
			return int(cells[3])
	return 0


func test_a_logger_may_ask_the_server() -> void:
	if not engine_has(Console.has_loggers(), "Logger"):
		return
	var game := GameProject.new(Network.unused_port())
	for script: String in ["res://tests/console.gd", Console.LISTENER]:
		game.copy(script)
	game.change(
		"res://project.godot", "[application]", '[dtls]\n\nlogging/level="Debug"\n\n[application]'
	)
	var arguments := game.arguments_to_play("res://tests/support/reentrant_server.gd")
	arguments.append("--verbose")
	var engine := run_named("DTLS_TEST_ENGINE", arguments)
	wait_for_output(engine, "connected\n")
	# The server was asked after the datagram was handled, and not in the middle of that.
	contains(engine.output, "was sent a cookie: 1")
	contains(engine.output, "heard DTLS: handshake complete after")
	check(not "panic" in engine.output, "nobody was told that the server is lent out")
	engine.end()
	game.remove()
