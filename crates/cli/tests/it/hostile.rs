//! Data and names that would drive a terminal or a browser, if they were let.

use std::fmt::Write as _;

use crate::material::{SMALL, reviews};
use crate::workplace::{Said, Workplace};

/// Clears the screen, renames the window, runs a script, breaks a table.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;evil\u{7}<script>alert(1)</script>\n| \u{202e}&lt;";

/// As JSON has it.
fn evil() -> String {
    serde_json::to_string(EVIL).unwrap()
}

/// As TOML has it.
fn evil_in_toml() -> String {
    evil().replace("\u{202e}", "\\u202e")
}

fn place() -> Workplace {
    let place = Workplace::new();
    let rows = reviews(300)
        .replace("\"good\"", &evil())
        .replace("\"r0\"", &evil())
        .replacen("the film", &evil()[1..evil().len() - 1], 3)
        .replace("\"features\"", &evil());
    place.write("reviews.jsonl", rows);
    let evil = evil_in_toml();
    let experiment = SMALL
        .replace("head = \"mlp\"", &format!("head = \"mlp\"\nname = {evil}"))
        .replace(
            "[roles]",
            &format!("columns = {{ features = {evil} }}\n\n[roles]"),
        );
    place.write("small.toml", experiment);
    place
}

/// No control sequence but those that colour, and no character that reorders what is read.
#[track_caller]
fn assert_harmless(text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        rest = &rest[at + 1..];
        let colour = rest.strip_prefix('[').and_then(|rest| rest.split_once('m'));
        let is_colour =
            colour.is_some_and(|(code, _)| code.chars().all(|c| c.is_ascii_digit() || c == ';'));
        assert!(is_colour, "an escape sequence in {text:?}");
    }
    let is_bad = |c: char| (c.is_control() && c != '\n' && c != '\u{1b}') || c == '\u{202e}';
    assert!(!text.contains(is_bad), "{text:?}");
}

/// What reaches a terminal that takes colour, where nothing is stripped on the way.
fn coloured(place: &Workplace, arguments: &[&str]) -> Said {
    let mut command = place.trimtab(arguments);
    Said::new(&command.env("CLICOLOR_FORCE", "1").output().unwrap())
}

#[test]
fn names_from_data_reach_no_terminal_and_no_browser_raw() {
    let place = place();
    let said = coloured(&place, &["run", "small.toml"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(
        said.stdout.contains('\u{1b}'),
        "no colour, so nothing was tested"
    );
    assert_harmless(&said.stdout);
    assert_harmless(&said.stderr);
    assert!(said.stdout.contains("\\u{1b}[2J"), "{}", said.stdout);

    let page = place.read("runs/small/report.html");
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert_harmless(&page);

    for format in ["md", "csv", "json"] {
        let text = place
            .succeed(&["report", "runs/small", "--format", format])
            .stdout;
        assert_harmless(&text.replace("\r\n", "\n"));
        if format == "md" {
            assert!(!text.contains("<script>"), "{text}");
        }
    }
}

#[test]
fn errors_about_names_from_data_are_harmless() {
    let good = reviews(300);
    let evil = evil();
    let evil_inside = &evil[1..evil.len() - 1];
    let mut settings: Vec<(&str, String, &str)> = vec![
        (
            "an id twice",
            good.replace("\"r6\"", &evil).replace("\"r8\"", &evil),
            "",
        ),
        (
            "an unknown label",
            good.replacen("\"good\"", &evil, 3),
            "data.labels=[\"good\", \"bad\"]",
        ),
        (
            "one class",
            good.replace("\"good\"", &evil).replace("\"bad\"", &evil),
            "",
        ),
        (
            "an unknown part",
            good.replace("\"text\"", "\"split\"")
                .replacen("the film", evil_inside, 1),
            "",
        ),
        ("column names", good.replace("\"label\"", &evil), ""),
        ("not JSON", good.replacen('{', EVIL, 1), ""),
        ("a number", good.replacen('[', &format!("[{evil}, "), 1), ""),
    ];
    let labels = format!("data.labels=[{}, \"x\"]", evil_in_toml());
    settings.push(("declared labels", good.clone(), &labels));
    let set = format!("data.{EVIL}=1");
    settings.push(("a setting", good.clone(), &set));
    let name = format!("name={}", evil_in_toml());
    settings.push(("a name", good.clone(), &name));
    let file = format!("data.set={}", evil_in_toml());
    settings.push(("a file", good.clone(), &file));
    let features = format!("roles.strong.model.name={}", evil_in_toml());
    settings.push(("features", good, &features));

    let mut failed = String::new();
    for (what, rows, setting) in settings {
        let place = Workplace::new();
        place.write("reviews.jsonl", rows);
        place.write("small.toml", SMALL);
        let mut arguments = vec!["run", "small.toml"];
        if !setting.is_empty() {
            arguments.extend(["--set", setting]);
        }
        let said = coloured(&place, &arguments);
        assert_eq!(said.code, Some(1), "{what}: {said:?}");
        assert_eq!(said.stdout, "", "{what}");
        if std::panic::catch_unwind(|| assert_harmless(&said.stderr)).is_err() {
            writeln!(failed, "{what}: {:?}", said.stderr).unwrap();
        }
    }
    assert_eq!(failed, "");
}
