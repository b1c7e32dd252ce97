# gdlint: disable=max-public-methods
## The part of the addon that is for the editor, in an editor and a project of its own.
extends "res://tests/suite.gd"

const CertificateFiles := preload("res://addons/dtls/certificate_files.gd")
const InspectorNames := preload("res://addons/dtls/inspector_names.gd")
const Pki := preload("res://tests/support/pki.gd")

const PROJECT := """config_version=5

[application]

config/name="A Game"
config/features=PackedStringArray("4.3")
run/main_scene="res://main.tscn"

[editor_plugins]

enabled=PackedStringArray(%s)
"""
const SCENE := """[gd_scene format=3]

[node name="Main" type="Node"]
"""
const PRESET := """[preset.0]

name="Linux"
platform="Linux"
runnable=true
dedicated_server=false
custom_features="%s"
export_filter="all_resources"
include_filter="*.txt,*.pem"
exclude_filter=""
export_path=""

[preset.0.options]

binary_format/embed_pck=false
custom_template/debug="/bin/true"
"""
## A resource that holds others.
const BOX := """extends Resource

@export var inner: Resource
@export var others: Array = []
"""
const HOLDER := """extends Node

@export var options: Resource
@export var psk_key := PackedByteArray()
"""
## What runs in the project, and can save resources there. What to do is put in.
const GAME := """extends SceneTree

var secret := "0123456789abcdef".to_ascii_buffer()


func _init() -> void:
	var pem := FileAccess.get_file_as_string("%s")
	%s
	quit()


func save(path: String, property: String, value: Variant) -> void:
	ResourceSaver.save(made(property, value), "res://" + path)


func save_box(path: String, property: String, value: Variant) -> void:
	var box: Resource = load("res://box.gd").new()
	box.set(property, value)
	ResourceSaver.save(box, "res://" + path)


func save_scene(path: String, options: Resource, psk_key := PackedByteArray()) -> void:
	var node: Node = load("res://holder.gd").new()
	node.options = options
	node.psk_key = psk_key
	var scene := PackedScene.new()
	scene.pack(node)
	node.free()
	ResourceSaver.save(scene, "res://" + path)


func made(property: String, value: Variant) -> DTLSOptions:
	var options := DTLSOptions.new()
	options.set(property, value)
	return options
"""
## What uses the dialog in an editor of its own. What to do is put in.
const DRIVER := """@tool
extends EditorPlugin

const MENU_ENTRY := "DTLS: generate certificate..."

var dialog: ConfirmationDialog


func _enter_tree() -> void:
	drive.call_deferred()


func drive() -> void:
	var files := EditorInterface.get_resource_filesystem()
	while files.is_scanning():
		await get_tree().process_frame
	for child in EditorInterface.get_base_control().get_children():
		var script := child.get_script() as Script
		if script != null and script.resource_path.ends_with("certificate_dialog.gd"):
			dialog = child
	print("entry: ", has_entry())
	dialog.open()
	%s
	while files.is_scanning():
		await get_tree().process_frame
	get_tree().quit()


func has_entry() -> bool:
	var base := EditorInterface.get_base_control()
	for menu: PopupMenu in base.find_children("*", "PopupMenu", true, false):
		for i in menu.item_count:
			if menu.get_item_text(i) == MENU_ENTRY:
				return true
	return false


func type(text: String) -> void:
	dialog._names.text = text


func press() -> void:
	dialog.get_ok_button().pressed.emit()
	print("asked: ", dialog._overwrite.visible)


func read() -> void:
	print(dialog._result_text.text)
	var was_open: bool = dialog._result.visible
	dialog._result.get_ok_button().pressed.emit()
	print("open: %%s, then %%s" %% [was_open, dialog.visible])


func print_key() -> void:
	print("key: ", FileAccess.get_file_as_string("res://dtls_certificates/server.key"))


func overwrite() -> void:
	dialog._overwrite.get_ok_button().pressed.emit()


func pick() -> void:
	for line: LineEdit in [dialog._folder, dialog._client_copy]:
		for picker: FileDialog in dialog.find_children("*", "FileDialog", false, false):
			picker.dir_selected.emit("res://picked")
			picker.file_selected.emit("res://picked.crt")
	print("picked: ", dialog._folder.text, " ", dialog._client_copy.text)
	print("names: ", dialog._names.text)


func inspect(options: Resource) -> void:
	EditorInterface.edit_resource(options)
	for i in 5:
		await get_tree().process_frame
	var shown := {}
	for editor in EditorInterface.get_inspector().find_children("*", "EditorProperty", true, false):
		shown[editor.get_edited_property()] = editor.label
	print("shown: ", shown)
	var steps := []
	for value: int in [1, 507, 300, 1300]:
		options.mtu = value
		steps.append(options.mtu)
	print("steps: ", steps)
"""
const DRIVER_CFG := """[plugin]

name="Driver"
description=""
author=""
version="1"
script="plugin.gd"
"""
const PLUGIN := "res://addons/dtls/plugin.cfg"
const DRIVER_PLUGIN := "res://addons/driver/plugin.cfg"
## Seconds that an engine may take.
const ENGINE_PATIENCE := "30"
const NOT_EXPORTED := "in it, which everyone could read who has the game"

