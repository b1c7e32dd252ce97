//! The host name that a client asks for (SNI, RFC 6066 section 3), on the server's side.
//!
//! OpenSSL shows the ClientHello before it looks for a ticket in it. By then it is settled which
//! certificate the client gets, and its session is bound to the name: to go on with one under another
//! name is forbidden (section 3).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use once_cell::sync::OnceCell;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::sha::Sha256;
use openssl::ssl::{ClientHelloResponse, Ssl, SslContext, SslContextBuilder, SslRef};

use crate::credentials::peer_name::PeerName;
use crate::ssl::negotiation;

/// What a client has asked for.
struct Requested(Option<String>);

fn index() -> Result<Index<Ssl, Requested>, ErrorStack> {
    static INDEX: OnceCell<Index<Ssl, Requested>> = OnceCell::new();
    INDEX.get_or_try_init(Ssl::new_ex_index).copied()
}

/// Lets a server of `context` go on with the context in `named` that has the name its client asks for.
/// Sessions that it accepts under the digest `acceptance` go on under that name only.
pub(crate) fn select_by_name(
    context: &mut SslContextBuilder,
    acceptance: [u8; 32],
    named: BTreeMap<String, SslContext>,
) -> Result<(), ErrorStack> {
    let index = index()?;
    context.set_client_hello_callback(move |ssl, _| {
        let select = || {
            let name = read(negotiation::requested_name(ssl).as_deref());
            if let Some(context) = name.as_ref().and_then(|name| named.get(name)) {
                ssl.set_ssl_context(context)?;
            }
            negotiation::set_session_id_context(
                ssl,
                &acceptance_for(&acceptance, name.as_deref()),
            )?;
            ssl.set_ex_data(index, Requested(name));
            Ok(ClientHelloResponse::SUCCESS)
        };
        // rust-openssl's trampoline lets a panic through to C.
        catch_unwind(AssertUnwindSafe(select)).unwrap_or_else(|_| Err(ErrorStack::get()))
    });
    Ok(())
}

/// The name that the client of `ssl` has asked for, if it is a host name.
pub(crate) fn requested(ssl: &SslRef) -> Option<&str> {
    ssl.ex_data(index().ok()?)?.0.as_deref()
}

/// The host name in the body of the extension. What is none, such as an address, asks for nothing.
fn read(extension: Option<&[u8]>) -> Option<String> {
    const HOST_NAME: u8 = 0;
    // The length of the list; a type and a length in front of its only possible entry.
    let (&[_, _, HOST_NAME, l0, l1], rest) = extension?.split_first_chunk()? else {
        return None;
    };
    let name = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
    match PeerName::parse(std::str::from_utf8(name).ok()?) {
        Ok(PeerName::Dns(name)) => Some(name.into()),
        Ok(PeerName::Ip(_)) | Err(_) => None,
    }
}

fn acceptance_for(acceptance: &[u8; 32], name: Option<&str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(acceptance);
    // No host name is empty.
    digest.update(name.unwrap_or_default().as_bytes());
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_read_and_nothing_else() {
        let extension = |name: &[u8]| {
            let length = u8::try_from(name.len()).expect("a short name");
            [&[0, length + 3, 0, 0, length], name].concat()
        };
        let read = |bytes: &[u8]| read(Some(bytes));
        let name = Some("game.example.com".to_owned());
        assert_eq!(read(&extension(b"game.example.com")), name);
        assert_eq!(read(&extension(b"Game.Example.COM.")), name);
        for other in [&b"192.0.2.1"[..], b"::1", b"", b"a b", b"a\0b", b"\xff", b"*.example.com"] {
            assert_eq!(read(&extension(other)), None, "{other:?}");
        }
        let whole = extension(b"game.example.com");
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "cut to {length}");
        }
        let mut other_type = whole;
        other_type[2] = 1;
        assert_eq!(read(&other_type), None);
        assert_eq!(super::read(None), None);
    }
}
