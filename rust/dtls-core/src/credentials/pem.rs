//! The blocks of a PEM text (RFC 7468). Anything may stand between them, so OpenSSL skips whatever it does
//! not take for one. Here, what looks like a block and is none is an error, with its number.
//!
//! A block is found wherever it begins, not only at the start of a line: the end of one and the beginning
//! of the next may share a line.

use std::fmt;

use zeroize::Zeroizing;

use crate::report::error::{ConfigError, reason};
use crate::report::text::printable;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block, or what is wrong with it.
pub(crate) type Found = Result<Block, Unreadable>;

/// A block with its two lines, in the form that OpenSSL reads.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// Its number in the text, from 1 on.
    pub(crate) number: usize,
    /// What its first line says that it is, such as `CERTIFICATE`.
    pub(crate) label: String,
    text: Zeroizing<String>,
}

/// What looks like a block and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number in the text, from 1 on.
    pub number: usize,
    /// What is wrong with it.
    pub why: String,
}

/// What a block has in it, by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A certificate.
    Certificate,
    /// A private key, encrypted or not.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// A revocation list.
    RevocationList,
    /// Something that often stands beside these in one file, and is neither trusted nor shown.
    Beside,
    /// Anything else, such as certificates in a form that is not read.
    Unknown,
}

impl Block {
    /// What it has in it, by its label.
    pub(crate) fn kind(&self) -> Kind {
        match self.label.as_str() {
            // The second is an old name of the first.
            "CERTIFICATE" | "X509 CERTIFICATE" => Kind::Certificate,
            "X509 CRL" => Kind::RevocationList,
            label if label.ends_with("PRIVATE KEY") => Kind::PrivateKey,
            label if label.ends_with("PUBLIC KEY") => Kind::PublicKey,
            label if label.ends_with(" PARAMETERS") || label.ends_with("CERTIFICATE REQUEST") => {
                Kind::Beside
            }
            _ => Kind::Unknown,
        }
    }

    /// Why a block of unknown kind is of no use.
    fn unknown(&self) -> Unreadable {
        let label = printable(&self.label);
        self.unreadable(match self.label.as_str() {
            "TRUSTED CERTIFICATE" => {
                "it is a TRUSTED CERTIFICATE, which says more than a certificate; openssl x509 makes a \
                 plain one of it"
                    .to_owned()
            }
            "PKCS7" | "CMS" => {
                format!("it is {label}; openssl pkcs7 -print_certs gives the certificates in it")
            }
            _ => format!("it is \"{label}\", which is not known"),
        })
    }

    /// What OpenSSL is to read.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether it says that it is encrypted, as anything in PEM may (RFC 1421): OpenSSL would ask for the
    /// passphrase on the terminal, and wait.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.text.contains("Proc-Type:")
    }

    /// That it cannot be read, and why.
    pub fn unreadable(&self, why: impl Into<String>) -> Unreadable {
        Unreadable { number: self.number, why: why.into() }
    }

    /// The same, by what OpenSSL says.
    pub fn refused(&self, error: &openssl::error::ErrorStack) -> Unreadable {
        self.unreadable(reason(error))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no. {} in it: {}", self.number, self.why)
    }
}

impl From<Unreadable> for ConfigError {
    /// Of a text that is read for certificates.
    fn from(Unreadable { number, why }: Unreadable) -> Self {
        Self::UnreadableCertificate(number, why)
    }
}

/// Not what is in it: it can be a private key.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({}, {})", self.number, self.label)
    }
}

/// The blocks of `text` that are of this kind, in order. Other kinds may stand among them.
///
/// # Errors
/// When one of its blocks cannot be read, of whatever kind it is, or is of no known kind.
pub fn of_kind(text: &[u8], kind: Kind) -> Result<Vec<Block>, Unreadable> {
    let mut wanted = Vec::new();
    for block in blocks(text) {
        let block = block?;
        match block.kind() {
            Kind::Unknown => return Err(block.unknown()),
            found if found == kind => wanted.push(block),
            _ => {}
        }
    }
    Ok(wanted)
}

