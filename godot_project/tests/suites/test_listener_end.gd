## What becomes of a DTLSListener that nobody has stopped.
extends "res://tests/support/program_suite.gd"


func test_the_engine_ends_although_a_script_keeps_listeners_and_players_are_told() -> void:
	var engine := run_engine("forgotten_listener.gd", [])
	wait_for_output(engine, "listen: [0, 0], port ")
	wait_for_output(engine, "\n")
	var port := int(engine.output.get_slice(", port ", 1))
	var peer := PacketPeerDTLSOpenSSL.new()
	var player := network.add(Endpoint.new(Network.socket_to("127.0.0.1", port), peer))
	equal(peer.connect_to_peer(player.udp, false), OK)
	wait_for_status(player, CONNECTED)
	# The engine ends as soon as it has a player.
	wait_until("the engine has ended", engine.has_ended, PROGRAM_PATIENCE)
	equal(engine.exit_code(), 0)
	wait_for_status(player, DISCONNECTED)
