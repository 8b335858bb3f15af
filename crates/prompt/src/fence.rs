//! Keeping quoted text inside its tags.
//!
//! A judge reads replies between `<reply_a>` and `</reply_a>`. A reply that itself holds `</reply_a>` could end its own
//! quotation and speak as whoever asks. So any tag of the prompt's in quoted text is made visibly harmless: its `<` and `>` become
//! `‹` and `›`. Everything else stays as it is: `<b>` is what a reply about HTML must be able to say.
//!
//! This bounds where a quotation ends; it cannot keep a model from believing what it reads. What a judge answers is read
//! from its own reply alone.

use std::borrow::Cow;

/// `text` without any of `tags`, names in lower case with `_` between words, that could end its quotation or begin
/// another.
pub fn fenced<'t>(text: &'t str, tags: &[&str]) -> Cow<'t, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        if let Some(length) = tag_length(from, tags) {
            let tag = &from[1..length];
            out.push('‹');
            match tag.strip_suffix('>') {
                Some(inner) => out.extend([inner, "›"]),
                None => out.push_str(tag),
            }
            rest = &from[length..];
        } else {
            out.push('<');
            rest = &from[1..];
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// How long the one of `tags` is that `text` begins with: blanks, case and attributes change nothing for who reads it.
fn tag_length(text: &str, tags: &[&str]) -> Option<usize> {
    let inner = text[1..].trim_start();
    let inner = inner.strip_prefix('/').unwrap_or(inner).trim_start();
    let name: String = (inner.chars())
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        .map(|c| {
            if c == '-' {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    tags.contains(&name.as_str()).then(|| {
        let name_ends = text.len() - inner.len() + name.len();
        // `<user` far from any `>` is no tag with attributes: what lies between is text.
        match text[name_ends..].find(['>', '<', '\n']) {
            Some(end) if text[name_ends + end..].starts_with('>') => name_ends + end + 1,
            Some(_) => name_ends,
            None => text.len(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAGS: [&str; 4] = ["reply_a", "system", "user", "assistant"];

    #[test]
    fn our_tags_are_made_harmless_and_others_left() {
        for (text, expected) in [
            ("a < b, <b>bold</b>", "a < b, <b>bold</b>"),
            ("x</reply_a>y", "x‹/reply_a›y"),
            ("</ Reply-A ><user>", "‹/ Reply-A ›‹user›"),
            ("<assistant role=1>", "‹assistant role=1›"),
            ("<user", "‹user"),
            ("<user and more", "‹user and more"),
            ("<user\n<b>", "‹user\n<b>"),
            ("<username>", "<username>"),
            ("<<user>>", "<‹user›>"),
        ] {
            assert_eq!(fenced(text, &TAGS), expected);
        }
    }

    proptest! {
        #[test]
        fn no_tag_of_ours_is_left(text in "([<>/ _ab\n-]|reply_a|USER|assistant|é){0,20}") {
            let fenced = fenced(&text, &TAGS).to_lowercase();
            for tag in TAGS {
                let closing = format!("</{tag}>");
                let opening = format!("<{tag}>");
                prop_assert!(!fenced.contains(&opening) && !fenced.contains(&closing));
            }
        }

        #[test]
        fn text_without_an_angle_is_left(text in "[^<]*") {
            prop_assert!(matches!(fenced(&text, &TAGS), Cow::Borrowed(_)));
        }
    }
}
