//! The cookie exchange beside OpenSSL's own, `DTLSv1_listen`: whatever that drops is dropped, and what it
//! answers or lets in is answered or let in, but for what this file lists.

mod support;

use std::collections::BTreeMap;

use dtls_core::{Accepted, Datagrams, Listener};
use support::link::{End, address, connect, listener};
use support::raw::{Listened, Progress, Raw, RawListener};
use support::{clock, pki, raw, records, stride};

const MESSAGE_HEADER: usize = 12;
/// Where the random of a ClientHello is in its datagram.
const RANDOM: std::ops::Range<usize> =
    records::HEADER + MESSAGE_HEADER + 2..records::HEADER + MESSAGE_HEADER + 34;
/// Where the cookie is in a HelloVerifyRequest.
const COOKIE: usize = records::HEADER + MESSAGE_HEADER + 2 + 1;

/// Why a datagram is dropped that OpenSSL answers or lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stricter {
    /// OpenSSL looks at the first byte of a record's version; this side knows DTLS 1.0 and 1.2.
    RecordVersion,
    /// It would promise more than the 16 KB that a message may have.
    Promise,
    /// The session id in the first of several fragments is longer than one can be (RFC 5246 section 7.4.1.2).
    SessionId,
    /// OpenSSL refuses it when the cookie is right.
    Hopeless,
}

/// Our listener and OpenSSL's.
struct Both {
    ours: Listener,
    theirs: RawListener,
    /// Our cookie for each random.
    cookies: BTreeMap<Vec<u8>, [u8; 32]>,
    answers: Datagrams,
    counts: BTreeMap<(Listened, Option<Stricter>), usize>,
}

impl Both {
    fn new() -> Self {
        Self {
            ours: listener(&pki::localhost()),
            theirs: RawListener::new(),
            cookies: BTreeMap::new(),
            answers: Datagrams::new(),
            counts: BTreeMap::new(),
        }
    }

    /// What our listener makes of `datagram`.
    fn ours(&mut self, datagram: &[u8]) -> Listened {
        self.answers.clear();
        let peer = address("192.0.2.1:4242");
        let accepted = self.ours.handle_datagram(peer, datagram, &mut self.answers, clock::now());
        let answers: Vec<_> = self.answers.iter().map(<[u8]>::to_vec).collect();
        match (accepted.expect("a datagram is no failure"), answers.as_slice()) {
            (Accepted::NotAHello, []) => Listened::Dropped,
            (Accepted::CookieSent, [answer]) => {
                // The clock stands still, so there is one cookie for each random.
                let cookie = answer[COOKIE..].try_into().expect("a cookie has 32 bytes");
                let known = self.cookies.entry(datagram[RANDOM].to_vec()).or_insert(cookie);
                assert_eq!(*known, cookie, "{datagram:?}");
                Listened::Answered(answer.clone())
            }
            (Accepted::Session(_), []) => Listened::Verified,
            other => panic!("{other:?}"),
        }
    }

    /// Gives `datagram` to both.
    fn compare(&mut self, what: &str, datagram: &[u8]) {
        let ours = self.ours(datagram);
        let random = datagram.get(RANDOM).unwrap_or_default();
        let theirs = self.theirs.listen(datagram, self.cookies.get(random).copied());
        let stricter = (ours == Listened::Dropped && theirs != ours).then(|| why(what, datagram));
        if stricter.is_none() {
            assert_eq!(ours, theirs, "{what}: {datagram:?}");
        }
        let outcome = match theirs {
            Listened::Answered(_) => Listened::Answered(Vec::new()),
            other => other,
        };
        *self.counts.entry((outcome, stricter)).or_default() += 1;
    }

    /// A ClientHello of a client without a cookie, and the same client's with one.
    fn hellos(&mut self) -> [Vec<u8>; 2] {
        let mut client = connect(&pki::verifying());
        let first = client.take().remove(0);
        let Listened::Answered(answer) = self.ours(&first) else {
            panic!("a ClientHello is answered");
        };
        client.handle(&answer);
        [first, client.take().remove(0)]
    }

    fn count(&self, outcome: &Listened, stricter: Option<Stricter>) -> usize {
        self.counts.get(&(outcome.clone(), stricter)).copied().unwrap_or_default()
    }

    /// That each thing happened, and so was compared.
    fn assert_seen(&self, seen: &[(Listened, Option<Stricter>)]) {
        println!("{:?}", self.counts);
        for (outcome, stricter) in seen {
            assert!(self.count(outcome, *stricter) > 0, "{outcome:?}, {stricter:?}");
        }
    }
}

