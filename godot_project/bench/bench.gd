## Measures the engine's DTLS, ours and bare UDP on the same work, in turn. `cargo xtask bench` runs
## it, once for each round, and makes figures of what it prints.
##
## The one argument after `--` is a JSON object: `task` says what to do, and `plan` how much of it.
## What comes out is the line `result: ` with a JSON object: for every figure and side a list of
## samples, each of them taken right after the other sides'. Without that line the run has failed.
extends SceneTree

const EngineSide := preload("res://bench/engine_side.gd")
const OurSide := preload("res://bench/our_side.gd")
const RawSide := preload("res://bench/raw_side.gd")
const BenchSide := preload("res://bench/side.gd")
const Many := preload("res://bench/many.gd")

## How much is measured in a round. The sides take turns after every sample, so that what the
## machine does beside it meets them all; a sample is long enough for a clock of microseconds, and
## short enough that most are not interrupted.
const PLANS := {
	"full":
	{
		# Of each side and kind; each is a sample.
		"handshakes": 60,
		# Of everything else.
		"samples": 60,
		# Of 20 packets, in a sample.
		"bursts": 5,
		# In a sample.
		"round_trips": 50,
		# Of a peer, in a sample of idle frames.
		"polls": 1000,
		# How many the servers have whose frames are timed.
		"peers": [10, 100, 1000],
		# Whose memory is measured.
		"pairs": 1000,
		"many":
		{
			"players": [1000, 100],
			"frames": 20,
			"playing": 50,
			"seconds": 4.0,
			"joined": 200,
			"joining": 500
		},
	},
	"quick":
	{
		"handshakes": 30,
		"samples": 30,
		"bursts": 5,
		"round_trips": 50,
		"polls": 1000,
		"peers": [10, 100, 1000],
		"pairs": 1000,
		"many":
		{
			"players": [1000, 100],
			"frames": 10,
			"playing": 50,
			"seconds": 2.0,
			"joined": 200,
			"joining": 500
		},
	},
	# Enough to see that it works.
	"smoke":
	{
		"handshakes": 1,
		"samples": 2,
		"bursts": 1,
		"round_trips": 5,
		"polls": 50,
		"peers": [10],
		"pairs": 60,
		"many":
		{"players": [10, 5], "frames": 1, "playing": 5, "seconds": 0.5, "joined": 5, "joining": 5},
	},
}
## What the server's certificate is for.
const NAMES: PackedStringArray = ["localhost", "127.0.0.1", "::1"]
## Packets that wait at a time. The socket has room for a few hundred.
const BURST := 20
## Clients that send before the server's socket is emptied.
const CHUNK := 100
const PACKET_SIZES: Array[int] = [64, 400, 1200]
## Bytes of the packets in round trips and frames.
const SMALL := 64

var _task: Dictionary
var _plan: Dictionary
## The sides by name, in the order of this round.
var _sides := {}
## Figure to side to samples.
var _samples := {}
## What went wrong first. Nothing is measured after it.
var _problem := ""


func _initialize() -> void:
	_task = JSON.parse_string(OS.get_cmdline_user_args()[0])
	_plan = PLANS[_task.plan]
	match _task.task:
		"round":
			_round()
		"memory":
			_memory()
		"trust":
			_trust()
		"many":
			_many()
		"machine":
			_machine()
		_:
			_problem = "there is no task %s" % _task.task
	if _problem == "":
		print("result: ", JSON.stringify(_samples, "", false))
	else:
		printerr("the bench failed: ", _problem)
	quit(0 if _problem == "" else 1)


func _round() -> void:
	var names := ["engine", "ours", "raw"]
	if _task.swapped:
		names.reverse()
	for name: String in names:
		_sides[name] = _side(name)
	_handshakes("rsa2048")
	_handshakes("p256")
	_resumed_handshakes()
	_packets()
	for count: int in _plan.peers:
		_frames(count)


## One at a time, each with a server of its own.
func _handshakes(identity: String) -> void:
	print("handshakes, ", identity)
	_prepare(identity)
	var figure := "handshake_%s" % identity
	for i: int in _plan.handshakes:
		for name in _sides:
			if name != "raw":
				_sides[name].listen()
				_time_handshake(figure, name, false)
				_sides[name].clear()


