## Pictures of what the addon shows in the editor, for docs/editor.md.
@tool
extends RefCounted

const Check := preload("check.gd")
const Editor := preload("editor.gd")
## A page of the help, from its upper left corner.
const PAGE := Vector2i(800, 670)
const PAGES := {
	"help-DTLSCrypto": "class_name:DTLSCrypto",
	"help-DTLSOptions": "class_name:DTLSOptions",
	"help-DTLSServerOpenSSL": "class_name:DTLSServerOpenSSL",
	"help-PacketPeerDTLSOpenSSL": "class_name:PacketPeerDTLSOpenSSL",
	"help-pinned_sha256": "class_property:DTLSOptions:pinned_sha256",
	"help-reasons": "class_enum:PacketPeerDTLSOpenSSL:Reason",
}
const INSPECTOR := Vector2i(450, 820)
## Which of its sections have what is not as by default.
const CHANGED: PackedInt32Array = [1, 3]
const OPTIONS := "res://client_options.tres"
## What the editor draws above a dialog with its title.
const TITLE_BAR := 24

var _editor: Editor
var _dir: String
var _problems: PackedStringArray = []


func _init(editor: Editor) -> void:
	_editor = editor


## Writes the pictures into a folder. Returns what went wrong, in sentences.
func run(dir: String) -> PackedStringArray:
	_dir = dir
	for name: String in PAGES:
		var page: Control = await _editor.open_help(PAGES[name])
		if page == null:
			_problems.append("The help has no page %s." % PAGES[name])
			continue
		await _take(name, Rect2i(page.get_global_rect().position, PAGE))
	await _take_dialog("class-tree", await _editor.open_class_tree())
	_editor.press_menu_entry(Check.MENU_ENTRY)
	await _editor.settle()
	await _take_dialog("generate-certificate", _editor.open_dialog("ConfirmationDialog"))
	await _take_inspector()
	return _problems


func _take_dialog(name: String, dialog: Window) -> void:
	if dialog == null:
		_problems.append("There is no dialog for %s." % name)
		return
	# A caret blinks, and would be in every second picture.
	dialog.gui_release_focus()
	await _take(name, Rect2i(dialog.position, dialog.size).grow_individual(0, TITLE_BAR, 0, 0))
	dialog.hide()


## Options as a client of a server with a self-signed certificate has them.
func _take_inspector() -> void:
	var options: Resource = ClassDB.instantiate("DTLSOptions")
	options.set("pinned_sha256", ["spki:z+IGDR9yx4ghIXsLaoEA3a8ND6qLBg6XVklvECvPxfs="])
	options.set("alpn_protocols", ["mygame/2"])
	ResourceSaver.save(options, OPTIONS)
	EditorInterface.edit_resource(load(OPTIONS))
	var dock: Control = EditorInterface.get_inspector()
	while not dock is TabContainer:
		dock = dock.get_parent_control()
	# Wide enough for the names of the properties.
	var split: Control = dock
	while not split is SplitContainer or (split as SplitContainer).vertical:
		split = split.get_parent_control()
	var offsets: PackedInt32Array = split.get("split_offsets")
	offsets[-1] -= INSPECTOR.x - int(dock.size.x)
	split.set("split_offsets", offsets)
	await _editor.settle()
	var sections := dock.find_children("*", "EditorInspectorSection", true, false)
	for index in CHANGED:
		sections[index].call("unfold")
	await _take("inspector", Rect2i(dock.get_global_rect().position, INSPECTOR))


func _take(name: String, region: Rect2i) -> void:
	await _editor.settle()
	RenderingServer.force_draw()
	var screen := _editor.base.get_viewport().get_texture().get_image()
	if not Rect2i(Vector2i.ZERO, screen.get_size()).encloses(region):
		_problems.append("%s is cut off: %s of %s." % [name, region, screen.get_size()])
		return
	var picture := screen.get_region(region)
	picture.convert(Image.FORMAT_RGB8)
	if picture.save_png(_dir.path_join(name + ".png")) != OK:
		_problems.append("%s.png cannot be written to %s." % [name, _dir])
