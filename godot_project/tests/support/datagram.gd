## What a test can see in a datagram: the record header (RFC 6347 section 4.1) and, as long as it is
## not encrypted, the type of the handshake message in it.

const RECORD_HEADER := 13
const TYPE_ALERT := 21
const TYPE_HANDSHAKE := 22
const TYPE_APPLICATION_DATA := 23
const MESSAGE_CLIENT_HELLO := 1
const MESSAGE_HELLO_VERIFY_REQUEST := 3


static func is_client_hello(datagram: PackedByteArray) -> bool:
	return _is_message(datagram, MESSAGE_CLIENT_HELLO)


static func is_hello_verify_request(datagram: PackedByteArray) -> bool:
	return _is_message(datagram, MESSAGE_HELLO_VERIFY_REQUEST)


static func is_alert(datagram: PackedByteArray) -> bool:
	return datagram.size() > RECORD_HEADER and datagram[0] == TYPE_ALERT


static func is_application_data(datagram: PackedByteArray) -> bool:
	return datagram.size() > RECORD_HEADER and datagram[0] == TYPE_APPLICATION_DATA


## Whether `text` stands in the datagram as it is.
static func has_text(datagram: PackedByteArray, text: String) -> bool:
	return text.to_utf8_buffer().hex_encode() in datagram.hex_encode()


## A datagram of one record.
static func record(type: int, epoch: int, number: int, body: PackedByteArray) -> PackedByteArray:
	var header := PackedByteArray([type, 0xfe, 0xfd, epoch >> 8, epoch & 0xff])
	for shift: int in [40, 32, 24, 16, 8, 0]:
		header.append(number >> shift & 0xff)
	header.append_array([body.size() >> 8, body.size() & 0xff])
	return header + body


static func _is_message(datagram: PackedByteArray, message: int) -> bool:
	return (
		datagram.size() > RECORD_HEADER
		and datagram[0] == TYPE_HANDSHAKE
		and datagram[RECORD_HEADER] == message
	)
