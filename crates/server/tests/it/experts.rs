//! People as the expert: asked, answered, run again, through the real pages and the real run, with a scripted assistant.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::StatusCode;
use trimtab_amplify::language::{ProblemTree, Reply, Text};
use trimtab_amplify::{Exchange, Unanswered};
use trimtab_core::SampleId;
use trimtab_llm_testkit::{RequestView, Scripted, ScriptedServer};
use trimtab_run::amplification::{AmplificationFolder, Trees, WaitingStep};
use trimtab_run::people::{ExpertSays, PEOPLE};
use trimtab_run::{Calling, People};
use trimtab_server::{AskingConfig, Server};

use crate::material::HOSTILE;
use crate::runs::{go_on, serve};
use crate::trees::{METHOD, make_amplification};
use crate::visit::{Page, Served, Visitor};

/// Adds two numbers; knows nothing else.
fn assistant(view: &RequestView) -> Scripted {
    let question = view.last_message();
    let sum = question.split("What is ").nth(1).and_then(|rest| {
        let (a, b) = rest.split('?').next()?.split_once(" + ")?;
        Some(a.trim().parse::<i64>().ok()? + b.trim().parse::<i64>().ok()?)
    });
    Scripted::text(match sum {
        Some(sum) => format!("It is plain.\nAnswer: {sum}"),
        None => "Answer: not known".into(),
    })
}

/// An experiment with four problems, two of them held out, and an assistant that adds.
struct Workplace {
    folder: tempfile::TempDir,
    assistant: ScriptedServer,
}

impl Workplace {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            assistant: ScriptedServer::builder(assistant).start().unwrap(),
        };
        let problems: Vec<String> = (0..4)
            .map(|i| {
                let (question, answer) = (format!("What is ({i} + 1) × 3?"), 3 * (i + 1));
                let row = serde_json::json!({"id": format!("secret-{i}"), "question": question, "answer": answer});
                format!("{row}\n")
            })
            .collect();
        std::fs::write(
            place.folder.path().join("problems.jsonl"),
            problems.concat(),
        )
        .unwrap();
        let experiment = format!(
            r#"
name = "people"
seeds = 1
[data]
set = "problems.jsonl"
test = 2
[roles.assistant.model]
kind = "chat"
address = "openai:scripted@{}"
[[method]]
kind = "iterated-amplification"
expert = "people"
tree.most-sub-questions = 2
[[method.export]]
format = "trl-prompt-completion"
"#,
            place.assistant.url()
        );
        std::fs::write(place.file(), experiment).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("people.toml")
    }

    fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Runs it, or goes on with it; steps that wait, and whether it is finished.
    fn run(&self, calling: Calling) -> (usize, bool, String) {
        let ran = go_on(&self.file(), &self.run_folder(), calling);
        (ran.n_waiting, ran.is_finished, ran.forecast)
    }

    fn cell(&self) -> AmplificationFolder {
        AmplificationFolder::new(&self.run_folder(), 0, 0, METHOD)
    }

    fn trees(&self) -> Vec<ProblemTree> {
        let trees =
            [Trees::Amplified(0), Trees::Training(0)].map(|of| self.cell().trees(of).unwrap());
        trees.concat()
    }
}

/// Off the runtime: calls to servers bring a runtime of their own.
async fn run_of(place: &Arc<Workplace>) -> (usize, bool) {
    let place = Arc::clone(place);
    let ran = tokio::task::spawn_blocking(move || place.run(Calling::Make));
    let (n_waiting, is_finished, _) = ran.await.unwrap();
    (n_waiting, is_finished)
}

/// Somebody who comes in by a link that was made just now.
pub(crate) async fn rater(server: &Server, name: &str) -> Visitor {
    let link = server
        .links()
        .iter()
        .find(|link| link.name == name)
        .unwrap();
    let path = link.url.split_once("/enter/").unwrap().1;
    let mut visitor = Visitor::stranger(server.router());
    let page = visitor.get(&format!("/enter/{path}")).await;
    visitor.cookie = Some(page.cookie());
    visitor
}

/// The visitor's next step; none where nothing waits.
async fn next(visitor: &Visitor) -> Option<(String, Page)> {
    let to = visitor.get("/expert").await;
    if to.status == StatusCode::OK {
        assert!(to.text.contains("Nothing waits"), "{}", to.text);
        return None;
    }
    assert_eq!(to.status, StatusCode::SEE_OTHER, "{}", to.text);
    let address = to.location();
    let page = visitor.get(&address).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    Some((address, page))
}

