## Everything that the engine, the addon and the tests print, in order.
##
## The engine calls a Logger from whatever thread prints, hence the lock.
extends Logger

enum Kind { ERROR, WARNING, SCRIPT_ERROR, MESSAGE }


## One thing that was printed.
class Entry:
	var kind: Kind
	var text: String
	## Where it was printed, as in "res://main.gd:12".
	var origin: String

	func _to_string() -> String:
		var where := " (%s)" % origin if origin else ""
		return "%s: %s%s" % [(Kind.find_key(kind) as String).to_lower(), text.strip_edges(), where]


var _entries: Array[Entry] = []
var _lock := Mutex.new()


## What was printed since the last call.
func take() -> Array[Entry]:
	_lock.lock()
	var taken := _entries
	_entries = []
	_lock.unlock()
	return taken


func _log_error(
	_function: String,
	file: String,
	line: int,
	code: String,
	rationale: String,
	_editor_notify: bool,
	error_type: int,
	script_backtraces: Array[ScriptBacktrace]
) -> void:
	var entry := Entry.new()
	match error_type:
		ERROR_TYPE_WARNING:
			entry.kind = Kind.WARNING
		ERROR_TYPE_SCRIPT:
			entry.kind = Kind.SCRIPT_ERROR
		_:
			entry.kind = Kind.ERROR
	entry.text = rationale if rationale else code
	entry.origin = "%s:%d" % [file, line]
	# An error of the engine's code was caused by a script: that line helps more.
	for backtrace in script_backtraces:
		if backtrace.get_frame_count() > 0:
			entry.origin = "%s:%d" % [backtrace.get_frame_file(0), backtrace.get_frame_line(0)]
	_append(entry)


func _log_message(message: String, error: bool) -> void:
	var entry := Entry.new()
	entry.kind = Kind.ERROR if error else Kind.MESSAGE
	entry.text = message
	_append(entry)


func _append(entry: Entry) -> void:
	_lock.lock()
	_entries.append(entry)
	_lock.unlock()