## The folder of the project, with a slash at its end.
var _project := ""


func before_each() -> void:
	_project = ProjectSettings.globalize_path("user://plugin_%d/" % Time.get_ticks_usec())
	DirAccess.make_dir_recursive_absolute(_project + "addons")
	DirAccess.make_dir_recursive_absolute(_project + ".godot")
	var addon := ProjectSettings.globalize_path("res://addons/dtls")
	DirAccess.open(_project).create_link(addon, _project + "addons/dtls")
	write(".godot/extension_list.cfg", "res://addons/dtls/dtls.gdextension\n")
	write("main.tscn", SCENE)
	write("box.gd", BOX)
	write("holder.gd", HOLDER)
	enable([PLUGIN])
	give_features("")


func after_each() -> void:
	# Not what the link leads to.
	DirAccess.remove_absolute(_project + "addons/dtls")
	_remove_folder(_project)


# --- exports ---


func test_what_is_public_is_exported() -> void:
	write("server.crt", Pki.text("server.crt"))
	write("ca.pem", Pki.text("ca.crt"))
	write("server.pub", Pki.key("server").save_to_string(true))
	write("about.gd", 'extends Node\nconst BEGIN := "-----BEGIN %s-----"\n' % "PRIVATE KEY")
	build(
		[
			'save("public.tres", "certificate_pem", "-----BEGIN CERTIFICATE-----")',
			'save("plain.tres", "private_key", load("res://server.pub"))',
		]
	)
	var pack := export_pack(0)
	check(pack.holds("-----BEGIN CERTIFICATE-----"), "certificates are exported")
	check(not NOT_EXPORTED in pack.output, "nothing is refused")


func test_private_keys_are_not_exported() -> void:
	var key := Pki.text("server.key")
	write("server.key", key)
	write("notes.txt", "The key:\n%s\n" % key)
	var lines := key.strip_edges().split("\n")
	write("constant.gd", 'extends Node\nconst KEY := "%s"\n' % "\\n".join(lines))
	var paths: PackedStringArray = ["server.key", "notes.txt", "constant.gd"]
	var expected := {}
	for path in paths:
		expected[path] = "a private key"
	var pack := check_export_fails(expected)
	check(not pack.holds(lines[1]), "the key is left out")
	# The list of unique ids has the script's own name.
	for path: String in ["server.key", "notes.txt", "constant.gdc"]:
		check(not pack.holds(path), "%s is left out" % path)


