//! What a reader of each error sees, and the laws of merging and sweeping.
//!
//! The configuration here is a small one of the same shapes as the real one: tables, an array of
//! tables, tagged enums, a value that is a word or a table.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Experiment {
    name: String,
    #[serde(default = "five")]
    seeds: NonZeroU32,
    data: Data,
    #[serde(default)]
    roles: BTreeMap<String, Role>,
    #[serde(default)]
    method: Vec<Method>,
}

fn five() -> NonZeroU32 {
    NonZeroU32::new(5).unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Data {
    set: String,
    max_rows: Option<u32>,
    #[serde(default)]
    shuffle: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Role {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
enum Method {
    WeakToStrong { loss: Loss, l2: Option<f64> },
    Debate { judge: String, rounds: u32 },
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
struct Loss(LossKind);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
enum LossKind {
    Naive {},
    Confidence {
        preset: Option<Preset>,
        warm_up: Option<f64>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Preset {
    Paper,
    Openai,
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTable;
        impl<'de> Visitor<'de> for WordOrTable {
            type Value = Loss;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a loss: a string or a table")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Loss, E> {
                let table = MapDeserializer::new([("kind", word)].into_iter());
                LossKind::deserialize(table).map(Loss)
            }
            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Loss, A::Error> {
                LossKind::deserialize(MapAccessDeserializer::new(table)).map(Loss)
            }
        }
        deserializer.deserialize_any(WordOrTable)
    }
}

const GOOD: &str = r#"name = "quickstart"
seeds = 3

[data]
set = "builtin:rotten-tomatoes"

[[method]]
kind = "weak-to-strong"
loss = "confidence"

[[method]]
kind = "debate"
judge = "weak"
rounds = 3
"#;

/// A debate without a judge.
const DEBATE: &str = "\n[[method]]\nkind = \"debate\"\nrounds = 1\n";

/// A folder with the given files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn owned(overrides: &[&str]) -> Vec<String> {
    overrides.iter().map(|&text| text.to_owned()).collect()
}

/// Reads the first of the files.
fn read<T: DeserializeOwned>(
    files: &[(&str, &str)],
    overrides: &[&str],
) -> Result<Vec<Variant<T>>, ExperimentFileError> {
    let folder = folder(files);
    load(&folder.path().join(files[0].0), &owned(overrides))
}

fn variants(text: &str, overrides: &[&str]) -> Vec<Variant<Experiment>> {
    read(&[("experiment.toml", text)], overrides).unwrap_or_else(|e| panic!("{e}: {}", e.hint()))
}

/// The only variant.
fn one(files: &[(&str, &str)], overrides: &[&str]) -> Experiment {
    let mut variants = read(files, overrides).unwrap_or_else(|e| panic!("{e}: {}", e.hint()));
    assert_eq!(variants.len(), 1);
    variants.remove(0).config
}

/// An error with the name of the temporary folder left out *before* lines are broken.
#[derive(Debug)]
struct Shown {
    error: ExperimentFileError,
    text: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Shown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.help()
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.error.source_code()
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.error.labels()
    }
}

/// What the terminal shows for an error in `folder`, without colours, 80 columns wide.
fn rendered(folder: &TempDir, error: ExperimentFileError) -> String {
    let prefix = format!("{}/", folder.path().display());
    let text = error.to_string().replace(&prefix, "");
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let mut out = String::new();
    handler
        .with_width(80)
        .render_report(&mut out, &Shown { error, text })
        .unwrap();
    out.replace(&prefix, "")
        .lines()
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect()
}

/// What the terminal shows when the first file is read.
fn shown(files: &[(&str, &str)], overrides: &[&str]) -> String {
    let folder = folder(files);
    let path = folder.path().join(files[0].0);
    match load::<Experiment>(&path, &owned(overrides)) {
        Ok(variants) => panic!("no error: {variants:?}"),
        Err(error) => rendered(&folder, error),
    }
}

/// What the terminal shows for [`GOOD`] with one line changed.
fn edited(line: &str, instead: &str) -> String {
    assert!(GOOD.contains(line), "{line}");
    shown(
        &[("experiment.toml", &GOOD.replacen(line, instead, 1))],
        &[],
    )
}

/// What the terminal shows for [`GOOD`] with one override.
fn overridden(text: &str) -> String {
    shown(&[("experiment.toml", GOOD)], &[text])
}

fn snapshot(name: &str, text: impl AsRef<str>) {
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, text.as_ref()) });
}

