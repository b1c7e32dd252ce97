## What the console shows beside the text of an error.
extends "res://tests/support/network_suite.gd"


## Where errors and warnings were printed, as the engine tells its loggers.
class Places:
	extends Logger
	var all: Array[Dictionary] = []

	func _log_error(
		function: String,
		file: String,
		line: int,
		_code: String,
		_rationale: String,
		_editor_notify: bool,
		_error_type: int,
		backtraces: Array[ScriptBacktrace]
	) -> void:
		var script := backtraces[0].get_frame_file(0) if not backtraces.is_empty() else ""
		all.append({"function": function, "file": file, "line": line, "script": script})


## A place in the addon's own code looks as if that were at fault.
func test_errors_do_not_point_into_the_addon_s_code() -> void:
	var places := Places.new()
	OS.add_logger(places)
	DTLSServerOpenSSL.new().setup(null, null)
	PacketPeerDTLSOpenSSL.new().connect_to_peer(null)
	DTLSCrypto.generate_self_signed_certificate(null, [])
	network.serve("wrong_name")
	var client := network.add_client()
	start(client)
	wait_for_status(client, MISMATCH)
	OS.remove_logger(places)
	equal(places.all.size(), 4, "errors")
	for place in places.all:
		equal(place.function, "DTLS", "function")
		check(FileAccess.file_exists("res://" + place.file), "the project has %s" % place.file)
		check(place.line > 0, "a line")
		check((place.script as String).begins_with("res://tests/"), "the engine names the script")
	for part: String in ["setup", "connect_to_peer", "generate_self_signed", "connection failed"]:
		expect_error(part)
