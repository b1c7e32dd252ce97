## Reading the traffic in Wireshark: the client writes its secrets to a file.
extends "res://demo/recipes/recipe.gd"

const KEY_LOG := "user://dtls_keys.log"


func cook() -> void:
	var key := DTLSCrypto.generate_key()
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, ["localhost"])
	check_done("the server is set up", server.setup(key, certificate))
	DirAccess.remove_absolute(ProjectSettings.globalize_path(KEY_LOG))

	check_connected("a client is connected", connect_client("localhost", logging_options()))
	var line := FileAccess.get_file_as_string(KEY_LOG)
	check("its secrets are in the file", line.begins_with("CLIENT_RANDOM "))
	print("Preferences > Protocols > TLS > (Pre)-Master-Secret log filename:")
	print(ProjectSettings.globalize_path(KEY_LOG))


## One of the two sides is enough.
func logging_options() -> DTLSOptions:
	var options := DTLSOptions.new()
	options.verify_mode = DTLSOptions.VERIFY_NONE
	options.key_log_path = KEY_LOG
	return options