#[test]
fn unknown_keys() {
    snapshot("misspelt_key", edited("seeds = 3", "sedes = 3"));
    snapshot("misspelt_key_in_table", edited("set =", "sett ="));
    snapshot(
        "misspelt_key_in_tagged_table",
        edited("rounds = 3", "rounds_ = 3"),
    );
    snapshot(
        "misspelt_key_behind_two_tags",
        edited(
            "\"confidence\"",
            "{ kind = \"confidence\", preset = \"openai\", warmup = 0.1 }",
        ),
    );
    snapshot("key_below_the_wrong_table", {
        let text = GOOD
            .replace("seeds = 3\n", "")
            .replace("[data]\n", "[data]\nseeds = 3\n");
        shown(&[("experiment.toml", &text)], &[])
    });
    snapshot(
        "misspelt_key_in_extended_file",
        shown(
            &[
                (
                    "experiment.toml",
                    "extends = \"base.toml\"\nname = \"mine\"\n",
                ),
                ("base.toml", &GOOD.replace("set =", "shufle = true\nset =")),
            ],
            &[],
        ),
    );
    snapshot("misspelt_key_in_override", overridden("data.shufle=true"));
    snapshot("misspelt_table_in_override", overridden("dta.set=x"));
    snapshot("misspelt_key_in_sweep", {
        let text = format!("{GOOD}\n[sweep]\ndata.sett = [\"a\", \"b\"]\n");
        shown(&[("experiment.toml", &text)], &[])
    });
}

#[test]
fn unknown_values() {
    snapshot("misspelt_word", edited("\"confidence\"", "\"confidense\""));
    snapshot(
        "unknown_kind",
        edited("kind = \"debate\"", "kind = \"chess\""),
    );
    snapshot(
        "misspelt_word_in_override",
        overridden("method.0.loss.preset=opnai"),
    );
    snapshot("misspelt_word_in_sweep", {
        let text = format!("{GOOD}\n[sweep]\nmethod.0.loss = [\"naive\", \"confidense\"]\n");
        shown(&[("experiment.toml", &text)], &[])
    });
}

#[test]
fn missing_keys() {
    snapshot(
        "missing_key_at_the_top",
        edited("name = \"quickstart\"\n", ""),
    );
    snapshot(
        "missing_key_in_table",
        edited("set = \"builtin:rotten-tomatoes\"\n", ""),
    );
    snapshot("missing_key_in_entry", edited("judge = \"weak\"\n", ""));
    snapshot("missing_table", edited("[data]\nset", "roles.weak.model"));
    snapshot(
        "missing_key_beside_override",
        overridden("method.0={kind='debate'}"),
    );
    snapshot(
        "missing_key_in_two_entries",
        shown(
            &[("experiment.toml", &format!("{GOOD}{DEBATE}{DEBATE}"))],
            &[],
        ),
    );
}

#[test]
fn wrong_values() {
    snapshot("text_for_a_number", edited("seeds = 3", "seeds = \"3\""));
    snapshot(
        "word_for_a_number",
        edited("rounds = 3", "rounds = \"three\""),
    );
    snapshot("number_too_small", edited("seeds = 3", "seeds = 0"));
    snapshot(
        "number_too_large",
        edited("rounds = 3", "rounds = 99999999999999999999"),
    );
    snapshot("table_for_a_list", {
        let text = GOOD
            .split("\n[[method]]\nkind = \"debate\"")
            .next()
            .unwrap();
        shown(
            &[("experiment.toml", &text.replace("[[method]]", "[method]"))],
            &[],
        )
    });
    snapshot(
        "list_for_a_loss",
        edited("\"confidence\"", "[\n  1,\n  2,\n]"),
    );
    snapshot("number_for_text_in_override", overridden("name=2024"));
    snapshot("part_of_a_text", overridden("data.set.path=x"));
}

