//! `trimtab landscape`: what it prints in every format, and what it says of files that cannot be used.

use std::fmt::Write as _;

use serde_json::Value;

use crate::workplace::Workplace;

const SMALL: &str = r#"
name = "small"
resamples = 200

[[domain]]
name = "pairs"
ratings = "pairs.csv"

[[series]]
name = "best"
of = "model"
domain = "pairs"
file = "scores.csv"
"#;

/// Three people and a model on eight items; the third person is often alone.
const PAIRS: &str = "\
item,rater,rating,kind
a,ann,first,human
a,ben,first,human
a,cem,second,human
a,bot,first,model
b,ann,second,human
b,ben,second,human
b,cem,second,human
b,bot,second,model
c,ann,first,human
c,ben,first,human
c,cem,first,human
c,bot,second,model
d,ann,second,human
d,ben,second,human
d,cem,first,human
d,bot,second,model
";

const SCORES: &str = "year,score,n\n2020,0.4,100\n2021,0.5,100\n2022,0.62,100\n2023,0.7,100\n";

fn small() -> Workplace {
    let place = Workplace::new();
    place.write("small.toml", SMALL);
    place.write("pairs.csv", PAIRS);
    place.write("scores.csv", SCORES);
    place
}

#[test]
fn a_small_landscape_says_what_was_counted() {
    let place = small();
    let said = place.succeed(&["landscape", "small.toml", "--format", "json"]);
    let measured: Value = serde_json::from_str(&said.stdout).unwrap();
    let domain = &measured["domains"][0];
    // Of twelve ratings: Ann and Ben are each held against the other two. Items b and c are unanimous: six right. On a and d the
    // odd one out is wrong, and the other two are half right (one of the others agrees, one does not).
    let human = domain["human_accuracy"]["interval"]["estimate"]
        .as_f64()
        .unwrap();
    assert!((human - 8.0 / 12.0).abs() < 1e-12, "{human}");
    // The model: right on b; wrong on c; on a and d against the pairs left when each person is left out: (1/2 + 1/2 + 1)/3.
    let model = domain["model_capability"]["interval"]["estimate"]
        .as_f64()
        .unwrap();
    assert!(
        (model - (1.0 + 2.0 * 2.0 / 3.0) / 4.0).abs() < 1e-12,
        "{model}"
    );
    let gap = domain["gap"]["interval"]["estimate"].as_f64().unwrap();
    assert!((gap - (model - human)).abs() < 1e-12);
}

#[test]
fn every_format_and_a_file_by_its_name() {
    let place = small();
    let table = place.succeed(&["landscape", "small.toml"]).stdout;
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    for words in [
        "pairs",
        "Agreement of people",
        "Krippendorff's alpha",
        "models overtake",
    ] {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
    let csv = place
        .succeed(&["landscape", "small.toml", "--format", "csv"])
        .stdout;
    assert!(csv.starts_with("section,row,column,"), "{csv}");
    let said = place.succeed(&["landscape", "small.toml", "--out", "page.html"]);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains("page.html"));
    let page = place.read("page.html");
    assert!(
        page.contains("<svg") && page.contains("class=\"fan student\"") && !page.contains("NaN")
    );
    let markdown = place
        .succeed(&["landscape", "small.toml", "--format", "md"])
        .stdout;
    assert!(markdown.contains("## The landscape"));
    // The same file, data and seed: the same bytes.
    assert_eq!(place.succeed(&["landscape", "small.toml"]).stdout, table);
}

#[test]
fn without_a_file_the_built_in_one_is_shown_and_said_so() {
    let place = Workplace::new();
    let said = place.succeed(&["landscape", "--set", "resamples=50"]);
    for words in [
        "the landscape that is built in",
        "founding post",
        "mathematical proof",
        "which reply is better",
        "nobody measured them",
        "Mafia, 400 points",
    ] {
        let text = said.stdout.replace('\n', " ");
        assert!(text.contains(words), "no {words:?} in\n{}", said.stdout);
    }
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 80));
}

/// Errors one below the other, each under what was done to bring it about.
struct Gallery {
    place: Workplace,
    text: String,
}