func test_a_game_with_a_private_key_is_not_exported() -> void:
	write("server.key", Pki.text("server.key"))
	var output := run(["--export-debug", "Linux", _project + "game.x86_64"], 1)
	contains(output, "res://server.key has a private key %s" % NOT_EXPORTED)
	var pack := Pack.new()
	pack.bytes = FileAccess.get_file_as_bytes(_project + "game.pck")
	check(pack.holds("box.gdc"), "there is a pack")
	check(not pack.holds(Pki.text("server.key").get_slice("\n", 1)), "the key is left out")


func test_secrets_of_resources_are_not_exported() -> void:
	write("server.key", Pki.text("server.key"))
	build(
		[
			'save("pem.tres", "private_key_pem", pem)',
			'save("pem.res", "private_key_pem", pem)',
			'save("reference.tres", "private_key", load("res://server.key"))',
			'save("psk.tres", "psk_key", secret)',
			'save("psk.res", "psk_key", secret)',
			'save("psks.res", "psk_keys", {"anna": secret})',
			'save("tickets.tres", "ticket_keys", [secret] as Array[PackedByteArray])',
			'var inner := made("psk_key", secret)',
			'save("identities.tres", "server_identities", {"game.example": inner})',
			'save_box("inner.tres", "inner", inner)',
			'save_box("array.res", "others", [{"a": [inner]}])',
			'save_scene("scene.tscn", inner)',
			'save_scene("scene.scn", inner)',
			'save_scene("node.tscn", null, secret)',
		]
	)
	var expected := {}
	for path: String in ["server.key", "pem.tres", "pem.res", "reference.tres"]:
		expected[path] = "a private key"
	for path: String in ["psk.tres", "psk.res", "identities.tres", "inner.tres", "array.res"]:
		expected[path] = "a pre-shared key"
	for path: String in ["scene.tscn", "scene.scn", "node.tscn"]:
		expected[path] = "a pre-shared key"
	expected["psks.res"] = "pre-shared keys"
	expected["tickets.tres"] = "ticket keys"
	var pack := check_export_fails(expected)
	check(not pack.holds("0123456789abcdef"), "the pre-shared key is left out")


func test_a_dedicated_server_is_given_its_key() -> void:
	write("server.key", Pki.text("server.key"))
	give_features("dedicated_server")
	var pack := export_pack(0)
	check(not NOT_EXPORTED in pack.output, "nothing is refused")
	check(pack.holds(Pki.text("server.key").get_slice("\n", 1)), "the key is exported")


func test_an_export_as_a_dedicated_server_is_given_its_key() -> void:
	var method := &"get_export_preset"
	if not engine_has(ClassDB.class_has_method(&"EditorExportPlugin", method), method):
		return
	write("server.key", Pki.text("server.key"))
	var preset := (PRESET % "").replace("dedicated_server=false", "dedicated_server=true")
	write("export_presets.cfg", preset.replace("all_resources", "customized"))
	var pack := export_pack(0)
	check(not NOT_EXPORTED in pack.output, "nothing is refused")
	check(pack.holds(Pki.text("server.key").get_slice("\n", 1)), "the key is exported")


## Staged for the tests is the library for debugging, and no other.
func test_an_export_without_a_library_fails() -> void:
	var preset := PRESET % "" + 'custom_template/release="/bin/true"\n'
	write("export_presets.cfg", preset)
	var path := _project + "export.x86_64"
	var output := run(["--export-release", "Linux", path], 1)
	contains(output, "The addon has no library for this export")
	contains(output, "There are libraries for linux.debug.x86_64.")
	output = run(["--export-debug", "Linux", path], 0)
	check(not "no library" in output, "with a library it is exported")


func test_the_plugin_can_be_switched_off() -> void:
	write("server.key", Pki.text("server.key"))
	enable([])
	check(export_pack(0).holds(Pki.text("server.key").get_slice("\n", 1)), "the key is exported")
	contains(run_script('print("made: ", DTLSCrypto.generate_key() != null)'), "made: true")


# --- the dialog ---


