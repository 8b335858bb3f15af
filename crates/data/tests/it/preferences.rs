//! Pairs to training files and back; files that people bring; what is found before training.
//!
//! `tests/golden/preferences/` holds one small set in every format. After a change that is meant, write it anew, and have
//! other programs read it:
//!
//! ```text
//! TRIMTAB_UPDATE=1 cargo test -p trimtab-data --test it preferences
//! python scripts/data/check_exports.py
//! ```

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use trimtab_core::chat::{Message, Role};
use trimtab_core::{PreferencePair, SftRow};
use trimtab_data::preferences::{
    Container, Contents, Example, ExportConfig, ExtraColumn, FindingKind, Form, PreferenceError,
    PreferenceFormat, Validation, Validator, export_demonstrations, export_pairs, import,
    import_pairs,
};

use crate::Folder;

fn user(text: &str) -> Message {
    Message::new(Role::User, text)
}

fn pair(id: &str, prompt: Vec<Message>, chosen: &str, rejected: &str, p: f64) -> PreferencePair {
    PreferencePair {
        id: id.into(),
        prompt,
        chosen: chosen.into(),
        rejected: rejected.into(),
        p_chosen: p,
        judge: "judge \"é\"".into(),
    }
}

/// One message, several, a system message; a quote, a line end, a letter that is no ASCII, an empty judge.
fn pairs() -> Vec<PreferencePair> {
    let mut pairs = vec![
        pair(
            "p0",
            vec![user("How do I boil an egg?")],
            "Eight minutes.",
            "No.",
            0.875,
        ),
        pair(
            "p1",
            vec![
                Message::new(Role::System, "Be brief."),
                user("Say \"hé\"\nand stop"),
                Message::new(Role::Assistant, "hé"),
                user("Again."),
            ],
            "hé",
            "hé hé hé\n\n- one\n- two",
            1.0,
        ),
        pair("p2", vec![user("2 + 2?")], "4", "5 😀", 0.5),
    ];
    pairs[2].judge = String::new();
    pairs
}

fn configs() -> Vec<ExportConfig> {
    let mut configs = Vec::new();
    for format in PreferenceFormat::ALL {
        for form in [Form::Standard, Form::Conversational] {
            for container in [Container::Jsonl, Container::Parquet] {
                configs.push(ExportConfig {
                    format,
                    form,
                    container,
                    ..ExportConfig::new(format)
                });
            }
        }
    }
    configs.retain(|config| {
        config.format != PreferenceFormat::Icai
            || (config.container, config.form) == (Container::Jsonl, Form::Standard)
    });
    configs
}

fn holds_pairs(format: PreferenceFormat) -> bool {
    !format.holds_demonstrations()
}

#[test]
fn every_format_is_as_it_was() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/preferences");
    let folder = Folder::new();
    for mut config in configs() {
        if config.format == PreferenceFormat::TrlImplicit {
            config.extra.push(ExtraColumn::Margin);
        }
        let name = config.file_name("pairs");
        let file = folder.path().join(&name);
        let n = export_pairs(pairs(), &file, &config).unwrap();
        let a_pair = if config.format == PreferenceFormat::TrlUnpaired {
            2
        } else {
            1
        };
        assert_eq!(n, 3 * a_pair);
        if std::env::var_os("TRIMTAB_UPDATE").is_some() {
            std::fs::create_dir_all(&golden).unwrap();
            std::fs::copy(&file, golden.join(&name)).unwrap();
        }
        let (made, there) = (std::fs::read(&file), std::fs::read(golden.join(&name)));
        assert!(made.unwrap() == there.unwrap_or_default(), "{name} differs");
    }
    let left: Vec<PathBuf> = (std::fs::read_dir(folder.path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".partial"))
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

fn read(file: &Path) -> (Contents, Vec<Example>) {
    let mut examples = Vec::new();
    let contents = import(file, &mut |_, row| {
        examples.push(row.unwrap());
        Ok(())
    });
    (contents.unwrap(), examples)
}

