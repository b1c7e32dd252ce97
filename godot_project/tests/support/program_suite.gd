## The base of suites that run other programs. They end with the test, and what they printed is in
## the report of a test that failed.
extends "res://tests/support/network_suite.gd"

const Program := preload("res://tests/support/program.gd")

## Seconds that a program may take to start, or to do the next thing.
const PROGRAM_PATIENCE := 30.0

var _programs: Array[Program] = []


func after_each() -> void:
	super()
	for program in _programs:
		if has_failed():
			failures.append("the program printed:\n%s" % program.output.indent("    "))
		program.end()


func run(name: String, arguments: PackedStringArray, package: String) -> Program:
	var program := Program.new()
	if program.start(name, arguments, package):
		_programs.append(program)
	else:
		fail(program.output)
	return program


## Runs a program of this repository, or the engine, which `cargo xtask test` names in `variable`.
func run_named(variable: String, arguments: PackedStringArray) -> Program:
	var name := OS.get_environment(variable)
	if name != "":
		return run(name, arguments, "that `cargo xtask test` builds or installs")
	fail("%s has to name a program; `cargo xtask test` sets it" % variable)
	return Program.new()


## Runs an engine of its own with the script `res://tests/support/…` in place of the project's
## scenes.
func run_engine(script: String, arguments: PackedStringArray) -> Program:
	var options: PackedStringArray = [
		"--headless", "--path", ProjectSettings.globalize_path("res://")
	]
	options.append_array(["--script", "res://tests/support/" + script, "--"])
	return run_named("DTLS_TEST_ENGINE", options + arguments)


## Starts a relay to `to_port`, with the options of `netsim relay`, and waits until it listens.
func run_relay(to_port: int, options: String) -> Program:
	var arguments: PackedStringArray = ["relay", "--to", "%s:%d" % [Network.IPV4, to_port]]
	var relay := run_named("DTLS_TEST_NETSIM", arguments + options.split(" ", false))
	wait_for_output(relay, "listening on ")
	return relay


## Where a relay listens.
static func port_of(relay: Program) -> int:
	return int(relay.output.get_slice("\n", 0).get_slice(":", 1))


## What has become of the datagrams on a relay so far; `rust/netsim/src/bin/netsim/relay.rs` says
## what there is.
func counts_of(relay: Program) -> Dictionary:
	var before := relay.output.length()
	relay.write_line("counts")
	var is_told := func() -> bool:
		relay.has_printed("")
		return not relay.json_after(before).is_empty()
	wait_until("the relay tells its counts", is_told)
	return relay.json_after(before)


func wait_for_output(program: Program, text: String) -> void:
	var has_printed := func() -> bool: return program.has_printed(text)
	wait_until('the program prints "%s"' % text, has_printed, PROGRAM_PATIENCE)
