## Let's Encrypt: the server notices that its certificate was renewed, and goes on.
extends "res://demo/recipes/recipe.gd"

## Where certbot puts them: /etc/letsencrypt/live/game.example.com/
const PRIVATE_KEY := "user://privkey.pem"
const FULL_CHAIN := "user://fullchain.pem"

var renewed_at := -1


func cook() -> void:
	var authority := StandIn.new()
	authority.issue()
	reload_if_renewed()
	var options := DTLSOptions.new()
	# With the real one a client needs no options: connect_to_peer(udp, true, "game.example.com").
	options.trusted_ca = authority.certificate
	var early := connect_client("game.example.com", options)
	check_connected("a client is connected", early)

	authority.issue()
	renewed_at = 0  # Its files have another time in an hour; here they are of the same second.
	reload_if_renewed()
	var late := connect_client("game.example.com", options)
	check_connected("another one connects after the renewal", late)
	var is_another := early.get_peer_fingerprint() != late.get_peer_fingerprint()
	check("it is shown the new certificate", is_another)
	check_done("it can be sent to", players[0].put_packet("still here".to_utf8_buffer()))
	var is_heard := func() -> bool: return early.get_available_packet_count() > 0
	check("the first connection goes on", wait_until(is_heard, [early]))


## To be called now and then, such as every minute by a Timer.
func reload_if_renewed() -> void:
	var time := FileAccess.get_modified_time(FULL_CHAIN)
	if time == renewed_at:
		return
	var options := DTLSOptions.new()
	options.private_key_pem = FileAccess.get_file_as_string(PRIVATE_KEY)
	options.certificate_pem = FileAccess.get_file_as_string(FULL_CHAIN)
	# When only one of the two files is there yet, they do not fit, the server stays as it was, and the
	# next call finds both.
	if server.setup_with_options(options) == OK:
		renewed_at = time


## What certbot and Let's Encrypt do.
class StandIn:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_ca(key, "Stand-in for Let's Encrypt")

	func issue() -> void:
		var own := DTLSCrypto.generate_key()
		var issued := DTLSCrypto.issue_certificate(
			key, certificate, own, ["game.example.com"], DTLSCrypto.USAGE_SERVER, 90
		)
		if own.save(PRIVATE_KEY) != OK or issued.save(FULL_CHAIN) != OK:
			push_error("the stand-in cannot write to the user folder")
