//! Reading and forging datagrams.

/// Bytes of a record header.
pub(crate) const HEADER: usize = 13;

pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;

pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
pub(crate) const CERTIFICATE: u8 = 11;
pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(crate) const SERVER_HELLO_DONE: u8 = 14;
pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;
pub(crate) const FINISHED: u8 = 20;

/// Takes `datagram` apart into its records, headers included.
pub(crate) fn split(mut datagram: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !datagram.is_empty() {
        let length = usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
        let (record, rest) = datagram.split_at(HEADER + length);
        records.push(record);
        datagram = rest;
    }
    records
}

/// The type of the first record.
pub(crate) fn content(datagram: &[u8]) -> u8 {
    datagram[0]
}

/// The epoch of the first record.
pub(crate) fn epoch(datagram: &[u8]) -> u16 {
    u16::from_be_bytes([datagram[3], datagram[4]])
}

/// The sequence number of the first record.
pub(crate) fn number(datagram: &[u8]) -> u64 {
    datagram[5..11].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The sequence of the first handshake message of a record in the clear.
pub(crate) fn message_sequence(record: &[u8]) -> u16 {
    u16::from_be_bytes([record[HEADER + 4], record[HEADER + 5]])
}

/// The type of the first handshake message of a record in the clear.
pub(crate) fn message(record: &[u8]) -> Option<u8> {
    let readable = content(record) == HANDSHAKE && epoch(record) == 0;
    readable.then(|| record[HEADER])
}

/// The alert in the first record, if that is one in the clear.
pub(crate) fn alert(datagram: &[u8]) -> Option<u8> {
    let readable = content(datagram) == ALERT && epoch(datagram) == 0;
    readable.then(|| datagram[HEADER + 1])
}

/// A record of this type with any body.
pub(crate) fn forge(content: u8, epoch: u16, sequence: u64, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short body");
    let mut record = vec![content, 0xfe, 0xfd];
    record.extend(epoch.to_be_bytes());
    record.extend(&sequence.to_be_bytes()[2..]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

/// The fragment from `offset` on of a handshake message that claims `total` bytes.
pub(crate) fn fragment(kind: u8, total: u32, sequence: u16, offset: u32, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a short fragment");
    let mut fragment = vec![kind];
    fragment.extend(&total.to_be_bytes()[1..]);
    fragment.extend(sequence.to_be_bytes());
    fragment.extend(&offset.to_be_bytes()[1..]);
    fragment.extend(&length.to_be_bytes()[1..]);
    fragment.extend(bytes);
    fragment
}

/// A record in the clear with a whole handshake message in it.
pub(crate) fn handshake(number: u64, kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    let total = u32::try_from(body.len()).expect("a short body");
    forge(HANDSHAKE, 0, number, &fragment(kind, total, sequence, 0, body))
}

/// The same record under another number.
pub(crate) fn renumbered(record: &[u8], number: u64) -> Vec<u8> {
    let mut record = record.to_vec();
    record[5..11].copy_from_slice(&number.to_be_bytes()[2..]);
    record
}

/// Where the cookie of the ClientHello in `datagram` is.
pub(crate) fn cookie(datagram: &[u8]) -> std::ops::Range<usize> {
    // Record header, message header, version, random.
    let session_id = HEADER + 12 + 2 + 32;
    let cookie = session_id + 1 + usize::from(datagram[session_id]);
    cookie + 1..cookie + 1 + usize::from(datagram[cookie])
}

/// The cipher suites that the ClientHello in `datagram` offers.
pub(crate) fn offered_suites(datagram: &[u8]) -> Vec<u16> {
    let at = cookie(datagram).end;
    let length = usize::from(u16::from_be_bytes([datagram[at], datagram[at + 1]]));
    let suites = datagram[at + 2..at + 2 + length].chunks(2);
    suites.map(|suite| u16::from_be_bytes([suite[0], suite[1]])).collect()
}

/// Random bytes that are the same in every run.
pub(crate) struct Noise(u64);

impl Noise {
    /// The row of numbers that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    /// So many random bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).expect("below 256")).collect()
    }
}
