## The project settings.
extends "res://tests/support/network_suite.gd"


func test_the_project_setting_for_logging() -> void:
	var setting := "dtls/logging/level"
	check(ProjectSettings.has_setting(setting), "%s exists" % setting)
	equal(ProjectSettings.get_setting(setting), "Info", setting)
	equal(ProjectSettings.property_get_revert(setting), "Info", "its default")
	var found := ProjectSettings.get_property_list().filter(
		func(property: Dictionary) -> bool: return property.name == setting
	)
	equal(found.size(), 1, "properties of that name")
	equal(found[0].type, TYPE_STRING, "type")
	equal(found[0].hint, PROPERTY_HINT_ENUM, "hint")
	equal(found[0].hint_string, "Off,Error,Warn,Info,Debug,Trace", "choices")


func test_the_mtu_is_a_project_setting() -> void:
	var setting := "dtls/network/mtu"
	equal(ProjectSettings.get_setting(setting), 1200, setting)
	equal(ProjectSettings.property_get_revert(setting), 1200, "its default")
	ProjectSettings.set_setting(setting, 600)
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	ProjectSettings.set_setting(setting, 1200)
	exchange(completed(client))
	var relay := network.relays[0]
	var sizes := relay.from_server.map(
		func(datagram: PackedByteArray) -> int: return datagram.size()
	)
	check(sizes.max() > 500 and sizes.max() <= 600, "datagrams of up to 600 bytes: %s" % [sizes])


func test_an_mtu_out_of_range_is_an_error() -> void:
	var setting := "dtls/network/mtu"
	for wrong: Variant in [0, 507, 8973, -1, "large"]:
		ProjectSettings.set_setting(setting, wrong)
		var ours := DTLSServerOpenSSL.new()
		equal(ours.setup(Pki.key("server"), Pki.certificate("server")), ERR_UNCONFIGURED, "setup")
		contains(ours.get_last_error(), setting)
		expect_error(setting)
	ProjectSettings.set_setting(setting, 1200)
	expect_silence()
