## What docs/editor.md shows of the monitors.
extends RefCounted

const Monitors := preload("res://addons/dtls/monitors.gd")

var dtls := DTLSServerOpenSSL.new()
var monitors := Monitors.new(dtls)  # Keep it: the monitors go when it does.


func connections() -> int:
	return Performance.get_custom_monitor(monitors.id("connections"))
