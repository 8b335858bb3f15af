//! Quotes in a speech: read, cleaned, and looked up in the passage.
//!
//! Papers: after Khan et al. 2024, arXiv:2402.06782, and Michael et al. 2023, arXiv:2311.08702.
//!
//! ```text
//! what a model wrote ──► no reserved tags ──► words and quotes ──► each quote: fragments between ellipses
//!                        (tags.rs)                                 verified: all there, in order, near each other (source.rs)
//! ```
//!
//! In: a speech with `<quote>…</quote>` in it, and the passage that debaters could read, if there is one. Out: segments; spans
//! are bytes of the passage, on character boundaries. Without a passage nothing is verified.
//!
//! Differs from Khan et al.: quotes may run over lines and have ellipses; fewer than four words (of the quote, or of what it
//! stands for in the passage) show nothing; a match is of whole words; every reserved tag goes, not quotes' alone. Differs from
//! Sudhir et al.: a quote is looked up whole, and cut afterwards ([`truncate`]), so that a long true quote stays true.

mod source;
mod tags;

use std::collections::HashMap;
use std::ops::Range;

use self::source::Folded;
pub use self::source::WINDOW;
use self::tags::Mark;
use crate::speech::{QuoteStatus, Segment};

/// Fewer words than this show nothing.
pub const LEAST_WORDS: usize = 4;

/// What a speech may be at most, in bytes: the rest is not read.
pub const LONGEST_SPEECH: usize = 1 << 16;

/// The most fragments between ellipses in one quote; a quote of more is not looked up.
const MOST_FRAGMENTS: usize = 16;

/// Words and quotes of what a model wrote.
///
/// A quote that is not closed ends at the next quote's tag, else at the next empty line, else with the speech.
pub fn segments(speech: &str, passage: Option<&str>) -> Vec<Segment> {
    let parts = parts(speech);
    let any_quote = parts.iter().any(|part| matches!(part, Part::Quote(_)));
    let passage = passage
        .filter(|_| any_quote)
        .map(|text| (text, Folded::new(text)));
    let mut known: HashMap<String, QuoteStatus> = HashMap::new();
    (parts.into_iter())
        .map(|part| match part {
            Part::Words(text) => Segment::Words(text),
            Part::Quote(text) => {
                let status = (known.entry(text.clone()))
                    .or_insert_with(|| {
                        status(
                            &text,
                            passage.as_ref().map(|(text, folded)| (*text, folded)),
                        )
                    })
                    .clone();
                Segment::Quote { text, status }
            }
        })
        .collect()
}

/// The segments up to `most` words between blanks, and whether any is left out. What is left of a quote keeps its status
/// and its spans, for the whole quote was looked up.
pub fn truncate(segments: Vec<Segment>, most: usize) -> (Vec<Segment>, bool) {
    let mut left = most;
    let mut kept = Vec::new();
    let mut cut = false;
    for mut segment in segments {
        let n = segment.text().split_whitespace().count();
        if n > left {
            cut = true;
            let (Segment::Words(text) | Segment::Quote { text, .. }) = &mut segment;
            text.truncate(end_of_words(text, left));
        }
        if n <= left || left > 0 {
            kept.push(segment);
        }
        left = left.saturating_sub(n);
        if cut {
            break;
        }
    }
    (kept, cut)
}

/// How many bytes of a passage `spans` cover, each counted once.
pub fn coverage<'a>(spans: impl IntoIterator<Item = &'a Range<usize>>) -> usize {
    let mut spans: Vec<&Range<usize>> = spans.into_iter().collect();
    spans.sort_by_key(|span| span.start);
    let (mut covered, mut end) = (0, 0);
    for span in spans {
        covered += span.end.saturating_sub(span.start.max(end));
        end = end.max(span.end);
    }
    covered
}

/// The spans of all verified quotes.
pub fn verified_spans(segments: &[Segment]) -> impl Iterator<Item = &Range<usize>> {
    (segments.iter())
        .filter_map(|segment| match segment {
            Segment::Quote {
                status: QuoteStatus::Verified(spans),
                ..
            } => Some(spans),
            Segment::Quote { .. } | Segment::Words(_) => None,
        })
        .flatten()
}

/// Where the first `n` words between blanks end.
fn end_of_words(text: &str, n: usize) -> usize {
    if n == 0 {
        return 0;
    }
    let mut words = text.split_whitespace();
    let mut end = 0;
    // Only blanks lie between one word and the next, so the next is found where it is.
    for word in words.by_ref().take(n) {
        end += text[end..].find(word).unwrap_or(0) + word.len();
    }
    end
}

enum Part {
    Words(String),
    Quote(String),
}

