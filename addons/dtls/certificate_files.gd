## A server's key and certificate as files of a project.
@tool
extends RefCounted

const KEY := "server.key"
const CERTIFICATE := "server.crt"
## The engine looks into no folder that has this: nothing in it is imported or exported.
const GDIGNORE := ".gdignore"
const GITIGNORE := ".gitignore"
const OWNER_ONLY := FileAccess.UNIX_READ_OWNER | FileAccess.UNIX_WRITE_OWNER

## Where the key and the certificate are for the server.
var folder := "res://dtls_certificates"
## Where the certificate is for the clients too, which are exported with it. Nowhere if empty.
var client_copy := "res://server.crt"
## The host names and IP addresses that clients connect to: from this machine, and in its network.
var names := default_names()
var days := 365
var key_kind := DTLSCrypto.KEY_P256


static func default_names() -> PackedStringArray:
	var all: PackedStringArray = ["localhost", "127.0.0.1", "::1"]
	all.append_array(private_addresses())
	return all


## The IPv4 addresses that this machine has in private networks (RFC 1918), where somebody else's
## game can find it.
static func private_addresses() -> PackedStringArray:
	return PackedStringArray(Array(IP.get_local_addresses()).filter(is_private))


static func is_private(address: String) -> bool:
	var parts := address.split(".")
	if parts.size() != 4:
		return false
	var first := int(parts[0])
	var second := int(parts[1])
	return (
		first == 10 or (first == 172 and second in range(16, 32)) or address.begins_with("192.168.")
	)


## Splits what someone typed.
static func split_names(text: String) -> PackedStringArray:
	var parts: PackedStringArray = []
	for part in text.replace(",", " ").replace(";", " ").split(" ", false):
		parts.append(part.strip_edges())
	return parts


## The files that are there already and would be overwritten.
func existing() -> PackedStringArray:
	var paths: PackedStringArray = []
	for path in _all():
		if path != "" and FileAccess.file_exists(path):
			paths.append(path)
	return paths


## Makes key and certificate and writes them. Returns why it did not, or nothing.
func write() -> String:
	var misplaced := _misplaced()
	if misplaced != "":
		return misplaced
	var key := DTLSCrypto.generate_key(key_kind)
	var certificate := DTLSCrypto.generate_self_signed_certificate(key, names, days)
	if certificate == null:
		return "The certificate cannot be made. The Output panel says why."
	# The engine saves no certificate with more than some 95 names.
	var error := _write(key, DTLSCrypto.certificate_to_pem(certificate))
	return "" if error == OK else "The files cannot be written: %s." % error_string(error)


func _misplaced() -> String:
	for path: String in [folder, client_copy]:
		if path != "" and not path.begins_with("res://"):
			return '"%s" is not in the project: it has to begin with res://.' % path
	if folder.simplify_path() in ["", "res://"]:
		return "The key needs a folder of its own, since git and exports leave all of it out."
	if (client_copy.simplify_path() + "/").begins_with(folder.simplify_path() + "/"):
		return "The clients' copy cannot be in %s, which exports leave out." % folder
	return ""


func _write(key: CryptoKey, text: String) -> Error:
	var error := DirAccess.make_dir_recursive_absolute(folder)
	# Before the key is there.
	if error == OK:
		error = _write_text(folder.path_join(GDIGNORE), "")
	if error == OK:
		error = _write_text(folder.path_join(GITIGNORE), "*\n")
	if error == OK:
		error = key.save(folder.path_join(KEY))
		# Where there are no such permissions, this does nothing.
		FileAccess.set_unix_permissions(folder.path_join(KEY), OWNER_ONLY)
	if error == OK:
		error = _write_text(folder.path_join(CERTIFICATE), text)
	if error == OK and client_copy != "":
		error = DirAccess.make_dir_recursive_absolute(client_copy.get_base_dir())
	if error == OK and client_copy != "":
		error = _write_text(client_copy, text)
	return error


func _all() -> PackedStringArray:
	return [folder.path_join(KEY), folder.path_join(CERTIFICATE), client_copy]


func _write_text(path: String, text: String) -> Error:
	var file := FileAccess.open(path, FileAccess.WRITE)
	if file == null:
		return FileAccess.get_open_error()
	file.store_string(text)
	return OK
