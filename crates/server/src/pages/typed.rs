//! What people type into a form, as it is kept: plain text, without control characters, and blanks at its ends.

/// All of it.
pub(crate) fn typed(text: &str) -> String {
    typed_up_to(text, usize::MAX)
}

/// So many characters at most.
pub(crate) fn typed_up_to(text: &str, most: usize) -> String {
    let text: String = (text.replace("\r\n", "\n").chars())
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .take(most)
        .collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_plain_text_of_bounded_length() {
        assert_eq!(typed(" a\r\nb\u{0}\u{7}\tc "), "a\nb\tc");
        assert_eq!(typed(" \r\n\u{1b} "), "");
        assert_eq!(typed_up_to(&"x".repeat(9000), 4000).len(), 4000);
        assert_eq!(typed_up_to("ab\u{0}cd", 3), "abc");
    }
}