func test_the_dialog_writes_files_that_work() -> void:
	var output := drive('type("a.example,192.0.2.1; b.example")', "press()", "read()")
	contains(output, "entry: true")
	contains(output, "asked: false")
	contains(output, 'key.load("res://dtls_certificates/server.key")')
	contains(output, "open: true, then false")
	check(FileAccess.file_exists(_project + "dtls_certificates/.gdignore"), "there is a .gdignore")
	equal(text_of("dtls_certificates/.gitignore"), "*\n")
	var permissions := FileAccess.get_unix_permissions(_project + "dtls_certificates/server.key")
	equal(permissions, CertificateFiles.OWNER_ONLY, "permissions")
	var key := CryptoKey.new()
	equal(key.load(_project + "dtls_certificates/server.key"), OK)
	var certificate := X509Certificate.new()
	equal(certificate.load(_project + "dtls_certificates/server.crt"), OK)
	equal(DTLSServerOpenSSL.new().setup(key, certificate), OK)
	equal(text_of("server.crt"), text_of("dtls_certificates/server.crt"), "the clients' copy")
	var shown := []
	var arguments: PackedStringArray = ["x509", "-noout", "-ext", "subjectAltName", "-in"]
	OS.execute("openssl", arguments + PackedStringArray([_project + "server.crt"]), shown, true)
	contains(shown[0], "DNS:a.example, IP Address:192.0.2.1, DNS:b.example")
	# As the dialog says that it is done.
	var key_path := "res://dtls_certificates/server.key"
	var game := run_script('print("key: ", CryptoKey.new().load("%s"))' % key_path)
	contains(game, "key: 0")
	var pack := export_pack(0)
	check(pack.holds(text_of("server.crt").get_slice("\n", 1)), "the certificate is exported")
	var line := text_of("dtls_certificates/server.key").get_slice("\n", 1)
	check(line != "" and not pack.holds(line), "the key is not exported")


func test_the_dialog_asks_before_it_overwrites() -> void:
	DirAccess.make_dir_recursive_absolute(_project + "dtls_certificates")
	write("dtls_certificates/server.key", "precious")
	var output := drive("press()", "print_key()", "overwrite()")
	contains(output, "asked: true")
	contains(output, "key: precious")
	contains(text_of("dtls_certificates/server.key"), "-----BEGIN")


func test_the_inspector_has_the_names_of_what_it_shows() -> void:
	var method := InspectorNames.MAKE_EDITOR
	if not engine_has(ClassDB.class_has_method(InspectorNames.INSPECTOR, method), method):
		return
	var output := drive("await inspect(DTLSOptions.new())", "pass")
	for name: String in InspectorNames.NAMES:
		contains(output, '"%s": "%s"' % [name, InspectorNames.NAMES[name]])
	# What it names well by itself stays.
	contains(output, '"verify_mode": "Verify Mode"')
	contains(output, '"handshake_timeout": "Handshake Timeout"')
	contains(output, "steps: [508, 0, 508, 1300]")


func test_the_dialog_s_paths_can_be_picked() -> void:
	var output := drive("pick()", "pass")
	contains(output, "picked: res://picked")
	contains(output, "names: localhost, 127.0.0.1, ::1")
	for address in CertificateFiles.private_addresses():
		contains(output.get_slice("names: ", 1).get_slice("\n", 0), address)


func test_addresses_of_private_networks() -> void:
	for address: String in ["10.0.0.1", "172.16.0.1", "172.31.255.1", "192.168.1.20"]:
		check(CertificateFiles.is_private(address), address)
	for address: String in ["127.0.0.1", "172.15.0.1", "172.32.0.1", "192.0.2.1", "fe80::1", ""]:
		check(not CertificateFiles.is_private(address), address)


