//! Secrets: made by the operating system, shown once, kept as hashes, compared in constant time.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use trimtab_run::people::SecretHash;

/// Bytes of a secret: 160 bits.
const SECRET_BYTES: usize = 20;

/// What a link or a cookie holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness(#[from] getrandom::Error);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one.
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    /// One as it came from outside; none where it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 2 * SECRET_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_owned()))
    }

    /// Its text: for the one who may have it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// What forms of its session must bring: nobody who lacks the secret can make it.
    pub(crate) fn form_token(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"form of ");
        hasher.update(self.0.as_bytes());
        hex(&hasher.finalize()[..SECRET_BYTES])
    }

    /// Whether `token` is the one of its forms.
    pub(crate) fn owns_form(&self, token: &str) -> bool {
        self.form_token().as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// A name that says nothing: 64 random bits.
pub(crate) fn neutral_name() -> Result<String, NoRandomness> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// In hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        write!(out, "{byte:02x}").unwrap_or_default();
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_not_shown() {
        let [one, other] = [Secret::new().unwrap(), Secret::new().unwrap()];
        assert_ne!(one, other);
        assert_eq!(Secret::parse(one.reveal()), Some(one.clone()));
        assert!(!format!("{one:?} {:?}", one.hash()).contains(&one.reveal()[..8]));
        for odd in ["", "x", &"g".repeat(40), &"a".repeat(41)] {
            assert_eq!(Secret::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_form_belongs_to_one_session() {
        let [one, other] = [Secret::new().unwrap(), Secret::new().unwrap()];
        assert!(one.owns_form(&one.form_token()));
        assert!(!one.owns_form(&other.form_token()));
        assert!(!one.owns_form(""));
        assert_ne!(one.form_token(), one.reveal());
    }
}
