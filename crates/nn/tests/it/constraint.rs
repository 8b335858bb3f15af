//! Generation under rules: nothing that breaks them is written, and what is drawn is the model's distribution restricted to what is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::json;
use trimtab_core::Seed;
use trimtab_nn::{
    Constraint, Finish, GenerateError, Generated, GenerationOptions, LanguageModel, Model,
    ModelConfig, Progress, Request, Sampling, ScoreRequest, Tokenizer, Truncation,
};

use crate::golden::{device, folder};

fn n(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn model(vocab_size: usize, seed: Seed) -> LanguageModel {
    let json = json!({
        "model_type": "llama", "vocab_size": vocab_size, "hidden_size": 16, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 16, "max_position_embeddings": 64, "initializer_range": 0.5,
    });
    let config = ModelConfig::parse(&json.to_string()).unwrap();
    LanguageModel::new(&Model::new(config, &device(), seed)).unwrap()
}

/// A tokenizer whose tokens are put beside each other; the last is special, and has no text.
fn pieces(tokens: &[&str]) -> Tokenizer {
    let end = tokens.len();
    let mut vocab: serde_json::Map<_, _> = (tokens.iter().zip(0..))
        .map(|(token, id)| ((*token).to_owned(), id.into()))
        .collect();
    vocab.insert("<end>".into(), end.into());
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [{"id": end, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "pre_tokenizer": null, "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<end>"},
    });
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::open(there.path(), end + 1, 64).unwrap()
}

/// `n_rows` continuations of each prompt.
fn generate(
    model: &LanguageModel,
    tokenizer: &Tokenizer,
    prompts: &[Vec<u32>],
    n_rows: usize,
    options: &GenerationOptions,
) -> Vec<Generated> {
    let request = |i: usize| Request {
        prompt: prompts[i % prompts.len()].clone(),
        seed: Seed(9).child(&i.to_string()),
    };
    let requests: Vec<Request> = (0..prompts.len() * n_rows).map(request).collect();
    let mut pieces = vec![String::new(); requests.len()];
    let mut n_finished = 0;
    let mut on_token = |progress: Progress<'_>| {
        pieces[progress.request].push_str(progress.text);
        n_finished += usize::from(progress.finish.is_some());
        ControlFlow::Continue(())
    };
    let written = (model.generate(tokenizer, &requests, options, &mut on_token)).unwrap();
    assert_eq!(
        (written.len(), n_finished),
        (requests.len(), requests.len())
    );
    for (row, pieces) in written.iter().zip(pieces) {
        assert_eq!(row.text, pieces);
        assert_eq!(row.ids.len(), row.log_probs.len());
    }
    written
}

/// As hard limits read a whole reply.
fn is_broken(constraint: &Constraint, text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_said = |phrase: &String| lower.contains(&phrase.to_lowercase());
    let is_long = |most: usize| text.split_whitespace().count() > most;
    constraint.forbidden.iter().any(is_said) || constraint.most_words.is_some_and(is_long)
}

/// Each text of at most `length` tokens with its probability under the mask, by every way that there is.
fn masked(
    model: &LanguageModel,
    tokens: &[&str],
    prompt: &[u32],
    length: usize,
    constraint: &Constraint,
) -> BTreeMap<Vec<u32>, f64> {
    let end = tokens.len() as u32;
    let mut all = BTreeMap::new();
    let mut open = vec![(Vec::<u32>::new(), 1.0)];
    while let Some((written, p)) = open.pop() {
        if written.len() == length || written.last() == Some(&end) {
            all.insert(written, p);
            continue;
        }
        let text: String = written.iter().map(|&t| tokens[t as usize]).collect();
        let keeps =
            |t: u32| t == end || !is_broken(constraint, &format!("{text}{}", tokens[t as usize]));
        let request = ScoreRequest {
            prompt: [prompt, &written].concat(),
            continuations: (0..=end).map(|t| vec![t]).collect(),
        };
        let scored = model.score(&[request], Truncation::Refuse, n(8)).unwrap();
        let ps: Vec<f64> = scored[0].iter().map(|s| s.log_probs[0].exp()).collect();
        let allowed: Vec<u32> = (0..=end).filter(|&t| keeps(t)).collect();
        let mass: f64 = allowed.iter().map(|&t| ps[t as usize]).sum();
        for t in allowed {
            open.push(([&written[..], &[t]].concat(), p * ps[t as usize] / mass));
        }
    }
    all
}

/// Texts that are drawn.
const N: usize = 12_000;

