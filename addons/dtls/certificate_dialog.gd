## Asks what a certificate is to say, and writes it into the project.
@tool
extends ConfirmationDialog

const CertificateFiles := preload("certificate_files.gd")
## In the order of DTLSCrypto.KeyKind.
const KINDS: PackedStringArray = ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"]
const WIDTH := 620
const EXPLANATION := (
	"A self-signed certificate and its private key, for a server that clients know by that"
	+ " certificate alone.\n\nKey and certificate go into a folder that neither git nor exports"
	+ " take along. A dedicated server needs both files: copy them to where it runs. Clients need"
	+ " the certificate only: a copy goes to where exports take it along."
)
const DONE := """The server, run from the editor:

var key := CryptoKey.new()
var certificate := X509Certificate.new()
key.load("{folder}/server.key")
certificate.load("{folder}/server.crt")
dtls.setup(key, certificate)

These two methods find the files; load() does not, since the engine is told to ignore the folder. \
An exported server does not have it: copy both files to where it runs, and load them from there, \
for instance from OS.get_executable_path().get_base_dir().

{client}Valid for {days} days. Generate it anew before, and bring it to the server and to the \
clients."""
const CLIENT := """The clients:

dtls.connect_to_peer(udp, true, "{name}", load("{copy}"))

"""

var _names := LineEdit.new()
var _days := SpinBox.new()
var _kind := OptionButton.new()
var _folder := LineEdit.new()
var _client_copy := LineEdit.new()
var _overwrite := ConfirmationDialog.new()
var _result := AcceptDialog.new()
var _result_text := TextEdit.new()
var _files: CertificateFiles
var _is_done := false


func _init() -> void:
	title = "DTLS: Generate Certificate"
	ok_button_text = "Generate"
	# It stays until the files are written, or the developer gives up.
	dialog_hide_on_ok = false
	confirmed.connect(_on_confirmed)

	var explanation := Label.new()
	explanation.text = EXPLANATION
	explanation.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	explanation.custom_minimum_size.x = WIDTH
	_days.min_value = 1
	_days.max_value = 3650
	_days.suffix = "days"
	for kind in KINDS:
		_kind.add_item(kind)
	_names.tooltip_text = "Host names and IP addresses that clients connect to, by commas"
	_client_copy.tooltip_text = "Empty: no copy for clients"
	var grid := GridContainer.new()
	grid.columns = 2
	_add_row(grid, "Names and addresses", _names)
	_add_row(grid, "Valid for", _days)
	_add_row(grid, "Kind of key", _kind)
	_add_row(grid, "Folder for the server", _with_picker(_folder, FileDialog.FILE_MODE_OPEN_DIR))
	var copy := _with_picker(_client_copy, FileDialog.FILE_MODE_SAVE_FILE, "*.crt")
	_add_row(grid, "Copy for the clients", copy)
	var box := VBoxContainer.new()
	box.add_theme_constant_override("separation", 12)
	box.add_child(explanation)
	box.add_child(grid)
	add_child(box)

	_overwrite.title = title
	_overwrite.ok_button_text = "Overwrite"
	_overwrite.confirmed.connect(_write)
	add_child(_overwrite)
	_result.title = title
	_result_text.editable = false
	_result_text.wrap_mode = TextEdit.LINE_WRAPPING_BOUNDARY
	_result_text.custom_minimum_size = Vector2(WIDTH, 460)
	_result.add_child(_result_text)
	_result.confirmed.connect(_on_read)
	_result.canceled.connect(_on_read)
	add_child(_result)
	_fill_in(CertificateFiles.new())


func open() -> void:
	popup_centered()
	_names.grab_focus()


func _add_row(grid: GridContainer, text: String, control: Control) -> void:
	var label := Label.new()
	label.text = text
	grid.add_child(label)
	control.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	grid.add_child(control)


## A line with a button behind it, by which its path is chosen.
func _with_picker(line: LineEdit, mode: FileDialog.FileMode, filter := "") -> Control:
	var picker := FileDialog.new()
	picker.access = FileDialog.ACCESS_RESOURCES
	picker.file_mode = mode
	if filter != "":
		picker.add_filter(filter)
	picker.dir_selected.connect(line.set_text)
	picker.file_selected.connect(line.set_text)
	add_child(picker)
	var button := Button.new()
	button.text = "Browse..."
	button.pressed.connect(_pick.bind(line, picker))
	var row := HBoxContainer.new()
	line.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	row.add_child(line)
	row.add_child(button)
	return row


func _pick(line: LineEdit, picker: FileDialog) -> void:
	# The folder may not be there yet; the dialog then begins in the project's.
	if DirAccess.dir_exists_absolute(line.text.get_base_dir()):
		picker.current_path = line.text
	picker.popup_centered_ratio(0.6)


func _fill_in(files: CertificateFiles) -> void:
	_names.text = ", ".join(files.names)
	_days.value = files.days
	_kind.select(files.key_kind)
	_folder.text = files.folder
	_client_copy.text = files.client_copy


func _on_confirmed() -> void:
	_files = CertificateFiles.new()
	_files.names = CertificateFiles.split_names(_names.text)
	_files.days = int(_days.value)
	_files.key_kind = _kind.selected as DTLSCrypto.KeyKind
	_files.folder = _folder.text.strip_edges().trim_suffix("/")
	_files.client_copy = _client_copy.text.strip_edges()
	var existing := _files.existing()
	if existing.is_empty():
		_write()
		return
	_overwrite.dialog_text = (
		"There are already:\n\n%s\n\nWithout a copy, the old key is lost." % "\n".join(existing)
	)
	_overwrite.popup_centered()


func _write() -> void:
	var why_not := _files.write()
	_is_done = why_not == ""
	if not _is_done:
		_show(why_not)
		return
	EditorInterface.get_resource_filesystem().scan()
	var client := ""
	if _files.client_copy != "":
		client = CLIENT.format({"name": _files.names[0], "copy": _files.client_copy})
	_show(DONE.format({"folder": _files.folder, "client": client, "days": _files.days}))


## With the text about what is wrong away, it can be mended.
func _on_read() -> void:
	if _is_done:
		hide()


func _show(text: String) -> void:
	_result_text.text = text
	_result.popup_centered()