async fn say(visitor: &Visitor, address: &str, page: &Page, says: &str, text: &str) -> Page {
    let mut form = page.form();
    let field = if says == "asks" {
        "questions"
    } else {
        "answer"
    };
    form.extend(
        [("says", says), (field, text)].map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    visitor.post(address, &form).await
}

fn between<'p>(page: &'p Page, from: &str, to: &str) -> &'p str {
    let rest = page
        .text
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from:?} in {}", page.text))
        .1;
    rest.split(to).next().unwrap()
}

/// The question of a page.
fn question(page: &Page) -> String {
    between(page, "<h1 class=\"words\">", "</h1>").to_owned()
}

/// What no page of a person may hold.
#[track_caller]
fn assert_blind(page: &Page) {
    for secret in [
        "secret-",
        "amplified",
        "0-0-",
        "scripted",
        "held",
        "It is plain",
    ] {
        assert!(!page.text.contains(secret), "{secret:?} in {}", page.text);
    }
}

/// Runs a test whose scripted server begins and ends outside the runtime of the pages.
fn in_workplace<F: Future<Output = ()>>(test: impl FnOnce(Arc<Workplace>) -> F) {
    let place = Arc::new(Workplace::new());
    let runtime = trimtab_server::runtime().unwrap();
    runtime.block_on(test(Arc::clone(&place)));
}

/// Takes the first step at every problem: two questions each.
async fn decompose(person: &Visitor) {
    for _ in 0..4 {
        let (address, page) = next(person).await.unwrap();
        assert_blind(&page);
        assert!(
            !page.text.contains("What was asked"),
            "nothing was asked yet"
        );
        let asked = question(&page);
        let number: i64 = between(&page, "What is (", " + 1) × 3?").parse().unwrap();
        let text = format!("What is {number} + 1?\nHow is the weather, {number}?");
        let to = say(person, &address, &page, "asks", &text).await;
        assert_eq!(to.location(), "/expert");
        let again = person.get(&address).await;
        assert!(
            again.text.contains("You asked, and it is on the disk"),
            "{asked}"
        );
    }
}

/// Takes the second step at every problem, and says of the first that it cannot be answered; which that is.
async fn compose(person: &Visitor) -> String {
    let mut cannot = String::new();
    for i in 0..4 {
        let (address, page) = next(person).await.unwrap();
        assert_blind(&page);
        assert!(
            !page.text.contains("name=\"questions\""),
            "only an answer is taken"
        );
        let sum: i64 = between(&page, "<div class=\"words\">", "</div>")
            .parse()
            .unwrap();
        assert!(
            page.text
                .contains("<div class=\"unanswered\">not known</div>")
        );
        let to = if i == 0 {
            cannot = question(&page);
            say(person, &address, &page, "cannot", "").await
        } else {
            say(person, &address, &page, "answers", &(3 * sum).to_string()).await
        };
        assert_eq!(to.status, StatusCode::SEE_OTHER);
    }
    cannot
}

#[test]
fn people_are_asked_the_run_goes_on_and_nothing_is_asked_twice() {
    in_workplace(people_are_asked);
}

async fn people_are_asked(place: Arc<Workplace>) {
    // It asks what it can: the assistant alone, and people four times.
    assert_eq!(run_of(&place).await, (4, false));
    let n_alone = place.assistant.log().n_calls();
    assert_eq!(n_alone, 2);
    for tree in place.trees() {
        assert_eq!(tree.tree.answer, Err(Unanswered::Waiting));
    }
    assert_eq!(place.cell().trees(Trees::Expert).unwrap(), []);
    assert_eq!(place.cell().done().unwrap(), None);

    let server = serve(&place.run_folder()).await;
    assert_eq!(server.n_waiting(), 4);
    let person = rater(&server, "rater-1").await;
    assert_eq!(person.get("/judge").await.location(), "/expert");
    decompose(&person).await;
    assert!(next(&person).await.is_none());

    assert_eq!(run_of(&place).await, (4, false));
    assert_eq!(
        place.assistant.log().n_calls(),
        n_alone + 8,
        "two sub-questions each"
    );
    // Nothing new was said: nothing new happens.
    assert_eq!(run_of(&place).await, (4, false));
    assert_eq!(place.assistant.log().n_calls(), n_alone + 8);

    let cannot = compose(&person).await;
    let end = person.get("/expert").await;
    assert!(end.text.contains("All 4 steps are taken and stored"));
    assert!(end.text.contains("8 steps of yours are on the disk"));

    assert_eq!(run_of(&place).await, (0, true));
    assert_eq!(place.cell().waiting().unwrap(), []);
    assert!(place.cell().done().unwrap().is_some());
    let trees = place.trees();
    assert_eq!(trees.len(), 4);
    for tree in &trees {
        let i: i64 = tree
            .id
            .as_str()
            .trim_start_matches("secret-")
            .parse()
            .unwrap();
        assert_eq!(tree.tree.children.len(), 2);
        match &tree.tree.answer {
            Ok(reply) => assert_eq!(reply.answer, (3 * (i + 1)).to_string()),
            Err(why) => {
                assert_eq!(why, &Unanswered::DontKnow);
                assert_eq!(tree.tree.question.as_str(), cannot);
            }
        }
    }
    assert_eq!(
        trees
            .iter()
            .filter(|tree| tree.tree.answer.is_err())
            .count(),
        1
    );
    let admin = rater(&server, "admin").await;
    let list = admin.get("/trees").await;
    assert!(list.text.contains(">right</b>"));
    assert!(
        person
            .get("/expert")
            .await
            .text
            .contains("The run asks nothing")
    );
    assert_eq!(run_of(&place).await, (0, true));
    assert_eq!(place.assistant.log().n_calls(), n_alone + 8);
}

