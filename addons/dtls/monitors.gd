## What a server or a connection does, in the debugger's Monitors tab under "DTLS".
##
## Give it the server, and keep it for as long as the monitors are to be there:
##
## [codeblock]
## const Monitors := preload("res://addons/dtls/monitors.gd")
##
## var dtls := DTLSServerOpenSSL.new()
## var monitors := Monitors.new(dtls)
## [/codeblock]
##
## A game can show the same numbers to its players:
## [code]Performance.get_custom_monitor(monitors.id("connections"))[/code].
extends RefCounted

## Connections that exist.
const CONNECTIONS := "connections"
## Handshakes that led to a connection, per second.
const HANDSHAKES := "handshakes_per_second"
## Bytes that came in over UDP, per second.
const BYTES_RECEIVED := "bytes_received_per_second"
## Bytes that went out over UDP, per second.
const BYTES_SENT := "bytes_sent_per_second"
## Records that were thrown away unread, since the start.
const RECORDS_DROPPED := "records_dropped"
const NAMES: PackedStringArray = [
	CONNECTIONS, HANDSHAKES, BYTES_RECEIVED, BYTES_SENT, RECORDS_DROPPED
]

## The counters that the rates are made of.
const COUNTED := {
	HANDSHAKES: "handshakes_completed", BYTES_RECEIVED: "bytes_received", BYTES_SENT: "bytes_sent"
}
## Seconds over which a rate is taken at least: less than passes until the debugger asks again, and
## enough for a game that asks in every frame.
const WINDOW := 0.5

var _source: RefCounted
var _ids := {}
var _counted := {}
var _counted_at := 0
var _rates := {HANDSHAKES: 0.0, BYTES_RECEIVED: 0.0, BYTES_SENT: 0.0}


## [param source] is a [DTLSServerOpenSSL] or a [PacketPeerDTLSOpenSSL] of the main thread, where
## the monitors are read. With [param label], such as "lobby", they are called "Lobby Connections"
## and so on. If there are such monitors already, these get a number.
func _init(source: RefCounted, label := "") -> void:
	_source = source
	_counted = _stats()
	_counted_at = Time.get_ticks_usec()
	var number := 1
	while Performance.has_custom_monitor(_id_of(NAMES[0], label, number)):
		number += 1
	for name in NAMES:
		_ids[name] = _id_of(name, label, number)
		Performance.add_custom_monitor(_ids[name], _value.bind(name))


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE:
		for id_of_one: StringName in _ids.values():
			Performance.remove_custom_monitor(id_of_one)


## What [Performance] knows the monitor [param name] by, which is one of [constant NAMES].
func id(name: String) -> StringName:
	return _ids[name]


# The editor takes what stands before the only slash for the category. It shows this one as "DTLS",
# and would make "Dtls" of capitals.
static func _id_of(name: String, label: String, number: int) -> StringName:
	var parts: PackedStringArray = [name]
	if label != "":
		parts.insert(0, label.replace("/", "_"))
	if number > 1:
		parts.append(str(number))
	return "dtls/" + "_".join(parts)


func _value(name: String) -> float:
	if name == CONNECTIONS:
		return _stats().connections
	if name == RECORDS_DROPPED:
		var records := 0
		for count: int in _stats().records_dropped.values():
			records += count
		return records
	_measure()
	return _rates[name]


func _measure() -> void:
	var now := Time.get_ticks_usec()
	var seconds := (now - _counted_at) / 1e6
	if seconds < WINDOW:
		return
	var stats := _stats()
	var is_anew := false
	for counter: String in COUNTED.values():
		# A peer begins from zero when it connects again.
		is_anew = is_anew or stats[counter] < _counted[counter]
	for name: String in COUNTED:
		var counter: String = COUNTED[name]
		_rates[name] = (stats[counter] - (0 if is_anew else _counted[counter])) / seconds
	_counted = stats
	_counted_at = now


func _stats() -> Dictionary:
	@warning_ignore("unsafe_method_access")
	return _source.get_stats()
