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


func test_the_idle_timeout_is_a_project_setting() -> void:
	var setting := "dtls/network/idle_timeout"
	equal(ProjectSettings.get_setting(setting), 0.0, setting)
	equal(ProjectSettings.property_get_revert(setting), 0.0, "its default")
	network.serve()
	var patient := network.add_client()
	start(patient)
	completed(patient)
	ProjectSettings.set_setting(setting, 0.4)
	network.serve()
	var client := network.add_client()
	start(client)
	var pair := completed(client)
	# What is set in the options counts before it.
	var options := DTLSOptions.new()
	options.trusted_ca = Pki.certificate("ca")
	options.idle_timeout = 60.0
	var optional := network.add_client()
	var peer := optional.dtls as PacketPeerDTLSOpenSSL
	equal(peer.connect_with_options(optional.udp, "localhost", options), OK)
	ProjectSettings.set_setting(setting, 0.0)
	wait_for_status(optional, CONNECTED)
	wait_for_status(pair.server, DISCONNECTED)
	wait_for_status(client, DISCONNECTED)
	contains(last_error(pair.server), "nothing came from the other side for 0.4 s")
	status_is(patient, CONNECTED, "who connected before")


func test_an_idle_timeout_of_the_options_counts_before_the_setting() -> void:
	var setting := "dtls/network/idle_timeout"
	ProjectSettings.set_setting(setting, 0.4)
	var options := DTLSOptions.new()
	options.private_key = Pki.key("server")
	options.certificate = Pki.certificate("server")
	options.idle_timeout = 60.0
	var ours := DTLSServerOpenSSL.new()
	network.server = ours
	equal(ours.setup_with_options(options), OK)
	ProjectSettings.set_setting(setting, 0.0)
	network.listen()
	var pair := connected_pair()
	pass_time(0.8)
	status_is(pair.server, CONNECTED)
	exchange(pair)


func test_an_idle_timeout_that_is_no_time_is_an_error() -> void:
	var setting := "dtls/network/idle_timeout"
	for wrong: Variant in [-1.0, NAN, INF, "soon", null]:
		ProjectSettings.set_setting(setting, wrong)
		var ours := DTLSServerOpenSSL.new()
		equal(ours.setup(Pki.key("server"), Pki.certificate("server")), ERR_UNCONFIGURED, "setup")
		contains(ours.get_last_error(), setting)
		expect_error(setting)
	ProjectSettings.set_setting(setting, 20)
	equal(DTLSServerOpenSSL.new().setup(Pki.key("server"), Pki.certificate("server")), OK, "20")
	ProjectSettings.set_setting(setting, 0.0)
	expect_silence()


func test_the_largest_packet_that_is_not_split_follows_the_mtu() -> void:
	var peer := PacketPeerDTLSOpenSSL.new()
	equal(peer.get_max_unfragmented_packet_size(), 1163, "without a connection")
	var setting := "dtls/network/mtu"
	ProjectSettings.set_setting(setting, 600)
	network.serve()
	var client := network.add_client_behind_relay()
	start(client)
	ProjectSettings.set_setting(setting, 1200)
	var pair := completed(client)
	var largest := (client.dtls as PacketPeerDTLSOpenSSL).get_max_unfragmented_packet_size()
	equal(largest, 563, "with an MTU of 600")
	check_delivery(pair.client, pair.server, noise(largest))
	equal(network.relays[0].from_client[-1].size(), 600, "the datagram")
