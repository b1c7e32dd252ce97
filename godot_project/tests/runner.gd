## Runs the tests: every method `test_*` of every `res://tests/suites/test_*.gd`, each on an object
## of its own.
##
## What a test has to do to pass: assert something, come to its end within the time limit, without
## an error of the script, and without an error, warning or message printed that it did not expect.
## Before Godot 4.5 nobody hears what is printed; how much was left out for it is said at the end.
##
## The errors that a test expects are on the terminal all the same, because the engine prints them
## before any Logger sees them. They stand above the line of their test, which counts them.
extends Node

const Console := preload("res://tests/console.gd")
const Suite := preload("res://tests/suite.gd")
const Watchdog := preload("res://tests/watchdog.gd")

const SUITES := "res://tests/suites"
## Seconds after the end of its time when a test is not waited for any more: it hangs, the frames
## with it.
const HANG_MARGIN := 10.0
## How much is shown of one failed test: what comes later mostly follows from the first.
const MOST_FAILURES_SHOWN := 5

var _filter := ""
## Suites that are left to another engine.
var _except: PackedStringArray = []
## Those that are run, unless it is all others.
var _only: PackedStringArray = []
var _arguments: PackedStringArray
var _passed := 0
var _failed := 0
## Tests that cannot be run in this engine.
var _left_out := 0
## Tests that said something about the console where nobody hears it, and how often.
var _deaf_tests := 0
var _unheard := 0
var _console := Console.new()
var _watchdog := Watchdog.new()


## Runs what `arguments` ask for, `--test [filter] [--only suite,suite] [--except suite,suite]`;
## returns the exit code.
func run(arguments: PackedStringArray) -> int:
	_arguments = arguments
	var after := arguments.find("--test") + 1
	if after < arguments.size() and not arguments[after].begins_with("--"):
		_filter = arguments[after]
	_except = _suites_after("--except")
	_only = _suites_after("--only")
	if OS.get_environment("DTLS_TEST_PKI") == "":
		print(
			"DTLS_TEST_PKI has to name the folder of the certificates; `cargo xtask test` sets it."
		)
		print(summary(0, 1))
		return 1
	var problem := _console.start()
	if problem != "":
		print("The tests cannot be run: %s" % problem)
		print(summary(0, 1))
		return 1
	_watchdog.start()
	print("Errors printed from here on belong to the test whose line comes next.")
	for file in DirAccess.get_files_at(SUITES):
		if file.begins_with("test_") and file.ends_with(".gd") and _is_ours(_suite_of(file)):
			await _run_suite(file)
	_watchdog.stop()
	_console.stop()
	_print_what_was_left_out()
	print(summary(_passed, _failed))
	return 0 if _failed == 0 and _passed > 0 else 1


static func summary(passed: int, failed: int) -> String:
	return "engine: %d passed, %d failed" % [passed, failed]


func _print_what_was_left_out() -> void:
	if not Console.has_loggers():
		print("This engine has no Logger, so errors that no test expects were not noticed;")
		print("checks of the console left out: %d, in tests: %d" % [_unheard, _deaf_tests])
	if _left_out > 0:
		print("tests left out, since this engine lacks what they need: %d" % _left_out)


func _suites_after(argument: String) -> PackedStringArray:
	var at := _arguments.find(argument) + 1
	return _arguments[at].split(",") if at > 0 else PackedStringArray()


func _is_ours(suite: String) -> bool:
	return not suite in _except and (_only.is_empty() or suite in _only)


static func _suite_of(file: String) -> String:
	return file.trim_prefix("test_").trim_suffix(".gd")


func _run_suite(file: String) -> void:
	var suite := _suite_of(file)
	var script := load(SUITES.path_join(file)) as GDScript
	if script == null or not script.can_instantiate():
		if _is_wanted(suite):
			_report(suite, ["it cannot be loaded"])
		return
	for test in _tests_of(script):
		if _is_wanted("%s/%s" % [suite, test]):
			await _run_test("%s/%s" % [suite, test], script, test)


## The names of the tests, in the order of the file.
func _tests_of(script: GDScript) -> PackedStringArray:
	var names: PackedStringArray = []
	for method in script.get_script_method_list():
		var method_name: String = method.name
		if method_name.begins_with("test_"):
			names.append(method_name)
	return names


## A suite that cannot be loaded has no tests to compare with, so any filter that mentions it
## counts.
func _is_wanted(name_of_test: String) -> bool:
	return (
		_filter == ""
		or _filter in name_of_test
		or ("/" not in name_of_test and _filter.begins_with(name_of_test))
	)


func _run_test(full_name: String, script: GDScript, method: String) -> void:
	var suite: Suite = script.new()
	_console.take()
	suite.begin(_console, suite.time_limit, _arguments)
	_watchdog.watch(full_name, suite.time_limit + HANG_MARGIN, summary(_passed, _failed + 1))
	var started := Time.get_ticks_msec()

	var finished := await _complete(suite, ["before_each", method])
	if not finished:
		suite.failures.append("it was given up after %d s" % suite.time_limit)
	if not await _complete(suite, ["after_each"]):
		suite.failures.append("after_each does not come to an end")

	_watchdog.relax()
	suite.finish()
	var took := Time.get_ticks_msec() - started
	var remarks: PackedStringArray = ["%d ms" % took]
	if suite.expected_errors > 0:
		var plural := "s" if suite.expected_errors > 1 else ""
		remarks.append("%d expected error%s above" % [suite.expected_errors, plural])
	if suite.note != "":
		remarks.append(suite.note)
	if suite.unheard > 0:
		remarks.append("checks of the console left out: %d" % suite.unheard)
	if suite.left_out != "" and suite.failures.is_empty():
		_left_out += 1
		print("skip  %s (%s)" % [full_name, suite.left_out])
		return
	_unheard += suite.unheard
	_deaf_tests += 1 if suite.unheard > 0 else 0
	_report(full_name, suite.failures, ", ".join(remarks))


## Calls `methods` one after the other and returns true, or false when the time is up. A method that
## is given up may go on in the background, on an object that nobody asks any more.
func _complete(suite: Suite, methods: PackedStringArray) -> bool:
	# In an array, since a lambda has its own copy of a plain variable.
	var done := [false]
	var call_all := func() -> void:
		for method in methods:
			await suite.call(method)
		done[0] = true
	call_all.call()
	var deadline := Time.get_ticks_msec() + int(suite.time_limit * 1000.0)
	while not done[0]:
		if Time.get_ticks_msec() > deadline:
			return false
		await get_tree().process_frame
	return true


func _report(full_name: String, failures: PackedStringArray, details := "nothing was run") -> void:
	if failures.is_empty():
		_passed += 1
		print("ok    %s (%s)" % [full_name, details])
		return
	_failed += 1
	print("FAIL  %s (%s)" % [full_name, details])
	for failure in failures.slice(0, MOST_FAILURES_SHOWN):
		print(failure.indent("      "))
	if failures.size() > MOST_FAILURES_SHOWN:
		print("      and %d more" % (failures.size() - MOST_FAILURES_SHOWN))
