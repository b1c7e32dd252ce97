## A server with many players, who are in a process of their own: rust/dtls-net/examples/players.rs.
##
## A frame is timed when all that it reads has arrived; the players' part is not in it.
extends RefCounted

const BenchSide := preload("res://bench/side.gd")
const ListenerSide := preload("res://bench/listener_side.gd")
const SIDES := {
	"raw": preload("res://bench/raw_side.gd"),
	"engine": preload("res://bench/engine_side.gd"),
	"polled": preload("res://bench/our_side.gd"),
	"listener": ListenerSide,
	"threadless": ListenerSide,
	"each": preload("res://bench/each_side.gd"),
}
## What is measured of which kind of server, with many players and with some.
const MANY := {
	"raw": ["many_one", "many_answered", "many_idle"],
	"listener": ["many_one", "many_answered", "many_idle"],
	"each": ["many_each"],
	"threadless": ["many_threadless"],
	"polled": ["many_polled"],
}
const SOME := {"raw": ["some_one"], "listener": ["some_one"]}
## Players that send before a UDPServer is polled.
const CHUNK := 100
## Milliseconds in which a thread has decrypted what the last chunk has sent.
const PAUSE_MSEC := 15
const ATTEMPTS := 8
const PATIENCE_MSEC := 60_000
## Frames a second.
const RATE := 60
## What players send, and what they get.
const SMALL := 60
const LARGE := 300

## The file of the program.
var program := ""
var problem := ""
var samples := {}
var _prepared: Callable


## `prepare` gives a side its keys.
func _init(players: String, prepare: Callable) -> void:
	program = players
	_prepared = prepare


## Figure to side to samples, by the plan: how many players, frames and seconds.
func measure(plan: Dictionary, is_swapped: bool) -> Dictionary:
	# What is allocated once.
	begin("listener", 5).end()
	# The most first: what others have freed would be used again.
	_frames(MANY, plan.players[0], plan.frames, is_swapped)
	_frames(SOME, plan.players[1], plan.frames, is_swapped)
	var players := ["engine", "listener", "raw"]
	var joined := ["polled", "listener"]
	if is_swapped:
		players.reverse()
		joined.reverse()
	for kind: String in players:
		print("plays, ", kind)
		if problem == "":
			var game := begin(kind, plan.playing)
			var side := "ours" if kind == "listener" else kind
			_add("play_cpu", side, play(game, plan.seconds))
			game.end()
	for kind: String in joined:
		print("joins, ", kind)
		if problem == "":
			var game := begin(kind, plan.joined)
			_add(
				"worst_frame" if kind == "listener" else "worst_frame_polled",
				"ours",
				worst_frame(game, kind, plan.joining)
			)
			game.end()
	return samples


## `figures` says what is measured of which kind of server, and as which figure and side.
func _frames(figures: Dictionary, players: int, frames: int, is_swapped: bool) -> void:
	var kinds := figures.keys()
	if is_swapped:
		kinds.reverse()
	var games := {}
	for kind: String in kinds:
		print(kind, ", ", players)
		var before := _resident_kib()
		games[kind] = begin(kind, players)
		if kind == "listener" and figures == MANY:
			_add("memory_server", "ours", float(_resident_kib() - before) / players)
	for i in frames:
		for kind: String in kinds:
			var side := "raw" if kind == "raw" else "ours"
			for figure: String in figures[kind]:
				if problem == "":
					_add(figure, side, _frame(figure, games[kind], players))
	if figures == MANY and problem == "":
		_add("stall", "ours", after_stall(games.threadless, players))
	for kind: String in kinds:
		games[kind].end()


func _frame(figure: String, game: Game, players: int) -> float:
	match figure:
		"many_idle":
			return idle_frame(game, 20)
		"many_answered":
			return busy_frame(game, players, true)
	return busy_frame(game, players)


func _add(figure: String, side: String, value: float) -> void:
	samples.get_or_add(figure, {}).get_or_add(side, []).append(value)


func _resident_kib() -> int:
	var file := FileAccess.open("/proc/self/status", FileAccess.READ)
	while not file.eof_reached():
		var line := file.get_line()
		if line.begins_with("VmRSS:"):
			return line.to_int()
	return 0


## A server, with the pipe to its players.
class Game:
	var side: BenchSide
	var pipe: FileAccess
	var pid := 0

	func tell(line: String) -> void:
		pipe.store_line(line)
		pipe.flush()

	func answer() -> PackedStringArray:
		var text := ""
		var deadline := Time.get_ticks_msec() + PATIENCE_MSEC
		while not text.ends_with("\n") and Time.get_ticks_msec() < deadline:
			var bytes := pipe.get_buffer(256)
			# As many bytes as were asked for where there is none.
			if not bytes.is_empty() and bytes[0] != 0:
				text += bytes.get_string_from_ascii()
			OS.delay_usec(100)
		return text.strip_edges().split(" ")

	func end() -> void:
		tell("end")
		side.clear()
		# They have closed their sockets when they are gone.
		while OS.is_process_running(pid):
			OS.delay_msec(1)