func test_what_cannot_be_written() -> void:
	var files := CertificateFiles.new()
	files.folder = "user://elsewhere"
	contains(files.write(), "is not in the project")
	files.folder = "res://"
	contains(files.write(), "a folder of its own")
	files.folder = "res://certificates"
	files.client_copy = "res://certificates/copy.crt"
	contains(files.write(), "which exports leave out")
	files.client_copy = ""
	files.names = ["not a name", "localhost"]
	contains(files.write(), "cannot be made")
	expect_error("not a host name")
	check(not DirAccess.dir_exists_absolute("res://certificates"), "nothing is written")


# --- helpers ---


## What was exported.
class Pack:
	## What the engine printed.
	var output := ""
	var bytes := PackedByteArray()

	func holds(text: String) -> bool:
		return text.to_ascii_buffer().hex_encode() in bytes.hex_encode()


## The project is not exported, because these files have what they have.
func check_export_fails(expected: Dictionary) -> Pack:
	var pack := export_pack(1)
	for path: String in expected:
		contains(pack.output, "res://%s has %s %s" % [path, expected[path], NOT_EXPORTED])
	equal(pack.output.count(NOT_EXPORTED), expected.size(), "nothing else is refused")
	return pack


## Exports the project, which ends with `code`.
func export_pack(code: int) -> Pack:
	var pack := Pack.new()
	var path := _project + "export.pck"
	pack.output = run(["--export-pack", "Linux", path], code)
	pack.bytes = FileAccess.get_file_as_bytes(path)
	check(not pack.bytes.is_empty(), "there is a pack")
	DirAccess.remove_absolute(path)
	return pack


## Saves resources in the project.
func build(lines: PackedStringArray) -> void:
	run_script("\n\t".join(lines))


## Runs a line of a game.
func run_script(line: String) -> String:
	write("game.gd", GAME % [Pki.path("server.key"), line])
	var output := run(["--script", "game.gd"], 0)
	DirAccess.remove_absolute(_project + "game.gd")
	return output


## Opens the project in an editor, does something with the dialog, and returns what was printed.
func drive(first: String, second: String, third := "pass") -> String:
	DirAccess.make_dir_absolute(_project + "addons/driver")
	write("addons/driver/plugin.cfg", DRIVER_CFG)
	write("addons/driver/plugin.gd", DRIVER % "\n\t".join([first, second, third]))
	enable([PLUGIN, DRIVER_PLUGIN])
	var output := run(["--editor"], 0)
	enable([PLUGIN])
	_remove_folder(_project + "addons/driver")
	return output


## Runs an engine on the project, which ends with `code`.
func run(arguments: PackedStringArray, code: int) -> String:
	var engine := OS.get_environment("DTLS_TEST_ENGINE")
	if not check(engine != "", "DTLS_TEST_ENGINE names an engine; `cargo xtask test` sets it"):
		return ""
	var output := []
	# An editor that nobody quits would keep this one waiting.
	var all: PackedStringArray = [ENGINE_PATIENCE, engine, "--headless", "--path", _project]
	var result := OS.execute("timeout", all + arguments, output, true)
	if not equal(result, code, "exit code with %s" % " ".join(arguments)):
		fail(output[0])
	return output[0]


func enable(plugins: PackedStringArray) -> void:
	var quoted: PackedStringArray = []
	for plugin in plugins:
		quoted.append('"%s"' % plugin)
	write("project.godot", PROJECT % ", ".join(quoted))


## Makes the preset one with these features.
func give_features(features: String) -> void:
	write("export_presets.cfg", PRESET % features)


func write(path: String, text: String) -> void:
	var file := FileAccess.open(_project + path, FileAccess.WRITE)
	file.store_string(text)
	file.close()


func text_of(path: String) -> String:
	return FileAccess.get_file_as_string(_project + path)


func _remove_folder(folder: String) -> void:
	var directory := DirAccess.open(folder)
	directory.include_hidden = true
	for name in directory.get_directories():
		_remove_folder(folder.path_join(name))
	for name in directory.get_files():
		directory.remove(name)
	DirAccess.remove_absolute(folder)