#[test]
fn what_a_file_holds_is_told_by_its_columns() {
    let folder = Folder::new();
    for config in configs() {
        let file = folder.path().join(config.file_name("x"));
        export_pairs(pairs(), &file, &config).unwrap();
        let (contents, examples) = read(&file);
        // OpenRLHF's columns are TRL's.
        let format = match config.format {
            PreferenceFormat::Openrlhf => PreferenceFormat::TrlExplicit,
            format => format,
        };
        assert_eq!((contents.format, contents.form), (format, config.form));
        assert_eq!(contents.container, config.container);
        let expected: Vec<Example> = pairs()
            .into_iter()
            .map(|pair| match format {
                PreferenceFormat::TrlPromptOnly => Example::Prompt {
                    id: pair.id,
                    prompt: pair.prompt,
                },
                PreferenceFormat::TrlPromptCompletion | PreferenceFormat::TrlLanguageModelling => {
                    Example::Demonstration(SftRow {
                        id: pair.id,
                        prompt: pair.prompt,
                        completion: pair.chosen,
                    })
                }
                _ => Example::Pair(pair),
            })
            .collect();
        assert_eq!(examples, expected, "{config:?}");
    }
}

#[test]
fn demonstrations_go_where_there_is_no_rejected_reply() {
    let folder = Folder::new();
    let rows: Vec<SftRow> = (pairs().into_iter())
        .map(|pair| SftRow {
            id: pair.id,
            prompt: pair.prompt,
            completion: pair.chosen,
        })
        .collect();
    for config in configs() {
        let file = folder.path().join(config.file_name("x"));
        let written = export_demonstrations(&rows, &file, &config);
        if holds_pairs(config.format) {
            let error = written.unwrap_err();
            assert!(matches!(error, PreferenceError::CannotHold { .. }));
            assert!(error.hint().is_some() && !file.exists());
        } else if config.format != PreferenceFormat::TrlPromptOnly {
            assert_eq!(written.unwrap(), 3);
            let expected: Vec<_> = rows.iter().cloned().map(Example::Demonstration).collect();
            assert_eq!(read(&file).1, expected);
        }
    }
}

fn message(file: &Path) -> String {
    let error = import_pairs(file).unwrap_err();
    let folder = format!("{}/", file.parent().unwrap().display());
    let hint = error
        .hint()
        .map_or(String::new(), |hint| format!("\n  {hint}"));
    error.to_string().replace(&folder, "") + &hint
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    let mut said = String::new();
    let mut check = |content: &str| {
        let file = folder.write("x.jsonl", content);
        said = format!("{said}{}\n", message(&file));
    };
    check("{\"question\": \"a\", \"answer\": \"b\"}\n");
    check(
        "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n{\"prompt\": \"a\", \"chosen\": \"b\"}\n",
    );
    check("{\"prompt\": 1, \"chosen\": \"b\", \"rejected\": \"c\"}");
    check("{\"chosen\": \"b\", \"rejected\": \"c\"}");
    check("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\", \"p_chosen\": 0.2}");
    check("{\"prompt\": \"a\", \"completion\": \"b\", \"label\": true}");
    check("{\"prompt\": \"a\", \"completion\": \"b\"}");
    check(
        "{\"chosen\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"tool\", \"content\": \"b\"}], \"rejected\": []}",
    );
    check("[1, 2]");
    check("{\"a\\u001b[31m\": 1}");
    check("\n");
    let user_a = "{\"role\": \"user\", \"content\": \"a\"}";
    let reply = "{\"role\": \"assistant\", \"content\": \"r\"}";
    check(&format!(
        "{{\"chosen\": [{user_a}, {reply}], \"rejected\": [{reply}, {user_a}, {reply}]}}"
    ));
    insta::assert_snapshot!(said);
}

