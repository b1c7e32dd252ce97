## Players with certificates of the game's own authority: the server knows who is who.
extends "res://demo/recipes/recipe.gd"

## At the studio: the key that issues certificates never leaves it.
var ca_key := DTLSCrypto.generate_key()
var ca := DTLSCrypto.generate_ca(ca_key, "My Game CA")
var server_key := DTLSCrypto.generate_key()
var server_certificate := DTLSCrypto.issue_certificate(
	ca_key, ca, server_key, ["localhost"], DTLSCrypto.USAGE_SERVER
)


func cook() -> void:
	check_done("the server is set up", server.setup_with_options(options_of_the_server()))
	var player := connect_client("localhost", options_of_a_player("player-17"))
	check_connected("a player gets in", player)
	check("the server knows the name", players[0].get_peer_common_name() == "player-17")

	var nobody := DTLSOptions.new()
	nobody.trusted_ca = ca
	connect_in_vain("localhost", nobody)
	check_refused(
		"nobody gets in without", gone, PacketPeerDTLSOpenSSL.REASON_CLIENT_CERTIFICATE_REQUIRED
	)


func options_of_the_server() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.private_key = server_key
	options.certificate = server_certificate
	options.verify_mode = DTLSOptions.VERIFY_REQUIRED
	options.trusted_ca = ca
	return options


## The player makes the key, and the account server issues the certificate, for which it needs no
## more than the public half.
func options_of_a_player(id: String) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.private_key = DTLSCrypto.generate_key()
	var public_half := CryptoKey.new()
	var text := options.private_key.save_to_string(true)
	check_done("the public half is read", public_half.load_from_string(text, true))
	options.certificate = DTLSCrypto.issue_certificate(
		ca_key, ca, public_half, [id], DTLSCrypto.USAGE_CLIENT, 30
	)
	options.trusted_ca = ca
	return options
