//! Questions whose answers are texts: pairs of replies, and lists to choose from.

use std::collections::HashMap;

use proptest::prelude::*;
use trimtab_core::Seed;
use trimtab_data::{DataConfig, Dataset, Splits};

use super::{Folder, config, fixtures};

/// Row by row: prompt, the right text, the others.
fn choices(set: &Dataset) -> Vec<(String, String, Vec<String>)> {
    (set.questions.iter())
        .map(|q| {
            let right = set.key.answer(&q.id).unwrap().0;
            let mut texts: Vec<String> = (q.candidates.iter().flat_map(|texts| texts.iter()))
                .map(ToString::to_string)
                .collect();
            let right = texts.remove(right);
            (q.text.to_string(), right, texts)
        })
        .collect()
}

fn choice(prompt: &str, right: &str, others: &[&str]) -> (String, String, Vec<String>) {
    let others = others.iter().map(ToString::to_string).collect();
    (prompt.into(), right.into(), others)
}

#[test]
fn a_pair_is_chosen_and_rejected_in_every_format() {
    let expected = [choice("p", "good", &["bad"]), choice("q", "", &["worse"])];
    let jsonl = r#"{"id": "a", "text": "p", "chosen": "good", "rejected": "bad", "moves": [1]}
{"id": "b", "text": "q", "chosen": "", "rejected": "worse", "moves": [2]}"#;
    let csv = "id,text,chosen,rejected\na,p,good,bad\nb,q,,worse\n";
    for (name, content) in [("x.jsonl", jsonl), ("x.csv", csv)] {
        let set = Folder::with(name, content)
            .load(&DataConfig::new(name))
            .unwrap();
        assert_eq!(choices(&set), expected, "{name}");
        assert_eq!(set.answers.names().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(
            (set.n_candidates(), set.groups),
            (Some(2), Some(vec![0, 1]))
        );
    }
    let set = trimtab_data::load(
        &config(r#"{"set": "pyarrow_candidates.parquet", "columns": {"chosen": "chosen"}}"#),
        &trimtab_data::Locations::new(fixtures()),
    );
    let expected = ["x", "y", "z"].map(|x| choice("", x, &[&format!("{x}2")]));
    let prompts = ["p", "q", "r"].map(str::to_owned);
    for ((got, expected), prompt) in choices(&set.unwrap())
        .into_iter()
        .zip(expected)
        .zip(prompts)
    {
        assert_eq!(got, (prompt, expected.1, expected.2));
    }
}

#[test]
fn a_list_has_a_text_for_every_answer() {
    let expected = [choice("p", "y", &["x"]), choice("q", "v", &["w"])];
    let columns = r#""columns": {"candidates": "options"}"#;
    let jsonl = r#"{"text": "p", "label": 1, "options": ["x", "y"], "features": [1]}
{"text": "q", "label": 0, "options": ["v", "w"], "features": [1]}"#;
    let csv = "text,label,options\np,1,\"[\"\"x\"\",\"\"y\"\"]\"\nq,0,\"[\"\"v\"\",\"\"w\"\"]\"\n";
    for (name, content) in [("x.jsonl", jsonl), ("x.csv", csv)] {
        let config = config(&format!(r#"{{"set": "{name}", {columns}}}"#));
        let set = Folder::with(name, content).load(&config).unwrap();
        assert_eq!(choices(&set), expected, "{name}");
        assert!(set.features.is_empty());
    }
    let load = |column: &str| {
        let json = format!(
            r#"{{"set": "pyarrow_candidates.parquet", "columns": {{"label": "answer", "candidates": "{column}"}}}}"#
        );
        trimtab_data::load(&config(&json), &trimtab_data::Locations::new(fixtures()))
    };
    let expected = [
        choice("p", "yes", &["no"]),
        choice("q", "é", &[""]),
        choice("r", "b", &["a"]),
    ];
    assert_eq!(choices(&load("options").unwrap()), expected);
    let error = load("gap").unwrap_err().to_string();
    assert!(error.ends_with("row 1: column \"gap\" is empty"), "{error}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let error = |json: &str| {
        let folder = Folder::with("x.jsonl", r#"{"text": "p", "chosen": "x"}"#);
        folder.error(&config(json))
    };
    assert_eq!(
        error(r#"{"set": "x.jsonl", "columns": {"label": "l", "chosen": "c"}}"#),
        "`columns.label` and `columns.chosen` do not go together"
    );
    assert_eq!(
        error(r#"{"set": "x.jsonl", "columns": {"candidates": "l", "features": "c"}}"#),
        "`columns.features` and `columns.candidates` do not go together"
    );
    assert_eq!(
        error(r#"{"set": "x.jsonl", "columns": {"chosen": "chosen"}}"#),
        "x.jsonl, line 1: no column \"rejected\" for the rejected"
    );
    assert_eq!(
        error(r#"{"set": "x.jsonl"}"#),
        "x.jsonl, line 1: no column \"label\" for the label"
    );
    let folder = Folder::with(
        "x.jsonl",
        "{\"label\": 0, \"o\": [\"x\", \"y\"]}\n{\"label\": 1, \"o\": [\"x\"]}",
    );
    let columns = config(r#"{"set": "x.jsonl", "columns": {"candidates": "o"}}"#);
    assert_eq!(
        folder.error(&columns),
        "x.jsonl, line 2: 1 candidates, but there are 2 answers"
    );
    folder.write("x.jsonl", "{\"label\": 0, \"o\": [\"x\", 5]}");
    let message = folder.error(&columns);
    assert!(
        message.starts_with("x.jsonl, line 1, column 25: invalid type"),
        "{message}"
    );
    folder.write("x.jsonl", r#"{"chosen": "x", "rejected": "y"}"#);
    assert_eq!(
        folder.error(&config(r#"{"set": "x.jsonl", "labels": ["a", "b", "c"]}"#)),
        "`labels` has 3 names, but a pair of replies has two answers"
    );
}

#[test]
fn a_prompt_is_not_in_two_parts() {
    let row = |i| {
        let prompt = i / 3;
        format!(r#"{{"text": "p{prompt}", "chosen": "x", "rejected": "y"}}"#) + "\n"
    };
    let rows = (0..60).map(row).collect::<Vec<_>>().concat();
    let folder = Folder::with("x.jsonl", rows);
    let config = DataConfig::new("x.jsonl");
    let set = folder.load(&config).unwrap();
    for seed in 0..20 {
        let splits = Splits::new(&set, &config, Seed(seed)).unwrap();
        check_groups(&set, &splits);
    }
}

/// No prompt, no puzzle and no id in two parts.
pub(super) fn check_groups(set: &Dataset, splits: &Splits) {
    let groups = set.groups.as_ref().unwrap();
    let (mut part_of, mut n) = (HashMap::new(), 0);
    for (part, rows) in [&splits.weak_train, &splits.student_train, &splits.test]
        .into_iter()
        .enumerate()
    {
        for &row in rows {
            n += 1;
            assert_eq!(*part_of.entry(groups[row]).or_insert(part), part);
        }
    }
    assert_eq!(n, set.questions.len());
}

#[test]
fn the_built_in_pairs_are_sound() {
    let config = DataConfig::new("builtin:hh-harmless");
    let set = trimtab_data::load(&config, &trimtab_data::Locations::new(".")).unwrap();
    let n = set.questions.len();
    assert_eq!(n, 9000);
    let n_groups = set.groups.as_ref().unwrap().iter().max().unwrap() + 1;
    assert_eq!(n_groups as usize, n, "a prompt stands once");
    for seed in 0..3 {
        let splits = Splits::new(&set, &config, Seed(seed)).unwrap();
        assert_eq!((splits.weak_train.len(), splits.test.len()), (3000, 3000));
        check_groups(&set, &splits);
        for part in [&splits.weak_train, &splits.student_train, &splits.test] {
            let right = |&&row: &&usize| set.key.answer(&set.questions[row].id).unwrap().0 == 0;
            let share = part.iter().filter(right).count() as f64 / part.len() as f64;
            // Within three standard errors of a fair coin.
            assert!(
                (share - 0.5).abs() < 1.5 / (part.len() as f64).sqrt(),
                "{share}"
            );
        }
    }
}

#[test]
fn judged_pairs_are_built_in() {
    for (name, n, n_prompts, n_test) in [("llmbar", 419, 418, 139), ("pandalm", 842, 153, 296)] {
        let config = DataConfig::new(&format!("builtin:{name}"));
        let set = trimtab_data::load(&config, &trimtab_data::Locations::new(".")).unwrap();
        assert_eq!(set.questions.len(), n);
        let groups = set.groups.as_ref().unwrap();
        assert_eq!(groups.iter().max().map(|group| group + 1), Some(n_prompts));
        let splits = Splits::new(&set, &config, Seed(0)).unwrap();
        assert_eq!(splits.test.len(), n_test);
        check_groups(&set, &splits);
        assert!(
            choices(&set)
                .iter()
                .all(|(_, right, others)| *right != others[0])
        );
    }
}

proptest! {
    /// The order says nothing of the answer: it follows from the id alone, whatever the replies are.
    #[test]
    fn the_order_follows_from_the_id(id in "[a-z]{1,8}", x in "[a-z]{1,5}", y in "[A-Z]{1,5}") {
        let right = |chosen: &str, rejected: &str| {
            let row = format!("{{\"id\": \"{id}\", \"chosen\": \"{chosen}\", \"rejected\": \"{rejected}\"}}");
            let set = Folder::with("x.jsonl", row).load(&DataConfig::new("x.jsonl")).unwrap();
            set.key.answer(&set.questions[0].id).unwrap()
        };
        prop_assert_eq!(right(&x, &y), right(&y, &x));
    }
}