#[test]
fn broken_toml() {
    snapshot(
        "unquoted_text",
        edited("\"builtin:rotten-tomatoes\"", "builtin:x"),
    );
    snapshot(
        "key_given_twice",
        edited("seeds = 3", "seeds = 3\nseeds = 4"),
    );
    snapshot("colon_for_equals", edited("seeds = 3", "seeds: 3"));
    snapshot("open_quote", edited("\"weak\"", "\"weak"));
    snapshot(
        "control_characters",
        edited("seeds = 3", "seeds = \u{1b}[31m\u{85}3"),
    );
    snapshot("open_list_in_override", overridden("sweep.seeds=[1, 2"));
}

#[test]
fn unusable_files() {
    snapshot(
        "empty_file",
        shown(&[("experiment.toml", "# nothing yet\n")], &[]),
    );
    snapshot(
        "missing_extended_file",
        shown(
            &[(
                "experiment.toml",
                "name = \"a\"\nextends = [\"../base.toml\"]\n",
            )],
            &[],
        ),
    );
    snapshot(
        "extends_is_no_path",
        shown(&[("experiment.toml", "name = \"a\"\nextends = 3\n")], &[]),
    );
    snapshot(
        "circle",
        shown(
            &[
                ("experiment.toml", "extends = \"a.toml\"\n"),
                ("a.toml", "seeds = 1\nextends = \"b.toml\"\n"),
                ("b.toml", "seeds = 2\nextends = \"a.toml\"\n"),
            ],
            &[],
        ),
    );
    let folder = folder(&[]);
    let path = folder.path().join("experiment.toml");
    let show = |path: &PathBuf| rendered(&folder, load::<Experiment>(path, &[]).unwrap_err());
    snapshot("missing_file", show(&path));
    std::fs::write(&path, b"name = \"a\"\ntitle = \"caf\xe9\"\n").unwrap();
    snapshot("not_utf8", show(&path));
    std::fs::write(&path, vec![b'#'; 1_000_001]).unwrap();
    snapshot("too_large", show(&path));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    snapshot("folder", show(&path));
}

#[test]
fn unusable_overrides() {
    snapshot("no_equals", overridden("seeds"));
    snapshot("no_value", overridden("seeds="));
    snapshot("no_key", overridden("data..set=x"));
    snapshot("no_index", overridden("method.loss=naive"));
    snapshot("index_too_large", overridden("method.7.loss=naive"));
    snapshot("part_of_a_number", overridden("seeds.first=1"));
    snapshot("extends_in_override", overridden("extends=base.toml"));
}

#[test]
fn unusable_sweeps() {
    let sweep = |line: &str, overrides: &[&str]| {
        shown(
            &[("experiment.toml", &format!("{GOOD}\n[sweep]\n{line}\n"))],
            overrides,
        )
    };
    snapshot("empty_sweep", sweep("data.set = []", &[]));
    snapshot("sweep_of_one_value", sweep("data.set = \"a\"", &[]));
    snapshot("sweep_with_repeat", sweep("seeds = [1, 2, 1]", &[]));
    snapshot(
        "sweep_path_blocked",
        sweep("method.2.loss = [\"naive\"]", &[]),
    );
    snapshot(
        "sweep_undoes_override",
        sweep(
            "method.0.loss = [\"naive\", \"confidence\"]",
            &["method.0.loss.preset=openai"],
        ),
    );
    snapshot(
        "sweep_undoes_sweep",
        sweep(
            "method.0.loss = [\"naive\"]\n\"method.0.loss.preset\" = [\"paper\"]",
            &[],
        ),
    );
    snapshot(
        "sweep_of_extends",
        sweep("extends = [\"a.toml\", \"b.toml\"]", &[]),
    );
    let many = (0..32)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    snapshot(
        "sweep_too_wide",
        sweep(
            &format!("data.max-rows = [{many}]\nmethod.1.rounds = [{many}]"),
            &[],
        ),
    );
}

