//! The two messages of the cookie exchange (RFC 6347 section 4.2.1): the ClientHello of a client that has
//! not proved its address, and the HelloVerifyRequest that answers it.
//!
//! OpenSSL sees a ClientHello only when this file has read it and its cookie was right. So whatever
//! `DTLSv1_listen` drops has to be dropped here, and more may be; `tests/listen.rs` compares the two.

use super::record::{self, Number};

/// Bytes of the cookies that are made here. A longer one would make a HelloVerifyRequest larger than the
/// smallest ClientHello.
pub(crate) const COOKIE: usize = 32;

/// Bytes of a HelloVerifyRequest with its headers.
const VERIFY_REQUEST: usize = record::HEADER + record::HANDSHAKE_HEADER + VERIFY_REQUEST_BODY;
/// Version, length of the cookie, cookie.
const VERIFY_REQUEST_BODY: usize = 2 + 1 + COOKIE;
/// Bytes of the smallest ClientHello that is answered: version, random, and two lengths that are 0. The
/// rest of it may come in other fragments.
const SMALLEST_HELLO: usize = record::HEADER + record::HANDSHAKE_HEADER + 2 + RANDOM + 1 + 1;

// A server that answers with more than it was sent is of use for attacks on others.
const _: () = assert!(VERIFY_REQUEST <= SMALLEST_HELLO);

/// Bytes of a random.
const RANDOM: usize = 32;
/// Largest session id, in bytes.
const MAX_SESSION_ID: usize = 32;
/// Largest body of a record that is not encrypted, in bytes.
const MAX_PLAIN: usize = 16 * 1024;

/// What a server has to know about a ClientHello before the client has proved its address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientHello<'a> {
    number: Number,
    /// Tells one client's attempt from the next.
    pub(crate) random: &'a [u8; RANDOM],
    /// Empty in a first ClientHello.
    pub(crate) cookie: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Reads the ClientHello that `datagram` begins with. Its first fragment is enough if the cookie is in
    /// it: to wait for another one, something would have to be kept. The version is for OpenSSL to refuse,
    /// which tells the client so.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (record, _) = record::split_record(datagram)?;
        if !record.is_client_hello() || record.body.len() > MAX_PLAIN {
            return None;
        }
        let mut reader = Reader(record.body);
        let &[_, m0, m1, m2, s0, s1, o0, o1, o2, f0, f1, f2] =
            reader.array::<{ record::HANDSHAKE_HEADER }>()?;
        let [message, offset, fragment] =
            [[m0, m1, m2], [o0, o1, o2], [f0, f1, f2]].map(|bytes| number(&bytes));
        let fits = fragment <= message && message <= record::MAX_HANDSHAKE_MESSAGE;
        // The second ClientHello has the number 1 (RFC 6347 section 4.2.2).
        if u16::from_be_bytes([s0, s1]) > 1 || offset != 0 || reader.0.len() != fragment || !fits {
            return None;
        }
        let _version = reader.array::<2>()?;
        let random = reader.array()?;
        let session_id = reader.vector::<1>()?;
        let cookie = reader.vector::<1>()?;
        let is_whole = fragment == message;
        if session_id.len() > MAX_SESSION_ID || is_whole && !reader.ends_as_a_hello() {
            return None;
        }
        Some(Self { number: record.number, random, cookie })
    }

    /// The HelloVerifyRequest with `cookie`, in a datagram. It has the record number of the ClientHello,
    /// so that nothing has to be counted, and version 1.0 whatever is agreed upon later.
    pub(crate) fn verify_request(&self, cookie: &[u8; COOKIE]) -> [u8; VERIFY_REQUEST] {
        const HELLO_VERIFY_REQUEST: u8 = 3;
        const BODY: u8 = VERIFY_REQUEST_BODY as u8;
        const MESSAGE: u8 = record::HANDSHAKE_HEADER as u8 + BODY;

        let [e0, e1, s0, s1, s2, s3, s4, s5] = self.number.to_bytes();
        let record = [record::HANDSHAKE, 0xfe, 0xff, e0, e1, s0, s1, s2, s3, s4, s5, 0, MESSAGE];
        let message = [HELLO_VERIFY_REQUEST, 0, 0, BODY, 0, 0, 0, 0, 0, 0, 0, BODY];
        let body = [0xfe, 0xff, COOKIE as u8];
        let mut datagram = [0; VERIFY_REQUEST];
        let bytes = record.iter().chain(&message).chain(&body).chain(cookie);
        bytes.zip(&mut datagram).for_each(|(byte, to)| *to = *byte);
        datagram
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        self.0.split_off(..count)
    }

    fn array<const COUNT: usize>(&mut self) -> Option<&'a [u8; COUNT]> {
        self.bytes(COUNT)?.try_into().ok()
    }

    /// What stands behind its length, a number of so many bytes.
    fn vector<const LENGTH: usize>(&mut self) -> Option<&'a [u8]> {
        let length = number(self.array::<LENGTH>()?);
        self.bytes(length)
    }

    /// Whether what stands behind the cookie is of a ClientHello: suites, compression methods, and
    /// extensions if there are any (RFC 5246 section 7.4.1.2). OpenSSL looks at what is in them.
    fn ends_as_a_hello(&mut self) -> bool {
        let Some((suites, compression)) = self.vector::<2>().zip(self.vector::<1>()) else {
            return false;
        };
        let ends = self.0.is_empty() || self.vector::<2>().is_some() && self.0.is_empty();
        !suites.is_empty() && suites.len().is_multiple_of(2) && !compression.is_empty() && ends
    }
}

