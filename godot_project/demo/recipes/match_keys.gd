## A pre-shared key for each match: a matchmaker gives it to the server and to the players, over
## HTTPS.
extends "res://demo/recipes/recipe.gd"


func cook() -> void:
	var first := Ticket.new("match-17")
	var options := DTLSOptions.new()
	options.psk_keys = {first.identity: first.key}
	check_done("the server is set up", server.setup_with_options(options))

	var player := connect_client("", options_of_a_player(first))
	check_connected("a player of the match gets in", player)
	check("the server knows the match", players[0].get_psk_identity() == "match-17")

	var second := Ticket.new("match-18")
	check_done("the key is added", server.set_psk(second.identity, second.key))
	player = connect_client("", options_of_a_player(second))
	check_connected("the next match begins", player)

	server.remove_psk(first.identity)
	connect_in_vain("", options_of_a_player(first))
	check_refused(
		"nobody gets into the match that is over",
		gone,
		PacketPeerDTLSOpenSSL.REASON_PSK_UNKNOWN_IDENTITY
	)


func options_of_a_player(ticket: Ticket) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.psk_identity = ticket.identity
	options.psk_key = ticket.key
	return options


## What the matchmaker hands out.
class Ticket:
	var identity: String
	var key := Crypto.new().generate_random_bytes(32)

	func _init(match_name: String) -> void:
		identity = match_name
