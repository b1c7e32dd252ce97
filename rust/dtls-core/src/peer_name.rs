//! The name that a client expects in a server's certificate.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use openssl::nid::Nid;
use openssl::x509::X509Ref;

use crate::error::ConfigError;
use crate::ffi;
use crate::text::printable;

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// The common name counts only when the certificate has no subject alternative names at all:
    /// certificates that the engine makes have none.
    pub(crate) fn matches(&self, certificate: &X509Ref) -> bool {
        match self {
            Self::Dns(name) => ffi::matches_dns_name(certificate, name),
            Self::Ip(address) if ffi::has_alternative_names(certificate) => {
                ffi::matches_ip(certificate, *address)
            }
            Self::Ip(address) => {
                let mut names = common_names(certificate);
                names.any(|name| name.parse::<IpAddr>().is_ok_and(|name| name == *address))
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

fn common_names(certificate: &X509Ref) -> impl Iterator<Item = String> {
    let entries = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    entries.filter_map(|entry| entry.data().to_string().ok())
}

/// The common name of `certificate`, fit to be shown. Of several the last, which is the most specific
/// (RFC 2818 section 3.1).
pub(crate) fn common_name(certificate: &X509Ref) -> Option<String> {
    common_names(certificate).last().map(|name| printable(&name))
}

/// The names that `certificate` was issued for, in words and fit to be shown.
pub(crate) fn names_of(certificate: &X509Ref) -> String {
    let mut names = Vec::new();
    if let Some(alternatives) = certificate.subject_alt_names() {
        for name in &alternatives {
            if let Some(name) = name.dnsname() {
                names.push(printable(name));
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
