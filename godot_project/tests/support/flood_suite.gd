## The base of suites with ClientHellos from many addresses, while a server of 60 frames per second
## serves a player. How many came how far is shown behind the name of each test.
##
## Then clients that come, talk, vanish without a word, break off and come back, round after round:
## with `cargo xtask test --engine flood --soak --release`, 500 of them for two minutes.
extends "res://tests/support/program_suite.gd"

const FRAMES_PER_SECOND := 60
## Seconds that a flood may take.
const FLOOD_PATIENCE := 30.0
## Bytes by which the engine may have grown when it is over. UDPServer gives each new address a
## buffer of 64 KiB until it is let go, of which the allocator keeps some; an SSL object for each
## client that was answered would be ten times as much.
const MOST_GROWTH := 12 * 1024 * 1024
## Seconds that a round of those who come and go may take.
const ROUND_PATIENCE := 50.0
## How much the resident memory of the engines may grow from the end of the first round to the end
## of the last, in KiB. The server's stays within 1 MiB. The clients' goes up and down by 15 MiB, as
## now more and now less of what they free can go back to the system. A session that were kept for
## each connection would be 60 KiB, a thousand times a round.
const SERVER_GROWTH := 2 * 1024
const CLIENTS_GROWTH := 24 * 1024
## What the server holds for a peer while it is there, in KiB: 193 are the engine's buffers for its
## socket, the rest is mostly the session. The heap is as large as the fullest round has made it,
## and on a busy machine fewer clients may have met in the first.
const FOR_EACH_PEER := 256

var _is_soak := OS.get_environment("DTLS_SOAK") == "1"
## The player's own thread, which does not wait for the server's frames.
var _player := Thread.new()
var _is_playing := true
## What `check_flood` counts.
var _frames := 0
var _seen := 0
var _busy_usec := 0
var _longest_frame_usec := 0
var _said := 0
var _heard := 0


func _init() -> void:
	if _is_soak:
		time_limit = 10 * ROUND_PATIENCE


func before_each() -> void:
	super()
	Engine.max_fps = FRAMES_PER_SECOND


func after_each() -> void:
	super()
	Engine.max_fps = 0


func check_clients_that_come_and_go() -> void:
	var clients := 500 if _is_soak else 40
	var rounds := 10 if _is_soak else 2
	# glibc fills what it hands out with this byte. Without, a page that nobody has written to is not
	# resident: the engine has buffers for each socket and writes to a part of them, to another part
	# each time, so that resident memory creeps up to what is allocated for many rounds.
	OS.set_environment("MALLOC_PERTURB_", "165")
	# With so many at a time, a frame of the clients takes long.
	var timeouts: PackedStringArray = ["6", "8"] if _is_soak else ["3", "4"]
	var server := run_engine("soak_server.gd", timeouts + soak_options())
	wait_for_output(server, "}\n")
	var arguments: PackedStringArray = [str(clients), str(server.json_after(0).get("port", 0))]
	var players := run_engine("soak_clients.gd", arguments + soak_options())
	wait_for_output(players, "}\n")
	OS.unset_environment("MALLOC_PERTURB_")
	var control := Network.socket_to(Network.IPV4, players.json_after(0).get("port", 0))

	var reports: Array[Array] = [[], []]
	for i in rounds:
		var before := [server.output.length(), players.output.length()]
		control.put_packet([0])
		var ends: Array[Dictionary] = [{}, {}]
		var is_over := func() -> bool:
			ends[0] = report_of(server, before[0])
			ends[1] = report_of(players, before[1])
			return ends[0].has("kib") and ends[1].has("kib")
		wait_until("round %d is over" % (i + 1), is_over, ROUND_PATIENCE)
		reports[0].append(ends[0])
		reports[1].append(ends[1])
	for program: Program in [server, players]:
		equal(program.errors, "", "what was printed on the error output")
		for line in program.output.split("\n"):
			check(not line.begins_with('{"failure"'), line)
	if has_failed():
		return
	check_level(reports[0], "server", SERVER_GROWTH)
	check_level(reports[1], "clients", CLIENTS_GROWTH)
	for report: Dictionary in reports[1]:
		var broken_off: int = report.broken_off
		equal(int(report.connected) + broken_off, 2 * clients, "visits")
		check(report.echoes >= report.connected * 6, "echoes: %s" % report)
	for report: Dictionary in reports[0]:
		for what: String in ["closed", "silent", "restarted", "unfinished"]:
			check(report.get(what, 0) > 0, "%s: %s" % [what, report])
	note = "the last round: %s, %s" % [reports[0][-1], reports[1][-1]]


# --- helpers ---


## What the server and the clients are told beside what every one of them is.
func soak_options() -> PackedStringArray:
	return []


## How many ClientHellos the server has answered with a cookie since this was last asked.
func answered() -> int:
	var count := network.refused.size()
	network.refused.clear()
	return count


## The flood has reached the server: for each suite to say, as far as it knows what became of it.
func check_reached(_addresses: int, _dropped_by_the_system: int) -> void:
	fail("nobody has looked whether the flood reached the server")


## The last report that a program has printed since.
func report_of(program: Program, from: int) -> Dictionary:
	program.has_printed("")
	return program.json_after(from)


