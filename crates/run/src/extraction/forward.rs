//! The texts through the model, batch by batch, and what it makes of them into the files.

use std::collections::BTreeMap;
use std::ops::Range;

use trimtab_core::{SampleId, Span};
use trimtab_data::{ActivationsWriter, Locations};
use trimtab_nn::{Checkpoint, Device, Located, Operations, Threads, Tokenizer, Truncation};

use super::{
    Extracted, ExtractionConfig, ExtractionError, Layers, Tokens, TooLong, Wanted, wanted,
};
use crate::LoadError;
use crate::checkpoints::folder_of;

/// A text in tokens, of which some are looked at.
struct Read {
    ids: Vec<u32>,
    looked_at: Range<usize>,
    /// Their characters.
    characters: Range<usize>,
    n_cut: usize,
}

pub(super) fn extract(
    config: &ExtractionConfig,
    locations: &Locations,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Extracted, ExtractionError> {
    let texts = wanted(&config.texts, locations)?;
    let device = (config.device.parse::<Device>())
        .and_then(Device::open)
        .map_err(LoadError::from)?;
    let path = &config.checkpoint;
    let folder = folder_of(
        path,
        &locations.base_dir,
        locations.hub.as_ref(),
        &|_, _, _| {},
    )?;
    let checkpoint = Checkpoint::open(&folder).map_err(LoadError::from)?;
    let definition = checkpoint.config().definition.clone();
    let layers = layers(config, definition.n_layers)?;
    let tokenizer = Tokenizer::open(&folder, definition.vocab_size, definition.max_positions)
        .map_err(LoadError::from)?;
    let rows = (texts.iter())
        .map(|text| read(&tokenizer, text, config.too_long))
        .collect::<Result<Vec<Read>, _>>()?;
    let transformer = checkpoint
        .load(&device)
        .map_err(LoadError::from)?
        .transformer;
    let threads = std::thread::available_parallelism().map_or(Threads::default(), Threads);
    let transformer = transformer.with_operations(Operations::Fused, threads);

    let mut places = Vec::with_capacity(rows.len());
    let mut n_rows = 0;
    for row in &rows {
        let n = match config.tokens {
            Tokens::Last | Tokens::Mean => 1,
            Tokens::All => row.looked_at.len(),
        };
        places.push(n_rows..n_rows + n);
        n_rows += n;
    }
    let width = definition.width;
    let tensors: Vec<(String, usize)> = (layers.iter())
        .map(|layer| (format!("layer.{layer}"), width))
        .collect();
    let about = BTreeMap::from([
        ("checkpoint".to_owned(), path.clone()),
        ("tokens".to_owned(), name(config.tokens).to_owned()),
    ]);
    let mut writer = ActivationsWriter::create(&config.out, &tensors, n_rows, &about)?;
    // Texts of like length together: little padding.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| rows[at].ids.len());
    let mut n_done = 0;
    for batch in order.chunks(config.batch_size.max(1)) {
        let ids: Vec<&[u32]> = batch.iter().map(|&at| &rows[at].ids[..]).collect();
        let states = transformer.hidden_states(&ids, &layers).map_err(|error| {
            let (hint, source) = (error.hint(), error.into());
            let id = batch
                .first()
                .map_or(String::new(), |&at| texts[at].id.clone());
            ExtractionError::Text { id, hint, source }
        })?;
        for (layer, states) in states.iter().enumerate() {
            for (&at, states) in batch.iter().zip(states) {
                let Range { start, end } = rows[at].looked_at;
                let states = &states[start * width..end * width];
                let first = places[at].start;
                match config.tokens {
                    Tokens::All => writer.rows(layer, first, states)?,
                    Tokens::Last => {
                        writer.rows(layer, first, &states[states.len() - width..])?;
                    }
                    Tokens::Mean => writer.rows(layer, first, &mean(states, width))?,
                }
            }
        }
        n_done += batch.len();
        on_progress(n_done, rows.len());
    }
    for ((text, row), rows) in texts.iter().zip(&rows).zip(places) {
        writer.span(&Span {
            id: SampleId::new(&text.id),
            rows,
            positive: text.positive,
            group: text.group.clone(),
            pair: text.pair.clone(),
            text: Some(said(text, row)),
        })?;
    }
    writer.finish()?;
    Ok(Extracted {
        n_spans: texts.len(),
        n_rows,
        layers,
        width,
        n_cut: rows.iter().filter(|row| row.n_cut > 0).count(),
    })
}

/// What the header says of them.
fn name(tokens: Tokens) -> &'static str {
    match tokens {
        Tokens::Last => "last",
        Tokens::Mean => "mean",
        Tokens::All => "all",
    }
}

/// The layers that are wanted, if they are there.
fn layers(config: &ExtractionConfig, last: usize) -> Result<Vec<usize>, ExtractionError> {
    let mut layers = match &config.layers {
        Layers::All => (0..=last).collect(),
        Layers::These(layers) => layers.clone(),
    };
    layers.sort_unstable();
    layers.dedup();
    match layers.iter().find(|layer| **layer > last) {
        None => Ok(layers),
        Some(&layer) => Err(ExtractionError::NoSuchLayer {
            checkpoint: config.checkpoint.clone(),
            layer,
            last,
        }),
    }
}