#[test]
fn a_dry_run_counts_the_assistants_calls_alone() {
    let place = Workplace::new();
    let (n_waiting, _, forecast) = place.run(Calling::Forecast);
    assert_eq!(n_waiting, 0);
    // Two alone, and two sub-questions of four problems.
    let line = forecast.lines().find(|line| line.contains("scripted"));
    let is_ten = |line: &str| line.split_whitespace().any(|word| word == "10");
    assert!(line.is_some_and(is_ten), "{forecast}");
    assert!(!forecast.contains("people"), "{forecast}");
    assert!(!place.cell().waiting_path().exists());
    assert_eq!(place.assistant.log().n_received(), 0);
}

/// A step as a run leaves it.
fn waiting(i: usize) -> WaitingStep {
    WaitingStep {
        id: SampleId::new(&format!("secret-{i}")),
        path: vec![0],
        step: 1,
        question: Text::new(&format!("Number {i}? {HOSTILE}")),
        exchanges: vec![
            Exchange {
                question: Text::new(HOSTILE),
                answer: Ok(Reply::new("REASONS-SECRET", &format!("answer {HOSTILE}"))),
            },
            Exchange {
                question: Text::new("Another?"),
                answer: Err(Unanswered::Refused {
                    reply: "REPLY-SECRET".into(),
                }),
            },
        ],
        most_questions: 3,
    }
}

/// Makes a run in which `n` steps wait.
pub(crate) fn make_waiting(run: &Path, n: usize) {
    make_amplification(run, "people");
    let steps: Vec<WaitingStep> = (0..n).map(waiting).collect();
    let folder = AmplificationFolder::new(run, 0, 0, METHOD);
    folder.files().write_rows("waiting.jsonl", &steps).unwrap();
    let key: BTreeMap<SampleId, String> = (steps.iter())
        .map(|step| (step.id.clone(), "KEY-SECRET".into()))
        .collect();
    trimtab_run::RowFolder::new(run.join("amplification"))
        .write_document("0-key.json", &key)
        .unwrap();
}

async fn served(n: usize) -> Served {
    Served::of(|run| make_waiting(run, n), AskingConfig::default()).await
}

#[tokio::test]
async fn a_page_says_the_question_and_what_was_asked_and_no_more() {
    let served = served(2).await;
    let person = served.visitor("rater-1").await;
    let (address, page) = next(&person).await.unwrap();
    assert_blind(&page);
    for secret in ["SECRET", "secret"] {
        assert!(
            !page.text.contains(secret) && !address.contains(secret),
            "{}",
            page.text
        );
    }
    let shown = question(&page);
    let other = if shown.contains("Number 0?") {
        "Number 1?"
    } else {
        "Number 0?"
    };
    assert!(!page.text.contains(other), "another question");
    for forbidden in ["<script", "<img", "onerror=\"", "\u{202e}", " style="] {
        assert!(
            !page.text.contains(forbidden),
            "{forbidden:?} in {}",
            page.text
        );
    }
    let mut from = 0;
    for part in [
        "answer &lt;script&gt;",
        "Another?",
        "declined",
        "at most 3",
        "name=\"answer\"",
        "It cannot be answered",
    ] {
        let at = page.text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("no {part:?} in its place in {}", page.text));
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_and_kept_in_the_form() {
    let served = served(1).await;
    let person = served.visitor("rater-1").await;
    let (address, page) = next(&person).await.unwrap();
    let refused = say(
        &person,
        &address,
        &page,
        "asks",
        "one?\ntwo?\nthree?\nfour <b>?",
    )
    .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("At most 3 questions"));
    assert!(refused.text.contains("four &lt;b&gt;?</textarea>"));
    let mut foreign = page.form();
    foreign.insert("form".into(), "0".repeat(40));
    foreign.insert("says".into(), "cannot".into());
    assert_eq!(
        person.post(&address, &foreign).await.status,
        StatusCode::FORBIDDEN
    );
    for other in ["/expert/x", "/expert/000000000000000000000000"] {
        assert_eq!(person.get(other).await.status, 404);
        assert_eq!(say(&person, other, &page, "cannot", "").await.status, 404);
    }
    for visitor in [&served.stranger(), &served.visitor("admin").await] {
        assert_eq!(visitor.get(&address).await.status, 401);
        assert_eq!(visitor.get("/expert").await.status, 401);
    }
    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    assert_eq!(people.expert_said(None).unwrap(), []);
}

