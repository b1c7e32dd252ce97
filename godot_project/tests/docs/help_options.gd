## What the help of DTLSOptions shows.
extends RefCounted


static func both_sides(pin: String) -> Array[DTLSOptions]:
	var server_options := DTLSOptions.new()
	server_options.private_key = load("user://server.key")
	server_options.certificate = load("user://server.crt")
	server_options.verify_mode = DTLSOptions.VERIFY_REQUIRED
	server_options.trusted_ca = load("user://players_ca.crt")

	var client_options := DTLSOptions.new()
	client_options.private_key = load("user://player.key")
	client_options.certificate = load("user://player.crt")
	client_options.pinned_sha256 = [pin]  # Such as "sha256:3f0a...", by DTLSCrypto.fingerprint().
	return [server_options, client_options]