impl Gallery {
    fn refuse(&mut self, what: &str) {
        let refused = self.place.refuse(&["landscape", "small.toml"]);
        writeln!(self.text, "━━ {what}\n{refused}").unwrap();
        for (file, good) in [
            ("small.toml", SMALL),
            ("pairs.csv", PAIRS),
            ("scores.csv", SCORES),
        ] {
            self.place.write(file, good);
        }
    }

    fn toml(&mut self, what: &str, from: &str, to: &str) {
        assert!(SMALL.contains(from), "{what}");
        self.place.write("small.toml", SMALL.replacen(from, to, 1));
        self.refuse(what);
    }

    fn file(&mut self, what: &str, file: &str, text: &str) {
        self.place.write(file, text);
        self.refuse(what);
    }
}

#[test]
fn what_cannot_be_measured_is_said_with_its_place() {
    let mut gallery = Gallery {
        place: small(),
        text: String::new(),
    };
    gallery.toml("a misspelt key", "resamples", "resample");
    gallery.toml("a level in per cent", "resamples = 200", "level = 95");
    gallery.toml(
        "a domain that is not there",
        "domain = \"pairs\"",
        "domain = \"pears\"",
    );
    gallery.toml(
        "figures without a source",
        "ratings = \"pairs.csv\"",
        "human-accuracy = 0.8",
    );
    gallery.toml(
        "two sources of figures",
        "ratings = \"pairs.csv\"",
        "ratings = \"pairs.csv\"\nhuman-accuracy = 0.8",
    );
    gallery.toml(
        "per cent for a fraction",
        "ratings = \"pairs.csv\"",
        "human-accuracy = 80\nsource = \"me\"",
    );
    gallery.toml(
        "years out of order in the file",
        "file = \"scores.csv\"",
        "row = [\n  { year = 2020, score = 0.4 },\n  { year = 2022, score = 0.5 },\n  { year = 2021, score = 0.6 },\n]",
    );
    gallery.toml(
        "no such set",
        "ratings = \"pairs.csv\"",
        "ratings = \"builtin:pandalmm\"",
    );
    gallery.toml(
        "no such model",
        "ratings = \"pairs.csv\"",
        "ratings = \"pairs.csv\"\nmodel = \"bott\"",
    );
    gallery.toml(
        "several models",
        "ratings = \"pairs.csv\"",
        "ratings = \"builtin:gsm8k-ladder\"",
    );
    gallery.toml(
        "nothing of this part",
        "ratings = \"pairs.csv\"",
        "ratings = \"pairs.csv\"\npart = \"law\"",
    );
    gallery.toml(
        "a rating outside the scale",
        "ratings = \"pairs.csv\"",
        "ratings = \"pairs.csv\"\ncategories = [\"first\", \"tie\"]",
    );
    gallery.file(
        "one rater",
        "pairs.csv",
        "item,rater,rating\na,ann,first\nb,ann,second\n",
    );
    gallery.file(
        "no overlap",
        "pairs.csv",
        "item,rater,rating\na,ann,first\nb,ben,second\n",
    );
    gallery.file(
        "one rater twice on an item",
        "pairs.csv",
        "item,rater,rating\na,ann,first\na,ben,second\na,ann,second\n",
    );
    gallery.file(
        "years out of order",
        "scores.csv",
        "year,score\n2020,0.4\n2022,0.5\n2021,0.6\n",
    );
    gallery.file(
        "one year twice",
        "scores.csv",
        "year,score\n2020,0.4\n2021,0.5\n2021,0.6\n",
    );
    gallery.file("one score", "scores.csv", "year,score\n2020,0.4\n");
    gallery.file("a score in per cent", "scores.csv", "year,score\n2020,40\n");
    gallery.file("no score at all", "scores.csv", "year,score\n2020,half\n");
    insta::assert_snapshot!(gallery.text);
}

#[test]
fn what_a_coefficient_cannot_take_is_said_in_its_place() {
    let place = small();
    let constant = PAIRS.replace("second", "first") + "e,bot,second,model\n";
    place.write("pairs.csv", constant);
    let table = place.succeed(&["landscape", "small.toml"]).stdout;
    assert!(table.contains("one answer throughout"), "{table}");
    let unbalanced = format!("{PAIRS}e,ann,first,human\ne,ben,first,human\n");
    place.write("pairs.csv", unbalanced);
    let table = place.succeed(&["landscape", "small.toml"]).stdout;
    assert!(table.contains("unbalanced: use Krippendorff's"), "{table}");
}