#[tokio::test]
async fn of_two_at_one_step_the_first_counts_and_the_other_is_told() {
    let served = served(1).await;
    let [one, other] = [
        served.visitor("rater-1").await,
        served.visitor("rater-2").await,
    ];
    let (address, page) = next(&one).await.unwrap();
    let (same, others) = next(&other).await.unwrap();
    assert_eq!(address, same);
    let stored = say(&one, &address, &page, "answers", "7").await;
    assert_eq!(stored.status, StatusCode::SEE_OTHER);
    let late = say(&other, &address, &others, "answers", "7").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(
        late.text
            .contains("Somebody else took this step before you")
    );
    // A double click is one step; another answer is not taken.
    assert_eq!(
        say(&one, &address, &page, "answers", "7").await.status,
        StatusCode::SEE_OTHER
    );
    let changed = say(&one, &address, &page, "answers", "8").await;
    assert_eq!(changed.status, StatusCode::CONFLICT);
    assert!(changed.text.contains("You said something else here before"));
    let seen = other.get(&address).await;
    assert!(seen.text.contains("Somebody else took it"));
    assert!(!seen.text.contains("You answered"));
    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    let said = people.expert_said(None).unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].says, ExpertSays::Answers("7".into()));
    assert_eq!(
        said[0].step,
        waiting(0).key("0-0-amplified_at_once__depth_1")
    );
}

#[tokio::test]
async fn raters_go_through_what_waits_in_orders_of_their_own() {
    let served = served(12).await;
    let mut orders = Vec::new();
    for name in ["rater-1", "rater-2"] {
        let person = served.visitor(name).await;
        orders.push(next(&person).await.unwrap().0);
    }
    assert_ne!(orders[0], orders[1], "they would meet at every step");
    let person = served.visitor("rater-1").await;
    for left in (0..12).rev() {
        let (address, page) = next(&person).await.unwrap();
        say(&person, &address, &page, "cannot", "").await;
        let admin = served.visitor("admin").await;
        let said = format!("{} of 12 steps that wait for people are taken", 12 - left);
        assert!(admin.get("/run").await.text.contains(&said));
    }
    assert!(next(&person).await.is_none());
}

#[tokio::test]
async fn what_was_sent_is_on_the_disk_before_the_page_says_so() {
    let served = served(2).await;
    let person = served.visitor("rater-1").await;
    let (address, page) = next(&person).await.unwrap();
    let to = say(&person, &address, &page, "answers", "7").await;
    assert_eq!(to.status, StatusCode::SEE_OTHER);
    // The disk as a process that is killed now would leave it: nothing is closed, nothing is written any more.
    let left = tempfile::tempdir().unwrap();
    copy(&served.run(), left.path());
    let after = serve(left.path()).await;
    let people = People::open_to_read(left.path()).unwrap().unwrap();
    assert_eq!(
        people.expert_said(None).unwrap()[0].says,
        ExpertSays::Answers("7".into())
    );
    // The visitor's session goes on, at the other step.
    let mut again = Visitor::stranger(after.router());
    again.cookie.clone_from(&person.cookie);
    let (second, page) = next(&again).await.unwrap();
    assert_ne!(second, address);
    assert!(page.text.contains("1 of 2 taken"));
    assert!(
        again
            .get(&address)
            .await
            .text
            .contains("You answered, and it is on the disk")
    );
    assert!(left.path().join(PEOPLE).exists());
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &there);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}