/// Pearson's statistic is four standard deviations above its mean at most; the seed is fixed.
#[test]
fn frequencies_are_those_of_the_mask() {
    // "ab" can be written by one token, by two, and across others.
    let tokens = ["a", "b", "ab", "B ", " ", "ca"];
    let (tokenizer, model) = (pieces(&tokens), model(7, Seed(3)).with_end_of_text([6]));
    let prompt = vec![5, 0];
    for (forbidden, most_words) in [(vec!["AB"], None), (vec!["ab", "c"], Some(1))] {
        let constraint = Constraint {
            forbidden: forbidden.into_iter().map(str::to_owned).collect(),
            most_words,
        };
        let expected = masked(&model, &tokens, &prompt, 3, &constraint);
        let total: f64 = expected.values().sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
        let options = GenerationOptions {
            max_tokens: n(3),
            constraint,
            ..GenerationOptions::default()
        };
        let written = generate(
            &model,
            &tokenizer,
            std::slice::from_ref(&prompt),
            N,
            &options,
        );
        let mut counts: BTreeMap<&[u32], f64> = BTreeMap::new();
        for row in &written {
            assert!(expected.contains_key(&row.ids), "{:?}", row.ids);
            *counts.entry(&row.ids).or_default() += 1.0;
            // Log-probabilities are the model's, rules or not.
            let sum: f64 = row.log_probs.iter().sum();
            assert!(sum.exp() <= expected[&row.ids] + 1e-6);
        }
        // Rare texts are one class.
        let (mut statistic, mut classes) = (0.0, 0.0);
        let (mut rare, mut n_rare) = (0.0, 0.0);
        for (ids, p) in &expected {
            let (want, got) = (p * N as f64, counts.get(&ids[..]).copied().unwrap_or(0.0));
            if want < 5.0 {
                (rare, n_rare) = (rare + want, n_rare + got);
            } else {
                statistic += (got - want) * (got - want) / want;
                classes += 1.0;
            }
        }
        if rare >= 5.0 {
            statistic += (n_rare - rare) * (n_rare - rare) / rare;
            classes += 1.0;
        }
        let df: f64 = classes - 1.0;
        assert!(
            df > 10.0 && statistic < df + 4.0 * (2.0 * df).sqrt(),
            "{statistic}, {df}"
        );
    }
}

#[test]
fn a_text_may_end_where_nothing_may_be_added_and_greedy_takes_the_next_best() {
    let tokens = ["x", "y ", "z"];
    let (tokenizer, open) = (pieces(&tokens), model(4, Seed(1)));
    let prompts = vec![vec![0], vec![1, 2]];
    let constraint = Constraint {
        forbidden: vec!["X".into(), "y".into(), "z".into()],
        most_words: None,
    };
    let mut options = GenerationOptions {
        max_tokens: n(5),
        constraint,
        ..GenerationOptions::default()
    };
    for sampling in [Sampling::default(), Sampling::GREEDY] {
        options.sampling = sampling;
        let ending = open.clone().with_end_of_text([3]);
        for row in generate(&ending, &tokenizer, &prompts, 4, &options) {
            assert_eq!((&row.ids[..], row.text.as_str()), (&[3][..], ""));
            assert_eq!(row.finish, Finish::EndOfText);
        }
        // A special token that ends nothing has no text, and may always be written.
        options.constraint.most_words = Some(1);
        options.constraint.forbidden = vec!["zz".into()];
        for row in generate(
            &open.clone().with_end_of_text([]),
            &tokenizer,
            &prompts,
            4,
            &options,
        ) {
            assert!(!is_broken(&options.constraint, &row.text), "{}", row.text);
        }
        options.constraint.most_words = None;
        options.constraint.forbidden = vec!["X".into(), "y".into(), "z".into()];
    }
    // Greedy: the likeliest of those that are left, one after the other.
    let free = GenerationOptions {
        max_tokens: n(1),
        sampling: Sampling::GREEDY,
        ..GenerationOptions::default()
    };
    let request = ScoreRequest {
        prompt: vec![0],
        continuations: (0..4).map(|t| vec![t]).collect(),
    };
    let scored = open.score(&[request], Truncation::Refuse, n(4)).unwrap();
    let mut order: Vec<u32> = (0..4).collect();
    order.sort_by(|&a, &b| {
        scored[0][b as usize].log_probs[0].total_cmp(&scored[0][a as usize].log_probs[0])
    });
    let mut forbidden = Vec::new();
    for &token in &order {
        let constraint = Constraint {
            forbidden: forbidden.clone(),
            most_words: None,
        };
        let options = GenerationOptions {
            constraint,
            ..free.clone()
        };
        let model = open.clone().with_end_of_text([3]);
        let row = generate(&model, &tokenizer, &[vec![0]], 1, &options);
        assert_eq!(row[0].ids, [token]);
        match tokens.get(token as usize) {
            Some(text) => forbidden.push((*text).to_owned()),
            None => break,
        }
    }
}