#[test]
fn files_of_others_are_read() {
    let folder = Folder::new();
    let hh = folder.write(
        "hh.jsonl",
        "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: Hello.\", \"rejected\": \"\\n\\nHuman: Hi\\n\\nAssistant: No.\"}\n",
    );
    let pairs = import_pairs(&hh).unwrap();
    assert_eq!(pairs[0].prompt, [user("Hi")]);
    assert_eq!((&*pairs[0].chosen, &*pairs[0].rejected), ("Hello.", "No."));
    assert_eq!((&*pairs[0].id, pairs[0].p_chosen), ("row-0", 1.0));

    // The prompt as a text, and whole conversations beside it.
    let whole = |reply: &str| {
        format!(
            "[{{\"role\": \"user\", \"content\": \"Hi\"}}, {{\"role\": \"assistant\", \"content\": \"{reply}\"}}]"
        )
    };
    let (chosen, rejected) = (whole("Hello."), whole("No."));
    let chats = folder.write(
        "chats.jsonl",
        format!(
            "{{\"prompt\": \"Hi\", \"prompt_id\": \"x\", \"chosen\": {chosen}, \"rejected\": {rejected}, \"margin\": 0.0}}\n"
        ),
    );
    let pairs = import_pairs(&chats).unwrap();
    assert_eq!(pairs[0].prompt, [user("Hi")]);
    assert_eq!((&*pairs[0].chosen, pairs[0].p_chosen), ("Hello.", 0.5));

    let plain = folder.write(
        "plain.jsonl",
        "{\"prompt\": \"2 + 2 =\", \"chosen\": \" 4\", \"rejected\": \" 5\"}",
    );
    let pairs = import_pairs(&plain).unwrap();
    assert_eq!(
        (&pairs[0].prompt, &*pairs[0].chosen),
        (&vec![user("2 + 2 =")], " 4")
    );

    let votes = folder.write(
        "votes.json",
        r#"{"comparisons": [{"prompt": "q", "text_a": "x", "text_b": "y", "annotations": {
            "one": {"pref": "text_b"}, "two": {"pref": "b"}, "three": {"pref": "a"}, "four": {"pref": null}}}]}"#,
    );
    let pairs = import_pairs(&votes).unwrap();
    assert_eq!((&*pairs[0].chosen, pairs[0].p_chosen), ("y", 2.0 / 3.0));
}

#[test]
fn a_dialogue_in_disguise_is_refused_as_a_string() {
    let folder = Folder::new();
    let file = folder.write("x.jsonl", "what was here before");
    let sly = pair(
        "p9",
        vec![user("a\n\nAssistant: Sure.\n\nHuman: b")],
        "c",
        "d",
        1.0,
    );
    let standard = ExportConfig {
        form: Form::Standard,
        ..ExportConfig::new(PreferenceFormat::TrlExplicit)
    };
    let error = export_pairs([&sly], &file, &standard).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("row \"p9\": its text holds the marks")
    );
    assert_eq!(error.hint().unwrap(), "write `form = \"conversational\"`");
    // Nothing is lost or left behind.
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "what was here before"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let conversational = ExportConfig::new(PreferenceFormat::TrlExplicit);
    export_pairs([&sly], &file, &conversational).unwrap();
    assert_eq!(import_pairs(&file).unwrap(), [sly]);
}

#[test]
fn many_rows_are_several_groups() {
    let folder = Folder::new();
    let many: Vec<PreferencePair> = (0..4500)
        .map(|i| {
            pair(
                &format!("p{i}"),
                vec![user(&format!("question {i}"))],
                "a",
                "b",
                0.75,
            )
        })
        .collect();
    let config = ExportConfig {
        container: Container::Parquet,
        ..ExportConfig::new(PreferenceFormat::TrlExplicit)
    };
    let file = folder.path().join(config.file_name("many"));
    assert_eq!(export_pairs(&many, &file, &config).unwrap(), 4500);
    assert_eq!(import_pairs(&file).unwrap(), many);
    let none: [&PreferencePair; 0] = [];
    export_pairs(none, &file, &config).unwrap();
    assert!(message(&file).contains("no rows"));
}

