## Reconnecting: the second connection goes on with the session of the first. There is nothing to do
## for it but to connect by the same options.
extends "res://demo/recipes/recipe.gd"


func cook() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])
	check_done("the server is set up", server.setup(key, certificate))
	var options := DTLSOptions.new()
	options.trusted_ca = certificate

	var client := connect_client("localhost", options)
	check_connected("the client is connected", client)
	check("with a full handshake", not client.is_session_reused())

	client.disconnect_from_peer()  # Or the Wi-Fi is gone, or the game was killed.
	client = connect_client("localhost", options)
	check_connected("it is back", client)
	check("with the session that it had", client.is_session_reused())