## One at a time, all to the same port.
func _resumed_handshakes() -> void:
	print("handshakes, resumed")
	for name in _sides:
		var side: BenchSide = _sides[name]
		if not side.resumes():
			continue
		side.listen()
		if not side.connect_one():
			_fail("%s does not connect" % name)
		side.clear()
		for i: int in _plan.handshakes:
			_time_handshake("handshake_resumed", name, true)
			side.clear()


func _time_handshake(figure: String, name: String, resumed: bool) -> void:
	if _problem != "":
		return
	var side: BenchSide = _sides[name]
	var started := Time.get_ticks_usec()
	var is_connected := side.connect_one()
	var taken := Time.get_ticks_usec() - started
	if not is_connected:
		_fail("%s does not connect (%s)" % [name, figure])
	elif side.is_last_resumed() != resumed:
		_fail("%s resumes a session or not, as it should not (%s)" % [name, figure])
	else:
		_add(figure, name, taken)


## What goes over one connection.
func _packets() -> void:
	print("packets")
	if not _populate(1):
		return
	for size in PACKET_SIZES:
		var payload := _payload(size)
		var bursts: int = _plan.bursts
		var send_and_receive := func(side: BenchSide) -> bool:
			for i in bursts:
				if side.burst(payload, BURST) != BURST:
					return false
			return true
		_alternate("one_way_%d" % size, send_and_receive, bursts * BURST)
	var count: int = _plan.round_trips
	var small := _payload(SMALL)
	var go_back_and_forth := func(side: BenchSide) -> bool:
		return side.round_trips(small, count) == count
	_alternate("round_trip", go_back_and_forth, count)
	for name in _sides:
		_add("packets_per_poll", name, _sides[name].packets_of_one_poll(small, BURST))
	_clear()


func _frames(peers: int) -> void:
	print("frames, %d peers" % peers)
	if not _populate(peers):
		return
	# The fewer peers, the more frames: a sample has to be long enough for the clock.
	var frames: int = maxi(1, int(_plan.polls) / peers)
	var idle := func(side: BenchSide) -> bool:
		for i in frames:
			side.idle_frame()
		return true
	_alternate("frame_idle_%d" % peers, idle, frames)
	for i: int in _plan.samples:
		for name in _sides:
			_time_busy_frame("frame_busy_%d" % peers, name, peers)
	_clear()


## The clients send so that nothing is lost; their part is not the server's, and not timed.
func _time_busy_frame(figure: String, name: String, peers: int) -> void:
	var side: BenchSide = _sides[name]
	var payload := _payload(SMALL)
	var taken := 0
	for first in range(0, peers, CHUNK):
		side.send_from(first, mini(first + CHUNK, peers), payload)
		var started := Time.get_ticks_usec()
		side.udp_server.poll()
		taken += Time.get_ticks_usec() - started
	var started := Time.get_ticks_usec()
	var received := side.busy_frame()
	taken += Time.get_ticks_usec() - started
	if received == peers:
		_add(figure, name, taken)
	else:
		_fail("%s received %d of %d packets" % [name, received, peers])


## Lets every side do `work` in turn, as often as the plan says; a sample is the time for one of the
## `count` operations that it consists of.
func _alternate(figure: String, work: Callable, count: int) -> void:
	# Once without the clock, so that none of them is the one that warms up.
	for name in _sides:
		work.call(_sides[name])
	for i: int in _plan.samples:
		for name in _sides:
			if _problem != "":
				return
			var side: BenchSide = _sides[name]
			var started := Time.get_ticks_usec()
			var is_complete: bool = work.call(side)
			var taken := Time.get_ticks_usec() - started
			if is_complete:
				_add(figure, name, float(taken) / count)
			else:
				_fail("packets of %s got lost (%s)" % [name, figure])


## Resident memory, in KiB for each connected pair. One side for each process: what another has
## freed would be used again.
func _memory() -> void:
	var name: String = _task.side
	var pairs: int = _plan.pairs
	_sides[name] = _side(name)
	_prepare("p256")
	# What is allocated once, whatever the number of connections.
	_populate(20)
	_clear()
	var before := _resident_kib()
	if not _populate(pairs):
		return
	_add("memory", name, float(_resident_kib() - before) / pairs)


