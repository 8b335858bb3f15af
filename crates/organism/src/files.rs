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
