## What docs/editor.md shows.
extends Node

const FOLDER := "res://dtls_certificates"


func _ready() -> void:
	print("with options: ", error_string(set_up_with_options(DTLSServerOpenSSL.new())))
	print("setup: ", error_string(set_up(DTLSServerOpenSSL.new())))


func set_up_with_options(server: DTLSServerOpenSSL) -> Error:
	var options := DTLSOptions.new()
	options.private_key_pem = FileAccess.get_file_as_string(FOLDER.path_join("server.key"))
	options.certificate_pem = FileAccess.get_file_as_string(FOLDER.path_join("server.crt"))
	return server.setup_with_options(options)


func set_up(server: DTLSServerOpenSSL) -> Error:
	var key := CryptoKey.new()
	var certificate := X509Certificate.new()
	var error := key.load(FOLDER.path_join("server.key"))
	if error == OK:
		error = certificate.load(FOLDER.path_join("server.crt"))
	return error if error != OK else server.setup(key, certificate)
