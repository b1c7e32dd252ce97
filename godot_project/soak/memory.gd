## What this process holds.

## Its resident memory in KiB, as Linux counts it.
static func resident_kib() -> int:
	# A file of /proc says that it is empty, so it can only be read line by line.
	var status := FileAccess.open("/proc/self/status", FileAccess.READ)
	while status != null and not status.eof_reached():
		var line := status.get_line()
		if line.begins_with("VmRSS:"):
			return line.to_int()
	return 0


## How many objects of the engine's there are, ours among them.
static func objects() -> int:
	return int(Performance.get_monitor(Performance.OBJECT_COUNT))
