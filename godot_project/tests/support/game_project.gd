## A project of its own with the addon in it, as a game has it, made for one test.
extends RefCounted

const PROJECT := """config_version=5

[application]

config/name="A Game"
config/features=PackedStringArray("4.3")
"""
const SCENE := """[gd_scene load_steps=2 format=3]

[ext_resource type="Script" path="%s" id="1"]

[node name="Main" type="Node"]
script = ExtResource("1")
"""
## Presses the dialog's button.
const DIALOG := """extends SceneTree


func _init() -> void:
	var files := preload("res://addons/dtls/certificate_files.gd").new()
	quit(0 if files.write() == "" else 1)
"""
## The port in what documents show. Something else on this machine may have it, such as the demo.
const SHOWN_PORT := "4242"

## The port in its place.
var port: int
## What else is to stand there instead of something in the files that are copied.
var changes: Dictionary = {}

var _folder: String


func _init(free_port: int) -> void:
	port = free_port
	_folder = OS.get_user_data_dir().path_join("game_%d" % port)
	remove()
	_write("project.godot", PROJECT)
	_write(".godot/extension_list.cfg", "res://addons/dtls/dtls.gdextension\n")
	DirAccess.make_dir_absolute(_folder.path_join("addons"))
	var addon := ProjectSettings.globalize_path("res://addons/dtls")
	DirAccess.open(_folder).create_link(addon, _folder.path_join("addons/dtls"))


## A key and a certificate that it signs, in the files that documents name, which are those of the
## plugin's dialog; or the certificate for the clients alone.
func make_certificate(names: PackedStringArray, for_clients_alone := false) -> CryptoKey:
	var key := DTLSCrypto.generate_key()
	var certificate_of_it := DTLSCrypto.generate_self_signed_certificate(key, names)
	certificate_of_it.save(_folder.path_join("server.crt"))
	if for_clients_alone:
		return key
	var folder := _folder.path_join("dtls_certificates")
	DirAccess.make_dir_absolute(folder)
	key.save(folder.path_join("server.key"))
	certificate_of_it.save(folder.path_join("server.crt"))
	return key


func certificate() -> X509Certificate:
	var loaded := X509Certificate.new()
	loaded.load(_folder.path_join("server.crt"))
	return loaded


## What the plugin's dialog writes when nothing in it is changed. `engine` is what runs it.
func make_the_dialog_s_files(engine: String) -> Error:
	_write("dialog.gd", DIALOG)
	var output := []
	var arguments := ["--headless", "--path", _folder, "--script", "res://dialog.gd"]
	var exit_code := OS.execute(engine, arguments, output)
	return OK if exit_code == 0 else FAILED


## Brings a file or a folder of this project into the other one, to the same place.
func copy(path: String) -> void:
	if DirAccess.dir_exists_absolute(path):
		for file in DirAccess.get_files_at(path):
			copy(path.path_join(file))
		return
	var text := FileAccess.get_file_as_string(path).replace(SHOWN_PORT, str(port))
	for from: String in changes:
		text = text.replace(from, changes[from])
	_write(path, text)


## Changes a file there as a reader is told to.
func change(path: String, from: String, to: String) -> void:
	var text := FileAccess.get_file_as_string(_folder.path_join(path.trim_prefix("res://")))
	assert(from in text, "there is nothing to change")
	_write(path, text.replace(from, to))


## How an engine is called that runs the scene `path` there, or the script `path` of this project.
func arguments_to_play(path: String) -> PackedStringArray:
	var scene := path
	if path.ends_with(".gd"):
		copy(path)
		scene = path.get_basename() + ".tscn"
		_write(scene, SCENE % path)
	return ["--headless", "--path", _folder, scene]


func remove() -> void:
	_remove(_folder)


func _write(path: String, text: String) -> void:
	var whole := _folder.path_join(path.trim_prefix("res://"))
	DirAccess.make_dir_recursive_absolute(whole.get_base_dir())
	var file := FileAccess.open(whole, FileAccess.WRITE)
	file.store_string(text)
	file.close()


func _remove(folder: String) -> void:
	var directory := DirAccess.open(folder)
	if directory == null:
		return
	directory.include_hidden = true
	for file in directory.get_files():
		directory.remove(file)
	for below in directory.get_directories():
		# The link is to this project's addon.
		if directory.is_link(below):
			directory.remove(below)
		else:
			_remove(folder.path_join(below))
	DirAccess.remove_absolute(folder)