/// A file extending [`GOOD`] with the given lines.
fn extending(lines: &str) -> [(&'static str, String); 2] {
    let text = format!("extends = \"base.toml\"\n{lines}");
    [("experiment.toml", text), ("base.toml", GOOD.to_owned())]
}

fn extended(lines: &str, overrides: &[&str]) -> Vec<Variant<Experiment>> {
    let [(name, text), (base, good)] = extending(lines);
    read(&[(name, &text), (base, &good)], overrides).unwrap_or_else(|e| panic!("{e}: {}", e.hint()))
}

#[test]
fn methods_are_laid_over_what_every_method_has() {
    let text = GOOD.replace("rounds = 3\n", "");
    let text = format!("{text}\n[every-method]\nrounds = 7\n");
    let text = text.replace("loss = \"confidence\"", "rounds = 2");
    let text = text.replace(
        "kind = \"weak-to-strong\"",
        "kind = \"debate\"\njudge = \"strong\"",
    );
    let written = toml::to_string(&one(&[("e.toml", &text)], &[])).unwrap();
    let rounds: Vec<&str> = (written.lines())
        .filter(|line| line.starts_with("rounds"))
        .collect();
    assert_eq!(rounds, ["rounds = 2", "rounds = 7"]);
}

#[test]
fn what_every_method_has_needs_methods() {
    for (table, reason) in [
        ("every-method = 3\n", "`every-method` is not a table"),
        (
            "[every-method]\nrounds = 7\n",
            "`every-method` has no [[method]] beside it",
        ),
    ] {
        let error = read::<Experiment>(&[("e.toml", table)], &[]).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

fn names(variants: &[Variant<Experiment>]) -> Vec<&str> {
    variants
        .iter()
        .map(|variant| variant.name.as_str())
        .collect()
}

fn labels(variants: &[Variant<Experiment>]) -> Vec<&str> {
    variants
        .iter()
        .map(|variant| variant.label.as_str())
        .collect()
}

fn loss(experiment: &Experiment) -> &LossKind {
    match &experiment.method[0] {
        Method::WeakToStrong { loss, .. } => &loss.0,
        Method::Debate { .. } => panic!("no loss in {experiment:?}"),
    }
}

#[test]
fn without_a_sweep_there_is_one_variant_without_a_name() {
    let variants = variants(GOOD, &[]);
    assert_eq!(variants.len(), 1);
    assert_eq!((names(&variants), labels(&variants)), (vec![""], vec![""]));
    assert_eq!(variants[0].assignments, []);
    assert_eq!(variants[0].config.seeds.get(), 3);
}

#[test]
fn tables_merge_and_the_rest_is_replaced() {
    let all = extended(
        "seeds = 7\n[data]\nshuffle = true\n[[method]]\nkind = \"debate\"\njudge = \"weak\"\nrounds = 1\n",
        &[],
    );
    let config = &all[0].config;
    assert_eq!(config.name, "quickstart");
    assert_eq!(config.seeds.get(), 7);
    assert_eq!(config.data.set, "builtin:rotten-tomatoes");
    assert!(config.data.shuffle);
    assert_eq!(config.method.len(), 1);
}

#[test]
fn a_file_extended_twice_counts_once() {
    let config = one(
        &[
            ("experiment.toml", "extends = [\"a.toml\", \"b.toml\"]\n"),
            (
                "a.toml",
                "extends = \"base.toml\"\nseeds = 1\nname = \"a\"\n",
            ),
            ("b.toml", "extends = \"base.toml\"\nname = \"b\"\n"),
            ("base.toml", GOOD),
        ],
        &[],
    );
    assert_eq!((config.name.as_str(), config.seeds.get()), ("b", 1));
}

#[test]
fn overrides_are_toml_or_bare_words() {
    let config = one(
        &[("experiment.toml", GOOD)],
        &[
            "seeds=9",
            "data.set = hf:owner/name ",
            "data.shuffle=true",
            "roles.weak.model=\"a = b\"",
            "method.0.l2=1e-3",
            "method.0.loss.preset=openai",
            "method.1.rounds=1",
            "method.1.rounds=2",
        ],
    );
    assert_eq!(config.seeds.get(), 9);
    assert_eq!(config.data.set, "hf:owner/name");
    assert!(config.data.shuffle);
    assert_eq!(config.roles["weak"].model, "a = b");
    let preset = Some(Preset::Openai);
    assert_eq!(
        loss(&config),
        &LossKind::Confidence {
            preset,
            warm_up: None
        }
    );
    let debate = Method::Debate {
        judge: "weak".to_owned(),
        rounds: 2,
    };
    assert_eq!(config.method[1], debate);
}

#[test]
fn a_sweep_is_every_combination_in_file_order() {
    let text = format!(
        "{GOOD}\n[sweep]\nmethod.0.loss = [\"naive\", {{ kind = \"confidence\", preset = \"openai\" }}]\n\
         data.set = [\"builtin:subjectivity\", \"x\"]\n\"seeds\" = [1]\n"
    );
    let all = variants(&text, &[]);
    assert_eq!(
        labels(&all),
        [
            "loss=naive, builtin:subjectivity, seeds=1",
            "loss=naive, x, seeds=1",
            "loss=confidence(preset=openai), builtin:subjectivity, seeds=1",
            "loss=confidence(preset=openai), x, seeds=1",
        ]
    );
    assert_eq!(all[1].name, "method.0.loss=naive,data.set=x,seeds=1");
    assert_eq!(
        all[2].name,
        "method.0.loss={ kind = \"confidence\", preset = \"openai\" },\
         data.set=builtin:subjectivity,seeds=1"
    );
    assert_eq!(all[1].config.data.set, "x");
    assert_eq!(loss(&all[1].config), &LossKind::Naive {});
    assert_eq!(all[1].assignments[1].key, "data.set");
    assert_eq!(all[1].assignments[1].value, toml::Value::from("x"));
}

#[test]
fn a_variant_sets_several_keys_and_a_sweep_multiplies_it() {
    let text = format!(
        "{GOOD}\n[variant.small]\nseeds = 1\ndata.set = \"x\"\n[variant.big]\nseeds = 9\n\
         [sweep]\nmethod.0.loss = [\"naive\", \"confidence\"]\n"
    );
    let all = variants(&text, &["variant.big.data.set=y", "data.max-rows=7"]);
    assert_eq!(
        labels(&all),
        [
            "small, loss=naive",
            "small, loss=confidence",
            "big, loss=naive",
            "big, loss=confidence"
        ]
    );
    assert_eq!(names(&all)[3], "variant=big,method.0.loss=confidence");
    let told: Vec<_> = (all.iter())
        .map(|v| (v.config.seeds.get(), v.config.data.set.as_str()))
        .collect();
    assert_eq!(told, [(1, "x"), (1, "x"), (9, "y"), (9, "y")]);
    assert!(all.iter().all(|v| v.config.data.max_rows.is_some()));
}

#[test]
fn later_files_and_overrides_beat_a_variant() {
    let base = format!("{GOOD}\n[variant.a]\nseeds = 1\n[variant.b]\nseeds = 2\n");
    let files = |top: &str, overrides: &[&str]| -> Vec<u32> {
        let top = format!("extends = \"base.toml\"\n{top}");
        let all = read::<Experiment>(
            &[("experiment.toml", &top), ("base.toml", &base)],
            overrides,
        );
        all.unwrap().iter().map(|v| v.config.seeds.get()).collect()
    };
    assert_eq!(files("name = \"n\"", &[]), [1, 2]);
    assert_eq!(files("seeds = 7", &[]), [7, 7]);
    assert_eq!(files("seeds = 7\n[variant.b]\nseeds = 8", &[]), [7, 8]);
    assert_eq!(files("[variant.c]\nname = \"c\"", &["seeds=4"]), [4, 4, 4]);
}

#[test]
fn unusable_variants() {
    let variant = |lines: &str, overrides: &[&str]| {
        shown(
            &[("experiment.toml", &format!("{GOOD}\n{lines}\n"))],
            overrides,
        )
    };
    let faults = [
        variant("[variant]", &[]),
        variant("[variant]\na = 1", &[]),
        variant("[variant.a]\nextends = \"b.toml\"", &[]),
        variant("[variant.a]\nseds = 3", &[]),
        variant("[variant.a]\nseeds = 3\n[sweep]\nseeds = [1, 2]", &[]),
        variant("[variant.a]\nseeds = 3", &["variant.b.seeds=4"]),
        variant("", &["variant.b.seeds=4"]),
        variant("[variant.a]\nseeds = 3", &["variant.a=4"]),
    ];
    snapshot("unusable_variants", faults.join("\n"));
}

#[test]
fn labels_with_like_keys_are_written_out() {
    let text = format!(
        "{GOOD}\n[roles.a]\nmodel = \"m\"\n[roles.b]\nmodel = \"m\"\n\
         [sweep]\nroles.a.model = [\"p\"]\nroles.b.model = [\"q\"]\n"
    );
    assert_eq!(
        labels(&variants(&text, &[])),
        ["roles.a.model=p, roles.b.model=q"]
    );
}

#[test]
fn a_later_value_pins_a_swept_key() {
    let sweep = "\n[sweep]\nseeds = [1, 2]\ndata.set = [\"a\", \"b\"]\n";
    let text = format!("{GOOD}{sweep}");
    assert_eq!(
        names(&variants(&text, &["seeds=4"])),
        ["data.set=a", "data.set=b"]
    );
    assert_eq!(
        names(&variants(&text, &["sweep.seeds=[8]", "data.set=c"])),
        ["seeds=8"]
    );

    let files = [
        ("experiment.toml", "extends = \"base.toml\"\nseeds = 4\n"),
        ("base.toml", &text),
    ];
    let all = read::<Experiment>(&files, &[]).unwrap();
    assert_eq!(names(&all), ["data.set=a", "data.set=b"]);
    assert!(all.iter().all(|variant| variant.config.seeds.get() == 4));

    let text = format!("{GOOD}\n[sweep]\nmethod.0.loss = [\"naive\", \"confidence\"]\n");
    let all = variants(
        &text,
        &["method.0.loss=confidence", "method.0.loss.preset=paper"],
    );
    let preset = Some(Preset::Paper);
    assert_eq!(
        loss(&all[0].config),
        &LossKind::Confidence {
            preset,
            warm_up: None
        }
    );
    assert_eq!(all.len(), 1);

    // The other way round, the sweep is the later word.
    let all = extended("[sweep]\nseeds = [1, 2]\n", &[]);
    assert_eq!(names(&all), ["seeds=1", "seeds=2"]);
}

#[test]
fn the_resolved_text_reads_back_as_the_same_experiment() {
    let files = extending("[sweep]\nmethod.0.loss = [\"naive\", \"confidence\"]\n");
    let folder = folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let overrides = owned(&["method.0.l2=0.1", "roles.weak.model=bag-of-words"]);
    let path = folder.path().join("experiment.toml");
    let all = resolve::<Experiment>(&path, &overrides).unwrap();
    assert_eq!(all.len(), 2);
    for resolved in all {
        let again = variants(&resolved.toml, &[]);
        assert_eq!(again[0].config, resolved.variant.config);
        assert!(!resolved.toml.contains("sweep") && !resolved.toml.contains("extends"));
    }
}

#[test]
fn an_error_knows_its_line() {
    let error = read::<Experiment>(&[("experiment.toml", GOOD)], &["sedes=3"]).unwrap_err();
    assert_eq!(error.place(), Some(("--set", 1)));
    let text = GOOD.replace("rounds", "round");
    let error = read::<Experiment>(&[("experiment.toml", &text)], &[]).unwrap_err();
    assert_eq!(error.place().map(|(_, line)| line), Some(14));
    assert!(matches!(error.problem(), Problem::UnknownKey { key, .. } if key == "round"));
}

#[test]
fn marks_and_line_ends_of_other_systems_are_read() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(
        variants(&text, &[])[0].config,
        variants(GOOD, &[])[0].config
    );
    let text = text.replace("judge", "jduge");
    let shown = shown(&[("experiment.toml", &text)], &[]);
    assert!(
        shown.contains("unknown key `jduge` in `method.1`; did you mean `judge`?"),
        "{shown}"
    );
    assert!(shown.contains("[experiment.toml:13:1]"), "{shown}");
}

#[test]
fn nothing_shown_drives_the_terminal() {
    for key in [
        "\"\\u001b[31m\"",
        "data.\"\\u001b]0;x\\u0007\"",
        "roles.\"\\u001b\".modle",
    ] {
        let shown = shown(&[("experiment.toml", &format!("{key} = 1\n"))], &[]);
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let check = |text: &str| {
        let error = read::<Experiment>(&[("experiment.toml", text)], &[]).unwrap_err();
        let is_meant = matches!(
            error.problem(),
            Problem::TooDeep { .. } | Problem::Syntax { .. }
        );
        assert!(is_meant, "{error}");
    };
    check(&format!("a = {}1{}", "[".repeat(70), "]".repeat(70)));
    check(&format!(
        "a = {}1{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    ));
    check(&format!("{}a = 1", "a.".repeat(70)));
    check(&format!("{}a = 1", "a.".repeat(100_000)));
    // Each bracket within its limit, each key within its own: thousands of levels all the same.
    let keys = "a.".repeat(70);
    check(&format!(
        "{} 1 {}",
        format!("{keys}a = {{ ").repeat(70),
        "}".repeat(70)
    ));
    let deep = format!("data.{}a=1", "a.".repeat(100));
    assert!(read::<Experiment>(&[("experiment.toml", GOOD)], &[&deep]).is_err());
}

#[test]
fn chains_of_files_are_bounded() {
    let folder = folder(&[("f20.toml", GOOD)]);
    for n in 0..20 {
        let text = format!("extends = \"f{}.toml\"\n", n + 1);
        std::fs::write(folder.path().join(format!("f{n}.toml")), text).unwrap();
    }
    let start = |n: u32| load::<Experiment>(&folder.path().join(format!("f{n}.toml")), &[]);
    assert!(start(4).is_ok());
    assert!(matches!(
        start(3).unwrap_err().problem(),
        Problem::ExtendsTooDeep { .. }
    ));

    let list = (0..64)
        .map(|n| format!("\"g{n}.toml\""))
        .collect::<Vec<_>>()
        .join(", ");
    for n in 0..64 {
        std::fs::write(folder.path().join(format!("g{n}.toml")), "seeds = 1\n").unwrap();
    }
    let path = folder.path().join("wide.toml");
    std::fs::write(&path, format!("extends = [{list}]\n{GOOD}")).unwrap();
    let error = load::<Experiment>(&path, &[]).unwrap_err();
    assert!(
        matches!(error.problem(), Problem::TooManyFiles { .. }),
        "{error}"
    );
}

#[test]
fn the_schema_knows_extends_and_sweep() {
    let schema: serde_json::Value = serde_json::from_str(&schema::<Experiment>()).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    for key in ["name", "data", "method", "extends", "sweep", "variant"] {
        assert!(properties.contains_key(key), "{key}");
    }
    assert!(schema.get("required").is_none());
    assert_eq!(
        schema["then"]["required"],
        serde_json::json!(["name", "data"])
    );
}

/// A small tree of TOML values.
fn tree_of(prefix: &'static str) -> impl Strategy<Value = toml::Table> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|n| toml::Value::from(i64::from(n))),
        any::<bool>().prop_map(toml::Value::from),
        "[a-z \"\\\\\u{e9}]{0,6}".prop_map(toml::Value::from),
        prop::collection::vec(0..9i64, 0..3).prop_map(toml::Value::from),
    ];
    let key = move || "[a-c]".prop_map(move |key| format!("{prefix}{key}"));
    let table = |value| prop::collection::btree_map(key(), value, 0..4);
    let value = leaf.prop_recursive(3, 12, 3, move |inner| {
        prop::collection::btree_map("[a-c]", inner, 0..3)
            .prop_map(|table| toml::Value::Table(table.into_iter().collect()))
    });
    table(value).prop_map(|table| table.into_iter().collect())
}

/// Merges texts from the left and reads the result.
fn merged(texts: &[&str]) -> toml::Table {
    let mut root = tree::Table::new();
    for text in texts {
        tree::merge(&mut root, tree::parse_table(text, 0).unwrap());
    }
    plain(root)
}

fn plain(root: tree::Table<'_>) -> toml::Table {
    toml::Table::deserialize(toml::Spanned::new(0..0, root).into_deserializer()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn merging_disjoint_tables_is_associative(
        a in tree_of("a"), b in tree_of("b"), c in tree_of("c"),
    ) {
        let [a, b, c] = [a, b, c].map(|table| table.to_string());
        let left = merged(&[&merged(&[&a, &b]).to_string(), &c]);
        let right = merged(&[&a, &merged(&[&b, &c]).to_string()]);
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(left, merged(&[&c, &a, &b]));
    }

    #[test]
    fn merging_a_table_with_itself_changes_nothing(a in tree_of("")) {
        let text = a.to_string();
        prop_assert_eq!(merged(&[&text, &text]), a);
    }

    #[test]
    fn the_later_table_has_its_way(a in tree_of(""), b in tree_of("")) {
        let both = merged(&[&a.to_string(), &b.to_string()]);
        prop_assert_eq!(merged(&[&both.to_string(), &b.to_string()]), both);
    }

    #[test]
    fn extending_then_setting_equals_setting(
        seeds in 1..99u32, set in "[a-z:/-]{1,9}", rounds in 0..9u32, shuffle: bool,
    ) {
        let overrides = [
            format!("seeds={seeds}"), format!("data.set='{set}'"),
            format!("data.shuffle={shuffle}"), format!("method.1.rounds={rounds}"),
        ];
        let overrides = overrides.each_ref().map(String::as_str);
        let lines = format!("seeds = {seeds}\n[data]\nset = \"{set}\"\nshuffle = {shuffle}\n");
        let direct = variants(GOOD, &overrides);
        prop_assert_eq!(&extended("", &overrides), &direct);
        prop_assert_eq!(&extended(&lines, &overrides[3..]), &direct);
        prop_assert_eq!(&extended("seeds = 100\n[data]\nset = \"z\"\n", &overrides), &direct);
    }

    #[test]
    fn a_sweep_has_as_many_variants_as_the_product(
        seeds in prop::collection::btree_set(1..99u32, 1..5),
        sets in prop::collection::btree_set("[a-z]{1,3}", 1..5),
        rounds in prop::collection::btree_set(0..99u32, 1..5),
    ) {
        let text = format!(
            "{GOOD}\n[sweep]\nseeds = {seeds:?}\ndata.set = {sets:?}\nmethod.1.rounds = {rounds:?}\n"
        ).replace(['{', '}'], "|");
        let text = text.replace("= |", "= [").replace("|\n", "]\n");
        let all = variants(&text, &[]);
        prop_assert_eq!(all.len(), seeds.len() * sets.len() * rounds.len());
        let distinct = names(&all).into_iter().collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn no_text_makes_it_panic(
        from in 0..GOOD.len(), n in 0..12usize, put in "[\\PC\n\"=\\[\\]{}.]{0,12}",
        set in "[a-z0-9.=\\[\\]{}\"' ]{0,16}",
    ) {
        let to = (from + n).min(GOOD.len());
        let text = format!("{}{put}{}[sweep]\nseeds = [1, {put}]\n", &GOOD[..from], &GOOD[to..]);
        for (text, overrides) in [(text.as_str(), &[][..]), (GOOD, &[set.as_str()][..])] {
            let folder = folder(&[("experiment.toml", text)]);
            let path = folder.path().join("experiment.toml");
            if let Err(error) = resolve::<Experiment>(&path, &owned(overrides)) {
                prop_assert!(!error.hint().is_empty());
                prop_assert!(error.place().is_none_or(|(_, line)| line <= text.lines().count() + 1));
                let shown = rendered(&folder, error);
                prop_assert!(!shown.contains("Failed to read"), "{}", shown);
            }
        }
    }
}
