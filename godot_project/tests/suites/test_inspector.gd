## DTLSOptions as the Inspector has them. What their names are there, the plugin's suite has.
extends "res://tests/suite.gd"

const OPTIONS := &"DTLSOptions"


## The Inspector and others that show a resource listen to this signal, and read the resource then.
func test_every_property_tells_that_it_has_changed() -> void:
	for property in _properties():
		var options := DTLSOptions.new()
		var name: String = property.name
		var seen := []
		var look := func() -> void: seen.append(options.get(name))
		options.changed.connect(look)
		var value: Variant = _another(options.get(name), property.type)
		options.set(name, value)
		# It has the options, and they would have it.
		options.changed.disconnect(look)
		equal(seen.size(), 1, "signals of %s" % name)
		if not seen.is_empty():
			check(seen[0] == value, "%s has its new value by then" % name)


func test_what_the_inspector_offers() -> void:
	var found := {}
	for property in _properties():
		found[property.name] = property
	equal(found.verify_mode.hint, PROPERTY_HINT_ENUM, "verify_mode")
	equal(found.verify_mode.hint_string, "Default:0,None:1,Optional:2,Required:3", "verify_mode")
	equal(found.mtu.hint, PROPERTY_HINT_RANGE, "mtu")
	equal(found.key_log_path.hint, PROPERTY_HINT_GLOBAL_SAVE_FILE, "key_log_path")
	# Types of keys and values, as an @export of a typed Dictionary has them.
	var keys := "%d:;%d:" % [TYPE_STRING, TYPE_PACKED_BYTE_ARRAY]
	equal(found.psk_keys.hint, PROPERTY_HINT_TYPE_STRING, "psk_keys")
	equal(found.psk_keys.hint_string, keys, "psk_keys")
	var identities := (
		"%d:;%d/%d:DTLSOptions" % [TYPE_STRING, TYPE_OBJECT, PROPERTY_HINT_RESOURCE_TYPE]
	)
	equal(found.server_identities.hint, PROPERTY_HINT_TYPE_STRING, "server_identities")
	equal(found.server_identities.hint_string, identities, "server_identities")


func _properties() -> Array[Dictionary]:
	return ClassDB.class_get_property_list(OPTIONS, true).filter(
		func(property: Dictionary) -> bool: return property.usage & PROPERTY_USAGE_EDITOR
	)


## A value of this type that is not `value`.
func _another(value: Variant, type: int) -> Variant:
	var others := {
		TYPE_STRING: "something",
		TYPE_OBJECT: null,
		TYPE_DICTIONARY: {"name": null},
		TYPE_PACKED_BYTE_ARRAY: PackedByteArray([1]),
		TYPE_PACKED_STRING_ARRAY: PackedStringArray(["one"]),
		TYPE_ARRAY: [PackedByteArray([1])] as Array[PackedByteArray],
	}
	match type:
		TYPE_BOOL:
			return not value
		TYPE_INT, TYPE_FLOAT:
			return value + 1
	check(others.has(type), "there is a value of type %s" % type_string(type))
	return others.get(type)