## Milliseconds for the first call of connect_to_peer with the system's roots, and for the next.
## One side for each process, since the first is first only once.
func _trust() -> void:
	var name: String = _task.side
	var side := _side(name)
	side.listen()
	for figure: String in ["trust_first", "trust_next"]:
		var started := Time.get_ticks_usec()
		var result := side.connect_with_system_trust()
		var taken := Time.get_ticks_usec() - started
		if result != OK:
			_fail("%s.connect_to_peer: %s" % [name, error_string(result)])
		_add(figure, name, taken / 1000.0)


## Servers whose players are in a process of their own, and the listener.
func _many() -> void:
	var many := Many.new(_task.players, func(side: BenchSide) -> void: _prepare("p256", [side]))
	_samples = many.measure(_plan.many, _task.swapped)
	if many.problem != "":
		_fail(many.problem)


## Not samples: what is measured on what. An engine with Mbed TLS in a library of its own names it.
func _machine() -> void:
	_samples["processor"] = OS.get_processor_name()
	_samples["cores"] = str(OS.get_processor_count())
	_samples["load when it began"] = _first_line("/proc/loadavg").get_slice(" ", 0)
	_samples["kernel"] = _first_line("/proc/sys/kernel/osrelease")
	_samples["engine"] = Engine.get_version_info().string
	var mbedtls := "the engine's Mbed TLS"
	_samples[mbedtls] = "built into the engine, which does not say"
	var file := FileAccess.open("/proc/self/maps", FileAccess.READ)
	while file != null and not file.eof_reached():
		var library := file.get_line().get_file()
		if library.begins_with("libmbedtls.so."):
			_samples[mbedtls] = library.trim_prefix("libmbedtls.so.")


## A file of /proc says that it is empty, so it can only be read line by line.
func _first_line(path: String) -> String:
	var file := FileAccess.open(path, FileAccess.READ)
	return file.get_line() if file != null else "unknown"


func _side(name: String) -> BenchSide:
	return {"engine": EngineSide, "ours": OurSide, "raw": RawSide}[name].new()


## Gives every side a root and a server below it, both with keys of that kind.
func _prepare(identity: String, sides := _sides.values()) -> void:
	var kinds := {"p256": DTLSCrypto.KEY_P256, "rsa2048": DTLSCrypto.KEY_RSA_2048}
	var keys: Array[CryptoKey] = []
	for i in 2:
		keys.append(DTLSCrypto.generate_key(kinds[identity]))
	var made_root := DTLSCrypto.generate_ca(keys[0], "godot-dtls bench root")
	var made := DTLSCrypto.issue_certificate(
		keys[0], made_root, keys[1], NAMES, DTLSCrypto.USAGE_SERVER
	)
	# From files, as games have them.
	var path := "user://%s" % identity
	made_root.save(path + "_root.crt")
	made.save(path + ".crt")
	keys[1].save(path + ".key")
	var key: CryptoKey = load(path + ".key")
	var certificate: X509Certificate = load(path + ".crt")
	var root: X509Certificate = load(path + "_root.crt")
	for side: BenchSide in sides:
		if side.prepare(key, certificate, root) != OK:
			_fail("%s cannot be set up with %s" % [side.get_script().resource_path, identity])


## Connects so many clients of every side, on a new port. Whether that worked.
func _populate(pairs: int) -> bool:
	for name in _sides:
		_sides[name].listen()
	for i in pairs:
		for name in _sides:
			if _problem == "" and not _sides[name].connect_one():
				_fail("%s does not connect, after %d that did" % [name, i])
	return _problem == ""


func _clear() -> void:
	for name in _sides:
		_sides[name].clear()


func _payload(size: int) -> PackedByteArray:
	var payload: PackedByteArray = []
	payload.resize(size)
	payload.fill(0x5a)
	return payload


func _resident_kib() -> int:
	var file := FileAccess.open("/proc/self/status", FileAccess.READ)
	while file != null and not file.eof_reached():
		var line := file.get_line()
		if line.begins_with("VmRSS:"):
			return line.to_int()
	_fail("the resident memory cannot be read from /proc/self/status")
	return 0


func _add(figure: String, name: String, value: float) -> void:
	var sides: Dictionary = _samples.get_or_add(figure, {})
	var samples: Array = sides.get_or_add(name, [])
	samples.append(value)


func _fail(problem: String) -> void:
	if _problem == "":
		_problem = problem