/// The number in `bytes`, the highest first.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A datagram with a ClientHello that has `cookie`.
    pub(crate) fn hello(cookie: &[u8]) -> Vec<u8> {
        Parts { cookie: cookie.to_vec(), ..Parts::default() }.datagram()
    }

    /// A ClientHello that can be put together in wrong ways.
    struct Parts {
        content: u8,
        epoch: u8,
        kind: u8,
        sequence: u16,
        offset: usize,
        /// What the header says in place of the bytes that there are.
        message: Option<usize>,
        fragment: Option<usize>,
        session_id: Vec<u8>,
        cookie: Vec<u8>,
        suites: Vec<u8>,
        compression: Vec<u8>,
        /// With the length in front.
        extensions: Vec<u8>,
    }

    impl Default for Parts {
        fn default() -> Self {
            Self {
                content: record::HANDSHAKE,
                epoch: 0,
                kind: 1,
                sequence: 0,
                offset: 0,
                message: None,
                fragment: None,
                session_id: vec![3; 32],
                cookie: vec![9; COOKIE],
                suites: vec![0xc0, 0x2b],
                compression: vec![0],
                extensions: vec![0, 4, 0, 23, 0, 0],
            }
        }
    }

    impl Parts {
        fn body(&self) -> Vec<u8> {
            let byte = |length: usize| u8::try_from(length).expect("short");
            let mut body = vec![0xfe, 0xfd];
            body.extend([7; RANDOM]);
            body.push(byte(self.session_id.len()));
            body.extend(&self.session_id);
            body.push(byte(self.cookie.len()));
            body.extend(&self.cookie);
            body.extend(u16::try_from(self.suites.len()).expect("short").to_be_bytes());
            body.extend(&self.suites);
            body.push(byte(self.compression.len()));
            body.extend(&self.compression);
            body.extend(&self.extensions);
            body
        }

        fn datagram(&self) -> Vec<u8> {
            self.around(&self.body())
        }

        /// The headers around `body`.
        fn around(&self, body: &[u8]) -> Vec<u8> {
            let three = |number: usize| {
                let bytes = u32::try_from(number).expect("short").to_be_bytes();
                [bytes[1], bytes[2], bytes[3]]
            };
            let mut message = vec![self.kind];
            message.extend(three(self.message.unwrap_or(body.len())));
            message.extend(self.sequence.to_be_bytes());
            message.extend(three(self.offset));
            message.extend(three(self.fragment.unwrap_or(body.len())));
            message.extend(body);
            let mut datagram = vec![self.content, 0xfe, 0xff, 0, self.epoch, 0, 0, 0, 0, 1, 2];
            datagram.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
            datagram.extend(message);
            datagram
        }

        fn is_hello(&self) -> bool {
            ClientHello::parse(&self.datagram()).is_some()
        }
    }

    #[test]
    fn a_hello_is_read() {
        let datagram = Parts::default().datagram();
        let hello = ClientHello::parse(&datagram).expect("a ClientHello");
        assert_eq!((hello.random, hello.cookie), (&[7; RANDOM], [9; COOKIE].as_slice()));
        // With others behind it, and without what may be left out.
        let behind = [datagram.as_slice(), b"another record"].concat();
        assert_eq!(ClientHello::parse(&behind), Some(hello));
        let none = Vec::new;
        let parts =
            Parts { session_id: none(), cookie: none(), extensions: none(), ..Parts::default() };
        assert_eq!(ClientHello::parse(&parts.datagram()).map(|hello| hello.cookie), Some(&[][..]));
        assert!(Parts { sequence: 1, ..Parts::default() }.is_hello());
        assert!(Parts { cookie: vec![9; 255], ..Parts::default() }.is_hello());
    }

    #[test]
    fn headers_of_something_else_are_refused() {
        let parts = Parts::default;
        let others = [
            ("an alert", Parts { content: record::ALERT, ..parts() }),
            ("encrypted", Parts { epoch: 1, ..parts() }),
            ("a ServerHello", Parts { kind: 2, ..parts() }),
            ("the third message", Parts { sequence: 2, ..parts() }),
            ("the 256th", Parts { sequence: 256, ..parts() }),
            ("not the first fragment", Parts { offset: 1, message: Some(500), ..parts() }),
            ("one beyond the end", Parts { message: Some(50), ..parts() }),
            ("nothing of nothing", Parts { message: Some(0), fragment: Some(0), ..parts() }),
            ("one that promises more than there is", {
                let fragment = Some(parts().body().len() + 1);
                Parts { fragment, message: Some(500), ..parts() }
            }),
            ("one with something behind it", {
                Parts { fragment: Some(parts().body().len() - 1), ..parts() }
            }),
        ];
        for (what, parts) in others {
            assert!(!parts.is_hello(), "{what}");
        }
    }

    #[test]
    fn each_length_has_its_bounds() {
        let parts = Parts::default;
        assert!(!Parts { session_id: vec![3; 33], ..parts() }.is_hello());
        assert!(!Parts { suites: Vec::new(), ..parts() }.is_hello());
        assert!(!Parts { suites: vec![0xc0, 0x2b, 0], ..parts() }.is_hello());
        assert!(!Parts { compression: Vec::new(), ..parts() }.is_hello());
        for extensions in
            [&[0][..], &[0, 1], &[0, 0, 0], &[0, 4, 0, 23, 0], &[0, 4, 0, 23, 0, 0, 0]]
        {
            let it = Parts { extensions: extensions.to_vec(), ..parts() };
            assert!(!it.is_hello(), "{extensions:?}");
        }
        assert!(Parts { extensions: vec![0, 0], ..parts() }.is_hello());
        // As much as is let through, and one byte more.
        for (length, fits) in [(record::MAX_HANDSHAKE_MESSAGE, true), (16 * 1024 + 1, false)] {
            assert_eq!(Parts { message: Some(length), ..parts() }.is_hello(), fits, "{length}");
        }
        let room = MAX_PLAIN - record::HANDSHAKE_HEADER;
        for (length, fits) in [(room, true), (room + 1, false)] {
            let padding = length - Parts { extensions: Vec::new(), ..parts() }.body().len() - 2;
            let mut extensions = u16::try_from(padding).expect("short").to_be_bytes().to_vec();
            extensions.resize(2 + padding, 0);
            assert_eq!(Parts { extensions, ..parts() }.is_hello(), fits, "{length}");
        }
    }

    #[test]
    fn no_part_of_a_hello_is_a_whole_one() {
        let parts = Parts { extensions: Vec::new(), ..Parts::default() };
        let (whole, body) = (parts.datagram(), parts.body());
        for length in 0..whole.len() {
            assert_eq!(ClientHello::parse(&whole[..length]), None, "cut to {length}");
        }
        for length in 0..body.len() {
            let cut = parts.around(&body[..length]);
            assert_eq!(ClientHello::parse(&cut), None, "{length} of the message");
        }
    }

    #[test]
    fn the_first_fragment_is_enough_if_the_cookie_is_in_it() {
        let body = Parts::default().body();
        let parts = Parts { message: Some(body.len()), ..Parts::default() };
        let enough = 2 + RANDOM + 1 + 32 + 1 + COOKIE;
        for length in 0..body.len() {
            let fragment = parts.around(&body[..length]);
            let cookie = ClientHello::parse(&fragment).map(|hello| hello.cookie);
            assert_eq!(cookie, (length >= enough).then_some(&[9; COOKIE][..]), "{length}");
        }
    }

    #[test]
    fn it_is_answered_under_its_own_number() {
        let datagram = Parts::default().datagram();
        let hello = ClientHello::parse(&datagram).expect("a ClientHello");
        let headers = [
            [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 1, 2, 0, 47].as_slice(),
            &[3, 0, 0, 35, 0, 0, 0, 0, 0, 0, 0, 35, 0xfe, 0xff, 32],
        ];
        let expected = [headers.concat(), vec![5; COOKIE]].concat();
        assert_eq!(hello.verify_request(&[5; COOKIE]).as_slice(), expected);
    }
}