const ANSWERED: Listened = Listened::Answered(Vec::new());

/// Why `datagram` is dropped although OpenSSL makes something of it.
fn why(what: &str, datagram: &[u8]) -> Stricter {
    let at = records::HEADER;
    if !matches!(datagram[2], 0xff | 0xfd) {
        return Stricter::RecordVersion;
    }
    if datagram[at + 1] > 0 || u16::from_be_bytes([datagram[at + 2], datagram[at + 3]]) > 0x4000 {
        return Stricter::Promise;
    }
    if datagram[at + 1..at + 4] != datagram[at + 9..at + 12] && datagram[RANDOM.end] > 32 {
        return Stricter::SessionId;
    }
    assert!(is_hopeless(datagram), "{what}: {datagram:?}");
    Stricter::Hopeless
}

/// Whether OpenSSL refuses the ClientHello in `datagram` where it wants no cookie.
fn is_hopeless(datagram: &[u8]) -> bool {
    let mut hello = datagram.to_vec();
    // As the first message.
    hello[records::HEADER + 4..records::HEADER + 6].fill(0);
    let mut server = Raw::server(raw::context_of(&pki::LOCALHOST));
    server.handle(&hello);
    matches!(server.progress, Progress::Failed(_))
}

/// `hello`, cut to so many bytes of its message, as a whole message or as its first fragment.
fn cut(hello: &[u8], length: usize, whole: bool) -> Vec<u8> {
    let body = &hello[records::HEADER + MESSAGE_HEADER..];
    let total = if whole { length } else { body.len() };
    let total = u32::try_from(total).expect("short");
    let sequence = records::message_sequence(hello);
    let fragment = records::fragment(records::CLIENT_HELLO, total, sequence, 0, &body[..length]);
    records::forge(records::HANDSHAKE, 0, records::number(hello), &fragment)
}

/// The first fragment of `hello`, which ends behind the cookie.
fn fragment(hello: &[u8]) -> Vec<u8> {
    cut(hello, records::cookie(hello).end - records::HEADER - MESSAGE_HEADER, false)
}

#[test]
fn every_byte_changed() {
    let mut both = Both::new();
    let [first, second] = both.hellos();
    let [first_part, second_part] = [&first, &second].map(|hello| fragment(hello));
    for (what, hello) in [
        ("first", &first),
        ("with a cookie", &second),
        ("a part of the first", &first_part),
        ("a part with a cookie", &second_part),
    ] {
        both.compare(what, hello);
        assert!(!is_hopeless(hello), "{what}");
        for at in 0..hello.len() {
            // Each one that is let in costs a handshake.
            let few = |to: &u8| what != "with a cookie" || (to ^ hello[at]).count_ones() <= 2;
            for to in (0..=255).filter(few).step_by(stride()) {
                let mut changed = hello.clone();
                changed[at] = to;
                both.compare(&format!("{what}, {to} at {at}"), &changed);
            }
        }
    }
    both.assert_seen(&[
        (Listened::Dropped, None),
        (ANSWERED, None),
        (Listened::Verified, None),
        (ANSWERED, Some(Stricter::RecordVersion)),
        (ANSWERED, Some(Stricter::Promise)),
        (ANSWERED, Some(Stricter::Hopeless)),
        (Listened::Verified, Some(Stricter::RecordVersion)),
        (Listened::Verified, Some(Stricter::Promise)),
        (Listened::Verified, Some(Stricter::Hopeless)),
    ]);
}

#[test]
fn every_length() {
    let mut both = Both::new();
    let hellos = both.hellos();
    for hello in &hellos {
        // An empty datagram is the end of a stream to the BIO of OpenSSL's side.
        for length in 1..=hello.len() {
            both.compare(&format!("the datagram cut to {length}"), &hello[..length]);
            let mut longer = hello.clone();
            longer.resize(hello.len() + length, 0);
            both.compare(&format!("{length} bytes more"), &longer);
            let behind = [hello.as_slice(), &hello[..length]].concat();
            both.compare(&format!("{length} bytes of it once more"), &behind);
        }
        let message = &hello[records::HEADER..];
        for first in [hello, &fragment(hello)] {
            let both_of_them = [&first[records::HEADER..], message].concat();
            let record = records::forge(records::HANDSHAKE, 0, 5, &both_of_them);
            both.compare("two messages in one record", &record);
        }
        for length in 0..=message.len() - MESSAGE_HEADER {
            both.compare(&format!("a message of {length}"), &cut(hello, length, true));
            both.compare(&format!("a fragment of {length}"), &cut(hello, length, false));
        }
    }
    both.assert_seen(&[
        (Listened::Dropped, None),
        (ANSWERED, None),
        (Listened::Verified, None),
        (ANSWERED, Some(Stricter::Hopeless)),
        (Listened::Verified, Some(Stricter::Hopeless)),
    ]);
}

