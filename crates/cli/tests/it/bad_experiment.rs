//! Experiment files that cannot be run: what is said, and that nothing is lost or left in the way.

use std::fmt::Write as _;

use crate::ledger;
use crate::material::{SMALL, small};
use crate::workplace::Workplace;

/// Errors one below the other, each under what was done to bring it about.
struct Gallery {
    place: Workplace,
    before: ledger::Rows,
    text: String,
}

impl Gallery {
    /// With a finished run that every error must leave alone.
    fn new() -> Self {
        let place = small();
        place.succeed(&["run", "small.toml", "--quiet"]);
        let before = ledger::everything(&place.path("runs/small"));
        Self {
            place,
            before,
            text: String::new(),
        }
    }

    /// Runs a changed experiment file on the finished run's folder.
    #[track_caller]
    fn file(&mut self, what: &str, from: &str, to: &str) {
        assert!(SMALL.contains(from), "{what}: nothing to change");
        self.place.write("bad.toml", SMALL.replacen(from, to, 1));
        self.run(what, &["run", "bad.toml"]);
    }

    /// Runs the good file with a setting.
    #[track_caller]
    fn set(&mut self, what: &str, setting: &str) {
        self.run(what, &["run", "small.toml", "--set", setting]);
    }

    #[track_caller]
    fn run(&mut self, what: &str, arguments: &[&str]) {
        let refused = self.place.refuse(arguments);
        writeln!(self.text, "━━ {what}\n{refused}").unwrap();
        ledger::assert_same(
            &ledger::everything(&self.place.path("runs/small")),
            &self.before,
        );
        // Nothing was begun elsewhere either.
        let runs = std::fs::read_dir(self.place.path("runs")).unwrap().count();
        assert_eq!(runs, 1, "{what}");
    }
}

#[test]
fn misspelt_words_are_shown_in_their_line() {
    let mut gallery = Gallery::new();
    gallery.file("a misspelt key at the top", "seeds = 2", "seed = 2");
    gallery.file("a misspelt key in [data]", "set = \"rev", "sett = \"rev");
    gallery.file("a misspelt key in a method", "head = ", "haed = ");
    let preset = r#"loss = { kind = "confidence", prset = "paper" }"#;
    gallery.file("a misspelt key in a loss", r#"loss = "confidence""#, preset);
    gallery.file(
        "an unknown loss",
        r#"loss = "confidence""#,
        r#"loss = "confidance""#,
    );
    gallery.file(
        "an unknown kind of method",
        "weak-to-strong",
        "weak-2-strong",
    );
    gallery.file("an unknown head", r#"head = "mlp""#, r#"head = "mpl""#);
    gallery.file("an unknown model", r#""bag-of-words""#, r#""bag-of-word""#);
    gallery.file("no data", "[data]\nset = \"reviews.jsonl\"\n", "");
    gallery.file("text for a number", "seeds = 2", "seeds = \"two\"");
    gallery.file("no TOML", "seeds = 2", "seeds : 2");
    insta::assert_snapshot!(gallery.text);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_made() {
    let mut gallery = Gallery::new();
    gallery.file("no seed", "seeds = 2", "seeds = 0");
    gallery.file(
        "a role that nobody is bound to",
        "strong.model",
        "storng.model",
    );
    let committee = "supervisor = \"comittee\"";
    gallery.file(
        "a supervisor that nobody is bound to",
        r#"head = "mlp""#,
        committee,
    );
    gallery.file(
        "two methods alike",
        r#"loss = "confidence""#,
        r#"loss = "naive""#,
    );
    gallery.file(
        "a name that is no folder",
        r#"name = "small""#,
        r#"name = "../small""#,
    );
    let level = "[report]\nlevel = 95";
    gallery.file("a level in percent", "[report]", level);
    insta::assert_snapshot!(gallery.text);
}

#[test]
fn settings_are_refused_like_lines() {
    let mut gallery = Gallery::new();
    gallery.set("no value", "seeds");
    gallery.set("an unknown key", "data.sets=reviews.jsonl");
    gallery.set("no such method", "method.3.loss=naive");
    gallery.set("an unknown loss", "method.0.loss=navie");
    gallery.set("no seed", "seeds=0");
    gallery.run("no such file", &["run", "smal.toml"]);
    gallery.run("a folder", &["run", "runs"]);
    insta::assert_snapshot!(gallery.text);
}

/// What can only be seen once the data are there. Mending the file and running it again works.
#[track_caller]
fn check_mended(changes: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (what, from, to) in changes {
        assert!(SMALL.contains(from), "{what}: nothing to change");
        let place = small();
        place.write("small.toml", SMALL.replacen(from, to, 1));
        writeln!(text, "━━ {what}\n{}", place.refuse(&["run", "small.toml"])).unwrap();
        place.write("small.toml", SMALL);
        place.succeed(&["run", "small.toml", "--quiet"]);
        assert_eq!(ledger::n_cells(&place.path("runs/small")), 10, "{what}");
    }
    text
}

#[test]
fn what_does_not_fit_the_data_can_be_mended() {
    let text = check_mended(&[
        ("other features", "\"features\"", "\"features:other\""),
        ("an unknown built-in set", "reviews.jsonl", "builtin:rotten"),
        (
            "a column that is not there",
            "set = \"reviews.jsonl\"",
            "set = \"reviews.jsonl\"\ncolumns = { label = \"lable\" }",
        ),
        (
            "a label that is not declared",
            "set = \"reviews.jsonl\"",
            "set = \"reviews.jsonl\"\nlabels = [\"bad\", \"god\"]",
        ),
        (
            "more test rows than rows",
            "[roles]",
            "test = 300\n\n[roles]",
        ),
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn methods_that_cannot_be_are_refused_before_the_first_cell() {
    let text = check_mended(&[
        (
            "early stopping of a linear probe",
            "loss = \"confidence\"",
            "early-stop = \"weak-labels\"",
        ),
        (
            "an evidential linear probe",
            "loss = \"confidence\"",
            "loss = \"evidential\"",
        ),
        (
            "a network without a rate",
            "head = \"mlp\"",
            "head = { kind = \"mlp\", learning-rate = 0 }",
        ),
        (
            "a loss beyond its range",
            "loss = \"confidence\"",
            "loss = { kind = \"window\", radius = -1 }",
        ),
    ]);
    insta::assert_snapshot!(text);
}
