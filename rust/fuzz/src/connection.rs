//! Datagrams during the handshake and behind it, by script.

use std::time::Duration;

use dtls_core::{Failure, Limits, Session};

use crate::client::Rebuild as _;
use crate::input::Input;
use crate::pki::Pki;
use crate::world::{Direction, ToServer, World, is_connected};
use crate::{records, script};

/// A handshake, and what a stranger does to it. He may prevent it. He may not bring a client that
/// verifies to believe that it is connected while its server is not; and where he only loses, repeats,
/// delays or reorders, the two come together, if time does not run out.
pub fn handshake(input: &[u8]) {
    crate::begin();
    let mut input = Input::new(input);
    let mut world = begin(input.byte());
    let interference = script::play(&mut world, &mut input, World::deliver);
    world.run();

    // Whoever resumes a session hears the server's Finished first.
    let resumed = world.client.is_resumed();
    if is_connected(Some(&world.client)) {
        assert!(world.server_was_connected || resumed, "the client is connected to no one");
    }
    let server = world.server.as_ref();
    let last = if resumed { server.and_then(Session::failure) } else { world.client.failure() };
    let timed_out = matches!(last, Some(Failure::TimedOut { .. } | Failure::PskNotProved { .. }));
    if world.are_connected() {
        world.check_that_packets_pass();
    } else if !interference.forged && !interference.closed && !world.was_idle {
        assert!(timed_out, "on an honest wire: client {:?}, server {server:?}", world.client);
    }
}

/// A connection, and what a stranger does to it: nothing.
pub fn established(input: &[u8]) {
    crate::begin();
    let mut input = Input::new(input);
    let choice = input.byte();
    let mut world = begin(choice);
    world.run();
    assert!(world.are_connected(), "nobody was in the way");
    let resumed = choice & RESUMED != 0 && choice & PRE_SHARED_KEY == 0;
    assert_eq!(world.client.is_resumed(), resumed, "resumed");

    let interference = script::play(&mut world, &mut input, deliver_to_a_connection);
    world.settle();
    let ended = interference.closed || world.has_restarted || world.was_idle;
    assert!(world.are_connected() || ended, "ended by no one");
    if world.are_connected() {
        world.check_that_packets_pass();
    }
}

/// Lets a datagram arrive and looks at what it does to a connection that stands.
fn deliver_to_a_connection(world: &mut World, direction: Direction, datagram: &[u8]) {
    let is_forged = !world.has_genuine_record(direction, datagram);
    let stood = world.are_connected();
    let begun = world.handshakes_begun();
    let back = direction.opposite();
    let before = world.way(back).sent.len();
    world.deliver(direction, datagram);
    if !is_forged || !stood {
        return;
    }
    let answers = &world.way(back).sent[before..];
    let answered: usize = answers.iter().map(Vec::len).sum();
    if direction == ToServer && records::is_client_hello(datagram) {
        // The cookie went over the wire, where this stranger can read it, and begin a handshake with it.
        let proved = world.handshakes_begun() > begun;
        assert!(proved || answered <= datagram.len(), "{answered} bytes for {}", datagram.len());
        assert!(world.are_connected() || world.has_restarted, "ended by a ClientHello");
    } else {
        assert_eq!(answered, 0, "bytes in answer to a forged record");
        assert!(world.are_connected(), "ended by a forged record");
    }
}

/// What differs between the worlds in which scripts are played.
const SMALL_MTU: u8 = 1;
const IDLE_TIMEOUT: u8 = 2;
const TRUSTING: u8 = 4;
const RESUMED: u8 = 8;
const CLIENT_CERTIFICATE: u8 = 16;
const PRE_SHARED_KEY: u8 = 32;

/// A world in which a client's first datagram is on the wire.
fn begin(choice: u8) -> World {
    let pki = Pki::get();
    let mut limits = Limits::default();
    if choice & SMALL_MTU != 0 {
        limits = limits.with_mtu(*Limits::MTU.start()).expect("within the limits");
    }
    if choice & IDLE_TIMEOUT != 0 {
        limits = limits.with_idle_timeout(Some(Duration::from_secs(20))).expect("a possible time");
    }
    let (server, client) = match (choice & CLIENT_CERTIFICATE != 0, choice & TRUSTING != 0) {
        _ if choice & PRE_SHARED_KEY != 0 => (&pki.keyed, &pki.with_key),
        (true, _) => (&pki.asking, &pki.identified),
        (false, true) => (&pki.server, &pki.trusting),
        (false, false) => (&pki.server, &pki.client),
    };
    // Not the session that an earlier run has kept.
    let resumption = choice & RESUMED != 0;
    let client = client.rebuild(|it| it.with_resumption(resumption).with_limits(limits));
    let client = client.expect("OpenSSL works");
    let server = server.to_builder().with_limits(limits).build().expect("OpenSSL works");
    let mut world = World::new(server, &client);
    if choice & RESUMED != 0 {
        world.run();
        world.start_over(&client);
    }
    world
}
