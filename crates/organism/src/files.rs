//! The trained organism, as bytes: the files of `models/organism/`.
//!
//! How it is made again: `models/organism/README.md`.

/// Names and contents of the files of a Hugging Face directory.
pub const FILES: [(&str, &[u8]); 4] = [
    (
        "config.json",
        include_bytes!("../../../models/organism/config.json"),
    ),
    (
        "model.safetensors",
        include_bytes!("../../../models/organism/model.safetensors"),
    ),
    (
        "tokenizer.json",
        include_bytes!("../../../models/organism/tokenizer.json"),
    ),
    (
        "tokenizer_config.json",
        include_bytes!("../../../models/organism/tokenizer_config.json"),
    ),
];

/// The same, for whoever writes them to a folder.
pub fn files() -> &'static [(&'static str, &'static [u8])] {
    &FILES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_there_and_small() {
        let size: usize = files().iter().map(|(_, bytes)| bytes.len()).sum();
        assert!((500_000..8_000_000).contains(&size), "{size}");
        for (name, bytes) in files().iter().filter(|(name, _)| {
            std::path::Path::new(name)
                .extension()
                .is_some_and(|e| e == "json")
        }) {
            assert!(bytes.starts_with(b"{") && bytes.len() > 100, "{name}");
        }
    }
}
