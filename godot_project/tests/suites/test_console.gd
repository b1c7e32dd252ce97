## What the console shows beside the text of an error.
extends "res://tests/support/network_suite.gd"


## A place in the addon's own code looks as if that were at fault.
func test_errors_do_not_point_into_the_addon_s_code() -> void:
	if not engine_has(Console.has_loggers(), "Logger"):
		return
	var places: Array[Console.Entry] = []
	var listener := Console.listen(places.append)
	DTLSServerOpenSSL.new().setup(null, null)
	PacketPeerDTLSOpenSSL.new().connect_to_peer(null)
	DTLSCrypto.generate_self_signed_certificate(null, [])
	network.serve("wrong_name")
	var client := network.add_client()
	start(client)
	wait_for_status(client, MISMATCH)
	Console.unlisten(listener)
	equal(places.size(), 4, "errors")
	for place in places:
		equal(place.function, "DTLS", "function")
		check(FileAccess.file_exists("res://" + place.file), "the project has %s" % place.file)
		check(place.line > 0, "a line")
		check(place.caused_by.begins_with("res://tests/"), "the engine names the script")
	for part: String in ["setup", "connect_to_peer", "generate_self_signed", "connection failed"]:
		expect_error(part)
