## A server on a bare IP address: no domain, no authority. Its clients know it by its key.
extends "res://demo/recipes/recipe.gd"


func cook() -> void:
	var pin := set_the_server_up()
	var client := connect_client("", options_of_a_client(pin))
	check_connected("the client knows its server", client)

	var imposter := DTLSCrypto.generate_key()
	var another := DTLSCrypto.generate_self_signed_certificate(imposter, ["203.0.113.7"])
	check_done("the imposter is set up", server.setup(imposter, another))
	client = connect_in_vain("", options_of_a_client(pin))
	check_refused("it refuses another", client, PacketPeerDTLSOpenSSL.REASON_PIN_MISMATCH)


## Makes the key once, keeps it in the server's user folder, and tells what the clients need.
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
		check_done("the key is kept", options.private_key.save("user://server.key"))
		check_done("the certificate is kept", options.certificate.save("user://server.crt"))
	check_done("the server is set up", server.setup_with_options(options))
	return DTLSCrypto.spki_pin(options.certificate)


## `pin` is public: it can be in the game, or come from the server browser over HTTPS.
func options_of_a_client(pin: String) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.pinned_sha256 = [pin]
	return options