func begin(kind: String, players: int, at_once := 10) -> Game:
	var game := Game.new()
	game.side = SIDES[kind].new()
	if kind == "threadless":
		game.side.threads = 0
	_prepared.call(game.side)
	if game.side.listen() != OK:
		problem = "%s does not listen" % kind
	join(game, kind, players, at_once)
	return game


func join(game: Game, kind: String, players: int, at_once: int) -> void:
	start(game, kind)
	game.tell("connect %d %d" % [players, at_once])
	wait_for(game, players)
	game.answer()


func start(game: Game, kind: String) -> void:
	var arguments := ["udp" if kind == "raw" else "dtls", str(game.side.port())]
	var process := OS.execute_with_pipe(program, arguments, false)
	game.pipe = process.stdio
	game.pid = process.pid


func wait_for(game: Game, players: int) -> void:
	var deadline := Time.get_ticks_msec() + PATIENCE_MSEC
	while game.side.connected < players and problem == "":
		game.side.game_frame()
		OS.delay_usec(200)
		if Time.get_ticks_msec() > deadline:
			problem = "only %d of %d players came" % [game.side.connected, players]


## Microseconds of one frame in which each player's packet is read, and answered if that is asked
## for.
func busy_frame(game: Game, players: int, is_answered := false) -> float:
	for attempt in ATTEMPTS:
		var taken := 0
		for first in range(0, players, CHUNK):
			game.tell("send %d %d %d" % [first, mini(first + CHUNK, players), SMALL])
			game.answer()
			var polled := Time.get_ticks_usec()
			game.side.poll_socket()
			taken += Time.get_ticks_usec() - polled
		OS.delay_msec(PAUSE_MSEC)
		var started := Time.get_ticks_usec()
		var received := game.side.answering_frame() if is_answered else game.side.busy_frame()
		taken += Time.get_ticks_usec() - started
		if received == players:
			return taken
		# Something else had the processor.
		for i in ATTEMPTS:
			OS.delay_msec(PAUSE_MSEC)
			game.side.busy_frame()
	problem = "not all packets come in time"
	return 0


func idle_frame(game: Game, frames: int) -> float:
	var started := Time.get_ticks_usec()
	for i in frames:
		game.side.idle_frame()
	return float(Time.get_ticks_usec() - started) / frames


## How many of as many packets of 1,200 bytes are there after 100 ms in which nobody has looked.
func after_stall(game: Game, players: int) -> float:
	game.tell("send 0 %d 1200" % players)
	OS.delay_msec(100)
	game.answer()
	return game.side.busy_frame()


## Plays for so many seconds. Milliseconds of processor time of this process, for each second.
func play(game: Game, seconds: float) -> float:
	var payload: PackedByteArray = []
	payload.resize(LARGE)
	var frames := int(RATE * seconds)
	game.tell("play 30 %d %f" % [SMALL, seconds])
	var before := processor_time()
	var received := 0
	var started := Time.get_ticks_usec()
	for frame in frames:
		received += game.side.game_frame()
		if frame % 2 == 1:
			game.side.send_to_all(payload)
		var left := started + (frame + 1) * 1_000_000 / RATE - Time.get_ticks_usec()
		OS.delay_usec(maxi(left, 0))
	var taken := processor_time() - before
	var played := game.answer()
	if absf(received - played[1].to_float()) > 0.1 * received:
		problem = "%d of %s packets came" % [received, played[1]]
	return taken / seconds


## Microseconds of the longest frame while others join.
func worst_frame(game: Game, kind: String, joining: int) -> float:
	var players := game.side.connected
	game.tell("play 30 %d 10" % SMALL)
	var others := Game.new()
	others.side = game.side
	start(others, kind)
	others.tell("connect %d 100" % joining)
	var worst := 0
	var deadline := Time.get_ticks_msec() + PATIENCE_MSEC
	while game.side.connected < players + joining and problem == "":
		var started := Time.get_ticks_usec()
		game.side.game_frame()
		var taken := Time.get_ticks_usec() - started
		worst = maxi(worst, taken)
		OS.delay_usec(maxi(1_000_000 / RATE - taken, 0))
		if Time.get_ticks_msec() > deadline:
			problem = "only %d came while others play" % game.side.connected
	others.answer()
	game.answer()
	others.end()
	return worst


## Milliseconds, of all threads of this process.
func processor_time() -> float:
	var sum := 0
	for thread in DirAccess.get_directories_at("/proc/self/task"):
		var file := FileAccess.open("/proc/self/task/%s/schedstat" % thread, FileAccess.READ)
		sum += file.get_line().get_slice(" ", 0).to_int()
	return sum / 1e6
