//! Names and sentences that come from data, made safe to show and bounded in length.
//!
//! Escaping for the format (HTML, Markdown) is each rendering's own; this is about characters that
//! no reader should have to trust: control characters, direction overrides, invisible ones.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The longest name shown, in columns.
pub(crate) const NAME_COLUMNS: usize = 120;

/// The longest sentence shown, in columns.
pub(crate) const SENTENCE_COLUMNS: usize = 2000;

/// A name from data: unprintable characters written as `\u{…}`, at most [`NAME_COLUMNS`] wide.
pub(crate) fn name(raw: &str) -> String {
    shorten(&visible(raw, NAME_COLUMNS), NAME_COLUMNS)
}

/// A sentence from data, treated the same with more room.
pub(crate) fn sentence(raw: &str) -> String {
    shorten(&visible(raw, SENTENCE_COLUMNS), SENTENCE_COLUMNS)
}

/// Writes out every character that would not show, or that would reorder what does.
///
/// Stops soon after `enough` columns, so that a name of many megabytes costs nothing.
fn visible(raw: &str, enough: usize) -> String {
    let mut out = String::new();
    let mut columns = 0;
    for c in raw.chars() {
        if is_unsafe(c) {
            let escaped = c.escape_unicode().to_string();
            columns += escaped.len();
            out.push_str(&escaped);
        } else {
            columns += c.width().unwrap_or(0);
            out.push(c);
        }
        if columns > enough || out.len() > 8 * enough {
            out.push('…');
            break;
        }
    }
    out
}

/// Control characters, line and paragraph separators, direction marks and overrides, zero-width
/// and other invisible ones.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Cuts the middle out of a text that is wider than `columns`: both ends tell names apart.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head = take_columns(text.chars(), room - room / 3);
    let tail: Vec<char> = take_columns(text.chars().rev(), room / 3)
        .chars()
        .rev()
        .collect();
    format!("{head}…{}", tail.into_iter().collect::<String>())
}

fn take_columns(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

/// Breaks a text into lines of at most `columns`, at spaces where there are any.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let mut word = word.to_owned();
        loop {
            let line = lines.last_mut().expect("there is always a line");
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= columns {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if word.width() > columns {
                // A word longer than a line is cut where the line ends.
                let room = columns.saturating_sub(line.width() + gap);
                if room > columns / 2 || line.is_empty() {
                    let mut head = take_columns(word.chars(), room);
                    if head.is_empty() {
                        head = word.chars().take(1).collect();
                    }
                    let rest = word[head.len()..].to_owned();
                    if gap == 1 {
                        line.push(' ');
                    }
                    line.push_str(&head);
                    word = rest;
                }
            }
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The word for `n` things.
pub(crate) fn plural(n: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        crate::number::count(n),
        if n == 1 { one } else { many }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_written_out() {
        assert_eq!(
            name("a\u{1b}[31mred\nb\u{202e}c"),
            r"a\u{1b}[31mred\u{a}b\u{202e}c"
        );
        assert_eq!(name("naïve 日本"), "naïve 日本");
    }

    #[test]
    fn long_names_lose_their_middle() {
        let long = "a".repeat(5_000_000) + "z";
        let shown = name(&long);
        assert!(shown.width() <= NAME_COLUMNS, "{}", shown.width());
        assert_eq!(shorten("confidence (openai)", 12), "confiden…ai)");
        assert_eq!(shorten("日本語日本語", 7), "日本…語");
    }

    #[test]
    fn wrapping_keeps_every_word_and_the_width() {
        let text = "one two three and a-very-long-word-that-does-not-fit end";
        for columns in 1..40 {
            let lines = wrap(text, columns);
            assert!(
                lines.iter().all(|l| l.width() <= columns),
                "{columns}: {lines:?}"
            );
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
    }
}
