//! The name that a client expects in a server's certificate.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use openssl::nid::Nid;
use openssl::stack::StackRef;
use openssl::x509::{X509, X509Ref};

use crate::report::error::ConfigError;
use crate::report::text::printable;
use crate::ssl::ffi;

/// Longest DNS name, in bytes (RFC 1035 section 2.3.4).
const LONGEST_DNS_NAME: usize = 253;
/// How many of a certificate's names an error message lists.
const MOST_NAMES_SHOWN: usize = 8;

/// A host name or an IP address, as a certificate can hold it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerName {
    /// Matched against the DNS names of the certificate (RFC 6125), and sent to the server as SNI.
    Dns(DnsName),
    /// Matched against the IP addresses of the certificate. Never sent (RFC 6066 section 3).
    Ip(IpAddr),
}

/// A host name that was read by [`PeerName::parse`], in small letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(String);

impl std::ops::Deref for DnsName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.0
    }
}

impl PeerName {
    /// Reads a host name such as `game.example.com`, or an IP address such as `192.0.2.1`, `::1` or
    /// `[::1]`.
    ///
    /// # Errors
    /// When it is empty, has a leading dot (OpenSSL would take that for every subdomain), a wildcard,
    /// or characters that no host name has; international names have to be in their ASCII form.
    pub fn parse(name: &str) -> Result<Self, ConfigError> {
        let refuse = |why| Err(ConfigError::BadHostName { name: printable(name), why });
        if name.is_empty() {
            return refuse("it is empty");
        }
        let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some((address, _)) = bracketed.unwrap_or(name).split_once('%')
            && address.parse::<Ipv6Addr>().is_ok()
        {
            return refuse(
                "what stands behind the % is the zone of this machine's network, which no certificate \
                 has; leave it out",
            );
        }
        if let Some(address) = bracketed.map(str::parse::<Ipv6Addr>) {
            return match address {
                Ok(address) => Ok(Self::Ip(address.into())),
                Err(_) => refuse("only an IPv6 address stands in brackets"),
            };
        }
        if name.starts_with('.') {
            return refuse("it starts with a dot");
        }
        // The dot of an absolute name is not part of the name in a certificate.
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(Self::Ip(address));
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("it looks like an IP address and is none");
        }
        if !name.is_ascii() {
            return refuse("write it in its ASCII form, which starts with xn--");
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !name.bytes().all(allowed) {
            return refuse(
                "a host name has only letters, digits, hyphens and dots, without https:// before \
                 it or a port behind it",
            );
        }
        if name.split('.').any(str::is_empty) {
            return refuse("there is nothing between two of its dots");
        }
        if name.len() > LONGEST_DNS_NAME {
            return refuse("it has more than 253 characters");
        }
        Ok(Self::Dns(DnsName(name.to_ascii_lowercase())))
    }

