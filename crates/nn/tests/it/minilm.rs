//! The real all-MiniLM-L6-v2, where it is at hand: `TRIMTAB_MINILM` names its directory, else
//! `../shared/models/all-MiniLM-L6-v2` beside the workspace is looked for. Without it these tests say so and pass.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use trimtab_nn::{Checkpoint, Classifier, Pooling, Tokenizer, TokenizerError, Truncation};

use crate::golden::device;

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn minilm() -> Option<PathBuf> {
    let folder = match std::env::var_os("TRIMTAB_MINILM") {
        Some(folder) => PathBuf::from(folder),
        None => workspace().join("../shared/models/all-MiniLM-L6-v2"),
    };
    let is_there = folder.join("model.safetensors").exists();
    if !is_there {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("SKIPPED: no all-MiniLM-L6-v2 at {}", folder.display());
        }
    }
    is_there.then_some(folder)
}

/// `data/rotten-tomatoes` has the embeddings that sentence-transformers makes, in half precision: within
/// 2^-11 of each number, numbers being at most 0.3 or so.
#[test]
fn sentence_embeddings_equal_those_in_the_built_in_data() {
    const N: usize = 64;
    let Some(folder) = minilm() else { return };
    let data = workspace().join("data/rotten-tomatoes");
    let mut text = String::new();
    let file = File::open(data.join("rotten-tomatoes.jsonl.gz")).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let bytes = std::fs::read(data.join("all-MiniLM-L6-v2.f16")).unwrap();

    let checkpoint = Checkpoint::open(&folder).unwrap();
    let tokenizer =
        Tokenizer::open(&folder, checkpoint.config().definition.vocab_size, 256).unwrap();
    let rows: Vec<Vec<u32>> = (text.lines().take(N))
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            tokenizer
                .encode(row["text"].as_str().unwrap(), Truncation::Refuse)
                .unwrap()
        })
        .collect();
    let model = checkpoint.load(&device()).unwrap();
    let features = Classifier::new(model, Pooling::Mean, 2)
        .features(&rows, 16)
        .unwrap();
    let mut largest = 0.0_f32;
    for (row, expected) in features.chunks_exact(384).zip(bytes.chunks_exact(768)) {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        for (x, expected) in row.iter().zip(expected.as_chunks::<2>().0) {
            let expected = half::f16::from_le_bytes(*expected).to_f32();
            let difference = (x / norm - expected).abs() / expected.abs().max(1.0 / 1024.0);
            largest = largest.max(difference);
        }
    }
    assert!(largest < 1.5 / 2048.0, "relative difference {largest:e}");
}

#[test]
fn sentence_embeddings_equal_those_of_sentence_transformers() {
    let Some(folder) = minilm() else { return };
    let golden = crate::golden::json("minilm_sentences.json");
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let vocab_size = checkpoint.config().definition.vocab_size;
    let tokenizer = Tokenizer::open(&folder, vocab_size, 256).unwrap();
    let rows: Vec<Vec<u32>> = (golden["sentences"].as_array().unwrap().iter())
        .map(|text| {
            tokenizer
                .encode(text.as_str().unwrap(), Truncation::Refuse)
                .unwrap()
        })
        .collect();
    let model = checkpoint.load(&device()).unwrap();
    let features = Classifier::new(model, Pooling::Mean, 2)
        .features(&rows, 4)
        .unwrap();
    let expected = crate::golden::flat(&golden["embeddings"]);
    assert_eq!(features.len(), expected.len());
    let mut largest = 0.0_f64;
    for (row, expected) in features.chunks_exact(384).zip(expected.chunks_exact(384)) {
        let norm = (row.iter().map(|x| f64::from(x * x)).sum::<f64>()).sqrt();
        for (x, expected) in row.iter().zip(expected) {
            largest = largest.max((f64::from(*x) / norm - expected).abs());
        }
    }
    // Measured: 1.6e-7.
    assert!(largest < 1e-6, "embeddings differ by {largest:e}");
}

#[test]
fn nothing_is_cut_silently() {
    let Some(folder) = minilm() else { return };
    let open = |vocab_size, max_tokens| Tokenizer::open(&folder, vocab_size, max_tokens);
    let tokenizer = open(30522, 6).unwrap();
    let encode = |text: &str, truncation| tokenizer.encode(text, truncation);
    let whole = encode("One two three four", Truncation::Refuse).unwrap();
    assert_eq!((whole.len(), whole[0], whole[5]), (6, 101, 102));
    assert_eq!(tokenizer.decode(&whole).unwrap(), "one two three four");
    let error = encode("one two three four five", Truncation::Refuse).unwrap_err();
    let expected = "a text of 7 tokens is longer than 6; it begins \"one two three four five\"";
    assert_eq!(error.to_string(), expected);
    let start = encode("one two three four five", Truncation::KeepStart).unwrap();
    assert_eq!(start, whole);
    let end = encode("zero one two three four", Truncation::KeepEnd).unwrap();
    assert_eq!(end, whole);
    // The tokenizer.json of this model asks for a cut at 128 tokens: that is not obeyed.
    let long = "word ".repeat(300);
    assert_eq!(
        open(30522, 512)
            .unwrap()
            .encode(&long, Truncation::Refuse)
            .unwrap()
            .len(),
        302
    );
    let error = open(30521, 512).unwrap_err();
    assert!(
        matches!(
            error,
            TokenizerError::Vocabulary {
                id: 30521,
                vocab_size: 30521,
                ..
            }
        ),
        "{error}"
    );
}
