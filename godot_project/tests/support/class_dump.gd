## The API of a class as ClassDB has it, in a form that people can read and compare.

static func describe(name: StringName) -> String:
	var lines: PackedStringArray = []
	var instantiable := "" if ClassDB.can_instantiate(name) else ", cannot be instantiated"
	lines.append("class %s extends %s%s" % [name, ClassDB.get_parent_class(name), instantiable])
	for enumeration in ClassDB.class_get_enum_list(name, true):
		lines.append("\tenum %s" % enumeration)
		for constant in ClassDB.class_get_enum_constants(name, enumeration, true):
			lines.append("\t\t%s" % _constant(name, constant))
	for constant in ClassDB.class_get_integer_constant_list(name, true):
		if ClassDB.class_get_integer_constant_enum(name, constant, true) == &"":
			lines.append("\tconst %s" % _constant(name, constant))
	var accessors: PackedStringArray = []
	for property in ClassDB.class_get_property_list(name, true):
		var is_header: bool = property.usage & (PROPERTY_USAGE_GROUP | PROPERTY_USAGE_SUBGROUP)
		if is_header:
			lines.append("\tgroup %s" % property.name)
			continue
		var value: Variant = ClassDB.class_get_property_default_value(name, property.name)
		lines.append("\tvar %s: %s = %s" % [property.name, _type(property), _default(value)])
		for prefix: String in ["get_", "set_"]:
			accessors.append(prefix + property.name + "(")
	for event in ClassDB.class_get_signal_list(name, true):
		lines.append("\tsignal %s" % _signature(event))
	for method in methods(name):
		if method.get_slice("(", 0) + "(" not in accessors:
			lines.append("\t%s" % method)
	return "\n".join(lines) + "\n"


## The signatures of the methods that the class itself has, in the order of their registration.
static func methods(name: StringName) -> PackedStringArray:
	var signatures: PackedStringArray = []
	for method in ClassDB.class_get_method_list(name, true):
		signatures.append(_signature(method))
	return signatures


static func _signature(method: Dictionary) -> String:
	var arguments: PackedStringArray = []
	var first_default: int = method.args.size() - method.default_args.size()
	for i: int in method.args.size():
		var argument := "%s: %s" % [method.args[i].name, _type(method.args[i])]
		if i >= first_default:
			argument += " = " + _default(method.default_args[i - first_default])
		arguments.append(argument)
	if method.flags & METHOD_FLAG_VARARG:
		arguments.append("...")
	var text := "%s(%s) -> %s" % [method.name, ", ".join(arguments), _type(method["return"])]
	if method.flags & METHOD_FLAG_CONST:
		text += " const"
	if method.flags & METHOD_FLAG_STATIC:
		text = "static " + text
	if method.flags & METHOD_FLAG_VIRTUAL:
		text = "virtual " + text
	return text


static func _type(property: Dictionary) -> String:
	if property.usage & PROPERTY_USAGE_CLASS_IS_ENUM:
		return "enum %s" % property["class_name"]
	if property.usage & PROPERTY_USAGE_CLASS_IS_BITFIELD:
		return "bitfield %s" % property["class_name"]
	match property.type:
		TYPE_NIL:
			return "Variant" if property.usage & PROPERTY_USAGE_NIL_IS_VARIANT else "void"
		TYPE_OBJECT:
			return property["class_name"]
	return type_string(property.type)


static func _default(value: Variant) -> String:
	return "null" if value == null else var_to_str(value)


static func _constant(name: StringName, constant: StringName) -> String:
	return "%s = %d" % [constant, ClassDB.class_get_integer_constant(name, constant)]
