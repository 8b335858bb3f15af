//! Hashed word n-grams: what a bag-of-words model sees of a text.
//!
//! A text is lower-cased and cut into words (runs of letters, digits and apostrophes; every other
//! visible character is a word of its own). Each n-gram of 1 to `n` words is hashed to one of
//! `2^bits` buckets; a bucket that occurs has the value 1, and the row is scaled to unit length.

use crate::Sparse;

/// How texts become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ngrams {
    /// Longest n-gram, in words.
    pub max_words: usize,
    /// Buckets are `2^bits`.
    pub bits: u32,
}

impl Ngrams {
    /// How many features a row has.
    pub fn n_features(self) -> usize {
        1 << self.bits
    }

    /// One row for each text.
    pub fn design<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> Sparse {
        let mut design = Sparse::new(self.n_features());
        for text in texts {
            let buckets = self.buckets(text);
            let scale = 1.0 / (buckets.len().max(1) as f32).sqrt();
            design.push_row(buckets.into_iter().map(|bucket| (bucket, scale)));
        }
        design
    }

    /// The buckets that occur in `text`, ascending, once each.
    fn buckets(self, text: &str) -> Vec<u32> {
        let text = text.to_lowercase();
        let words = words(&text);
        let mask = (1_u64 << self.bits) - 1;
        let mut buckets = Vec::with_capacity(words.len() * self.max_words);
        for start in 0..words.len() {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for word in words[start..].iter().take(self.max_words) {
                // FNV-1a, with a byte that no UTF-8 text contains between words.
                for byte in word.bytes().chain([0xff]) {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
                }
                // The low bits of FNV are its weak ones: fold the high half in.
                buckets.push(((hash ^ (hash >> 32)) & mask) as u32);
            }
        }
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }
}

fn words(text: &str) -> Vec<&str> {
    let is_inner = |c: char| c.is_alphanumeric() || c == '\'';
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        if is_inner(c) {
            start.get_or_insert(at);
            continue;
        }
        if let Some(start) = start.take() {
            words.push(&text[start..at]);
        }
        if !c.is_whitespace() {
            words.push(&text[at..at + c.len_utf8()]);
        }
    }
    if let Some(start) = start {
        words.push(&text[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_single_marks() {
        assert_eq!(words("it's good , no?"), ["it's", "good", ",", "no", "?"]);
        assert_eq!(words(""), Vec::<&str>::new());
    }

    #[test]
    fn word_order_matters_to_bigrams_only() {
        let one = Ngrams {
            max_words: 1,
            bits: 16,
        };
        let two = Ngrams {
            max_words: 2,
            bits: 16,
        };
        assert_eq!(one.buckets("Not good"), one.buckets("good not"));
        assert_ne!(two.buckets("not good"), two.buckets("good not"));
        assert_eq!(two.buckets("not good").len(), 3);
    }

    #[test]
    fn an_empty_text_is_a_row_without_features() {
        let ngrams = Ngrams {
            max_words: 2,
            bits: 4,
        };
        let design = ngrams.design(["", "a"]);
        assert_eq!(crate::Design::n_rows(&design), 2);
    }
}
