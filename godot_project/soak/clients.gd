## The clients of `cargo xtask soak`, all in one engine.
##
##     godot --headless --script res://soak/clients.gd -- ROUNDS PORT
##
## It prints lines of JSON: what went wrong, and a report at the end of each round.
extends SceneTree

const Memory := preload("res://soak/memory.gd")
const Visitor := preload("res://soak/visitor.gd")

const VISITORS := 500
## More at once would be more than a slow machine can follow, and than a server goes on with (256).
const MOST_SHAKING_HANDS := 32
const STRIDE := 97
## Between two rounds: longer than the server waits for a silent client, so that it has dropped all
## of them before the first comes back.
const PAUSE_MSEC := 4500

var _visitors: Array[Visitor] = []
var _round := 0
var _rounds := 0
var _next_round := 0
var _is_round_over := true
var _first := 0
var _shaking_hands := 0
## Nobody leaves before: however slow the machine is, the server has them all at a time.
var _have_all_come := false


func _initialize() -> void:
	var arguments := OS.get_cmdline_user_args()
	_rounds = arguments[0].to_int()
	for number in VISITORS:
		_visitors.append(Visitor.new(number, arguments[1].to_int()))


func _process(_delta: float) -> bool:
	var now := Time.get_ticks_msec()
	if _is_round_over:
		if _round == _rounds:
			return true
		if now >= _next_round:
			_is_round_over = false
			_have_all_come = false
			for visitor in _visitors:
				visitor.begin_round(_round, now)
		return false
	var come := 0
	var done := 0
	# The first of a frame is another one each time: on a slow machine what the last ones send may
	# find the server's socket full.
	_first = (_first + STRIDE) % VISITORS
	for i in VISITORS:
		var visitor := _visitors[(_first + i) % VISITORS]
		var was_shaking_hands := visitor.is_shaking_hands()
		visitor.pump(now, _shaking_hands < MOST_SHAKING_HANDS, _have_all_come)
		_shaking_hands += int(visitor.is_shaking_hands()) - int(was_shaking_hands)
		come += int(visitor.has_come())
		done += int(visitor.is_done())
	_have_all_come = come == VISITORS
	if done == VISITORS:
		_end_round(now)
	return false


func _end_round(now: int) -> void:
	var total := {}
	for visitor in _visitors:
		for what: String in visitor.counts:
			total[what] = total.get(what, 0) + visitor.counts[what]
		for failure in visitor.failures:
			print(JSON.stringify({"failure": failure}))
		visitor.failures.clear()
	total.end_kib = Memory.resident_kib()
	total.objects = Memory.objects()
	print(JSON.stringify(total))
	_is_round_over = true
	_round += 1
	_next_round = now + PAUSE_MSEC
