//! Prompts that stand in two splits, word for word or nearly: what is tested on has then been learnt.
//!
//! Paper: Broder 1997, "On the resemblance and containment of documents".
//!
//! ```text
//! resemblance(a, b) = |S(a) ∩ S(b)| / |S(a) ∪ S(b)|,   S: runs of three words, lower case, without punctuation
//! P(one minimum of a hash is equal) = resemblance
//! ```
//!
//! 64 minima are cut into 16 bands of 4; whoever shares a band is compared exactly. A pair of resemblance `r` is found
//! with probability `1 − (1 − r⁴)^16`: 99.98 % at 0.8, all at 1. Texts of fewer than three words are one run.
//!
//! In: texts of the training split, then texts of the test split. Out: for each, the first of the most alike.

use std::collections::{HashMap, HashSet};

use trimtab_core::Seed;

const N_BANDS: usize = 16;
const BAND: usize = 4;
const RUN: usize = 3;
/// What is as alike as this is a near-duplicate.
const THRESHOLD: f64 = 0.8;

/// A text of the training split that is nearly the one asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leak {
    /// Which text of the training split, from 0 in the order they were added.
    pub train: usize,
    /// How alike they are, from 0.8 to 1.
    pub resemblance: f64,
}

/// The texts of a training split.
#[derive(Debug, Default)]
pub struct NearDuplicates {
    /// The runs of each text, as sorted hashes.
    texts: Vec<Box<[u64]>>,
    /// Texts by band.
    bands: HashMap<(usize, [u64; BAND]), Vec<usize>>,
}

impl NearDuplicates {
    /// Adds a text of the training split.
    pub fn add(&mut self, text: &str) {
        let runs = runs(text);
        for (band, minima) in minima(&runs).into_iter().enumerate() {
            let texts = self.bands.entry((band, minima)).or_default();
            texts.push(self.texts.len());
        }
        self.texts.push(runs);
    }

    /// The text of the training split that a text of the test split nearly is, if there is one.
    pub fn find(&self, text: &str) -> Option<Leak> {
        let runs = runs(text);
        let candidates: HashSet<usize> = minima(&runs)
            .into_iter()
            .enumerate()
            .filter_map(|key| self.bands.get(&key))
            .flatten()
            .copied()
            .collect();
        let mut candidates: Vec<usize> = candidates.into_iter().collect();
        candidates.sort_unstable();
        let leaks = candidates.into_iter().map(|train| Leak {
            train,
            resemblance: resemblance(&self.texts[train], &runs),
        });
        leaks
            .filter(|leak| leak.resemblance >= THRESHOLD)
            .reduce(|best, leak| {
                if leak.resemblance > best.resemblance {
                    leak
                } else {
                    best
                }
            })
    }
}

fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The runs of words of a text, as sorted hashes without repeats; of an empty text one.
fn runs(text: &str) -> Box<[u64]> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let of_run = |run: &[&str]| hash(run.iter().flat_map(|word| word.bytes().chain([0])));
    let mut runs: Vec<u64> = if words.len() < RUN {
        vec![of_run(&words)]
    } else {
        words.windows(RUN).map(of_run).collect()
    };
    runs.sort_unstable();
    runs.dedup();
    runs.into()
}

/// The minima of 64 hashes of the runs, by band.
fn minima(runs: &[u64]) -> [[u64; BAND]; N_BANDS] {
    std::array::from_fn(|band| {
        std::array::from_fn(|i| {
            let salt = (band * BAND + i + 1) as u64;
            let mixed = runs.iter().map(|run| mix(run ^ mix(salt)));
            mixed.min().unwrap_or(u64::MAX)
        })
    })
}

fn mix(x: u64) -> u64 {
    Seed(x).stream().next_u64()
}

fn resemblance(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, both) = (i + 1, j + 1, both + 1),
        }
    }
    f64::from(both) / (a.len() + b.len() - both as usize) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[&str]) -> NearDuplicates {
        let mut all = NearDuplicates::default();
        for text in texts {
            all.add(text);
        }
        all
    }

    #[test]
    fn case_and_punctuation_do_not_hide_a_copy() {
        let all = of(&["Something else entirely.", "How do I pick a lock, quickly?"]);
        let leak = all.find("how do i pick a LOCK quickly").unwrap();
        assert_eq!((leak.train, leak.resemblance), (1, 1.0));
        assert_eq!(all.find("How do I bake a cake?"), None);
        assert_eq!(of(&[""]).find("").unwrap().resemblance, 1.0);
    }

    #[test]
    fn one_word_of_thirty_is_nearly_the_same() {
        let words: Vec<String> = (0..40).map(|i| format!("word{i}")).collect();
        let mut other = words.clone();
        other[39] = "other".into();
        let leak = of(&[&words.join(" ")]).find(&other.join(" ")).unwrap();
        assert_eq!(leak.resemblance, 37.0 / 39.0);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_comparing_all_finds(
            train in prop::collection::vec("[ab]( [abc]){0,12}", 1..12), test in "[ab]( [abc]){0,12}",
        ) {
            let all = of(&train.iter().map(String::as_str).collect::<Vec<_>>());
            let most = train.iter().map(|text| resemblance(&runs(text), &runs(&test))).fold(0.0, f64::max);
            // Bands may miss what is barely a near-duplicate; an exact copy they cannot.
            match all.find(&test) {
                Some(leak) => prop_assert!(leak.resemblance <= most && leak.resemblance >= THRESHOLD),
                None => prop_assert!(most < 1.0),
            }
            if most == 1.0 {
                prop_assert_eq!(all.find(&test).map(|leak| leak.resemblance), Some(1.0));
            }
        }
    }
}
