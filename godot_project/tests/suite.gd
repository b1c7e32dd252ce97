## The base of every suite: assertions.
##
## A failed assertion is noted and the test goes on, since GDScript has no way to leave it. Once one
## has failed, waiting is cut short, so that a broken connection costs one timeout and not ten.
extends RefCounted

const Console := preload("res://tests/console.gd")

## How long a wait may take unless it says otherwise, in seconds.
const PATIENCE := 30.0
## What the stack of every assertion has in it.
const NOT_THE_TEST: Array[String] = [
	"res://main.gd", "res://tests/runner.gd", "res://tests/suite.gd"
]

var assertions := 0
var failures: PackedStringArray = []
## Errors and warnings that the test said would come.
var expected_errors := 0
## Seconds that a test may take.
var time_limit := 60.0
## Figures that a test has measured, shown behind its name.
var note := ""
## The arguments after `--` on the command line.
var arguments: PackedStringArray = []
## Why the test cannot be run in this engine.
var left_out := ""
## What the test said about the console, where nobody hears what is printed.
var unheard := 0

var _console: Console
var _deadline := 0
var _unexpected: Array[Console.Entry] = []
var _tolerated: PackedStringArray = []
var _scratch: PackedStringArray = []


## Called before each test. May be a coroutine.
func before_each() -> void:
	pass


## Called after each test, also after one that failed. May be a coroutine.
func after_each() -> void:
	pass


func check(condition: bool, what: String) -> bool:
	assertions += 1
	if not condition:
		_note("not so: %s" % what)
	return condition


func equal(actual: Variant, expected: Variant, what := "") -> bool:
	assertions += 1
	# Two values of different types are not comparable with == in GDScript.
	var same: bool = typeof(actual) == typeof(expected) and actual == expected
	if not same:
		var prefix := what + ": " if what else ""
		_note("%sis %s, should be %s" % [prefix, _shown(actual), _shown(expected)])
	return same


func contains(text: String, part: String) -> bool:
	assertions += 1
	var found := part in text
	if not found:
		_note("%s does not contain %s" % [_shown(text), _shown(part)])
	return found


func fail(why: String) -> void:
	assertions += 1
	_note(why)


## Whether this engine has something that not every one has which the addon runs in. If not, the
## test is left out, and has to return.
func engine_has(something: bool, what: String) -> bool:
	if not something:
		left_out = "this engine has no %s" % what
	return something


## An error or a warning with `part` in it has been printed. Each call accounts for exactly one;
## what is left at the end of the test makes it fail.
func expect_error(part: String) -> void:
	if not Console.has_loggers():
		unheard += 1
		return
	assertions += 1
	_read_console()
	for entry in _unexpected:
		if part in entry.text and entry.kind in [Console.Kind.ERROR, Console.Kind.WARNING]:
			_unexpected.erase(entry)
			expected_errors += 1
			return
	_note("no error was printed with %s in it" % _shown(part))


## Nothing has been printed that was not expected.
func expect_silence() -> void:
	if not Console.has_loggers():
		unheard += 1
		return
	assertions += 1
	_check_silence()


## From now on, errors with `part` in them are accepted, however many: noise of the engine's own
## DTLS, which is not what is tested.
func tolerate(part: String) -> void:
	_tolerated.append(part)


## The path of a file that is removed after the test.
func scratch(name: String) -> String:
	var path := "user://%d_%s" % [Time.get_ticks_usec(), name]
	_scratch.append(path)
	return ProjectSettings.globalize_path(path)


func has_failed() -> bool:
	return not failures.is_empty()


## Seconds that a wait of `wanted` seconds may take now.
func patience(wanted := PATIENCE) -> float:
	if has_failed():
		return 0.0
	return clampf((_deadline - Time.get_ticks_msec()) / 1000.0, 0.0, wanted)


## For the runner: where to look for errors, and how long the test may take.
func begin(console: Console, seconds: float, user_arguments: PackedStringArray) -> void:
	_console = console
	_deadline = Time.get_ticks_msec() + int(seconds * 1000.0)
	arguments = user_arguments


## For the runner: the verdict on what nobody asserted.
func finish() -> void:
	_check_silence()
	for path in _scratch:
		DirAccess.remove_absolute(path)
	if assertions > 0 or left_out != "" or not failures.is_empty():
		return
	if unheard > 0:
		left_out = "it is about the console alone, which nobody hears in this engine"
	else:
		failures.append("it asserts nothing")


func _check_silence() -> void:
	_read_console()
	for entry in _unexpected:
		_note("printed %s" % entry)
	_unexpected.clear()


func _read_console() -> void:
	for entry in _console.take():
		if _is_tolerated(entry):
			expected_errors += 1
		# With --verbose the engine itself prints a lot.
		elif entry.kind != Console.Kind.MESSAGE or not OS.is_stdout_verbose():
			_unexpected.append(entry)


func _is_tolerated(entry: Console.Entry) -> bool:
	if entry.kind == Console.Kind.SCRIPT_ERROR:
		return false
	for part in _tolerated:
		if part in entry.text:
			return true
	return false


func _note(what: String) -> void:
	failures.append("%s\n%s" % [what, _stack()])


## The lines of the test that led here, innermost first.
func _stack() -> String:
	var lines: PackedStringArray = []
	# Since Godot 4.5.
	if not Engine.has_method(&"capture_script_backtraces"):
		return ""
	for backtrace: RefCounted in Engine.call(&"capture_script_backtraces"):
		for i in backtrace.get_frame_count():
			var file: String = backtrace.get_frame_file(i)
			if file in NOT_THE_TEST:
				continue
			var place := [file, backtrace.get_frame_line(i), backtrace.get_frame_function(i)]
			lines.append("    at %s:%d (%s)" % place)
	return "\n".join(lines)


func _shown(value: Variant) -> String:
	var text := var_to_str(value)
	return text if text.length() <= 300 else text.left(300) + "…"