/// The blocks of `text`, in order.
pub(crate) fn blocks(text: &[u8]) -> Vec<Found> {
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    let mut found = Vec::new();
    let mut rest = text.as_str();
    loop {
        let begin = rest.find(BEGIN);
        let between = rest.get(..begin.unwrap_or(rest.len())).unwrap_or_default();
        for why in between.lines().filter_map(looks_like_a_block) {
            found.push(Err(Unreadable { number: found.len() + 1, why }));
        }
        let Some(begin) = begin else { return found };
        let (block, behind) = take(rest.get(begin..).unwrap_or_default());
        let number = found.len() + 1;
        found.push(match block {
            Ok((label, text)) => Ok(Block { number, label, text: text.into() }),
            Err(why) => Err(Unreadable { number, why }),
        });
        rest = behind;
    }
}

/// Takes the block off `text` that it begins with: its label and its lines, or what is wrong with it.
fn take(text: &str) -> (Result<(String, String), String>, &str) {
    let inside = text.get(BEGIN.len()..).unwrap_or_default();
    let first_line = inside.lines().next().unwrap_or_default();
    let Some((label, _)) = first_line.split_once(DASHES) else {
        return (Err("its first line does not end in five dashes".to_owned()), inside);
    };
    let body = inside.get(label.len() + DASHES.len()..).unwrap_or_default();
    let end = body.find(END);
    let next = body.find(BEGIN).unwrap_or(body.len());
    let Some(end) = end.filter(|end| *end < next) else {
        let why = "it begins and does not end";
        return (Err(why.to_owned()), body.get(next..).unwrap_or_default());
    };
    let (body, last_line) = body.split_at(end);
    let last_line = last_line.get(END.len()..).unwrap_or_default();
    let behind = last_line.strip_prefix(label).and_then(|rest| rest.strip_prefix(DASHES));
    let Some(behind) = behind else {
        let why = "its last line is not that of its first";
        // What stands in that line is no further block.
        let line = last_line.find('\n').map_or(last_line.len(), |at| at + 1);
        let line = last_line.find(BEGIN).map_or(line, |at| at.min(line));
        return (Err(why.to_owned()), last_line.get(line..).unwrap_or_default());
    };
    let text = format!("{BEGIN}{label}{DASHES}\n{}\n{END}{label}{DASHES}\n", body.trim());
    (Ok((label.to_owned(), text)), behind)
}

/// What is wrong with a line outside of a block that is the first or the last of one, if it looks so.
///
/// Lines such as `=== End of the list ===` are none: it takes dashes, of whatever kind an editor makes of
/// them, beside the word; or a line of nothing else than what such a line says.
fn looks_like_a_block(line: &str) -> Option<String> {
    const NOUNS: [&str; 6] = ["CERTIFICATE", "KEY", "CRL", "REQUEST", "PARAMETERS", "PKCS7"];
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}');
    let is_nothing = |c: char| c.is_whitespace() || matches!(c, '\0' | '\u{feff}' | '\u{fffd}');
    let trimmed = line.trim_matches(is_nothing);
    let words: Vec<&str> = trimmed
        .split(|c: char| is_dash(c) || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    let [first, .., last] = words.as_slice() else { return None };
    let is = |word: &str, what: &str| word.eq_ignore_ascii_case(what);
    if !is(first, "BEGIN") && !is(first, "END") {
        return None;
    }
    let has_dashes = trimmed.starts_with(is_dash) || trimmed.ends_with(is_dash);
    let has_noun = NOUNS.iter().any(|noun| is(last, noun));
    let in_capitals = |word: &&str| !word.contains(char::is_lowercase);
    let looks_so = if has_dashes {
        has_noun || in_capitals(first)
    } else {
        has_noun && words.iter().all(in_capitals)
    };
    if !looks_so {
        return None;
    }
    Some(if trimmed.starts_with(END) && trimmed.ends_with(DASHES) {
        "it ends and does not begin".to_owned()
    } else {
        format!(
            "its {} line is not five dashes, {} and what it is, and five dashes",
            if is(first, "BEGIN") { "first" } else { "last" },
            first.to_uppercase()
        )
    })
}

