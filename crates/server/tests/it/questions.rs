//! Active querying: asked, answered by people, run again, through the real pages and the real run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use trimtab_core::Seed;
use trimtab_run::people::TaskKind;
use trimtab_run::safeguard::trials;
use trimtab_run::{Calling, People};

use crate::experts::{copy, rater};
use crate::material::HOSTILE;
use crate::runs::{go_on, serve};
use crate::visit::{Page, Visitor};

const METHOD: &str = "way-secret";

/// Reviews of films: what is right is in their words. Every eleventh is hostile as well.
fn reviews(n: usize) -> String {
    let words = ["long", "loud", "red", "late", "old", "wet"];
    let review = |i: usize| {
        let is_good = Seed(5).child(&i.to_string()).0.is_multiple_of(2);
        let verdict = if is_good {
            "a good film"
        } else {
            "a poor film"
        };
        let other = words[i % words.len()];
        let hostile = if i.is_multiple_of(11) { HOSTILE } else { "" };
        let text = format!("Number {i}: {other}, {verdict}. {hostile}");
        let label = if is_good { "positive" } else { "negative" };
        let row =
            serde_json::json!({"id": format!("sample-secret-{i}"), "text": text, "label": label});
        format!("{row}\n")
    };
    (0..n).map(review).collect()
}

/// An experiment that asks people.
struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new(seeds: usize, raters: usize, budget: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("reviews.jsonl"), reviews(90)).unwrap();
        let experiment = format!(
            r#"
name = "asked"
seeds = {seeds}
[data]
set = "reviews.jsonl"
test = 30
[[method]]
kind = "safeguard"
name = "{METHOD}"
approach = {{ kind = "querying", acquisition = "entropy", start = 6, batch = 4, budget = {budget} }}
on = {{ kind = "features", annotator = "people", raters = {raters}, instruction = "Does the writer like the film?" }}
"#
        );
        std::fs::write(folder.path().join("asked.toml"), experiment).unwrap();
        Self(folder)
    }

    fn run_folder(&self) -> PathBuf {
        self.0.path().join("run")
    }

    /// Runs it, or goes on with it in `run`; questions that wait, and whether it is finished.
    fn run_in(&self, run: &Path) -> (usize, bool) {
        let ran = go_on(&self.0.path().join("asked.toml"), run, Calling::Make);
        (ran.n_waiting, ran.is_finished)
    }

    fn run(&self) -> (usize, bool) {
        self.run_in(&self.run_folder())
    }
}

/// Makes a run in which questions wait.
pub(crate) fn make_asked(run: &Path) {
    Workplace::new(1, 1, 14).run_in(run);
}

/// What the page of a question may not hold: which way chose it, which sample it is, what is right, what a model thinks.
#[track_caller]
fn assert_blind(page: &Page) {
    for secret in [
        "secret",
        "entropy",
        "random",
        "querying",
        "safeguard",
        "seed",
        "probab",
    ] {
        assert!(!page.text.contains(secret), "{secret:?} in {}", page.text);
    }
    for forbidden in ["<script>", "<img", "onerror=\"", "\u{202e}", " style="] {
        assert!(
            !page.text.contains(forbidden),
            "{forbidden:?} in {}",
            page.text
        );
    }
}

/// The number in a review's text.
fn number(page: &Page) -> usize {
    let rest = page.text.split_once("Number ").unwrap().1;
    rest.split(':').next().unwrap().parse().unwrap()
}

/// Somebody who reads, errs by a chosen share, and now and then cannot say.
struct Reader {
    person: Visitor,
    name: &'static str,
    /// Which reviews they were asked about, and whether they were right; none where they could not say.
    said: BTreeMap<usize, Option<bool>>,
}

impl Reader {
    fn new(person: Visitor, name: &'static str) -> Self {
        Self {
            person,
            name,
            said: BTreeMap::new(),
        }
    }

    /// The belief in B, the second answer, which stands second before everybody; and whether it is right.
    fn believes(&self, page: &Page) -> (u8, Option<bool>) {
        let luck = Seed(1).child(self.name).child(&number(page).to_string()).0 % 10;
        let is_good = page.text.contains("a good film");
        match luck {
            0 => (50, None),
            1 => (if is_good { 80 } else { 20 }, Some(false)),
            _ => (if is_good { 10 } else { 95 }, Some(true)),
        }
    }

