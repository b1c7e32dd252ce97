## The recipes of docs/recipes.md, each in an engine of its own as a user runs it.
extends "res://tests/support/program_suite.gd"


func test_a_server_on_a_bare_address() -> void:
	check_recipe("res://demo/recipes/pinned_server.tscn", 2)
	# Now with the key that it has kept.
	check_recipe("res://demo/recipes/pinned_server.tscn", 2)


func test_connecting_by_name() -> void:
	check_recipe("res://demo/recipes/connecting_by_name.tscn", 2)


func test_renewal() -> void:
	check_recipe("res://demo/recipes/renewal.tscn", 4)


func test_players_with_certificates() -> void:
	check_recipe("res://demo/recipes/players_with_certificates.tscn", 3)


func test_match_keys() -> void:
	check_recipe("res://demo/recipes/match_keys.tscn", 4)


func test_revoking_a_player() -> void:
	check_recipe("res://demo/recipes/revoking_a_player.tscn", 3)


func test_wireshark() -> void:
	check_recipe("res://demo/recipes/wireshark.tscn", 2)


func test_reconnecting() -> void:
	check_recipe("res://demo/recipes/reconnecting.tscn", 4)


func test_a_vanished_player() -> void:
	check_recipe("res://demo/recipes/vanished_player.tscn", 4)


## The recipe comes to its end, keeps as many promises as it has, and says of each error that it is
## expected.
func check_recipe(scene: String, promises: int) -> void:
	var arguments: PackedStringArray = ["--headless", "--path"]
	arguments.append(ProjectSettings.globalize_path("res://"))
	arguments.append(scene)
	var recipe := run_named("DTLS_TEST_ENGINE", arguments)
	wait_for_output(recipe, "The recipe works.")
	equal(recipe.output.count(": yes\n"), promises, scene)
	equal(recipe.output.count(": NO\n"), 0, scene)
	equal(recipe.output.count("ERROR: "), recipe.output.count("ERROR is expected"), scene)