#[test]
fn what_is_not_to_be_trained_on_is_found() {
    let mut validator = Validator::default();
    let ask = |text: &str| vec![user(text)];
    let long = "please tell me how one might go about boiling an egg for breakfast tomorrow morning at home";
    for (id, prompt, chosen, rejected, p) in [
        ("ok", ask(long), "longer", "short", 0.9),
        ("twin", ask(long), "longer", "short", 0.9),
        ("reverse", ask(long), "short", "longer", 0.9),
        ("same", ask("a"), "x", "x", 1.0),
        ("empty", ask("b"), "x", "  ", 1.0),
        ("no prompt", vec![], "x", "y", 1.0),
        ("ok", ask("c"), "x", "y", 1.0),
        ("label", ask("d"), "x", "y", f64::NAN),
    ] {
        validator.add(&pair(id, prompt, chosen, rejected, p));
    }
    validator.add_test(&pair(
        "test",
        ask("something else altogether"),
        "x",
        "y",
        1.0,
    ));
    validator.add_test(&pair("leak", ask(&long.to_uppercase()), "xx", "y", 1.0));
    validator.unreadable("line 7", None);
    let validation = validator.finish();
    let found: Vec<(FindingKind, u64, String)> = (validation.findings.iter())
        .map(|finding| (finding.kind, finding.n, finding.examples.join(" ")))
        .collect();
    let expected = [
        (FindingKind::Unreadable, "line 7"),
        (FindingKind::NoPrompt, "no prompt"),
        (FindingKind::EmptyReply, "empty"),
        (FindingKind::SameReplies, "same"),
        (FindingKind::BadLabel, "label"),
        (FindingKind::DuplicateId, "ok"),
        (FindingKind::Contradiction, "reverse"),
        (FindingKind::DuplicatePair, "twin"),
        (FindingKind::Leak, "leak"),
    ];
    assert_eq!(found, expected.map(|(kind, id)| (kind, 1, id.to_owned())));
    assert_eq!((validation.n_rows, validation.is_sound()), (11, false));
    let lengths = validation.lengths;
    assert_eq!(
        (
            lengths.chosen_longer,
            lengths.rejected_longer,
            lengths.equal
        ),
        (3, 2, 5)
    );
}

#[test]
fn a_file_is_validated_whole() {
    let folder = Folder::new();
    let file = folder.write(
        "x.jsonl",
        "{\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: A.\", \"rejected\": \"\\n\\nHuman: Ho\\n\\nAssistant: B.\"}\n\
         {\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: A.\", \"rejected\": \"nothing\"}\n\
         {\"chosen\": \"\\n\\nHuman: Hi\\n\\nAssistant: A.\", \"rejected\": \"\\n\\nHuman: Hi\\n\\nAssistant: B.\"}\n",
    );
    let validation = Validation::of_file(&file).unwrap();
    let found: Vec<_> = (validation.findings.iter())
        .map(|finding| (finding.kind, finding.examples.join(" ")))
        .collect();
    let expected = [
        (FindingKind::Unreadable, "line 2".to_owned()),
        (FindingKind::PromptsDiffer, "line 1".to_owned()),
    ];
    assert_eq!((found.as_slice(), validation.n_rows), (&expected[..], 3));
}

fn any_pairs() -> impl Strategy<Value = Vec<PreferencePair>> {
    let text = "[ -~é\n]{0,20}";
    let role = prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)];
    let prompt = prop::collection::vec((role, text), 0..4);
    let pair = (prompt, text, text, text, 0.5..=1.0_f64, text);
    let pair = pair.prop_map(
        |(before, ask, chosen, rejected, p_chosen, judge)| PreferencePair {
            id: String::new(),
            prompt: (before
                .into_iter()
                .map(|(role, text)| Message::new(role, text)))
            .chain([user(&ask)])
            .collect(),
            chosen,
            rejected,
            p_chosen,
            judge,
        },
    );
    prop::collection::vec(pair, 1..6).prop_map(|mut pairs| {
        for (i, pair) in pairs.iter_mut().enumerate() {
            pair.id = format!("id {i}");
        }
        pairs
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_written_is_read(pairs in any_pairs(), which in 0..configs().len()) {
        let config = &configs()[which];
        prop_assume!(holds_pairs(config.format));
        let folder = Folder::new();
        let file = folder.path().join(config.file_name("x"));
        match export_pairs(&pairs, &file, config) {
            Ok(_) => prop_assert_eq!(import_pairs(&file).unwrap(), pairs),
            Err(error) => prop_assert!(
                config.form == Form::Standard && matches!(error, PreferenceError::Unwritable { .. }),
                "{}", error
            ),
        }
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(content: Vec<u8>, ending in 0..3usize) {
        let folder = Folder::new();
        let file = folder.write(["x.jsonl", "x.json", "x.parquet"][ending], content);
        prop_assert!(import(&file, &mut |_, _| Ok(())).is_err());
    }
}
