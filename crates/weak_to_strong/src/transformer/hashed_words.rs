//! Words as token ids, by a hash: a tokenizer that nobody has to train.
//!
//! A word is a run of letters, digits and apostrophes, in lower case; any other visible character is one of its own.
//! Its id is `1 + FNV-1a(word) mod (vocabulary − 1)`; 0 stands for a text without words. Words that share an id cannot be
//! told apart.

use trimtab_nn::{TokenizerError, Truncation};

/// How words become ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedWords {
    /// Ids are below this; at least 2.
    pub vocabulary: usize,
    /// The longest text, in words.
    pub longest: usize,
}

impl HashedWords {
    /// The ids of a text's words; at least one.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::TooLong`] where a long text may not be cut.
    pub fn encode(&self, text: &str, too_long: Truncation) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = Vec::new();
        let mut hash = Fnv::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            if c.is_alphanumeric() || c == '\'' {
                hash.add(c);
                continue;
            }
            ids.extend(hash.take().map(|hash| self.id(hash)));
            if !c.is_whitespace() {
                hash.add(c);
                ids.extend(hash.take().map(|hash| self.id(hash)));
            }
        }
        ids.extend(hash.take().map(|hash| self.id(hash)));
        if ids.is_empty() {
            ids.push(0);
        }
        let (n_tokens, max_tokens) = (ids.len(), self.longest);
        if n_tokens > max_tokens {
            match too_long {
                Truncation::Refuse => {
                    let start = text.chars().take(40).collect();
                    return Err(TokenizerError::TooLong {
                        n_tokens,
                        max_tokens,
                        start,
                    });
                }
                Truncation::KeepStart => ids.truncate(max_tokens),
                Truncation::KeepEnd => drop(ids.drain(..n_tokens - max_tokens)),
            }
        }
        Ok(ids)
    }

    fn id(&self, hash: u64) -> u32 {
        1 + (hash % (self.vocabulary as u64 - 1)) as u32
    }
}

/// FNV-1a over the characters of one word.
struct Fnv(u64);

impl Fnv {
    const START: u64 = 0xcbf2_9ce4_8422_2325;

    fn new() -> Self {
        Self(Self::START)
    }

    fn add(&mut self, c: char) {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// The hash, and a fresh start; `None` when nothing was added.
    fn take(&mut self) -> Option<u64> {
        let hash = std::mem::replace(&mut self.0, Self::START);
        (hash != Self::START).then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: HashedWords = HashedWords {
        vocabulary: 100,
        longest: 4,
    };

    #[test]
    fn words_and_marks_have_ids_of_their_own() {
        let encode = |text| WORDS.encode(text, Truncation::Refuse).unwrap();
        assert_eq!(encode("It's GOOD!"), encode("it's good !"));
        assert_eq!(encode("It's good!").len(), 3);
        assert_eq!(encode(" \n"), [0]);
        assert!(encode("a b c d").iter().all(|&id| (1..100).contains(&id)));
    }

    #[test]
    fn nothing_is_cut_unasked() {
        let encode = |too_long| WORDS.encode("a b c d e", too_long);
        assert!(matches!(
            encode(Truncation::Refuse),
            Err(TokenizerError::TooLong {
                n_tokens: 5,
                max_tokens: 4,
                ..
            })
        ));
        let (start, end) = (encode(Truncation::KeepStart), encode(Truncation::KeepEnd));
        let (start, end) = (start.unwrap(), end.unwrap());
        assert_eq!((start.len(), &start[1..]), (4, &end[..3]));
    }
}
