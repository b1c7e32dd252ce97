//! What anyone can send who has never seen the connection, or has only listened to it.

use super::records::{self, ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE};

/// A sequence of handshake messages that no handshake comes to.
const FAR: u16 = 300;

/// One kind of noise.
pub(crate) struct Kind {
    pub(crate) name: String,
    /// Whether it must not even cost a handshake anything. What says in the clear, and in its turn,
    /// that the handshake is over, does: nothing of DTLS 1.2 is authenticated before Finished.
    pub(crate) spares_handshakes: bool,
    make: Box<dyn Fn(u64) -> Vec<u8>>,
}

impl Kind {
    fn new(name: impl Into<String>, make: impl Fn(u64) -> Vec<u8> + 'static) -> Self {
        Self { name: name.into(), spares_handshakes: true, make: Box::new(make) }
    }

    fn not_sparing_handshakes(self) -> Self {
        Self { spares_handshakes: false, ..self }
    }

    /// One datagram of it, whose record has this number.
    pub(crate) fn datagram(&self, number: u64) -> Vec<u8> {
        (self.make)(number)
    }
}

/// A record of any type in the clear.
fn plain(content: u8, body: &'static [u8]) -> impl Fn(u64) -> Vec<u8> {
    move |number| records::forge(content, 0, number, body)
}

/// A handshake message in the clear.
fn message(kind: u8, sequence: u16) -> impl Fn(u64) -> Vec<u8> {
    move |number| records::handshake(number, kind, sequence, &[3; 33])
}

/// Fragments of a Certificate in one record: what each claims, where it begins, and how long it is.
fn fragments(sequence: u16, pieces: &'static [(u32, u32, usize)]) -> impl Fn(u64) -> Vec<u8> {
    move |number| {
        let fragment = |(total, offset, length): &(u32, u32, usize)| {
            records::fragment(records::CERTIFICATE, *total, sequence, *offset, &vec![2; *length])
        };
        let body: Vec<u8> = pieces.iter().flat_map(fragment).collect();
        records::forge(HANDSHAKE, 0, number, &body)
    }
}

/// Changes one byte of what `make` makes.
fn with_byte(
    at: usize,
    value: u8,
    make: impl Fn(u64) -> Vec<u8> + 'static,
) -> impl Fn(u64) -> Vec<u8> {
    move |number| {
        let mut datagram = make(number);
        datagram[at] = value;
        datagram
    }
}

/// An encrypted record of this type, as far as anyone can see.
fn sealed(content: u8, epoch: u16, length: usize) -> impl Fn(u64) -> Vec<u8> {
    move |number| records::forge(content, epoch, number, &vec![7; length])
}