/// A model that cannot end its texts comes to a place where nothing is left: the row ends, is told, and the others go on.
#[test]
fn where_no_token_is_left_a_row_ends() {
    let tokenizer = words();
    let model = model(3, Seed(2)).with_end_of_text([]);
    let options = GenerationOptions {
        max_tokens: n(6),
        constraint: Constraint {
            forbidden: Vec::new(),
            most_words: Some(2),
        },
        ..GenerationOptions::default()
    };
    let rows = generate(&model, &tokenizer, &[vec![0], vec![1]], 3, &options);
    for row in rows {
        assert_eq!((row.ids.len(), &row.finish), (2, &Finish::NothingAllowed));
        assert_eq!(row.text.split_whitespace().count(), 2);
    }
    let options = GenerationOptions {
        constraint: Constraint {
            forbidden: vec!["w".into()],
            most_words: None,
        },
        ..options
    };
    let rows = generate(&model, &tokenizer, &[vec![0]], 1, &options);
    assert_eq!(
        (rows[0].ids.len(), &rows[0].finish),
        (0, &Finish::NothingAllowed)
    );
    let empty = GenerationOptions {
        constraint: Constraint {
            forbidden: vec!["w".into(), String::new()],
            most_words: None,
        },
        ..options
    };
    let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
    let refused = model.generate(&tokenizer, &[], &empty, &mut go_on);
    assert!(matches!(
        refused,
        Err(GenerateError::EmptyForbidden { index: 1 })
    ));
}

/// Token i is the word `wi`.
fn words() -> Tokenizer {
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"w0": 0, "w1": 1, "w2": 2}, "unk_token": "w0"},
    });
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::open(there.path(), 3, 64).unwrap()
}

/// A phrase that holds a part of some text.
fn part(text: &str, at: usize, len: usize) -> String {
    let n = text.chars().count().max(1);
    let part: String = text.chars().skip(at % n).take(len).collect();
    if part.is_empty() { "e".into() } else { part }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Phrases are cut out of what the model says without rules, so that it would say them; tokens are bytes, so that characters are split, and pieces of
    /// words that cross a phrase in every way.
    #[test]
    fn no_reply_breaks_a_rule(
        seed: u64, parts in prop::collection::vec((0..100_usize, 1..5_usize, 0..6_usize), 0..4), most_words in prop::option::of(0..4_usize),
        stop in prop::option::of((0..100_usize, 1..3_usize)), temperature in prop::sample::select(vec![0.0, 0.7, 1.0]),
        top_k in prop::option::of(1..6_usize), top_p in prop::sample::select(vec![0.6, 1.0]), penalty in prop::sample::select(vec![1.0, 1.3]), ends: bool,
    ) {
        let tokenizer = Tokenizer::open(&folder("chat"), 320, 64).unwrap();
        let model = model(320, Seed(seed)).with_end_of_text(ends.then_some(2));
        let prompts: Vec<Vec<u32>> = (0..6).map(|i| vec![1, 60 + i]).collect();
        let sampling = Sampling { temperature, top_k: top_k.map(n), top_p, repetition_penalty: penalty };
        let mut options = GenerationOptions { max_tokens: n(24), sampling, batch_size: n(4), ..GenerationOptions::default() };
        let free = generate(&model, &tokenizer, &prompts, 1, &options);
        let forbidden: Vec<String> = parts.into_iter()
            .map(|(at, len, row)| part(&free[row].text, at, len))
            .map(|phrase| if seed % 2 == 0 { phrase.to_uppercase() } else { phrase })
            .collect();
        options.stop = stop.map(|(at, len)| part(&free[0].text, at, len)).into_iter().collect();
        let free = generate(&model, &tokenizer, &prompts, 1, &options);
        options.constraint = Constraint { forbidden, most_words };
        let constraint = &options.constraint;
        let bound = generate(&model, &tokenizer, &prompts, 1, &options);
        for row in &bound {
            prop_assert!(!is_broken(constraint, &row.text), "{:?} has one of {constraint:?}", row.text);
            prop_assert!(constraint.is_kept(&row.text));
            prop_assert!(ends || row.finish != Finish::EndOfText);
            prop_assert!(!ends || row.finish != Finish::NothingAllowed);
        }
        // What breaks nothing is what it is without rules: up to characters that are not complete, and stop strings that hold a phrase.
        let is_plain = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER) && most_words.is_none();
        if options.stop.is_empty() && constraint.forbidden.iter().all(|phrase| is_plain(phrase)) {
            for (free, bound) in free.iter().zip(&bound) {
                if constraint.is_kept(&free.text) {
                    prop_assert_eq!(free, bound);
                }
            }
        }
    }
}

#[test]
fn words_are_counted_as_they_begin() {
    let tokens = ["o", " ", "ne", "\u{a0}"];
    let (tokenizer, model) = (pieces(&tokens), model(5, Seed(8)).with_end_of_text([]));
    let options = GenerationOptions {
        max_tokens: n(12),
        constraint: Constraint {
            forbidden: Vec::new(),
            most_words: Some(2),
        },
        ..GenerationOptions::default()
    };
    let rows = generate(&model, &tokenizer, &[vec![0]], 200, &options);
    let counts: BTreeSet<usize> = (rows.iter())
        .map(|row| row.text.split_whitespace().count())
        .collect();
    // White space may follow the last word, and letters may be added to it.
    assert_eq!(counts.last(), Some(&2));
    assert!(rows.iter().all(|row| row.finish == Finish::Length));
    assert!(rows.iter().any(|row| row.text.ends_with(' ')));
    assert!(rows.iter().any(|row| row.text.trim().len() > 8));
}
