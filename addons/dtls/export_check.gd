## Fails an export that would give a secret of the server away: a private key, a pre-shared key, or
## a key of session tickets. A preset with the feature `dedicated_server` may have them, or one that
## exports as a dedicated server.
##
## The files are left out, too: the engine goes on with an export that has failed like this.
##
## Fails as well what would be a game without the addon's classes, since there is no library for
## where it is to run. Of this the engine only warns.
@tool
extends EditorExportPlugin

const SERVER_FEATURE := "dedicated_server"
## What resources hold their secrets in; those of DTLSOptions are called like this.
const SECRETS: Dictionary = {
	"private_key": "a private key",
	"private_key_pem": "a private key",
	"psk_key": "a pre-shared key",
	"psk_keys": "pre-shared keys",
	"ticket_keys": "ticket keys",
}
## Kinds of files that are loaded to see what is in them.
const RESOURCES: PackedStringArray = ["tres", "res", "tscn", "scn"]
## Larger files are not text that anyone wrote, in bytes.
const LARGEST_TEXT := 1 << 20
## EditorExportPlatform.EXPORT_MESSAGE_ERROR, which has a name since Godot 4.4.
const EXPORT_MESSAGE_ERROR := 3
const PRIVATE_KEY := "PRIVATE KEY"
const MESSAGE := (
	"%s has %s in it, which everyone could read who has the game. It is left out, and the export"
	+ " counts as failed. Keep it in a folder with a .gdignore, or, if this is the server, give the"
	+ ' preset the feature "dedicated_server".'
)

const NO_LIBRARY := (
	"The addon has no library for this export: the game would start without its classes. There are"
	+ " libraries for %s."
)

var _has_found := false
## A private key in PEM, also inside a string of a script.
var _pem := RegEx.create_from_string(
	"-----BEGIN ([A-Z]+ )*" + PRIVATE_KEY + "-----(\\s|\\\\n|[\"'+])*(Proc-Type|[A-Za-z0-9+/=]{16})"
)


## Export plugins are asked in the order of their names, and this one before "GDScript", which puts
## scripts into the export in another form.
func _get_name() -> String:
	return "DTLSExportCheck"


func _export_begin(features: PackedStringArray, _is_debug: bool, path: String, _flags: int) -> void:
	_has_found = false
	# A pack has no libraries: they are put beside the program by hand.
	var extension := path.get_extension().to_lower()
	if extension == "pck" or (extension == "zip" and not features.has("macos")):
		return
	var libraries := _libraries()
	for tags in libraries:
		if Array(tags.split(".")).all(features.has):
			return
	_has_found = true
	_report(NO_LIBRARY % ", ".join(libraries))


func _export_file(path: String, _type: String, features: PackedStringArray) -> void:
	if features.has(SERVER_FEATURE) or _is_exported_as_server():
		return
	var secret := secret_in_file(path)
	if secret != "":
		_has_found = true
		skip()
		_report(MESSAGE % [path, secret])


func _export_end() -> void:
	if not _has_found:
		return
	for argument in OS.get_cmdline_args():
		# By itself the engine says that it was successful, with warnings. It is about to quit; here,
		# this is what it quits with.
		if argument.begins_with("--export-"):
			(Engine.get_main_loop() as SceneTree).quit.call_deferred(1)


## The engine adds its own feature of that name later than it asks for the files.
func _is_exported_as_server() -> bool:
	# Godot 4.3 has no way to ask for the preset.
	if not has_method(&"get_export_preset"):
		return false
	@warning_ignore("unsafe_method_access")
	return call(&"get_export_preset").is_dedicated_server()


## What there are libraries for, as feature tags with dots between them.
func _libraries() -> PackedStringArray:
	var manifest := ConfigFile.new()
	var folder: String = (get_script() as Script).resource_path.get_base_dir()
	if manifest.load(folder.path_join("dtls.gdextension")) != OK:
		return []
	return manifest.get_section_keys("libraries")


## The secret that a file has in it, in words, or nothing.
func secret_in_file(path: String) -> String:
	# The engine takes keys in PEM only, which is text.
	if _is_private_key(_text_of(path)):
		return SECRETS.private_key
	if path.get_extension().to_lower() in RESOURCES:
		return _secret_in(load(path), {})
	return ""


func _secret_in(value: Variant, seen: Dictionary) -> String:
	match typeof(value):
		TYPE_STRING, TYPE_STRING_NAME:
			return SECRETS.private_key if _is_private_key(str(value)) else ""
		TYPE_ARRAY:
			for element: Variant in value:
				var secret := _secret_in(element, seen)
				if secret != "":
					return secret
		TYPE_DICTIONARY:
			var dictionary: Dictionary = value
			return _secret_in(dictionary.keys() + dictionary.values(), seen)
		TYPE_PACKED_STRING_ARRAY:
			return _secret_in(Array(value), seen)
		TYPE_OBJECT:
			if value is Resource and not seen.has(value):
				seen[value] = true
				return _secret_in_resource(value, seen)
	return ""


func _secret_in_resource(resource: Resource, seen: Dictionary) -> String:
	if resource is CryptoKey:
		return "" if (resource as CryptoKey).is_public_only() else SECRETS.private_key
	# What is in a file of its own is looked at there.
	if seen.size() > 1 and resource.resource_path != "" and not "::" in resource.resource_path:
		return ""
	if resource is PackedScene:
		return _secret_in_scene((resource as PackedScene).get_state(), seen)
	for property in resource.get_property_list():
		if not property.usage & PROPERTY_USAGE_STORAGE:
			continue
		var secret := _secret_in_property(property.name, resource.get(property.name), seen)
		if secret != "":
			return secret
	return ""


func _secret_in_scene(scene: SceneState, seen: Dictionary) -> String:
	for node in scene.get_node_count():
		for i in scene.get_node_property_count(node):
			var name := scene.get_node_property_name(node, i)
			var secret := _secret_in_property(name, scene.get_node_property_value(node, i), seen)
			if secret != "":
				return secret
	return ""


func _secret_in_property(name: String, value: Variant, seen: Dictionary) -> String:
	if SECRETS.has(name) and not value is CryptoKey and _is_filled(value):
		return SECRETS[name]
	return _secret_in(value, seen)


static func _is_filled(value: Variant) -> bool:
	match typeof(value):
		TYPE_NIL, TYPE_OBJECT:
			return false
		TYPE_STRING, TYPE_DICTIONARY, TYPE_ARRAY, TYPE_PACKED_BYTE_ARRAY, TYPE_PACKED_STRING_ARRAY:
			@warning_ignore("unsafe_method_access")
			return not value.is_empty()
	return true


func _is_private_key(text: String) -> bool:
	return _pem.search(text) != null


static func _text_of(path: String) -> String:
	var file := FileAccess.open(path, FileAccess.READ)
	if file == null or file.get_length() > LARGEST_TEXT:
		return ""
	return file.get_buffer(file.get_length()).get_string_from_ascii()


func _report(message: String) -> void:
	# Godot 4.3 has no way to add to the messages of the export.
	if has_method(&"get_export_platform"):
		@warning_ignore("unsafe_method_access")
		call(&"get_export_platform").add_message(EXPORT_MESSAGE_ERROR, "DTLS", message)
	else:
		push_error("DTLS: ", message)
