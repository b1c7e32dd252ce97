## Ends the engine when a test blocks its main thread for good, for which nothing else can be done.
## The name of the test and the result so far are printed before.
extends RefCounted

const INTERVAL_MSEC := 100

var _thread := Thread.new()
var _lock := Mutex.new()
var _is_running := true
var _deadline := 0
var _last_words := ""


func start() -> void:
	_thread.start(_watch)


func stop() -> void:
	_lock.lock()
	_is_running = false
	_lock.unlock()
	_thread.wait_to_finish()


## Gives `test` so many seconds from now. `summary` is the last line in case it takes longer.
func watch(test: String, seconds: float, summary: String) -> void:
	_lock.lock()
	_deadline = Time.get_ticks_msec() + int(seconds * 1000.0)
	_last_words = "FAIL  %s (it hangs, so the engine is ended)\n%s" % [test, summary]
	_lock.unlock()


## Nothing is under way.
func relax() -> void:
	_lock.lock()
	_deadline = 0
	_lock.unlock()


func _watch() -> void:
	while true:
		_lock.lock()
		var is_running := _is_running
		var is_late := _deadline > 0 and Time.get_ticks_msec() > _deadline
		var last_words := _last_words
		_lock.unlock()
		if not is_running:
			return
		if is_late:
			print(last_words)
			OS.kill(OS.get_process_id())
		OS.delay_msec(INTERVAL_MSEC)
