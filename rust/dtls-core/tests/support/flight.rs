//! A flight whose handshake messages are put in another order, left out or added to, as a peer would
//! send it that has no regard for the protocol: the receiver gets them as a row without a gap.

use super::link::{Direction, Passing};
use super::records::{self, HANDSHAKE};

/// One handshake message in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The whole message in `record`, if it is one in the clear.
    pub(crate) fn read(record: &[u8]) -> Option<Self> {
        let kind = records::message(record)?;
        Some(Self { kind, body: record[records::HEADER + 12..].to_vec() })
    }
}

/// The weather in which `edit` decides what the flight of one side says that begins with a message of
/// the type `first`. The rest of that flight stays behind it.
pub(crate) fn edited(
    way: Direction,
    first: u8,
    mut edit: impl FnMut(&mut Vec<Message>),
) -> impl FnMut(Direction, Vec<Passing>) -> Vec<Vec<u8>> {
    move |direction, datagrams| {
        let whole: Vec<u8> = datagrams.into_iter().flat_map(|datagram| datagram.bytes).collect();
        let flight = records::split(&whole);
        if direction != way || flight.first().and_then(|it| records::message(it)) != Some(first) {
            return flight.into_iter().map(<[u8]>::to_vec).collect();
        }
        // A flight that is repeated often goes out in two copies. One is enough to lie in.
        let again = flight.iter().skip(1).position(|it| records::message(it) == Some(first));
        let flight = again.map_or(flight.as_slice(), |behind| &flight[..=behind]);
        let mut messages: Vec<Message> = flight.iter().filter_map(|it| Message::read(it)).collect();
        let rest = flight.iter().skip(messages.len()).map(|record| record.to_vec());
        edit(&mut messages);
        let sequence = records::message_sequence(flight[0]);
        let numbered = (records::number(flight[0])..).zip(sequence..).zip(messages);
        let mut arriving: Vec<Vec<u8>> = numbered
            .map(|((number, sequence), Message { kind, body })| {
                records::handshake(number, kind, sequence, &body)
            })
            .collect();
        let mut next = records::number(flight[0])..;
        next.nth(arriving.len() - 1);
        arriving.extend(rest.map(|record| {
            if records::epoch(&record) > 0 {
                return record;
            }
            assert_ne!(records::content(&record), HANDSHAKE, "a message behind the messages");
            records::renumbered(&record, next.next().expect("numbers do not end"))
        }));
        arriving
    }
}

/// Every order of `items`.
pub(crate) fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    (0..items.len())
        .flat_map(|index| {
            let mut rest = items.to_vec();
            let first = rest.remove(index);
            orders(&rest).into_iter().map(move |order| [vec![first.clone()], order].concat())
        })
        .collect()
}
