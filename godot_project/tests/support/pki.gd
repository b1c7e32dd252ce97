## The keys and certificates of the tests. They are made anew for every run, in the folder that the
## environment variable DTLS_TEST_PKI names; `rust/test-pki/src/files.rs` lists them.

static func path(file: String) -> String:
	return OS.get_environment("DTLS_TEST_PKI").path_join(file)


## As a game has it: loaded as a resource.
static func certificate(name: String) -> X509Certificate:
	return load(path(name + ".crt"))


static func key(name: String) -> CryptoKey:
	return load(path(name + ".key"))


static func text(file: String) -> String:
	return FileAccess.get_file_as_string(path(file))