/// The one private key of a PEM text. Certificates and parameters may stand beside it.
///
/// # Errors
/// When there is none, or more than one, of which only the first would be used.
pub fn private_key(text: &[u8]) -> Result<Block, ConfigError> {
    let blocks = of_kind(text, Kind::PrivateKey);
    let blocks = blocks.map_err(|why| ConfigError::UnreadableKey(why.to_string()))?;
    let mut blocks = blocks.into_iter();
    let none = || ConfigError::UnreadableKey("there is none in it".to_owned());
    let key = blocks.next().ok_or_else(none)?;
    match blocks.next() {
        None => Ok(key),
        Some(second) => {
            let why = second.unreadable("it is a second private key, and one is used");
            Err(ConfigError::UnreadableKey(why.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN THING-----\nAAAA\n-----END THING-----\n";

    /// The labels of what is found, and what is wrong with the rest.
    fn found(text: &str) -> Vec<Result<String, String>> {
        let check = |(index, found): (usize, Found)| match found {
            Ok(block) => {
                assert_eq!(block.number, index + 1);
                assert_eq!(block.as_bytes(), GOOD.as_bytes(), "{text:?}");
                Ok(block.label)
            }
            Err(unreadable) => {
                assert_eq!(unreadable.number, index + 1, "{text:?}");
                Err(unreadable.why)
            }
        };
        blocks(text.as_bytes()).into_iter().enumerate().map(check).collect()
    }

    fn good() -> Result<String, String> {
        Ok("THING".to_owned())
    }

    #[test]
    fn anything_may_stand_between_blocks() {
        for between in [
            "",
            "\n\n",
            "# the end of the list\n",
            "End of certificate\nBEGIN of the next certificate\n",
            "-- end of the list --\n",
            "Example Root CA\n===============\n",
            "--- more ---\nBag Attributes\n    friendlyName: begin\n",
            "\0",
            "\u{fffd}",
            "\n\0\u{fffd}\r\n",
            "\u{feff}",
            "  ",
        ] {
            for text in
                [format!("{GOOD}{between}{GOOD}"), format!("{between}{GOOD}{GOOD}{between}")]
            {
                assert_eq!(found(&text), [good(), good()], "{text:?}");
            }
        }
        assert_eq!(found(""), []);
        assert_eq!(found("hello"), []);
        assert_eq!(found("\u{fffd}"), []);
    }

    #[test]
    fn lines_may_be_joined_and_ended_in_other_ways() {
        let joined = GOOD.trim_end();
        assert_eq!(found(&format!("{joined}{joined}")), [good(), good()]);
        assert_eq!(found(&GOOD.replace('\n', "\r\n")), [good()]);
        assert_eq!(found(&GOOD.replace('\n', "")), [good()]);
        assert_eq!(found(&format!("  {GOOD}")), [good()]);
        assert_eq!(found(&format!("-{GOOD}")), [good()]);
    }

    #[test]
    fn what_looks_like_a_block_and_is_none_is_said() {
        let dashes = |begin: &str, end: &str| {
            GOOD.replace("-----BEGIN THING-----", begin).replace("-----END THING-----", end)
        };
        for bad in [
            dashes("----BEGIN THING-----", "----END THING----"),
            dashes("----BEGIN CERTIFICATE-----", "-- END CERTIFICATE --"),
            dashes("BEGIN CERTIFICATE", "END CERTIFICATE"),
            dashes("----- BEGIN THING -----", "----- END THING -----"),
            dashes("\u{2014}\u{2014}-BEGIN THING\u{2014}\u{2014}-", "\u{2014}END THING\u{2014}"),
            dashes("-----begin certificate-----", "-----end certificate-----"),
            dashes("\u{feff}----BEGIN THING-----", ""),
        ] {
            let all = found(&format!("{GOOD}{bad}{GOOD}"));
            assert_eq!(all.first(), Some(&good()), "{bad}");
            assert!(all.get(1).is_some_and(Result::is_err), "{bad}: {all:?}");
        }
        for bad in [
            dashes("-----BEGIN THING-----", ""),
            dashes("-----BEGIN THING-----", "-----END OTHER-----"),
            dashes("-----BEGIN THING-----", "-----END THING----"),
            dashes("-----BEGIN THING----", "-----END THING-----"),
            dashes("", "-----END THING-----"),
            "-----BEGIN \n".to_owned(),
            "-----BEGIN THING\n".to_owned(),
        ] {
            let all = found(&format!("{GOOD}{bad}{GOOD}"));
            assert_eq!(all.first(), Some(&good()), "{bad}");
            assert!(all.get(1).is_some_and(Result::is_err), "{bad}: {all:?}");
            assert_eq!(all.last(), Some(&good()), "{bad}");
            assert!(found(&bad).iter().all(Result::is_err), "{bad}");
            assert!(!found(&bad).is_empty(), "{bad}");
        }
    }
}
