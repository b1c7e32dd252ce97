//! Records and handshake messages as a stranger would write them, with the lengths in order: bytes that
//! fail at the first length have nothing more to say.

/// Bytes of a record header.
pub(crate) const HEADER: usize = 13;
/// Bytes of the header of a handshake message.
const MESSAGE_HEADER: usize = 12;

pub(crate) const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// A record of this type with any body.
pub(crate) fn record(content: u8, epoch: u8, sequence: usize, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0];
    record.extend(low_16(sequence));
    record.extend(low_16(body.len()));
    record.extend(body);
    record
}

/// A whole handshake message in one record in the clear.
pub(crate) fn message(kind: u8, number: u8, sequence: usize, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0];
    message.extend(low_16(body.len()));
    message.extend([0, number, 0, 0, 0, 0]);
    message.extend(low_16(body.len()));
    message.extend(body);
    record(HANDSHAKE, 0, sequence, &message)
}

/// Replaces `removed` bytes at `at` in the first message of record number `index` by others, and makes
/// the lengths around them right again. `None` where there is no whole message in the clear.
pub(crate) fn splice(
    datagram: &[u8],
    index: usize,
    at: usize,
    removed: usize,
    added: &[u8],
) -> Option<Vec<u8>> {
    let record = records(datagram).nth(index)?;
    let before: usize = records(datagram).take(index).map(<[u8]>::len).sum();
    let (before, rest) = datagram.split_at(before);
    let rest = &rest[record.len()..];

    let (header, message) = record.split_at(HEADER);
    if !header.starts_with(&[HANDSHAKE]) || header.get(3..5) != Some(&[0, 0]) {
        return None;
    }
    let (message_header, body) = message.split_at_checked(MESSAGE_HEADER)?;
    let whole = message_header.get(1..4)? == message_header.get(9..12)?;
    let length = usize::from(message_header[2]) << 8 | usize::from(message_header[3]);
    let (body, behind) = body.split_at_checked(length).filter(|_| whole)?;

    let from = at.min(body.len());
    let to = (from + removed).min(body.len());
    let body = [&body[..from], added, &body[to..]].concat();
    let length = low_16(body.len());
    let mut changed = [before, &header[..11]].concat();
    changed.extend(low_16(MESSAGE_HEADER + body.len() + behind.len()));
    changed.extend([message[0], 0, length[0], length[1]]);
    changed.extend(&message[4..9]);
    changed.extend([0, length[0], length[1]]);
    changed.extend([&body, behind, rest].concat());
    Some(changed)
}

/// The records of `datagram`, headers included, up to what is none.
pub(crate) fn records(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (record, rest) = split(datagram)?;
        datagram = rest;
        Some(record)
    })
}

fn split(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[high, low] = datagram.get(11..HEADER)? else { return None };
    datagram.split_at_checked(HEADER + usize::from(u16::from_be_bytes([high, low])))
}

/// Whether `datagram` starts with a ClientHello.
pub(crate) fn is_client_hello(datagram: &[u8]) -> bool {
    datagram.first() == Some(&HANDSHAKE) && datagram.get(HEADER) == Some(&CLIENT_HELLO)
}

/// The lower 16 bits, as they stand in a header.
fn low_16(number: usize) -> [u8; 2] {
    let [.., high, low] = number.to_be_bytes();
    [high, low]
}
