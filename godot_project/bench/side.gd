## One way to send packets: clients and the peers that a server has for them, all in this process.
## The engine's DTLS, ours and bare UDP each are a script that extends this one.
##
## Every side has the same loops, written out with variables of its own classes: that is how a
## game's typed code calls them, and a call through a common base would add to what is measured.
extends RefCounted

const ADDRESS := "127.0.0.1"
## What both certificates are for.
const HOST_NAME := "localhost"
## Milliseconds after which a handshake is not waited for any more.
const PATIENCE_MSEC := 5000
## How often a receiver looks for a packet before it counts as lost.
const MOST_LOOKS := 1000

var udp_server := UDPServer.new()
## How many players of another process are connected, after `game_frame`.
var connected := 0
var trusted: X509Certificate


## The key and certificate of the server; the clients verify them, chain and name, by `root`.
func prepare(_key: CryptoKey, _certificate: X509Certificate, root: X509Certificate) -> Error:
	trusted = root
	return OK


## Listens anew, so that no client finds a session there to resume, and no datagram of an earlier
## connection is left.
func listen() -> Error:
	udp_server = UDPServer.new()
	return udp_server.listen(0, ADDRESS)


## A socket that is connected to the server.
func client_socket() -> PacketPeerUDP:
	var udp := PacketPeerUDP.new()
	udp.connect_to_host(ADDRESS, udp_server.get_local_port())
	return udp


## Whether a connection can be resumed at all.
func resumes() -> bool:
	return false


## Connects one more client, from its socket to the status of both ends. Whether it worked.
func connect_one() -> bool:
	return false


## Whether the last connection resumed an earlier session.
func is_last_resumed() -> bool:
	return false


## Lets go of every connection.
func clear() -> void:
	pass


## The first client sends so many packets, and its peer receives them all. How many arrived.
func burst(_payload: PackedByteArray, _count: int) -> int:
	return 0


## The first client sends a packet, gets it back, and so on. How many came back.
func round_trips(_payload: PackedByteArray, _count: int) -> int:
	return 0


## How many packets one poll of the first peer yields when `count` are waiting.
func packets_of_one_poll(_payload: PackedByteArray, _count: int) -> int:
	return 0


## What a server does in a frame in which nothing has arrived.
func idle_frame() -> void:
	pass


## One packet from each client of this range. The server's socket has room for a few hundred.
func send_from(_first: int, _end: int, _payload: PackedByteArray) -> void:
	pass


## Every peer is polled and its packets are read. How many there were.
func busy_frame() -> int:
	return 0


## Begins a connection that trusts what the system trusts; nobody answers.
func connect_with_system_trust() -> Error:
	return ERR_UNAVAILABLE


## The port that it listens on.
func port() -> int:
	return udp_server.get_local_port()


## Takes from the system what waits, as far as a frame does not.
func poll_socket() -> void:
	udp_server.poll()


## A frame of a server whose players are in another process: takes those who have come, and reads
## their packets. How many packets there were.
func game_frame() -> int:
	return 0


## The same when nobody comes, with an answer to each packet.
func answering_frame() -> int:
	return 0


## Sends a packet to each player.
func send_to_all(_payload: PackedByteArray) -> void:
	pass
