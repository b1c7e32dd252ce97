## The part of the addon that can be switched off: a menu entry that makes certificates, and a check
## of exports. The classes come from the manifest.
@tool
extends EditorPlugin

const CertificateDialog := preload("certificate_dialog.gd")
const ExportCheck := preload("export_check.gd")
const InspectorNames := preload("inspector_names.gd")
const MENU_ENTRY := "DTLS: generate certificate..."

var _dialog: CertificateDialog
var _export_check := ExportCheck.new()
var _inspector_names := InspectorNames.new()


func _enter_tree() -> void:
	add_export_plugin(_export_check)
	add_inspector_plugin(_inspector_names)
	_dialog = CertificateDialog.new()
	EditorInterface.get_base_control().add_child(_dialog)
	add_tool_menu_item(MENU_ENTRY, _dialog.open)


func _exit_tree() -> void:
	remove_tool_menu_item(MENU_ENTRY)
	_dialog.queue_free()
	remove_inspector_plugin(_inspector_names)
	remove_export_plugin(_export_check)