#[test]
fn many_bytes_changed() {
    let mut both = Both::new();
    let hellos = both.hellos();
    let mut noise = records::Noise::new(1);
    for number in 0..20_000 / stride() {
        let hello = &hellos[noise.below(2)];
        let mut changed = match noise.below(3) {
            0 => hello.clone(),
            1 => fragment(hello),
            _ => cut(hello, noise.below(hello.len() - 24), noise.below(2) == 0),
        };
        for _ in 0..noise.below(4) {
            // Most of what decides is in front.
            let end = [changed.len(), 30, 70][noise.below(3)].min(changed.len());
            changed[noise.below(end)] = noise.bytes(1)[0];
        }
        both.compare(&format!("number {number}"), &changed);
    }
    both.assert_seen(&[
        (Listened::Dropped, None),
        (ANSWERED, None),
        (Listened::Verified, None),
        (ANSWERED, Some(Stricter::Hopeless)),
    ]);
}

/// The largest record that is let through, and one byte more.
#[test]
fn large_ones() {
    let mut both = Both::new();
    let [first, second] = both.hellos();
    for hello in [first, second] {
        let body = &hello[records::HEADER + MESSAGE_HEADER..];
        let extensions = records::cookie(&hello).end - records::HEADER - MESSAGE_HEADER;
        let suites = usize::from(u16::from_be_bytes([body[extensions], body[extensions + 1]]));
        let extensions = extensions + 2 + suites + 2;
        for total in [16_372, 16_373, 16_384, 16_385] {
            // An extension that nobody knows fills it up.
            let mut body = body[..extensions].to_vec();
            let rest = u16::try_from(total - extensions - 2).expect("short");
            body.extend(rest.to_be_bytes());
            body.extend([0xff, 0xee]);
            body.extend((rest - 4).to_be_bytes());
            body.resize(total, 0);
            let sequence = records::message_sequence(&hello);
            let datagram = records::handshake(7, records::CLIENT_HELLO, sequence, &body);
            both.compare(&format!("{total} bytes"), &datagram);
        }
    }
    assert_eq!(both.count(&ANSWERED, None), 1, "{:?}", both.counts);
    assert_eq!(both.count(&Listened::Verified, None), 1, "{:?}", both.counts);
    assert_eq!(both.count(&Listened::Dropped, None), 6, "{:?}", both.counts);
}

/// OpenSSL asks about the cookie once more when it has put the ClientHello together.
#[test]
fn a_verified_fragment_lets_no_other_cookie_in() {
    let mut both = Both::new();
    let hello = both.hellos()[1].clone();
    let place = records::cookie(&hello);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = hello[records::HEADER + MESSAGE_HEADER..].to_vec();
        change(&mut body);
        records::handshake(9, records::CLIENT_HELLO, records::message_sequence(&hello), &body)
    };
    let in_body = place.start - records::HEADER - MESSAGE_HEADER;
    let kinds = [
        ("the same", changed(&|_| ()), true),
        ("another cookie", changed(&|body| body[in_body + 31] ^= 1), false),
        (
            "an empty cookie",
            changed(&|body| drop(body.splice(in_body - 1..in_body + 32, [0]))),
            false,
        ),
        (
            "a shorter one",
            changed(&|body| drop(body.splice(in_body - 1..in_body + 1, [31]))),
            false,
        ),
    ];
    for (what, whole, goes_on) in kinds {
        let peer = address("192.0.2.1:4242");
        let begun = &fragment(&hello);
        let accepted = both.ours.handle_datagram(peer, begun, &mut both.answers, clock::now());
        let Ok(Accepted::Session(mut session)) = accepted else {
            panic!("{accepted:?}");
        };
        assert!(session.take().is_empty(), "{what}: it is not complete");
        session.handle(&whole);
        let sent = session.take();
        let messages: Vec<_> = sent.iter().map(|sent| records::message(sent)).collect();
        assert_eq!(
            messages.contains(&Some(records::SERVER_HELLO)),
            goes_on,
            "{what}: {messages:?}"
        );
        assert!(!messages.contains(&Some(records::HELLO_VERIFY_REQUEST)), "{what}");
        assert_eq!(session.failure().is_none(), goes_on, "{what}: {:?}", session.failure());
    }
}
