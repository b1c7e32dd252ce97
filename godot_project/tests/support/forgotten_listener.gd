## An engine that ends while a listener is kept by a static variable, and one by nobody.
extends SceneTree

static var kept: DTLSListener


func _initialize() -> void:
	var options := DTLSOptions.new()
	options.private_key = DTLSCrypto.generate_key()
	options.certificate = DTLSCrypto.generate_self_signed_certificate(
		options.private_key, ["localhost"]
	)
	kept = DTLSListener.new()
	kept.threads = 3
	var leaked := DTLSListener.new()
	leaked.reference()
	var leave := func(id: int) -> void:
		print("player ", id, " of ", leaked)
		quit()
	leaked.peer_connected.connect(leave)
	var errors := [kept.listen(0, options), leaked.listen(0, options)]
	process_frame.connect(leaked.poll)
	print("listen: ", errors, ", port ", leaked.get_local_port())
