## Decides which of the two this program is: a server if it was exported as one or started with
## --server, a client otherwise.
extends Node

const Server := preload("server.tscn")
const Client := preload("client.tscn")


func _ready() -> void:
	var is_server := OS.has_feature("dedicated_server") or "--server" in OS.get_cmdline_args()
	get_tree().change_scene_to_packed.call_deferred(Server if is_server else Client)
