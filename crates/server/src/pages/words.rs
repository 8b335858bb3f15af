//! Text of models in a page: bounded, with nothing in it that reorders or hides what is read.

use maud::{Markup, html};
use trimtab_debate::{QuoteStatus, Segment};

/// Characters of one text that are shown at most.
pub(crate) const MOST_CHARS: usize = 20_000;

/// `text` as it may stand in a page.
pub(crate) fn shown(text: &str) -> String {
    shown_up_to(text, MOST_CHARS)
}

/// The same, of so many characters at most.
pub(crate) fn shown_up_to(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(4 * most));
    for (i, c) in text.chars().enumerate() {
        if i == most {
            out.push_str(" … (cut here: it is longer than what is shown)");
            break;
        }
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || reorders(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A speech, its quotes coloured by whether they are in the passage.
pub(crate) fn segments(segments: &[Segment]) -> Markup {
    html! {
        @for segment in segments {
            @match segment {
                Segment::Words(words) => { (shown(words)) },
                Segment::Quote { text, status } => {
                    @let (class, title) = provenance(status);
                    q class={ "quote " (class) } title=(title) { (shown(text)) }
                },
            }
        }
    }
}

fn provenance(status: &QuoteStatus) -> (&'static str, String) {
    match status {
        QuoteStatus::Verified(spans) => {
            let places: Vec<String> = (spans.iter())
                .map(|span| format!("{}–{}", span.start, span.end))
                .collect();
            (
                "verified",
                format!("Found in the passage, at bytes {}", places.join(", ")),
            )
        }
        QuoteStatus::Unverified => ("unverified", "Not found in the passage".into()),
        QuoteStatus::Trivial => (
            "trivial",
            "Too short to show anything: fewer than four words".into(),
        ),
    }
}

/// What the colours mean; nothing where there is no quote.
pub(crate) fn legend<'a>(mut all: impl Iterator<Item = &'a Segment>) -> Markup {
    let has_quotes = all.any(|segment| matches!(segment, Segment::Quote { .. }));
    html! {
        @if has_quotes {
            p class="legend" {
                "Quotes: " q class="quote verified" { "found in the passage" } ", "
                q class="quote unverified" { "not found" } ", "
                q class="quote trivial" { "too short to tell" } "."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text_and_nothing_is_hidden_or_reordered() {
        let hostile = Segment::Words("<script>alert(1)</script>\u{202e}\u{0}\u{200b}&amp;".into());
        let quote = Segment::Quote {
            text: "\"><img src=x onerror=alert(1)>".into(),
            status: QuoteStatus::Unverified,
        };
        let page = segments(&[hostile, quote]).into_string();
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}\u{fffd}\u{fffd}&amp;amp;")
        );
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let text = shown(&"x".repeat(MOST_CHARS + 1));
        assert!(text.ends_with("what is shown)"));
        assert_eq!(shown("a\nb"), "a\nb");
    }
}
