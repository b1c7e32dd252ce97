## What the two engines have in common in which the flood suite has clients come and go: one has the
## server and one the clients, so that the memory of one is not that of the other. They print lines
## of JSON: what went wrong, and a report at the end of each round.
extends SceneTree

const Pki := preload("res://tests/support/pki.gd")

## What has happened in this round, by what it was.
var counts := {}


func count(what: String) -> void:
	counts[what] = counts.get(what, 0) + 1


func fail(why: String) -> void:
	print(JSON.stringify({"failure": why}))


## What happened in the round that is over, and what this process holds.
func report() -> void:
	counts.kib = _resident_kib()
	counts.objects = int(Performance.get_monitor(Performance.OBJECT_COUNT))
	print(JSON.stringify(counts))
	counts = {}


func _resident_kib() -> int:
	# A file of /proc says that it is empty, so it can only be read line by line.
	var status := FileAccess.open("/proc/self/status", FileAccess.READ)
	while not status.eof_reached():
		var line := status.get_line()
		if line.begins_with("VmRSS:"):
			return line.to_int()
	return 0
