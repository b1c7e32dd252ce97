## The editor's window: what a script can reach of it, and how.
@tool
extends RefCounted

## How many frames in which nothing is scanned make a quiet editor.
const QUIET := 30

var base := EditorInterface.get_base_control()


func tree() -> SceneTree:
	return base.get_tree()


## Waits until the project has been scanned and what was asked for is on the screen.
func settle() -> void:
	var files := EditorInterface.get_resource_filesystem()
	var quiet := 0
	while quiet < QUIET:
		await tree().process_frame
		quiet = 0 if files.is_scanning() else quiet + 1


## Opens a page of the help, such as `class_name:DTLSOptions`.
func open_help(topic: String) -> Control:
	EditorInterface.set_main_screen_editor("Script")
	EditorInterface.get_script_editor().goto_help(topic)
	await settle()
	for page: Control in base.find_children("*", "EditorHelp", true, false):
		if page.is_visible_in_tree():
			return page
	return null


## What the help says in all of a page.
func help_text(page: Control) -> String:
	var text := page.find_children("*", "RichTextLabel", true, false)[0] as RichTextLabel
	return text.get_parsed_text()


## Opens the search of the help with all that the addon brings.
func open_class_tree() -> Window:
	for button: Button in EditorInterface.get_script_editor().find_children(
		"*", "Button", true, false
	):
		if button.text == "Search Help":
			button.pressed.emit()
	await settle()
	var dialog := open_dialog("EditorHelpSearch")
	if dialog != null:
		var filter := dialog.find_children("*", "OptionButton", true, false)[0] as OptionButton
		for index in filter.item_count:
			if filter.get_item_text(index) == "Classes Only":
				filter.select(index)
		# With upper and lower case told apart, the addon's scripts are left out.
		for button: Button in dialog.find_children("*", "Button", true, false):
			if button.toggle_mode and not button is OptionButton:
				button.button_pressed = true
		var term := dialog.find_children("*", "LineEdit", true, false)[0] as LineEdit
		term.text = "DTLS"
		term.text_changed.emit(term.text)
		await settle()
	return dialog


## Since Godot 4.4; before, there is none to open.
static func has_create_dialog() -> bool:
	return ClassDB.class_has_method(&"EditorInterface", &"popup_create_dialog")


func open_create_dialog() -> Window:
	EditorInterface.call(&"popup_create_dialog", _on_type_chosen, "RefCounted")
	await settle()
	return open_dialog("CreateDialog")


func open_dialog(type: String) -> Window:
	for dialog: Window in base.find_children("*", type, true, false):
		if dialog.visible:
			return dialog
	return null


## Presses the entry of a menu, wherever it is; says whether there was one.
func press_menu_entry(text: String) -> bool:
	for menu: PopupMenu in base.find_children("*", "PopupMenu", true, false):
		for index in menu.item_count:
			if menu.get_item_text(index) == text:
				menu.id_pressed.emit(menu.get_item_id(index))
				menu.index_pressed.emit(index)
				return true
	return false


## The path of the picture that stands for each entry in a dialog's trees.
func icons(dialog: Window) -> Dictionary:
	var paths := {}
	for list: Tree in dialog.find_children("*", "Tree", true, false):
		var item := list.get_root()
		while item != null:
			var icon := item.get_icon(0)
			if icon != null and not paths.has(item.get_text(0)):
				paths[item.get_text(0)] = icon.resource_path
			item = item.get_next_in_tree()
	return paths


func _on_type_chosen(_type: String) -> void:
	pass
