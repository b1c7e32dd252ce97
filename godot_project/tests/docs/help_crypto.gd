## What the help of DTLSCrypto shows.
extends RefCounted


static func for_a_server_alone() -> X509Certificate:
	var key := DTLSCrypto.generate_key()
	var names := PackedStringArray(["localhost", "127.0.0.1"])
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, names)
	if key.save("user://server.key") != OK or certificate.save("user://server.crt") != OK:
		push_error("Key and certificate cannot be saved.")
	return certificate


static func with_an_authority() -> X509Certificate:
	var ca_key := DTLSCrypto.generate_key()
	var ca := DTLSCrypto.generate_ca(ca_key, "My Game CA")
	var player_key := DTLSCrypto.generate_key()
	var player := DTLSCrypto.issue_certificate(
		ca_key, ca, player_key, ["player-17"], DTLSCrypto.USAGE_CLIENT
	)
	var error := ca.save("user://players_ca.crt")
	if error == OK:
		error = player_key.save("user://player.key")
	if error == OK:
		error = player.save("user://player.crt")
	return player if error == OK else null
