## The server and the client of Godot's documentation, each in an engine of its own.
extends "res://tests/support/program_suite.gd"


func test_the_documented_exchange() -> void:
	var server := run_scene("res://demo/server.tscn")
	var client := run_scene("res://demo/client.tscn")
	wait_for_output(server, "Peer connected!\n")
	wait_for_output(server, "Received message from client: The answer is... 42!\n")
	wait_for_output(client, "Connected: Hello DTLS client\n")
	# What either may still complain about.
	pass_time(0.5)
	for program: Program in [server, client]:
		program.has_printed("")
		equal(program.errors, "", "what was printed on the error output")
	note = "%s / %s" % [lines_of(server), lines_of(client)]


func run_scene(scene: String) -> Program:
	var options: PackedStringArray = [
		"--headless", "--path", ProjectSettings.globalize_path("res://"), scene
	]
	return run_named("DTLS_TEST_ENGINE", options)


## What the script has printed, without the engine's greeting.
func lines_of(program: Program) -> String:
	return program.output.get_slice("\n\n", 1).strip_edges().replace("\n", ", ")
