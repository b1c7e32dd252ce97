## A stretch of network between one client and the server, which a test can watch and tamper with.
extends RefCounted

## Every datagram that came by, in order.
var from_client: Array[PackedByteArray] = []
var from_server: Array[PackedByteArray] = []
## What to do with a datagram: func(datagram: PackedByteArray) -> Array of the datagrams to deliver
## in its place. Without one it is delivered as it is.
var client_filter := Callable()
var server_filter := Callable()

var _front := PacketPeerUDP.new()
var _back := PacketPeerUDP.new()


func _init(server_address: String, server_port: int) -> void:
	_front.bind(0, server_address)
	_back.connect_to_host(server_address, server_port)


## Where the client has to send to.
func port() -> int:
	return _front.get_local_port()


## Where the client comes from, as the server sees it.
func port_at_server() -> int:
	return _back.get_local_port()


func pump() -> void:
	while _front.get_available_packet_count() > 0:
		var datagram := _front.get_packet()
		_front.set_dest_address(_front.get_packet_ip(), _front.get_packet_port())
		from_client.append(datagram)
		for delivered in _filtered(client_filter, datagram):
			send_to_server(delivered)
	while _back.get_available_packet_count() > 0:
		var datagram := _back.get_packet()
		from_server.append(datagram)
		for delivered in _filtered(server_filter, datagram):
			send_to_client(delivered)


func send_to_server(datagram: PackedByteArray) -> void:
	_back.put_packet(datagram)


func send_to_client(datagram: PackedByteArray) -> void:
	_front.put_packet(datagram)


func close() -> void:
	# They often refer to this object, and would keep it alive.
	client_filter = Callable()
	server_filter = Callable()
	_front.close()
	_back.close()


func _filtered(filter: Callable, datagram: PackedByteArray) -> Array[PackedByteArray]:
	var delivered: Array[PackedByteArray] = []
	if filter.is_valid():
		delivered.assign(filter.call(datagram))
	else:
		delivered.append(datagram)
	return delivered
