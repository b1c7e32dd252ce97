## Gives properties of DTLSOptions the names that the Inspector cannot make of theirs.
@tool
extends EditorInspectorPlugin

const NAMES := {
	"private_key_pem": "Private Key PEM",
	"certificate_pem": "Certificate PEM",
	"trusted_ca": "Trusted CA",
	"trusted_ca_pem": "Trusted CA PEM",
	"pinned_sha256": "Pinned SHA-256",
	"crl_pem": "CRL PEM",
	"psk_identity": "PSK Identity",
	"psk_key": "PSK Key",
	"psk_keys": "PSK Keys",
	"alpn_protocols": "ALPN Protocols",
	"mtu": "MTU",
}
const INSPECTOR := &"EditorInspector"
## Makes the editor of a property as the Inspector would. Since Godot 4.4; before, the names stay.
const MAKE_EDITOR := &"instantiate_property_editor"

## The Inspector asks its plugins for that, this one included.
var _is_making := false


func _can_handle(object: Object) -> bool:
	return object.is_class("DTLSOptions") and ClassDB.class_has_method(INSPECTOR, MAKE_EDITOR)


func _parse_property(
	object: Object,
	type: Variant.Type,
	name: String,
	hint_type: PropertyHint,
	hint_string: String,
	usage_flags: int,
	wide: bool
) -> bool:
	if _is_making or not NAMES.has(name):
		return false
	# By name, since 4.3 does not have it, nor a way to call it.
	var arguments := [INSPECTOR, MAKE_EDITOR, object, type, name, hint_type, hint_string]
	arguments.append_array([usage_flags, wide])
	_is_making = true
	var editor := ClassDB.callv("class_call_static", arguments) as EditorProperty
	_is_making = false
	if editor == null:
		return false
	callv("add_property_editor", [name, editor, false, NAMES[name]])
	return true
