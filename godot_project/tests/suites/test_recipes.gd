## The recipes of docs/recipes.md, each in an engine of its own as a user runs it.
extends "res://tests/support/program_suite.gd"


func test_a_server_on_a_bare_address() -> void:
	check_recipe("pinned_server", 2)
	# Now with the key that it has kept.
	check_recipe("pinned_server", 2)


func test_renewal() -> void:
	check_recipe("renewal", 4)


func test_players_with_certificates() -> void:
	check_recipe("players_with_certificates", 3)


func test_match_keys() -> void:
	check_recipe("match_keys", 4)


func test_revoking_a_player() -> void:
	check_recipe("revoking_a_player", 3)


func test_wireshark() -> void:
	check_recipe("wireshark", 2)


func test_reconnecting() -> void:
	check_recipe("reconnecting", 4)


## The recipe comes to its end, and keeps as many promises as it has.
func check_recipe(name: String, promises: int) -> void:
	var arguments: PackedStringArray = ["--headless", "--path"]
	arguments.append(ProjectSettings.globalize_path("res://"))
	arguments.append("res://demo/recipes/%s.tscn" % name)
	var recipe := run_named("DTLS_TEST_ENGINE", arguments)
	wait_for_output(recipe, "The recipe works.")
	equal(recipe.output.count(": yes\n"), promises, name)
	equal(recipe.output.count(": NO\n"), 0, name)
