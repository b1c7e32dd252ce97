## What docs/editor.md shows.
extends Node


func _ready() -> void:
	print("setup: ", error_string(set_up(DTLSServerOpenSSL.new())))


func set_up(server: DTLSServerOpenSSL) -> Error:
	var key := CryptoKey.new()
	key.load("res://dtls_certificates/server.key")
	var certificate := X509Certificate.new()
	certificate.load("res://dtls_certificates/server.crt")
	return server.setup(key, certificate)
