//! Which ports and addresses a socket gets.

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::{LOCALHOST, LOCALHOST_6, address, peer, receive, server};
use dtls_net::{BindAddress, BindError, Socket};

#[test]
fn a_port_has_one_server() {
    let every = [BindAddress::Any, BindAddress::One(LOCALHOST), BindAddress::One(LOCALHOST_6)];
    for (first, second) in every.iter().flat_map(|first| every.map(|second| (*first, second))) {
        if let (BindAddress::One(a), BindAddress::One(b)) = (first, second)
            && a != b
        {
            continue;
        }
        let server = server(first);
        let port = server.local_addr().port();
        let error = Socket::bind(second, port).expect_err("it is in use");
        assert!(error.to_string().contains(&format!("UDP port {port}")), "{error}");
        #[cfg(unix)]
        assert!(
            matches!(error, BindError::PortInUse(in_use) if in_use == port),
            "{first:?}, {second:?}: {error}"
        );

        drop(server);
        Socket::bind(second, port).expect("it is free again");
    }
}

#[test]
fn a_port_that_another_program_has_is_in_use() {
    let other = peer(LOCALHOST);
    let port = address(&other).port();
    let error = Socket::bind(BindAddress::One(LOCALHOST), port).expect_err("it is in use");
    assert!(matches!(error, BindError::PortInUse(in_use) if in_use == port), "{error}");
    assert!(error.to_string().contains("listen on another port"), "{error}");
}

#[test]
fn an_address_that_no_interface_has_is_refused() {
    // For documents only (RFC 5737).
    let address = IpAddr::from([203, 0, 113, 1]);
    let error = Socket::bind(BindAddress::One(address), 0).expect_err("not here");
    assert!(matches!(error, BindError::NoSuchAddress(missing) if missing == address), "{error}");
    assert!(error.to_string().contains("203.0.113.1"), "{error}");
}

#[test]
fn port_0_is_a_free_one() {
    let (one, other) = (server(BindAddress::Any), server(BindAddress::Any));
    assert_ne!(one.local_addr().port(), 0);
    assert_ne!(one.local_addr().port(), other.local_addr().port());
}

#[test]
fn ipv4_and_ipv6_can_be_had_by_two_servers() {
    let mut ipv4 = server(BindAddress::One(Ipv4Addr::UNSPECIFIED.into()));
    let port = ipv4.local_addr().port();
    let mut ipv6 =
        Socket::bind(BindAddress::One(Ipv6Addr::UNSPECIFIED.into()), port).expect("free");
    for (server, localhost) in [(&mut ipv4, LOCALHOST), (&mut ipv6, LOCALHOST_6)] {
        let peer = peer(localhost);
        peer.send_to(b"hello", (localhost, port)).expect("sent");
        assert_eq!(receive(server), (b"hello".to_vec(), address(&peer), Some(localhost)));
    }
}
