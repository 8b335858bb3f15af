//! Hashed word n-grams: what a bag-of-words model sees of a text.
//!
//! A text is lower-cased and cut into words (runs of letters, digits and apostrophes; every other
//! visible character is a word of its own). Each n-gram of 1 to `n` words is hashed to one of
//! `2^bits` buckets; a bucket that occurs has the value 1, and the row is scaled to unit length.

use std::collections::BTreeMap;

use crate::Sparse;

/// How texts become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ngrams {
    /// Longest n-gram, in words.
    pub max_words: usize,
    /// Buckets are `2^bits`.
    pub bits: u32,
    /// Only so many words at the start of a text are seen.
    pub first_words: usize,
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

    /// The same, row-major: `[n, 2^bits]`. For few bits.
    pub fn dense<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> Vec<f32> {
        let mut rows = Vec::new();
        for text in texts {
            let buckets = self.buckets(text);
            let scale = 1.0 / (buckets.len().max(1) as f32).sqrt();
            let start = rows.len();
            rows.resize(start + self.n_features(), 0.0);
            for bucket in buckets {
                rows[start + bucket as usize] = scale;
            }
        }
        rows
    }

    /// One row for each pair of texts: the features of the second minus those of the first, and no
    /// constant. A linear model of it scores either text by the same weights, and its logit is the
    /// difference of the scores; pairs that are turned round have the opposite logit.
    ///
    /// ```text
    /// φ(second) − φ(first)
    /// ```
    pub fn differences<'t>(self, pairs: impl IntoIterator<Item = [&'t str; 2]>) -> Sparse {
        let mut design = Sparse::new(self.n_features()).without_constant();
        for pair in pairs {
            let [first, second] = pair.map(|text| self.buckets(text));
            let scale = |buckets: &[u32]| 1.0 / (buckets.len().max(1) as f32).sqrt();
            let (of_first, of_second) = (scale(&first), scale(&second));
            let mut row: BTreeMap<u32, f32> = second.into_iter().map(|b| (b, of_second)).collect();
            for bucket in first {
                *row.entry(bucket).or_default() -= of_first;
            }
            design.push_row(row);
        }
        design
    }

    /// The buckets that occur in `text`, ascending, once each.
    pub fn buckets(self, text: &str) -> Vec<u32> {
        let text = text.to_lowercase();
        let mut words = words(&text);
        words.truncate(self.first_words);
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

/// The words of a text, and every other visible character, in order.
pub fn words(text: &str) -> Vec<&str> {
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
            first_words: usize::MAX,
        };
        let two = Ngrams {
            max_words: 2,
            bits: 16,
            first_words: usize::MAX,
        };
        assert_eq!(one.buckets("Not good"), one.buckets("good not"));
        assert_ne!(two.buckets("not good"), two.buckets("good not"));
        assert_eq!(two.buckets("not good").len(), 3);
    }

    #[test]
    fn dense_rows_have_the_numbers_of_sparse_ones() {
        let ngrams = Ngrams {
            max_words: 2,
            bits: 4,
            first_words: usize::MAX,
        };
        let rows = ngrams.dense(["not good", ""]);
        let mut expected = vec![0.0; 32];
        let buckets = ngrams.buckets("not good");
        for &bucket in &buckets {
            expected[bucket as usize] = 1.0 / (buckets.len() as f32).sqrt();
        }
        assert_eq!(rows, expected);
    }

    #[test]
    fn only_the_first_words_are_seen() {
        let all = Ngrams {
            max_words: 2,
            bits: 16,
            first_words: usize::MAX,
        };
        let two = Ngrams {
            first_words: 2,
            ..all
        };
        assert_eq!(two.buckets("not good at all"), all.buckets("not good"));
    }

    proptest::proptest! {
        #[test]
        fn a_pair_turned_round_has_the_opposite_logit(a in "[a-e ]{0,40}", b in "[a-e ]{0,40}", seed: u64) {
            let ngrams = Ngrams { max_words: 2, bits: 6, first_words: usize::MAX };
            let design = ngrams.differences([[&*a, &*b], [&*b, &*a]]);
            let mut stream = trimtab_core::Seed(seed).stream();
            let weights: Vec<f32> = (0..crate::Design::width(&design))
                .map(|_| stream.next_normal() as f32)
                .collect();
            let logits = crate::Design::logits(&design, &weights);
            proptest::prop_assert!((logits[0] + logits[1]).abs() < 1e-5, "{logits:?}");
        }
    }

    #[test]
    fn an_empty_text_is_a_row_without_features() {
        let ngrams = Ngrams {
            max_words: 2,
            bits: 4,
            first_words: usize::MAX,
        };
        let design = ngrams.design(["", "a"]);
        assert_eq!(crate::Design::n_rows(&design), 2);
    }
}
