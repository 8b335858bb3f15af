//! A passage made ready to be searched: its letters and digits, and where each stands in it.
//!
//! Both sides are folded alike: small letters; no accents that stand alone, no punctuation, no blanks; typographic ligatures
//! as letters. So curly quotes, dashes, line breaks and a tokeniser's blanks ("do n't") make no difference. What stands
//! between two digits is kept (`1,5`, `1.5` and `15` are three numbers). A match begins and ends where a word does.

use std::ops::Range;

use memchr::memmem;

/// The furthest apart, in bytes of the folded passage, that the first and last fragment of one quote may lie, beyond
/// their own lengths.
pub const WINDOW: usize = 4_000;

/// The most places where a first fragment is tried.
const MOST_STARTS: usize = 256;

/// Folded text, with a way back.
#[derive(Debug, Default)]
pub(super) struct Folded {
    text: String,
    /// For every byte of the text: the bytes of the source that its character came of.
    from: Vec<Range<u32>>,
    /// For every byte of the text: whether a word begins there, or what stands between two numbers.
    begins: Vec<bool>,
}

impl Folded {
    pub(super) fn new(source: &str) -> Self {
        let mut folded = Self::default();
        folded.text.reserve(source.len());
        folded.from.reserve(source.len());
        folded.begins.reserve(source.len());
        let mut gap = Gap::Start;
        let mut last = None;
        for (at, c) in source.char_indices() {
            let range = at as u32..(at + c.len_utf8()) as u32;
            if is_mark(c) {
                if let Some(from) = folded.from.last_mut() {
                    from.end = range.end;
                }
                continue;
            }
            if !c.is_alphanumeric() {
                gap = gap.with(c, &range);
                continue;
            }
            if let (Some(separator), Some(from)) = (gap.separator(), gap.range())
                && c.is_numeric()
                && last.is_some_and(char::is_numeric)
            {
                folded.push(separator, &from, true);
            }
            let mut begins = gap != Gap::None;
            for letter in letters(c) {
                folded.push(letter, &range, begins);
                begins = false;
            }
            (gap, last) = (Gap::None, Some(c));
        }
        folded
    }

    fn push(&mut self, c: char, from: &Range<u32>, begins: bool) {
        for byte in 0..c.len_utf8() {
            self.from.push(from.clone());
            self.begins.push(begins && byte == 0);
        }
        self.text.push(c);
    }

    /// Where `fragment` next stands as whole words at or after `from` and before `to`.
    fn find(
        &self,
        fragment: &memmem::Finder<'_>,
        mut from: usize,
        to: usize,
    ) -> Option<Range<usize>> {
        let n = fragment.needle().len();
        let to = to.min(self.text.len());
        while from < to {
            let at = from + fragment.find(&self.text.as_bytes()[from..to])?;
            let end = at + n;
            if self.begins[at] && self.begins.get(end).copied().unwrap_or(true) {
                return Some(at..end);
            }
            from = at + 1;
        }
        None
    }

    /// The places of `fragments`, in this order, none overlapping the one before, within [`WINDOW`]; as bytes of the source.
    pub(super) fn locate(&self, fragments: &[&Self]) -> Option<Vec<Range<usize>>> {
        let finders: Vec<_> = (fragments.iter())
            .map(|fragment| memmem::Finder::new(fragment.text.as_bytes()))
            .collect();
        let (first, others) = finders.split_first()?;
        let reach = WINDOW
            + finders
                .iter()
                .map(|finder| finder.needle().len())
                .sum::<usize>();
        let mut from = 0;
        for _ in 0..MOST_STARTS {
            let start = self.find(first, from, self.text.len())?;
            from = start.start + 1;
            let to = start.start + reach;
            let mut places = vec![start];
            for other in others {
                let after = places.last().map_or(0, |place| place.end);
                match self.find(other, after, to) {
                    Some(place) => places.push(place),
                    None => break,
                }
            }
            if places.len() == fragments.len() {
                return Some(places.into_iter().map(|place| self.source(place)).collect());
            }
        }
        None
    }

    fn source(&self, place: Range<usize>) -> Range<usize> {
        self.from[place.start].start as usize..self.from[place.end - 1].end as usize
    }
}

/// What stands between two letters.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Gap {
    Start,
    None,
    /// Punctuation without a blank: its first character.
    Marks(char, Range<u32>),
    /// With one.
    Blank(Range<u32>),
}

impl Gap {
    fn with(self, c: char, range: &Range<u32>) -> Self {
        match self {
            Self::Start => Self::Start,
            Self::None if !c.is_whitespace() => Self::Marks(c, range.clone()),
            Self::None => Self::Blank(range.clone()),
            Self::Marks(first, so_far) if !c.is_whitespace() => {
                Self::Marks(first, so_far.start..range.end)
            }
            Self::Marks(_, so_far) | Self::Blank(so_far) => Self::Blank(so_far.start..range.end),
        }
    }

    fn separator(&self) -> Option<char> {
        match self {
            Self::Start | Self::None => None,
            Self::Marks(first, _) => Some(*first),
            Self::Blank(_) => Some(' '),
        }
    }

    fn range(&self) -> Option<Range<u32>> {
        match self {
            Self::Start | Self::None => None,
            Self::Marks(_, range) | Self::Blank(range) => Some(range.clone()),
        }
    }
}

/// A character as small letters.
fn letters(c: char) -> impl Iterator<Item = char> {
    let ligature = match c {
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' | 'ﬆ' => "st",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        _ => "",
    };
    let plain = ligature.is_empty().then(|| c.to_lowercase());
    // The dot that lower case leaves of İ is a mark.
    let plain = plain.into_iter().flatten().filter(|c| !is_mark(*c));
    ligature.chars().chain(plain)
}

/// A mark on the letter before it, or nothing to be seen.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}
