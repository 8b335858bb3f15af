//! What others wrote, made fit to be shown: bounded, on one line, without control characters.

/// The longest text of others in a message of ours, in characters.
const LONGEST: usize = 300;

/// `text` on one line: control characters escaped, and the end cut where it is long.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::new();
    for (n, c) in text.trim().chars().enumerate() {
        if n == LONGEST {
            line.push('…');
            break;
        }
        match c {
            '\n' | '\t' => line.push(' '),
            c if c.is_control() || is_invisible(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// Characters that turn or hide what stands beside them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_long_texts_cut() {
        assert_eq!(shown(" a\nb\u{1b}[31m\u{202e} "), r"a b\u{1b}[31m\u{202e}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
