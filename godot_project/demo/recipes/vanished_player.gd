## A player who vanishes: the game is killed or the network is gone, so no close_notify is sent. The
## server drops a peer that is silent for too long, and clients send something now and then.
extends "res://demo/recipes/recipe.gd"

## Seconds without a packet after which the other side is gone. A game takes more, such as 20.
const SILENCE := 1.5
## Seconds between two packets that say nothing else than that this side is still there. Several fit
## into the silence, since packets get lost.
const PING_EVERY := 0.25
const PING: PackedByteArray = [0]

var next_ping_at := 0
var key := DTLSCrypto.generate_key()
var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])


func cook() -> void:
	check_done("the server is set up", server.setup_with_options(options_of_the_server()))
	var client := connect_client("localhost", options_of_a_client())
	check_connected("a player is there", client)

	var until := Time.get_ticks_msec() + int(1.5 * SILENCE * 1000.0)
	var has_played := func() -> bool:
		ping_now_and_then(client)
		answer_pings()
		return Time.get_ticks_msec() > until
	wait_until(has_played, [client])
	check("it stays as long as it pings", players.size() == 1)

	# From here on nobody polls the client, as if its program had been killed.
	wait_until(players.is_empty, [])
	check("it is dropped once it is silent", players.is_empty())
	check("and the server says why (%s)" % gone.get_last_error(), gone.get_last_error() != "")


func options_of_the_server() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.private_key = key
	options.certificate = certificate
	options.idle_timeout = SILENCE
	return options


## A client has it too: a server can vanish as well.
func options_of_a_client() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.trusted_ca = certificate
	options.idle_timeout = SILENCE
	return options


## In every frame of a client.
func ping_now_and_then(client: PacketPeerDTLSOpenSSL) -> void:
	var now := Time.get_ticks_msec()
	if now >= next_ping_at and client.get_status() == PacketPeerDTLSOpenSSL.STATUS_CONNECTED:
		next_ping_at = now + int(PING_EVERY * 1000.0)
		client.put_packet(PING)  # If it is lost, the next one does.


## In every frame of a server.
func answer_pings() -> void:
	for player in players:
		while player.get_available_packet_count() > 0:
			if player.get_packet() == PING:
				player.put_packet(PING)
