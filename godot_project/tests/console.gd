## Everything that the engine, the addon and the tests print, in order.
##
## Godot has Loggers from 4.5 on. In an engine without, only errors of scripts are noticed, in the
## log that the engine writes: with one of them, a test ends early.
extends RefCounted

enum Kind { ERROR, WARNING, SCRIPT_ERROR, MESSAGE }

## A script that extends Logger cannot be loaded where there is no such class.
const LISTENER := "res://tests/support/listener.gd"
## Where the engine writes its log unless the project says otherwise.
const LOG := "user://logs/godot.log"


## One thing that was printed.
class Entry:
	var kind: Kind
	var text: String
	var function: String
	var file: String
	var line: int
	## The line of a script that has caused it, as in "res://main.gd:12".
	var caused_by: String

	func _to_string() -> String:
		var origin := caused_by if caused_by or not file else "%s:%d" % [file, line]
		var where := " (%s)" % origin if origin else ""
		return "%s: %s%s" % [(Kind.find_key(kind) as String).to_lower(), text.strip_edges(), where]


var _entries: Array[Entry] = []
## The engine calls a Logger from whatever thread prints.
var _lock := Mutex.new()
var _listener: Object
var _log: FileAccess


static func has_loggers() -> bool:
	return ClassDB.class_exists(&"Logger")


## Gives every Entry to `heard` from now on.
static func listen(heard: Callable) -> Object:
	var listener: Object = (load(LISTENER) as GDScript).new()
	listener.set(&"heard", heard)
	OS.call(&"add_logger", listener)
	return listener


static func unlisten(listener: Object) -> void:
	OS.call(&"remove_logger", listener)


## Returns what is wrong, or nothing.
func start() -> String:
	if has_loggers():
		_listener = listen(_append)
		return ""
	_log = FileAccess.open(LOG, FileAccess.READ)
	return "" if _log else "the engine has neither a class Logger nor a log, %s" % LOG


func stop() -> void:
	if _listener:
		unlisten(_listener)


## What was printed since the last call.
func take() -> Array[Entry]:
	if _log:
		_read_log()
	_lock.lock()
	var taken := _entries
	_entries = []
	_lock.unlock()
	return taken


func _read_log() -> void:
	while _log.get_position() < _log.get_length():
		var line := _log.get_line()
		if line.begins_with("SCRIPT ERROR: "):
			var entry := Entry.new()
			entry.kind = Kind.SCRIPT_ERROR
			entry.text = line.trim_prefix("SCRIPT ERROR: ")
			_append(entry)


func _append(entry: Entry) -> void:
	_lock.lock()
	_entries.append(entry)
	_lock.unlock()