    /// Answers what is asked, up to so many questions; how many that were.
    async fn answer(&mut self, most: usize) -> usize {
        for n in 0..most {
            let to = self.person.get("/judge").await;
            if to.status == StatusCode::OK {
                assert!(to.text.contains("Thank you"), "{}", to.text);
                return n;
            }
            // Nobody clicks faster than the server lets them: what can be seen at one question is not looked at again at each.
            let address = to.location();
            let page = self.person.get(&address).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            assert_blind(&page);
            assert!(!address.contains("secret"));
            let names = ["negative", "positive"].map(|name| page.text.find(name).unwrap());
            assert!(names[0] < names[1]);
            let (belief, right) = self.believes(&page);
            let before = self.said.insert(number(&page), right);
            assert_eq!(before, None, "asked twice about {}", number(&page));
            let stored = self.person.say(&address, &page, belief, "").await;
            assert_eq!(stored.status, StatusCode::SEE_OTHER, "{}", stored.text);
            if n > 0 && right.is_some() {
                continue;
            }
            let seen = self.person.get(&address).await;
            assert!(seen.text.contains("It is on the disk"), "{}", seen.text);
            assert_eq!(seen.text.contains("that you cannot say"), right.is_none());
            assert_blind(&seen);
        }
        most
    }
}

fn cell(run: &Path, row: &str, column: &str) -> Option<f64> {
    let trials = trials(run, 0, METHOD).unwrap();
    assert_eq!(trials.len(), 1);
    let measures = &trials[0].trial.measures;
    let found = measures
        .iter()
        .find(|m| m.table == "people" && m.row == row && m.column == column);
    found.unwrap().value
}

const BOTH: &str = "both, what they share once";

#[tokio::test]
async fn people_are_asked_in_rounds_and_the_report_counts_what_they_said() {
    let place = Workplace::new(1, 2, 14);
    let run = place.run_folder();
    assert_eq!(place.run(), (6, false), "both ways start from the same six");
    assert_eq!(place.run(), (6, false), "nothing new was said");
    let server = serve(&run).await;
    assert_eq!((server.n_questions(), server.n_items()), (6, 0));
    let [one, other] = [
        rater(&server, "rater-1").await,
        rater(&server, "rater-2").await,
    ];
    let mut readers = [Reader::new(one, "one"), Reader::new(other, "other")];
    // One alone does not answer for two.
    assert_eq!(readers[0].answer(99).await, 6);
    assert_eq!(place.run(), (6, false));
    let admin = rater(&server, "admin").await;
    let said = "0 of 6 questions that wait for people are answered";
    assert!(admin.get("/run").await.text.contains(said));

    let mut n_rounds = 0;
    loop {
        for reader in &mut readers {
            reader.answer(99).await;
        }
        let (n_waiting, is_finished) = place.run();
        n_rounds += 1;
        if is_finished {
            break;
        }
        // Four that were chosen and four by lot, some of them the same.
        assert!((1..=8).contains(&n_waiting), "{n_waiting}");
    }
    assert_eq!(n_rounds, 3, "six, and eight more in two batches");

    // What is reported is what they said.
    let asked: BTreeSet<usize> = readers[0].said.keys().copied().collect();
    assert_eq!(asked, readers[1].said.keys().copied().collect());
    let said: Vec<Option<bool>> = (readers.iter())
        .flat_map(|reader| reader.said.values().copied())
        .collect();
    let right: Vec<bool> = said.iter().copied().flatten().collect();
    let share = |part: usize, of: usize| Some(part as f64 / of as f64);
    let n_passed = said.len() - right.len();
    let n_wrong = right.iter().filter(|&&right| !right).count();
    assert!(n_passed > 0 && n_wrong > 0, "{n_passed} {n_wrong}");
    assert_eq!(cell(&run, BOTH, "questions"), Some(asked.len() as f64));
    assert_eq!(
        cell(&run, BOTH, "times somebody was asked"),
        Some(said.len() as f64)
    );
    assert_eq!(
        cell(&run, BOTH, "could not say"),
        share(n_passed, said.len())
    );
    let column = "answers not as in the data";
    assert_eq!(cell(&run, BOTH, column), share(n_wrong, right.len()));
    let pairs: Vec<bool> = (asked.iter())
        .filter_map(|at| Some(readers[0].said[at]? != readers[1].said[at]?))
        .collect();
    let n_differ = pairs.iter().filter(|&&differ| differ).count();
    let differ = cell(&run, BOTH, "two raters differ");
    assert_eq!(differ, share(n_differ, pairs.len()));
    for way in ["chosen at random", "chosen by entropy"] {
        assert_eq!(cell(&run, way, "questions"), Some(14.0), "the budget");
    }
    assert!(cell(&run, BOTH, "seconds of people").unwrap() >= 0.0);

    // Everything is said: nothing waits, and nothing is done again.
    assert_eq!(place.run(), (0, true));
    assert_eq!(readers[0].answer(1).await, 0);
    let report = admin.get("/run/report").await;
    assert!(report.text.contains("two raters differ"));
    let people = admin.get("/admin").await;
    assert!(people.text.contains("Questions: agreement"));
    let table = admin.get("/export/judgements.csv").await;
    assert_eq!(table.text.lines().count(), 1 + said.len());
}