    /// Whether `certificate` was issued for this name.
    ///
    /// The common name counts only when the certificate has no subject alternative names at all, as
    /// self-signed ones often have, and when it may count.
    pub(crate) fn matches(&self, certificate: &X509Ref, common_name: CommonName) -> bool {
        let by_common_name =
            common_name == CommonName::MayCount && !ffi::has_alternative_names(certificate);
        match self {
            Self::Dns(name) => ffi::matches_dns_name(certificate, name, by_common_name),
            Self::Ip(address) if by_common_name => {
                let mut names = common_names(certificate);
                let is_it = |name: IpAddr| name.to_canonical() == address.to_canonical();
                names.any(|name| name.parse().is_ok_and(is_it))
            }
            Self::Ip(address) => {
                // `::ffff:192.0.2.1` is the IPv4 host (RFC 4291 section 2.5.5.2). Not the other way round:
                // limits of an authority about IPv4 say nothing about an address of that form.
                ffi::matches_ip(certificate, *address)
                    || ffi::matches_ip(certificate, address.to_canonical())
            }
        }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// Whether the common name of a certificate is a name that its peer is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommonName {
    /// It is, in a certificate without alternative names.
    MayCount,
    /// It is not: an authority of the chain is limited to certain names, and OpenSSL holds only some
    /// common names against those limits. An address is never among them.
    NeverCounts,
}

impl CommonName {
    /// For the peer's own certificate in `chain`, which is the whole verified one.
    pub(crate) fn in_chain(chain: &StackRef<X509>) -> Self {
        let constrained = chain.iter().any(ffi::has_name_constraints);
        if constrained { Self::NeverCounts } else { Self::MayCount }
    }
}

fn common_names(certificate: &X509Ref) -> impl Iterator<Item = String> {
    let entries = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    entries.filter_map(|entry| entry.data().to_string().ok())
}

/// The common name of `certificate`, fit to be shown. Of several the last, which is the most specific
/// (RFC 2818 section 3.1).
pub(crate) fn common_name(certificate: &X509Ref) -> Option<String> {
    common_names(certificate).last().map(|name| printable(&name))
}

/// The names in `certificate` that were held against the wanted one, in words and fit to be shown.
pub(crate) fn names_compared(certificate: &X509Ref, common_name: CommonName) -> String {
    let names = names_of(certificate);
    if common_name == CommonName::NeverCounts && !ffi::has_alternative_names(certificate) {
        format!(
            "only the common name {names}, which does not count: one of its authorities is limited to \
             certain names"
        )
    } else {
        names
    }
}

/// The names that `certificate` was issued for, in words and fit to be shown.
pub(crate) fn names_of(certificate: &X509Ref) -> String {
    let mut names = Vec::new();
    if let Some(alternatives) = certificate.subject_alt_names() {
        for name in &alternatives {
            if let Some(name) = name.dnsname() {
                // Otherwise what is wanted and what is there would look the same.
                let odd = name.parse::<IpAddr>().is_ok();
                names.push(printable(name) + if odd { " (as a DNS name)" } else { "" });
            } else if let Some(address) = name.ipaddress().and_then(address_of) {
                names.push(address.to_string());
            }
        }
    } else if !ffi::has_alternative_names(certificate) {
        names.extend(common_names(certificate).map(|name| printable(&name)));
    }
    let more = names.len().saturating_sub(MOST_NAMES_SHOWN);
    names.truncate(MOST_NAMES_SHOWN);
    match (names.is_empty(), more) {
        (true, _) => "no name".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

fn address_of(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let dns = |name: &str| PeerName::Dns(DnsName(name.to_owned()));
        assert_eq!(PeerName::parse("localhost"), Ok(dns("localhost")));
        assert_eq!(PeerName::parse("Game.Example.COM."), Ok(dns("game.example.com")));
        assert_eq!(PeerName::parse("my_host"), Ok(dns("my_host")));
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("192.0.2.1.", "192.0.2.1"),
        ] {
            let address = address.parse().expect("a literal address");
            assert_eq!(PeerName::parse(text), Ok(PeerName::Ip(address)));
        }
    }

    #[test]
    fn what_does_not_belong_to_a_name_is_said() {
        for name in ["https://game.example.com", "game.example.com:4242"] {
            let refused = PeerName::parse(name).expect_err("no name").to_string();
            assert!(
                refused.contains("without https:// before it or a port behind it"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_zone_does_not_belong_to_a_name() {
        for name in ["fe80::1%eth0", "[fe80::1%eth0]", "fe80::1%3", "::1%"] {
            let refused = PeerName::parse(name).expect_err("no name").to_string();
            assert!(refused.contains("leave it out"), "{refused}");
        }
        assert!(PeerName::parse("fe80::1").is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("{}.example", "a".repeat(250));
        for name in [
            "",
            ".",
            ".example.com",
            "*.example.com",
            "a..b",
            "a b",
            "a\0b",
            "ünïcode.example",
            "[192.0.2.1]",
            "127.1",
            "192.0.2.256",
            "4242",
            "[::1",
            "host:4242",
            "fe80::1%eth0",
            "[fe80::1%eth0]",
            "game%eth0",
            &long,
        ] {
            let refused = PeerName::parse(name);
            assert!(
                matches!(refused, Err(ConfigError::BadHostName { .. })),
                "{name:?}: {refused:?}"
            );
        }
    }
}
