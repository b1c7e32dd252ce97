## Sits in the editor of the projects that `cargo xtask audit` and `cargo xtask screenshots` make,
## does what the arguments after `--` say, and ends the editor. What it prints is a complaint.
@tool
extends EditorPlugin

const Check := preload("check.gd")
const Pictures := preload("pictures.gd")
const Editor := preload("editor.gd")
const ADDON := "dtls"


func _enter_tree() -> void:
	# Not before the editor has all of its plugins.
	_run.call_deferred()


func _run() -> void:
	var editor := Editor.new()
	await editor.settle()
	var problems: PackedStringArray = []
	for step in OS.get_cmdline_user_args():
		match step.get_slice("=", 0):
			"enable", "disable":
				EditorInterface.set_plugin_enabled(ADDON, step == "enable")
				# The editor would wait a while before it does so.
				ProjectSettings.save()
			"tour":
				await _tour(editor)
			"check":
				problems += await Check.new(editor).run()
			"pictures":
				problems += await Pictures.new(editor).run(step.get_slice("=", 1))
			_:
				problems.append("There is no step %s." % step)
		await editor.settle()
	for problem in problems:
		print(problem)
	editor.tree().quit(1 if problems else 0)


## Opens what the check and the pictures open. With an addon or without, the console says the same.
func _tour(editor: Editor) -> void:
	await editor.open_help("class_name:DTLSServer")
	(await editor.open_class_tree()).hide()
	if Editor.has_create_dialog():
		(await editor.open_create_dialog()).hide()