fn parts(speech: &str) -> Vec<Part> {
    let cleaned = tags::clean(&speech[..speech.floor_char_boundary(LONGEST_SPEECH)]);
    let text = &*cleaned.text;
    // Open or close, and where: an open quote ends where the next tag stands.
    let mut quotes: Vec<Range<usize>> = Vec::new();
    let mut open: Option<usize> = None;
    for (at, mark) in cleaned.marks {
        if let Some(start) = open {
            let end = match mark {
                Mark::Close => at,
                Mark::Open => unclosed(text, start, at),
            };
            quotes.push(start..end);
        }
        open = (mark == Mark::Open).then_some(at);
    }
    if let Some(start) = open {
        quotes.push(start..unclosed(text, start, text.len()));
    }

    let mut parts = Vec::new();
    let mut from = 0;
    for quote in quotes {
        // Blanks at a quote's ends are its neighbours'.
        let inside = &text[quote.clone()];
        let start = quote.start + (inside.len() - inside.trim_start().len());
        let end = start + inside.trim().len();
        if start >= end {
            continue;
        }
        push_words(&mut parts, &text[from..start]);
        parts.push(Part::Quote(text[start..end].to_owned()));
        from = end;
    }
    push_words(&mut parts, &text[from..]);
    parts
}

fn push_words(parts: &mut Vec<Part>, words: &str) {
    if !words.is_empty() {
        parts.push(Part::Words(words.to_owned()));
    }
}

/// Where a quote that is not closed before `end` ends.
fn unclosed(text: &str, start: usize, end: usize) -> usize {
    let inside = &text[start..end];
    let lead = inside.len() - inside.trim_start().len();
    let mut at = lead;
    for line in inside[lead..].split_inclusive('\n') {
        if line.trim().is_empty() {
            return start + at;
        }
        at += line.len();
    }
    end
}

fn status(quote: &str, passage: Option<(&str, &Folded)>) -> QuoteStatus {
    let fragments = fragments(quote);
    let n_words: Vec<usize> = fragments.iter().map(|fragment| words(fragment)).collect();
    if n_words.iter().sum::<usize>() < LEAST_WORDS {
        return QuoteStatus::Trivial;
    }
    let Some((passage, folded)) = passage else {
        return QuoteStatus::Unverified;
    };
    // The passage may have dots of its own: first the quote as it stands, then its fragments.
    let whole = Folded::new(quote);
    if let Some(spans) = folded.locate(&[&whole]) {
        return judged(passage, spans);
    }
    if fragments.len() < 2 || fragments.len() > MOST_FRAGMENTS {
        return QuoteStatus::Unverified;
    }
    let parts: Vec<Folded> = fragments.iter().map(|text| Folded::new(text)).collect();
    match folded.locate(&parts.iter().collect::<Vec<_>>()) {
        None if n_words.iter().all(|n| *n < LEAST_WORDS) => QuoteStatus::Trivial,
        None => QuoteStatus::Unverified,
        Some(_) if n_words.iter().any(|n| *n < LEAST_WORDS) => QuoteStatus::Trivial,
        Some(spans) => judged(passage, spans),
    }
}

/// Verified, where what stands in the passage is long enough too.
fn judged(passage: &str, spans: Vec<Range<usize>>) -> QuoteStatus {
    if (spans.iter()).all(|span| words(&passage[span.clone()]) >= LEAST_WORDS) {
        QuoteStatus::Verified(spans)
    } else {
        QuoteStatus::Trivial
    }
}

/// Words between blanks that have a letter or digit in them.
fn words(text: &str) -> usize {
    (text.split_whitespace())
        .filter(|word| word.contains(char::is_alphanumeric))
        .count()
}

/// What stands between ellipses: `…`, three dots or more with or without blanks between them, two dots without.
fn fragments(quote: &str) -> Vec<&str> {
    let mut fragments = Vec::new();
    let mut from = 0;
    let mut chars = quote.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '.' && c != '…' {
            continue;
        }
        let (mut n_dots, mut end, mut blanks) =
            (if c == '…' { 3 } else { 1 }, at + c.len_utf8(), 0);
        let mut apart = false;
        while let Some((next, c)) = chars.peek().copied() {
            match c {
                '.' | '…' => {
                    n_dots += if c == '…' { 3 } else { 1 };
                    apart |= blanks > 0;
                    blanks = 0;
                    end = next + c.len_utf8();
                }
                c if c.is_whitespace() => blanks += 1,
                _ => break,
            }
            chars.next();
        }
        if n_dots >= 3 || n_dots == 2 && !apart {
            fragments.push(&quote[from..at]);
            from = end;
        }
    }
    fragments.push(&quote[from..]);
    fragments.retain(|fragment| fragment.contains(char::is_alphanumeric));
    fragments
}

#[cfg(test)]
mod tests;
