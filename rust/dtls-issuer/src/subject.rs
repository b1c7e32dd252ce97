//! The subject of a certificate.

use std::fmt;

use dtls_core::{ConfigError, PeerName, printable};

use crate::IssueError;

/// Longest common name, in characters (`ub-common-name`, RFC 5280 appendix A.1).
const LONGEST_COMMON_NAME: usize = 64;
/// The common name of a server with nothing but longer names. It is for people; programs compare the
/// alternative names.
const SOME_SERVER: &str = "DTLS server";

/// The subject of a certificate: a server, a client or an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub(crate) common_name: String,
    pub(crate) kind: SubjectKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubjectKind {
    Authority,
    Server(Vec<ServerName>),
    Client,
}

/// A name in a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerName {
    One(PeerName),
    /// All names of one label more: `*.example.com`.
    Wildcard(String),
}

impl Subject {
    /// A server that clients connect to by any of `names`: host names, also with `*.` in front, and
    /// IP addresses.
    ///
    /// # Errors
    /// When there is none, or when one is no name.
    pub fn server<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, IssueError> {
        let names: Vec<_> = names.into_iter().map(ServerName::parse).collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Err(IssueError::NoNames);
        }
        let mut shown = names.iter().map(ToString::to_string);
        let common_name = shown.find(|name| name.len() <= LONGEST_COMMON_NAME);
        let common_name = common_name.unwrap_or_else(|| SOME_SERVER.to_owned());
        Ok(Self { common_name, kind: SubjectKind::Server(names) })
    }

    /// A client that a server knows by `name`, which can be any text of 1 to 64 characters.
    ///
    /// # Errors
    /// When it is empty, too long or has control characters.
    pub fn client(name: &str) -> Result<Self, IssueError> {
        Ok(Self { common_name: common_name(name)?, kind: SubjectKind::Client })
    }

    pub(crate) fn authority(name: &str) -> Result<Self, IssueError> {
        Ok(Self { common_name: common_name(name)?, kind: SubjectKind::Authority })
    }
}

fn common_name(name: &str) -> Result<String, IssueError> {
    let length = name.chars().count();
    if (1..=LONGEST_COMMON_NAME).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(IssueError::BadCommonName(printable(name)))
}

impl ServerName {
    fn parse(name: &str) -> Result<Self, ConfigError> {
        let Some(parent) = name.strip_prefix("*.") else {
            return Ok(Self::One(PeerName::parse(name)?));
        };
        let refuse = |why| Err(ConfigError::BadHostName { name: printable(name), why });
        match PeerName::parse(parent)? {
            PeerName::Ip(_) => refuse("there is no wildcard for addresses"),
            // What OpenSSL compares with: "*.com" matches no name.
            PeerName::Dns(parent) if !parent.contains('.') => {
                refuse("a wildcard stands before two labels or more, as in *.example.com")
            }
            PeerName::Dns(parent) => Ok(Self::Wildcard(parent.into())),
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => name.fmt(f),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}
