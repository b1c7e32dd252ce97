## What docs/errors.md shows.
extends RefCounted


## What to tell the player of a connection that failed.
static func told_to_the_player(dtls: PacketPeerDTLSOpenSSL) -> String:
	match dtls.get_failure_reason():
		PacketPeerDTLSOpenSSL.REASON_NONE:
			return "The connection has ended."
		PacketPeerDTLSOpenSSL.REASON_TIMEOUT, PacketPeerDTLSOpenSSL.REASON_TOO_MANY_PENDING:
			return "The server does not answer. Try again."
		PacketPeerDTLSOpenSSL.REASON_CERTIFICATE_NOT_YET_VALID:
			return "Is the clock of this computer right?"
		PacketPeerDTLSOpenSSL.REASON_PEER_ALERT:
			return "The server refused. Is your game up to date?"
		_:
			return "This may not be our server: %s." % dtls.get_last_error()
