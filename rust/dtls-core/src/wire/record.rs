//! The filter in front of OpenSSL: what is not a DTLS record never gets there.
//!
//! An unknown record type during the handshake, or a handshake message that claims megabytes, would
//! end a connection or fill memory, and neither is authenticated. RFC 6347 section 4.1.2.7: invalid
//! records should be silently discarded.

/// Bytes of a record header: type, version, epoch, sequence number, length.
pub(crate) const HEADER: usize = 13;
/// Bytes of a handshake message header: type, length, message sequence, fragment offset and length.
pub(super) const HANDSHAKE_HEADER: usize = 12;

/// Longest handshake message, in bytes, that is let through before the peer is known. OpenSSL
/// reserves memory for what a fragment promises, not for what it brings.
pub(crate) const MAX_HANDSHAKE_MESSAGE: usize = 16 * 1024;

/// Largest record body: 2^14 bytes and what encryption may add (RFC 5246 section 6.2.3).
const MAX_BODY: usize = 16 * 1024 + 2048;

/// Shortest body of an encrypted record with AES-GCM: explicit nonce and tag, of an empty packet, which
/// RFC 5246 section 6.2.1 allows. OpenSSL takes a shorter one for an internal error of its own and ends
/// the connection.
pub(crate) const LEAST_ENCRYPTED: usize = 8 + 16;
/// The same with ChaCha20-Poly1305, whose nonce is not sent.
pub(crate) const LEAST_ENCRYPTED_CHACHA: usize = 16;

const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;

/// Where a record stands in its direction: epoch (2 bytes) and sequence number (6 bytes), which grow
/// together (RFC 6347 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(u64);

impl Number {
    pub(crate) fn epoch(self) -> u64 {
        self.0 >> 48
    }

    pub(crate) fn sequence(self) -> u64 {
        self.0 & SEQUENCE
    }

    /// As it stands in a header.
    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The one behind it, in the same epoch.
    fn next(self) -> Option<Self> {
        let next = Self(self.0.checked_add(1)?);
        (next.epoch() == self.epoch()).then_some(next)
    }
}

/// One record of a datagram.
pub(crate) struct Record<'a> {
    pub(crate) content: u8,
    pub(crate) number: Number,
    pub(super) body: &'a [u8],
}

/// Takes the first record off `datagram`, if it is one.
pub(super) fn split_record(datagram: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, rest) = datagram.split_at_checked(HEADER)?;
    let &[content, major, minor, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = header else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    // DTLS 1.0 stands in the headers of a first flight, before a version is agreed upon.
    let version_known = major == 0xfe && (minor == 0xff || minor == 0xfd);
    let content_known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&content);
    if !version_known || !content_known || length > MAX_BODY {
        return None;
    }
    let (body, rest) = rest.split_at_checked(length)?;
    let number = Number(u64::from_be_bytes([e0, e1, s0, s1, s2, s3, s4, s5]));
    Some((Record { content, number, body }, rest))
}

/// The records of `datagram`, up to what is none.
pub(crate) fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (record, rest) = split_record(datagram)?;
        datagram = rest;
        Some(record)
    })
}

impl Record<'_> {
    /// Whether it is of the handshake, by what stands in front of it.
    pub(crate) fn is_handshake(&self) -> bool {
        self.content == HANDSHAKE
    }

    /// Whether it is encrypted and has nothing in it, where `least_encrypted` is the shortest body.
    pub(crate) fn is_empty(&self, least_encrypted: usize) -> bool {
        self.number.epoch() != 0 && self.body.len() == least_encrypted
    }

    pub(super) fn is_client_hello(&self) -> bool {
        self.number.epoch() == 0
            && self.content == HANDSHAKE
            && self.body.first() == Some(&CLIENT_HELLO)
    }

    /// Whether OpenSSL may see it: anything encrypted, and what is plain if it keeps to the limits.
    fn is_acceptable(&self, least_encrypted: usize) -> bool {
        if self.number.epoch() != 0 {
            return self.body.len() >= least_encrypted;
        }
        match self.content {
            HANDSHAKE => are_acceptable_fragments(self.body),
            // A level, and what it is about.
            ALERT => matches!(self.body, [1 | 2, _]),
            CHANGE_CIPHER_SPEC => self.body == [1],
            // Nothing of the application is ever sent in the clear.
            _ => false,
        }
    }
}

