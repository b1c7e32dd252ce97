## Certificates that the engine makes, and OpenSSL can read.
##
## The engine takes 20 random bytes as the serial number. If they begin with 00 and a byte below
## 0x80, they are not a number as DER writes it, and OpenSSL refuses the certificate: 19 of 7,000.

## Where the serial number's tag stands in a certificate of two outer lengths of two bytes each.
const SERIAL_NUMBER := 13
const INTEGER := 2


static func self_signed(
	key: CryptoKey,
	subject := "CN=localhost",
	not_before := "20140101000000",
	not_after := "20340101000000"
) -> X509Certificate:
	var crypto := Crypto.new()
	var certificate: X509Certificate
	while certificate == null or has_padded_serial_number(certificate):
		certificate = crypto.generate_self_signed_certificate(key, subject, not_before, not_after)
	return certificate


static func has_padded_serial_number(certificate: X509Certificate) -> bool:
	# save_to_string() prints an error.
	var path := "user://made_by_engine_%d.crt" % Time.get_ticks_usec()
	certificate.save(path)
	var lines := FileAccess.get_file_as_string(path).split("\n", false)
	DirAccess.remove_absolute(path)
	var der := Marshalls.base64_to_raw("".join(lines.slice(1, -1)))
	assert(der[SERIAL_NUMBER] == INTEGER, "no serial number where it should be")
	return der[SERIAL_NUMBER + 2] == 0 and der[SERIAL_NUMBER + 3] < 0x80
