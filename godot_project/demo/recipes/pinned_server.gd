## A server on a bare IP address: no domain, no authority. Its clients know it by its key.
extends "res://demo/recipes/recipe.gd"


func cook() -> void:
	var pin := set_the_server_up()
	var client := connect_client("", options_of_a_client(pin))
	check_connected("the client knows its server", client)

	var imposter := DTLSCrypto.generate_key()
	server.setup(imposter, DTLSCrypto.generate_self_signed_certificate(imposter, ["203.0.113.7"]))
	client = connect_client("", options_of_a_client(pin))
	check_refused("it refuses another", client, PacketPeerDTLSOpenSSL.REASON_PIN_MISMATCH)


## Makes the key once, keeps it, and tells what the clients need.
func set_the_server_up() -> String:
	var options := DTLSOptions.new()
	if FileAccess.file_exists("user://server.key"):
		options.private_key = load("user://server.key")
		options.certificate = load("user://server.crt")
	else:
		options.private_key = DTLSCrypto.generate_key()
		options.certificate = DTLSCrypto.generate_self_signed_certificate(
			options.private_key, ["203.0.113.7"], 3650
		)
		options.private_key.save("user://server.key")
		options.certificate.save("user://server.crt")
	server.setup_with_options(options)
	return DTLSCrypto.spki_pin(options.certificate)


## `pin` is public: it can be in the game, or come from the server browser over HTTPS.
func options_of_a_client(pin: String) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.pinned_sha256 = [pin]
	return options
