## A player is banned: the certificate is revoked, and the server is given the new list.
extends "res://demo/recipes/players_with_certificates.gd"

var banned: Array[X509Certificate] = []


func cook() -> void:
	update_the_server()
	var cheater := options_of_a_player("player-13")
	check_connected("the player gets in", connect_client("localhost", cheater))

	banned.append(cheater.certificate)
	update_the_server()
	connect_in_vain("localhost", cheater)
	check_refused(
		"and not once it is banned", gone, PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_REVOKED
	)
	var other := connect_client("localhost", options_of_a_player("player-17"))
	check_connected("the others do", other)


## To be called at every ban, and in good time before the list's 30 days are over: with a list that
## is too old nobody gets in. Connections that exist go on; end those of the banned player with
## `disconnect_from_peer`.
func update_the_server() -> void:
	var options := options_of_the_server()
	options.crl_pem = DTLSCrypto.issue_revocation_list(ca_key, ca, banned, 30)
	check_done("the server takes the list", server.setup_with_options(options))