## Neither memory nor objects are more after the last round than after the first.
func check_level(reports: Array, who: String, growth: int) -> void:
	var first: Dictionary = reports[0]
	var last: Dictionary = reports[-1]
	var peers: Array = reports.map(
		func(report: Dictionary) -> int: return report.get("most_peers", 0)
	)
	growth += (int(peers.max()) - int(peers[0])) * FOR_EACH_PEER
	# What has been freed goes back to the system sooner or later; what is kept never goes down again.
	var kib: Array = reports.map(func(report: Dictionary) -> int: return report.kib)
	var level: int = kib.slice(maxi(1, kib.size() - 3)).min()
	check(kib[0] > 0 and level <= kib[0] + growth, "%s: KiB after each round: %s" % [who, kib])
	check(last.objects <= first.objects, "%s, objects: %s, %s" % [who, first, last])


## A flood of ClientHellos from so many addresses, so many per second: it disturbs no one who is
## connected, leaves nothing behind, and does not keep the next player out.
func check_flood(addresses: int, rate: int) -> void:
	var pair := connected_pair()
	var path := scratch("client_hello")
	var file := FileAccess.open(path, FileAccess.WRITE)
	file.store_buffer(client_hello())
	file.close()
	var arguments: PackedStringArray = ["flood", "--to", "127.0.0.1:%d" % network.port()]
	arguments.append_array(["--datagram", path])
	arguments.append_array(["--addresses", str(addresses), "--rate", str(rate)])
	var memory_before := resident_bytes()
	var dropped_before := dropped_by_the_system()
	answered()
	var flood := run_named("DTLS_TEST_NETSIM", arguments)
	var deadline := Time.get_ticks_msec() + int(patience(FLOOD_PATIENCE) * 1000.0)
	_player.start(play.bind(pair.client))
	while flood.json_after(0).is_empty() and Time.get_ticks_msec() < deadline:
		await frame(pair.server)
		flood.has_printed("")
	_is_playing = false
	_player.wait_to_finish()
	# What is still on its way.
	for i in 3:
		await frame(pair.server)
	var grown := resident_bytes() - memory_before
	var dropped := dropped_by_the_system() - dropped_before
	var report := flood.json_after(0)
	if not equal(report.get("sent"), float(addresses), "ClientHellos that were sent"):
		return
	note = "of %d ClientHellos in %d ms " % [addresses, report.milliseconds]
	note += "%d dropped by the system, " % dropped
	note += "%d later, " % (addresses + _said - dropped - _seen - _heard)
	note += (
		"%d answered with a cookie (%.1f us each); " % [_seen, float(_busy_usec) / maxi(_seen, 1)]
	)
	note += (
		"a frame %.2f ms, the longest %.2f ms; "
		% [_busy_usec / 1000.0 / _frames, _longest_frame_usec / 1000.0]
	)
	note += "%d of %d packets of a player lost; " % [_said - _heard, _said]
	note += "memory %+d KiB" % (grown / 1024)

	check_reached(addresses, dropped)
	check(report.answers > 0.0 and report.answers <= _seen, "answers: %s" % report)
	check(
		report.largest_answer <= report.size, "no answer is larger than the question: %s" % report
	)
	check(grown <= MOST_GROWTH, "no memory is kept: %d bytes" % grown)
	equal(network.accepted.size(), 1, "sessions")
	status_is(pair.client, CONNECTED, "the player")
	status_is(pair.server, CONNECTED, "the player's connection")
	# The socket's buffer is full most of the time: how many get through depends on the machine.
	check(_heard > _said / 10, "the player was heard meanwhile: %d of %d" % [_heard, _said])
	for i in 10:
		exchange(pair)
	exchange(connected_pair())
	expect_silence()


## What a server does in a frame.
func frame(player: Endpoint) -> void:
	await (Engine.get_main_loop() as SceneTree).process_frame
	var began := Time.get_ticks_usec()
	network.accept()
	var took := Time.get_ticks_usec() - began
	_seen += answered()
	_frames += 1
	_busy_usec += took
	_longest_frame_usec = maxi(_longest_frame_usec, took)
	player.poll()
	while player.has_packets():
		player.receive_text()
		_heard += 1


## What a player does in a thread.
func play(client: Endpoint) -> void:
	while _is_playing:
		client.send_text("position %d" % _said)
		_said += 1
		OS.delay_usec(randi_range(5_000, 15_000))


## The first datagram of a client.
func client_hello() -> PackedByteArray:
	var nobody := PacketPeerUDP.new()
	equal(nobody.bind(0, Network.IPV4), OK, "bind")
	var socket := Network.socket_to(Network.IPV4, nobody.get_local_port())
	start(Endpoint.new(socket, PacketPeerDTLSOpenSSL.new()))
	wait_until(
		"a client says hello", func() -> bool: return nobody.get_available_packet_count() > 0
	)
	return nobody.get_packet()


## Datagrams for the server that its socket had no room for.
func dropped_by_the_system() -> int:
	var local := "0100007F:%04X" % network.port()
	for line in lines_of("/proc/net/udp"):
		var columns := line.split(" ", false)
		if columns.size() > 2 and columns[1] == local:
			return int(columns[-1])
	fail("the system does not list the server's socket")
	return 0


static func resident_bytes() -> int:
	return int(lines_of("/proc/self/statm")[0].get_slice(" ", 1)) * 4096


## A file of /proc has no length that could be read at once.
static func lines_of(path: String) -> PackedStringArray:
	var file := FileAccess.open(path, FileAccess.READ)
	var lines: PackedStringArray = []
	while not file.eof_reached():
		lines.append(file.get_line())
	return lines
