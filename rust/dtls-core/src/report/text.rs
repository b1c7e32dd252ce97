//! Text that comes from the network, made fit for a log.

/// Longest text from a peer that is shown, in characters.
const LONGEST: usize = 200;

/// What a peer sent as text, with everything that is not printable escaped and overlong text cut.
///
/// A peer chooses the names in its certificate: a line break would forge a log
/// line, an escape sequence would reach the developer's terminal, and a direction mark would show
/// another name than the one compared.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        match character {
            '\'' | '"' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(printable("Bob's \"game\" ünïcode.example"), "Bob's \"game\" ünïcode.example");
    }

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31m\nb\0"), "a\\u{1b}[31m\\nb\\0");
        assert_eq!(printable("moc.\u{202e}evil"), "moc.\\u{202e}evil");
    }

    #[test]
    fn long_text_is_cut() {
        let shown = printable(&"x".repeat(5000));
        assert_eq!(shown.chars().count(), LONGEST + 1);
    }
}
