//! A key that is never shown.

use std::fmt;

/// A key. It prints as `***`, and is neither serialised nor compared.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `key` from being shown; blanks around it are cut.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    /// The key, for a header.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the key in it.
    pub fn scrub(&self, text: String) -> String {
        if self.0.is_empty() || !text.contains(&self.0) {
            return text;
        }
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_neither_itself_nor_in_texts() {
        let key = Secret::new(" sk-abc\n");
        assert_eq!(format!("{key:?}"), "***");
        assert_eq!(key.expose(), "sk-abc");
        let text = "Incorrect API key provided: sk-abc.".to_owned();
        assert_eq!(key.scrub(text), "Incorrect API key provided: ***.");
        assert_eq!(Secret::new("").scrub("abc".into()), "abc");
    }
}
