## Hears what is printed. `console.gd` loads it where the engine has Loggers.
extends Logger

const Console := preload("res://tests/console.gd")

## Called with a Console.Entry, by whatever thread prints.
var heard: Callable


func _log_error(
	function: String,
	file: String,
	line: int,
	code: String,
	rationale: String,
	_editor_notify: bool,
	error_type: int,
	script_backtraces: Array[ScriptBacktrace]
) -> void:
	var entry := Console.Entry.new()
	match error_type:
		ERROR_TYPE_WARNING:
			entry.kind = Console.Kind.WARNING
		ERROR_TYPE_SCRIPT:
			entry.kind = Console.Kind.SCRIPT_ERROR
		_:
			entry.kind = Console.Kind.ERROR
	entry.text = rationale if rationale else code
	entry.function = function
	entry.file = file
	entry.line = line
	for backtrace in script_backtraces:
		if backtrace.get_frame_count() > 0:
			entry.caused_by = "%s:%d" % [backtrace.get_frame_file(0), backtrace.get_frame_line(0)]
	heard.call(entry)


func _log_message(message: String, error: bool) -> void:
	var entry := Console.Entry.new()
	entry.kind = Console.Kind.ERROR if error else Console.Kind.MESSAGE
	entry.text = message
	heard.call(entry)