/// A text into tokens, and which of them it is about.
fn read(tokenizer: &Tokenizer, text: &Wanted, too_long: TooLong) -> Result<Read, ExtractionError> {
    let truncation = match too_long {
        TooLong::Refuse => Truncation::Refuse,
        TooLong::KeepStart => Truncation::KeepStart,
        TooLong::KeepEnd => Truncation::KeepEnd,
    };
    let located = tokenizer.encode_located(&text.text, truncation);
    let Located {
        ids,
        characters,
        n_cut,
    } = located.map_err(|error| ExtractionError::Text {
        id: text.id.clone(),
        hint: match error {
            trimtab_nn::TokenizerError::TooLong { .. } => {
                "shorten the text, or say which end to keep: --too-long keep-start or keep-end"
            }
            _ => error.hint(),
        },
        source: error.into(),
    })?;
    let own = || (characters.iter().enumerate()).filter_map(|(at, of)| Some((at, of.clone()?)));
    let there = own().fold(None, |there: Option<Range<usize>>, (_, of)| {
        Some(there.map_or(of.clone(), |there| {
            there.start.min(of.start)..there.end.max(of.end)
        }))
    });
    if n_cut > 0
        && let (Some(span), Some(there)) = (&text.span, &there)
        && (span.start < there.start || span.end > there.end)
    {
        let id = text.id.clone();
        return Err(ExtractionError::CutSpan { id, n_cut });
    }
    let mut looked_at: Option<(Range<usize>, Range<usize>)> = None;
    for (at, of) in own() {
        let is_in =
            (text.span.as_ref()).is_none_or(|span| of.start < span.end && of.end > span.start);
        if is_in {
            looked_at = Some(match looked_at {
                None => (at..at + 1, of),
                Some((places, there)) => (
                    places.start..at + 1,
                    there.start.min(of.start)..there.end.max(of.end),
                ),
            });
        }
    }
    let Some((looked_at, characters)) = looked_at else {
        return Err(ExtractionError::NoToken {
            id: text.id.clone(),
            what: if text.span.is_some() {
                "its span"
            } else {
                "its text"
            },
        });
    };
    Ok(Read {
        ids,
        looked_at,
        characters,
        n_cut,
    })
}

/// What a monitor that sees no activations has of a row: what its tokens say.
fn said(text: &Wanted, row: &Read) -> String {
    let Range { start, end } = row.characters;
    text.text.chars().skip(start).take(end - start).collect()
}

fn mean(states: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; width];
    for row in states.chunks_exact(width) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    let n = (states.len() / width) as f64;
    sums.into_iter().map(|sum| (sum / n) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use trimtab_core::RowSource as _;
    use trimtab_data::Activations;

    /// What is in the files is what the device's own operations give of each text alone.
    #[test]
    fn states_in_files_are_those_of_the_plain_composition() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let folder = tempfile::tempdir().unwrap();
        let said = [
            "do you know a cat ?",
            "what is cairo ?",
            "a dog",
            "tell me about the lake in athens",
        ];
        let rows: Vec<String> = (said.iter())
            .map(|text| format!("{{\"text\": \"{text}\", \"label\": false}}"))
            .collect();
        let texts = folder.path().join("texts.jsonl");
        std::fs::write(&texts, rows.join("\n")).unwrap();
        let model = std::path::Path::new(root).join("models/organism");
        let tokenizer = Tokenizer::open(&model, 725, 512).unwrap();
        let device = Device::Cpu.open().unwrap();
        let transformer = Checkpoint::open(&model)
            .unwrap()
            .load(&device)
            .unwrap()
            .transformer;
        let plain = transformer.with_operations(Operations::Plain, Threads::default());
        for tokens in [Tokens::Last, Tokens::Mean, Tokens::All] {
            let config = ExtractionConfig {
                checkpoint: "models/organism".into(),
                texts: texts.display().to_string(),
                out: folder.path().join("states"),
                layers: Layers::These(vec![4, 0, 2]),
                tokens,
                too_long: TooLong::Refuse,
                device: "cpu".into(),
                batch_size: 3,
            };
            let extracted = super::extract(&config, &Locations::new(root), &mut |_, _| {}).unwrap();
            assert_eq!(
                (&extracted.layers[..], extracted.width),
                (&[0, 2, 4][..], 128)
            );
            let [tensors, spans] = Activations::files(&config.out);
            let read = Activations::open(&tensors, &spans).unwrap();
            for (text, span) in said.iter().zip(&read.spans) {
                assert_eq!(span.text.as_deref(), Some(*text));
                let ids = tokenizer.encode(text, Truncation::Refuse).unwrap();
                let states = plain.hidden_states(&[ids], &[0, 2, 4]).unwrap();
                for (layer, states) in read.layers.iter().zip(states) {
                    let states = &states[0];
                    let expected = match tokens {
                        Tokens::Last => states[states.len() - 128..].to_vec(),
                        Tokens::Mean => mean(states, 128),
                        Tokens::All => states.clone(),
                    };
                    let mut got = vec![0.0; span.rows.len() * 128];
                    layer.read(span.rows.clone(), &mut got).unwrap();
                    assert_eq!(got.len(), expected.len());
                    for (a, b) in got.iter().zip(&expected) {
                        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn means_are_over_tokens() {
        assert_eq!(mean(&[1.0, 2.0, 3.0, 6.0], 2), [2.0, 4.0]);
    }
}