/// Whether `body` is a row of handshake fragments that promise no more than they may.
fn are_acceptable_fragments(mut body: &[u8]) -> bool {
    if body.is_empty() {
        return false;
    }
    while !body.is_empty() {
        let Some((header, rest)) = body.split_at_checked(HANDSHAKE_HEADER) else {
            return false;
        };
        let &[_, m0, m1, m2, _, _, o0, o1, o2, f0, f1, f2] = header else {
            return false;
        };
        let [message, offset, fragment] = [[m0, m1, m2], [o0, o1, o2], [f0, f1, f2]]
            .map(|[a, b, c]| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
        let nothing_of_something = fragment == 0 && message > 0;
        if message > MAX_HANDSHAKE_MESSAGE || offset + fragment > message || nothing_of_something {
            return false;
        }
        let Some((_, rest)) = rest.split_at_checked(fragment) else {
            return false;
        };
        body = rest;
    }
    true
}

/// The part of `datagram` that may go to OpenSSL: its records up to the first that is none or that
/// breaks a limit. Empty when there is nothing to handle.
pub(crate) fn acceptable(datagram: &[u8], least_encrypted: usize) -> &[u8] {
    let mut rest = datagram;
    while let Some((record, behind)) = split_record(rest) {
        if !record.is_acceptable(least_encrypted) {
            break;
        }
        rest = behind;
    }
    let accepted = datagram.len() - rest.len();
    datagram.get(..accepted).unwrap_or_default()
}

/// How many bytes the certificates of the peer are to have, where `datagram` begins with a part of a
/// message with more of them than is let through. Anyone can have sent it.
pub(crate) fn oversized_certificates(datagram: &[u8]) -> Option<usize> {
    const CERTIFICATE: u8 = 11;
    let (record, _) = split_record(datagram)?;
    let (header, _) = record.body.split_at_checked(HANDSHAKE_HEADER)?;
    let &[kind, m0, m1, m2, ..] = header else { return None };
    let message = usize::from(m0) << 16 | usize::from(m1) << 8 | usize::from(m2);
    let plain = record.number.epoch() == 0 && record.content == HANDSHAKE;
    (plain && kind == CERTIFICATE && message > MAX_HANDSHAKE_MESSAGE).then_some(message)
}

/// The number of the last record in `datagram`.
pub(crate) fn last_number(datagram: &[u8]) -> Option<Number> {
    records(datagram).last().map(|record| record.number)
}

/// The largest message number of the ClientHellos in `datagram`, which was written here.
pub(crate) fn newest_hello(datagram: &[u8]) -> Option<u16> {
    let hellos = records(datagram).filter(Record::is_client_hello);
    hellos.filter_map(|record| message_number(&record)).max()
}

/// The sequence number of the first record of `datagram`.
pub(crate) fn first_sequence(datagram: &[u8]) -> Option<u64> {
    split_record(datagram).map(|(record, _)| record.number.sequence())
}

/// Adds `by` to the sequence number of every plaintext record of `datagram`.
pub(crate) fn renumber(mut datagram: &mut [u8], by: u64) {
    while let Some((record, _)) = split_record(datagram) {
        let length = HEADER + record.body.len();
        let plain = record.number.epoch() == 0;
        let sequence = record.number.0.wrapping_add(by) & SEQUENCE;
        let (header, rest) = datagram.split_at_mut(length);
        if let Some(field) = header.get_mut(3..11).filter(|_| plain) {
            field.copy_from_slice(&sequence.to_be_bytes());
        }
        datagram = rest;
    }
}

/// Gives the plaintext records of `datagram` the numbers from `next` on.
pub(crate) fn number_from(mut datagram: &mut [u8], next: &mut u64) {
    while let Some((record, _)) = split_record(datagram) {
        let length = HEADER + record.body.len();
        let plain = record.number.epoch() == 0;
        let (header, rest) = datagram.split_at_mut(length);
        if let Some(field) = header.get_mut(3..11).filter(|_| plain) {
            field.copy_from_slice(&(*next & SEQUENCE).to_be_bytes());
            *next += 1;
        }
        datagram = rest;
    }
}

/// The number of the handshake message that `datagram` starts with, if that is in the clear.
pub(crate) fn first_message_number(datagram: &[u8]) -> Option<u16> {
    message_number(&split_record(datagram)?.0)
}

fn message_number(record: &Record<'_>) -> Option<u16> {
    let plain = record.number.epoch() == 0 && record.content == HANDSHAKE;
    let bytes = record.body.get(4..6).filter(|_| plain)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// Whether `datagram` has an encrypted record in it that is not of the handshake.
pub(crate) fn has_encrypted_data(datagram: &[u8]) -> bool {
    records(datagram).any(|record| record.number.epoch() != 0 && record.content != HANDSHAKE)
}

/// The records of `datagram` in front of the first one that is not `wanted`.
pub(crate) fn take_while(datagram: &[u8], mut wanted: impl FnMut(&Record<'_>) -> bool) -> &[u8] {
    let wanted = records(datagram).take_while(|record| wanted(record));
    let length: usize = wanted.map(|record| HEADER + record.body.len()).sum();
    datagram.get(..length).unwrap_or_default()
}

/// What stands behind the first record of `datagram`.
pub(crate) fn behind_first(datagram: &[u8]) -> &[u8] {
    split_record(datagram).map_or(&[], |(_, rest)| rest)
}

/// Whether `datagram`, which was written here, starts with a part of a handshake that is not encrypted.
pub(crate) fn starts_flight(datagram: &[u8]) -> bool {
    split_record(datagram).is_some_and(|(record, _)| {
        record.number.epoch() == 0 && matches!(record.content, CHANGE_CIPHER_SPEC | HANDSHAKE)
    })
}

/// The bits of a record's number that are its sequence number.
const SEQUENCE: u64 = (1 << 48) - 1;

/// The fatal alert user_canceled as a plaintext record, to follow the record `last`; `None` when that
/// one was encrypted, since what follows it would have to be as well.
pub(crate) fn plaintext_cancel(last: Number) -> Option<[u8; HEADER + 2]> {
    const USER_CANCELED: u8 = 90;
    let number = last.next().filter(|number| number.epoch() == 0)?;
    Some(fatal_alert(number, USER_CANCELED))
}

/// The fatal alert access_denied as a plaintext record, in answer to the ClientHello `hello`, whose
/// record number it has (RFC 6347 section 4.2.1).
pub(crate) fn plaintext_denial(hello: &[u8]) -> Option<[u8; HEADER + 2]> {
    const ACCESS_DENIED: u8 = 49;
    let (record, _) = split_record(hello).filter(|_| is_client_hello(hello))?;
    Some(fatal_alert(record.number, ACCESS_DENIED))
}

fn fatal_alert(number: Number, description: u8) -> [u8; HEADER + 2] {
    const FATAL: u8 = 2;
    let [e0, e1, s0, s1, s2, s3, s4, s5] = number.to_bytes();
    [ALERT, 0xfe, 0xfd, e0, e1, s0, s1, s2, s3, s4, s5, 0, 2, FATAL, description]
}

/// The random of the ClientHello that `datagram` starts with, by which one client's attempt is told
/// from the next.
pub(crate) fn client_random(datagram: &[u8]) -> Option<[u8; 32]> {
    /// Where it stands in the first fragment: behind its header and the version.
    const AT: std::ops::Range<usize> = HANDSHAKE_HEADER + 2..HANDSHAKE_HEADER + 2 + 32;
    let (record, _) = split_record(datagram).filter(|_| is_client_hello(datagram))?;
    let offset = record.body.get(6..9)?;
    if offset != [0; 3] {
        return None;
    }
    record.body.get(AT)?.try_into().ok()
}

/// Whether `datagram` starts with a ClientHello, the only thing that a listening server looks at.
pub(crate) fn is_client_hello(datagram: &[u8]) -> bool {
    split_record(datagram).is_some_and(|(record, _)| record.is_client_hello())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acceptable(datagram: &[u8]) -> &[u8] {
        super::acceptable(datagram, LEAST_ENCRYPTED_CHACHA)
    }

    fn record(content: u8, minor: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("a test's body is short");
        let mut record = vec![content, 0xfe, minor];
        record.extend(epoch.to_be_bytes());
        record.extend([0; 6]);
        record.extend(length.to_be_bytes());
        record.extend(body);
        record
    }

    fn fragment(kind: u8, message: u32, offset: u32, bytes: &[u8]) -> Vec<u8> {
        let mut fragment = vec![kind];
        fragment.extend(&message.to_be_bytes()[1..]);
        fragment.extend([0, 0]);
        fragment.extend(&offset.to_be_bytes()[1..]);
        let length = u32::try_from(bytes.len()).expect("a test's fragment is short");
        fragment.extend(&length.to_be_bytes()[1..]);
        fragment.extend(bytes);
        fragment
    }

    #[test]
    fn whole_records_pass() {
        let mut datagram = record(22, 0xff, 0, &fragment(1, 40, 0, &[7; 40]));
        datagram.extend(record(20, 0xfd, 0, &[1]));
        datagram.extend(record(22, 0xfd, 1, &[9; 40]));
        assert_eq!(acceptable(&datagram), datagram);
        assert!(is_client_hello(&datagram));
    }

    #[test]
    fn what_is_no_record_is_dropped() {
        let noise: [&[u8]; 5] = [b"", b"\x16", &[0; 13], &[0xff; 200], b"GET / HTTP/1.1\r\n\r\n"];
        for datagram in noise {
            assert!(acceptable(datagram).is_empty(), "{datagram:?}");
            assert!(!is_client_hello(datagram), "{datagram:?}");
        }
        for content in [0, 19, 24, 25, 64, 255] {
            assert!(acceptable(&record(content, 0xfd, 1, &[1; 20])).is_empty(), "type {content}");
        }
        for minor in [0, 1, 0xfc, 0xfe] {
            assert!(acceptable(&record(23, minor, 1, &[1; 20])).is_empty(), "version {minor}");
        }
        let whole = record(23, 0xfd, 1, &[1; 20]);
        for length in 0..whole.len() {
            assert!(acceptable(&whole[..length]).is_empty(), "cut to {length}");
        }
        assert!(acceptable(&record(23, 0xfd, 1, &vec![1; MAX_BODY + 1])).is_empty());
    }

    #[test]
    fn noise_behind_a_record_does_not_cost_the_record() {
        let mut datagram = record(23, 0xfd, 1, &[1; 20]);
        let length = datagram.len();
        datagram.extend([0xff; 30]);
        assert_eq!(acceptable(&datagram), &datagram[..length]);
    }

    #[test]
    fn plaintext_application_data_is_dropped() {
        assert!(acceptable(&record(23, 0xfd, 0, b"hello")).is_empty());
    }

    #[test]
    fn fragments_that_promise_too_much_are_dropped() {
        let promise = u32::try_from(MAX_HANDSHAKE_MESSAGE).expect("fits");
        let fits = record(22, 0xfd, 0, &fragment(11, promise, 0, &[0; 100]));
        assert_eq!(acceptable(&fits), fits);
        let huge = record(22, 0xfd, 0, &fragment(11, promise + 1, 0, &[0; 100]));
        assert!(acceptable(&huge).is_empty());
        assert_eq!(oversized_certificates(&huge), Some(MAX_HANDSHAKE_MESSAGE + 1));
        assert_eq!(oversized_certificates(&fits), None);
        let other = record(22, 0xfd, 0, &fragment(12, promise + 1, 0, &[0; 100]));
        let encrypted = record(22, 0xfd, 1, &fragment(11, promise + 1, 0, &[0; 100]));
        let no_handshake = record(23, 0xfd, 0, &fragment(11, promise + 1, 0, &[0; 100]));
        for none in [&other[..], &encrypted, &no_handshake, &huge[..huge.len() - 1], &[]] {
            assert_eq!(oversized_certificates(none), None);
        }
        let beyond = record(22, 0xfd, 0, &fragment(11, 200, 150, &[0; 100]));
        assert!(acceptable(&beyond).is_empty());
        let mut second = fragment(11, 100, 0, &[0; 100]);
        second.extend(fragment(12, promise + 1, 0, &[0; 10]));
        assert!(acceptable(&record(22, 0xfd, 0, &second)).is_empty());
        assert!(acceptable(&record(22, 0xfd, 0, &[])).is_empty());
        assert!(acceptable(&record(22, 0xfd, 0, &[1; 11])).is_empty());
    }

    #[test]
    fn a_cancel_follows_the_last_record_unless_that_was_encrypted() {
        let mut datagram = record(22, 0xff, 0, &fragment(1, 40, 0, &[7; 40]));
        datagram[10] = 8;
        let last = last_number(&datagram).expect("a record");
        let cancel = plaintext_cancel(last).expect("an alert");
        assert_eq!(cancel, [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 90]);
        datagram.extend(record(22, 0xfd, 1, &[9; 40]));
        let last = last_number(&datagram).expect("a record");
        assert_eq!(plaintext_cancel(last), None);
        datagram[5..11].fill(0xff);
        let last = last_number(&datagram[..65]).expect("a record");
        assert_eq!(plaintext_cancel(last), None);
        assert_eq!(last_number(b""), None);
    }

    #[test]
    fn a_datagram_is_cut_between_records() {
        let hello = record(22, 0xff, 0, &fragment(1, 40, 0, &[7; 40]));
        let [finished, packet] = [22, 23].map(|content| record(content, 0xfd, 1, &[9; 40]));
        let whole = [hello.clone(), finished.clone(), packet.clone()].concat();
        assert_eq!(take_while(&whole, |_| true), whole);
        assert_eq!(take_while(&whole, |it| it.is_handshake()), [hello.clone(), finished].concat());
        assert_eq!(take_while(&whole, |record| record.number.epoch() == 0), hello);
        assert_eq!(take_while(&packet, |it| it.is_handshake()), b"");
        assert_eq!(behind_first(&whole), &whole[hello.len()..]);
        assert_eq!(behind_first(&packet), b"");
        assert_eq!(behind_first(b"noise"), b"");
    }

    #[test]
    fn an_empty_packet_is_a_record() {
        let mut datagram = record(23, 0xfd, 1, &[1; LEAST_ENCRYPTED]);
        datagram.extend(record(23, 0xfd, 1, &[1; 40]));
        assert_eq!(super::acceptable(&datagram, LEAST_ENCRYPTED), datagram);
        let shorter = record(23, 0xfd, 1, &[1; LEAST_ENCRYPTED - 1]);
        assert!(super::acceptable(&shorter, LEAST_ENCRYPTED).is_empty());
        assert!(records(&datagram).next().is_some_and(|it| it.is_empty(LEAST_ENCRYPTED)));
        assert!(records(&datagram).nth(1).is_some_and(|it| !it.is_empty(LEAST_ENCRYPTED)));
    }

    #[test]
    fn only_a_client_hello_is_one() {
        assert!(!is_client_hello(&record(22, 0xfd, 0, &fragment(2, 40, 0, &[7; 40]))));
        assert!(!is_client_hello(&record(22, 0xfd, 1, &fragment(1, 40, 0, &[7; 40]))));
        assert!(!is_client_hello(&record(21, 0xfd, 0, &[2, 40])));
    }
}