/// Every kind of noise.
pub(crate) fn kinds() -> Vec<Kind> {
    let mut kinds = vec![
        Kind::new("nothing", |_| Vec::new()),
        Kind::new("random bytes", |number| {
            let mut noise = records::Noise::new(number);
            let length = noise.below(1400);
            noise.bytes(length)
        }),
        Kind::new("text", |_| b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        Kind::new("half a header", |number| sealed(23, 1, 40)(number)[..6].to_vec()),
        Kind::new("a header alone", |number| sealed(23, 1, 40)(number)[..13].to_vec()),
        Kind::new("a truncated record", |number| sealed(23, 1, 40)(number)[..30].to_vec()),
        Kind::new("an oversized record", sealed(APPLICATION_DATA, 1, 18_433)),
        Kind::new("a record as large as they get", sealed(APPLICATION_DATA, 1, 18_432)),
        Kind::new("many records in one", |number| sealed(23, 2, 30)(number).repeat(200)),
        Kind::new("a length too large", with_byte(12, 41, sealed(APPLICATION_DATA, 1, 40))),
        Kind::new("a length too small", with_byte(12, 39, sealed(APPLICATION_DATA, 1, 40))),
        Kind::new("a length in the clear that is too large", with_byte(12, 200, message(99, FAR))),
        Kind::new("a length in the clear that is too small", with_byte(12, 30, message(99, FAR))),
        Kind::new("application data in the clear", plain(APPLICATION_DATA, b"hello")),
        Kind::new("ChangeCipherSpec", plain(CHANGE_CIPHER_SPEC, &[1])),
        // A number that the peer will use too: its own record is taken for a replay.
        Kind::new("ChangeCipherSpec under no. 4", |_| plain(CHANGE_CIPHER_SPEC, &[1])(4)),
        Kind::new("a message far ahead under no. 4", |_| message(99, FAR)(4)),
        Kind::new("ChangeCipherSpec of 2", plain(CHANGE_CIPHER_SPEC, &[2])),
        Kind::new("a long ChangeCipherSpec", plain(CHANGE_CIPHER_SPEC, &[1, 1, 1])),
        Kind::new("half an alert", plain(ALERT, &[2])),
        Kind::new("a long alert", plain(ALERT, &[2, 40, 0])),
        Kind::new("an alert of no level", plain(ALERT, &[7, 0])),
        Kind::new("half a message header", plain(HANDSHAKE, &[11; 11])),
        Kind::new("lengths that disagree", {
            fragments(FAR, &[(200, 0, 50), (300, 50, 50), (16_384, 90, 50)])
        }),
        Kind::new("fragments that overlap", {
            fragments(FAR, &[(120, 0, 50), (120, 30, 50), (120, 0, 120)])
        }),
    ];
    // These are not even looked at when it is their turn.
    for sequence in (0..6).chain([FAR]) {
        let mut add = |name: &str, make: Box<dyn Fn(u64) -> Vec<u8>>| {
            kinds.push(Kind::new(format!("{name}, no. {sequence}"), make));
        };
        add("16 megabytes promised", Box::new(fragments(sequence, &[(0xff_ffff, 0, 50)])));
        add("16,385 bytes promised", Box::new(fragments(sequence, &[(16_385, 0, 50)])));
        add("a fragment beyond the end", Box::new(fragments(sequence, &[(200, 190, 50)])));
        add("an empty fragment of something", Box::new(fragments(sequence, &[(70, 0, 0)])));
        let without_its_bytes = move |number| {
            let body = records::fragment(records::CERTIFICATE, 200, sequence, 0, &[1; 50]);
            records::forge(HANDSHAKE, 0, number, &body[..30])
        };
        add("a fragment without its bytes", Box::new(without_its_bytes));
    }
    for version in [[0xfe, 0xfe], [0xfe, 0xfc], [0x03, 0x03], [0x01, 0x00], [0xff, 0xfd]] {
        // Alerts, of which OpenSSL looks at half of the version only.
        for (epoch, body) in [(0, vec![2, 40]), (1, vec![7; 40])] {
            let name = format!("version {version:02x?} in epoch {epoch}");
            kinds.push(Kind::new(name, move |number| {
                let mut datagram = records::forge(ALERT, epoch, number, &body);
                datagram[1..3].copy_from_slice(&version);
                datagram
            }));
        }
    }
    for content in [0, 19, 24, 25, 64, 255] {
        for epoch in [0, 1] {
            let name = format!("unknown type {content} in epoch {epoch}");
            kinds.push(Kind::new(name, sealed(content, epoch, 40)));
        }
    }
    for content in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA] {
        for epoch in [0, 1, 2] {
            let name = format!("zero bytes of type {content} in epoch {epoch}");
            kinds.push(Kind::new(name, sealed(content, epoch, 0)));
        }
        for epoch in [1, 2, 3, 0xffff] {
            let name = format!("a wrong tag of type {content} in epoch {epoch}");
            kinds.push(Kind::new(name, sealed(content, epoch, 60)));
        }
    }
    // Every handshake message but ClientHello, for which see `strangers.rs`.
    for kind in [0, 2, 3, 4, 11, 12, 13, 14, 15, 16, records::FINISHED, 99] {
        kinds.push(Kind::new(format!("message {kind} far ahead"), message(kind, FAR)));
        for sequence in 0..6 {
            let kind =
                Kind::new(format!("message {kind}, no. {sequence}"), message(kind, sequence));
            kinds.push(kind.not_sparing_handshakes());
        }
    }
    for [level, alert] in [[2, 0], [2, 20], [2, 40], [2, 90], [1, 0], [1, 90], [1, 100]] {
        let make = move |number| records::forge(ALERT, 0, number, &[level, alert]);
        let kind = Kind::new(format!("alert {alert} of level {level}"), make);
        kinds.push(kind.not_sparing_handshakes());
    }
    kinds
}