#[tokio::test]
async fn seeds_share_answers_and_what_a_killed_server_took_is_kept() {
    let place = Workplace::new(2, 1, 10);
    let (n_waiting, _) = place.run();
    assert!(n_waiting > 6 && n_waiting <= 12, "{n_waiting}");
    let server = serve(&place.run_folder()).await;
    let mut reader = Reader::new(rater(&server, "rater-1").await, "one");
    assert_eq!(reader.answer(3).await, 3);
    // The fourth is in their hands.
    let (address, page) = reader.person.task().await;
    // The disk as processes that are killed now would leave it.
    let left = tempfile::tempdir().unwrap();
    copy(&place.run_folder(), left.path());
    assert_eq!(place.run_in(left.path()), (n_waiting - 3, false));
    let after = serve(left.path()).await;
    let mut again = Visitor::stranger(after.router());
    again.cookie.clone_from(&reader.person.cookie);
    let (same, shown) = again.task().await;
    assert_eq!(same, address);
    assert_eq!(number(&shown), number(&page));
    reader.person = again;
    let mut n_asked = 3;
    loop {
        n_asked += reader.answer(99).await;
        let (n_waiting, is_finished) = place.run_in(left.path());
        if is_finished {
            break;
        }
        assert!(n_waiting > 0);
    }
    assert_eq!(n_asked, reader.said.len());
    let trials = trials(left.path(), 0, METHOD).unwrap();
    assert_eq!(trials.len(), 2);
    let people = People::open_to_read(left.path()).unwrap().unwrap();
    assert_eq!(people.annotations().unwrap().len(), n_asked);
    drop(server);
}

#[tokio::test]
async fn what_is_taken_back_is_not_counted_and_two_tabs_store_once() {
    let place = Workplace::new(1, 1, 14);
    place.run();
    let server = serve(&place.run_folder()).await;
    let person = rater(&server, "rater-1").await;
    let (address, page) = person.task().await;
    assert!(page.text.contains("Does the writer like the film?"));
    assert!(page.text.contains("data-half-name=\"Cannot say\""));
    assert!(page.text.contains("Item 1 of 6"));
    let said = |belief: u8| {
        let (person, address, page) = (&person, &address, &page);
        async move { person.say(address, page, belief, "").await.status }
    };
    assert_eq!(said(90).await, StatusCode::SEE_OTHER);
    assert_eq!(said(90).await, StatusCode::SEE_OTHER, "a double click");
    assert_eq!(said(10).await, StatusCode::CONFLICT, "another tab");
    let stored = || {
        let people = People::open_to_read(&place.run_folder()).unwrap().unwrap();
        let said = people.annotations().unwrap();
        (said.iter())
            .map(|said| said.answer.map(|answer| answer.0))
            .collect::<Vec<_>>()
    };
    assert_eq!(stored(), [Some(0)]);
    let seen = person.get(&address).await;
    let undone = person.post(&format!("{address}/undo"), &seen.form()).await;
    assert_eq!(undone.location(), address);
    assert_eq!(stored(), []);
    let page = person.get(&address).await;
    person.say(&address, &page, 50, "it is neither").await;
    assert_eq!(stored(), [None]);
    // Whoever has no link, or another's, sees nothing.
    let other = rater(&server, "rater-2").await;
    assert_eq!(other.get(&address).await.status, StatusCode::NOT_FOUND);
    let nobody = Visitor::stranger(server.router());
    assert_eq!(nobody.get(&address).await.status, StatusCode::UNAUTHORIZED);
    let people = People::open_to_read(&place.run_folder()).unwrap().unwrap();
    let kept = people.said(TaskKind::Annotation).unwrap();
    assert_eq!(
        kept[0].last().unwrap().reason.as_deref(),
        Some("it is neither")
    );
    // Where one answer is enough, the other rater is asked about the other questions.
    let mut reader = Reader::new(other, "other");
    assert_eq!(reader.answer(99).await, 5);
}
