## Whether the addon is all there in the editor: help, icons, and what the plugin adds.
@tool
extends RefCounted

const Editor := preload("editor.gd")
const CLASSES: PackedStringArray = [
	"DTLSCrypto", "DTLSOptions", "DTLSServerOpenSSL", "PacketPeerDTLSOpenSSL"
]
const ICON := "res://addons/dtls/icons/%s.svg"
## What the engine's help says where a comment is missing.
const UNDOCUMENTED := "There is currently no description"
const MENU_ENTRY := "DTLS: generate certificate..."
const DIALOG := "DTLS: Generate Certificate"

var _editor: Editor
var _problems: PackedStringArray = []


func _init(editor: Editor) -> void:
	_editor = editor


## Returns what is wrong, in sentences.
func run() -> PackedStringArray:
	for type in CLASSES:
		await _check_help(type)
	_check_icons(await _editor.open_class_tree(), "search of the help", CLASSES)
	var types: PackedStringArray = []
	for type in CLASSES:
		if ClassDB.can_instantiate(type):
			types.append(type)
	if Editor.has_create_dialog():
		_check_icons(await _editor.open_create_dialog(), "dialog for a new object", types)
	await _check_plugin()
	return _problems


func _check_help(type: String) -> void:
	if not ClassDB.class_exists(type):
		_problems.append("The editor does not know the class %s." % type)
		return
	var page: Control = await _editor.open_help("class_name:" + type)
	if page == null or page.name != type:
		_problems.append("The help has no page for %s." % type)
		return
	var text := _editor.help_text(page)
	if UNDOCUMENTED in text:
		_problems.append("The help of %s says %s." % [type, UNDOCUMENTED])
	for member in _members(type):
		if not text.contains(member):
			_problems.append("The help of %s does not mention %s." % [type, member])


## What a script can use of a class.
func _members(type: String) -> PackedStringArray:
	var names: PackedStringArray = ClassDB.class_get_integer_constant_list(type, true)
	var accessors: PackedStringArray = []
	for property: Dictionary in ClassDB.class_get_property_list(type, true):
		if property.usage & PROPERTY_USAGE_EDITOR:
			names.append(property.name)
			accessors.append_array(["get_" + property.name, "set_" + property.name])
	for method: Dictionary in ClassDB.class_get_method_list(type, true):
		var name: String = method.name
		if not name.begins_with("_") and not name in accessors:
			names.append(name)
	return names


func _check_icons(dialog: Window, title: String, types: PackedStringArray) -> void:
	if dialog == null:
		_problems.append("The %s does not open." % title)
		return
	var icons := _editor.icons(dialog)
	for type in types:
		if icons.get(type, "") != ICON % type:
			_problems.append("The icon of %s in the %s is %s." % [type, title, icons.get(type)])
	dialog.hide()


func _check_plugin() -> void:
	if not _editor.press_menu_entry(MENU_ENTRY):
		_problems.append("There is no menu entry %s." % MENU_ENTRY)
		return
	await _editor.settle()
	var dialog := _editor.open_dialog("ConfirmationDialog")
	if dialog == null or dialog.title != DIALOG:
		_problems.append("The menu entry %s opens no dialog." % MENU_ENTRY)
		return
	dialog.hide()
