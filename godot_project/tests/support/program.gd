## Another program that a test runs, such as another implementation of DTLS: its input, its output
## and its end.
extends RefCounted

## Everything that it has printed, errors included, as far as it has been read.
var output := ""
## What of it came over its error output.
var errors := ""

var _pid := 0
var _input: FileAccess
var _errors: FileAccess


## Runs `program`, or says what is wrong in `output` and returns false.
func start(program: String, arguments: PackedStringArray, package: String) -> bool:
	for tool: Array in [[program, package], ["setpriv", "util-linux"]]:
		if not _is_on_path(tool[0]):
			output = "there is no program %s; install the package %s" % tool
			return false
	# It dies with this engine, whatever happens to that. setpriv becomes the program, so it has the
	# process id that is returned here.
	var command: PackedStringArray = ["--pdeathsig", "KILL", program]
	var process := OS.execute_with_pipe("setpriv", command + arguments, false)
	if process.is_empty():
		output = "%s cannot be started" % program
		return false
	_pid = process.pid
	_input = process.stdio
	_errors = process.stderr
	return true


## Gives it a line on its input.
func write_line(line: String) -> void:
	_input.store_string(line + "\n")
	_input.flush()


## Whether it has printed `text` by now.
func has_printed(text: String) -> bool:
	for pipe: FileAccess in [_input, _errors]:
		while true:
			var bytes := pipe.get_buffer(4096)
			if bytes.is_empty():
				break
			output += bytes.get_string_from_utf8()
			if pipe == _errors:
				errors += bytes.get_string_from_utf8()
	return text in output


## The last line of JSON that it has printed after the first `from` characters; empty without one.
func json_after(from: int) -> Dictionary:
	var lines := output.substr(from).split("\n")
	# What stands behind the last line break may not be whole yet.
	for i in range(lines.size() - 2, -1, -1):
		if lines[i].begins_with("{"):
			return JSON.parse_string(lines[i])
	return {}


## Whether it has ended by itself.
func has_ended() -> bool:
	return not OS.is_process_running(_pid)


## What it has ended with; -1 if it was killed, or has not ended.
func exit_code() -> int:
	return OS.get_process_exit_code(_pid)


func end() -> void:
	if _pid > 0:
		OS.kill(_pid)
	_pid = 0
	_input = null
	_errors = null


func _is_on_path(program: String) -> bool:
	if program.is_absolute_path():
		return FileAccess.file_exists(program)
	for folder in OS.get_environment("PATH").split(":"):
		if FileAccess.file_exists(folder.path_join(program)):
			return true
	return false
