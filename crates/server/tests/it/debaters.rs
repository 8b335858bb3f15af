//! People as debaters: asked, heard, run again, through the real pages and the real run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::http::StatusCode;

use trimtab_debate::{EventKind, QuoteStatus, Segment, Transcript};
use trimtab_run::{Calling, DebateFolder, People};
use trimtab_server::{AskingConfig, ServeOptions, Server};

use crate::experts::{copy, rater};
use crate::material::HOSTILE;
use crate::runs::go_on;
use crate::visit::{Page, Visitor, options};

/// The method's name, which no page of a person says.
const METHOD: &str = "method-secret";

/// The folder of its first seed.
pub(crate) const CELL: &str = "0-0-method-secret";

/// Questions on a passage each, debated by people.
pub(crate) struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new(turns: &str) -> Self {
        Self::of(2, turns)
    }

    /// With so many questions.
    pub(crate) fn of(n_questions: usize, turns: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let case = |i: usize| {
            let row = serde_json::json!({
                "id": format!("id-secret-{i}"),
                "question": format!("Who lit the lamp in story {i}?"),
                "answers": [format!("the keeper of story {i}"), format!("nobody in story {i}")],
                "answer": 0,
                "passage": format!("Story {i}. The keeper came home at dusk and lit the lamp in the hall. {HOSTILE}"),
                "passage-id": format!("passage-secret-{i}"),
            });
            format!("{row}\n")
        };
        let cases: String = (1..=n_questions).map(case).collect();
        std::fs::write(folder.path().join("cases.jsonl"), cases).unwrap();
        let experiment = format!(
            r#"
name = "people"
seeds = 1
[data]
set = "cases.jsonl"
[[method]]
kind = "debate"
name = "{METHOD}"
debater = "people"
judges = ["random"]
n-rounds = 2
turns = "{turns}"
speech = {{ max-words = 15, min-words = 3 }}
"#
        );
        std::fs::write(folder.path().join("people.toml"), experiment).unwrap();
        Self(folder)
    }

    fn run_folder(&self) -> PathBuf {
        self.0.path().join("run")
    }

    /// Runs it in `run`, or goes on with it there; turns that wait, and whether it is finished.
    pub(crate) fn run_in(&self, run: &Path) -> (usize, bool) {
        let ran = go_on(&self.0.path().join("people.toml"), run, Calling::Make);
        (ran.n_waiting, ran.is_finished)
    }

    fn run(&self) -> (usize, bool) {
        self.run_in(&self.run_folder())
    }

    fn transcripts(&self) -> Vec<Transcript> {
        DebateFolder::new(&self.run_folder(), 0, 0, METHOD)
            .transcripts()
            .unwrap()
    }
}

/// A server with three raters.
async fn served(run: &Path) -> Server {
    let raters = ["rater-1", "rater-2", "rater-3"].map(str::to_owned);
    let options = ServeOptions {
        raters: raters.to_vec(),
        ..options(AskingConfig::default())
    };
    Server::open(run, options).await.unwrap()
}

/// The visitor's next turn; none where nothing waits for them.
async fn next(visitor: &Visitor) -> Option<(String, Page)> {
    let to = visitor.get("/debate").await;
    if to.status == StatusCode::OK {
        assert!(to.text.contains("Nothing waits for you"), "{}", to.text);
        return None;
    }
    assert_eq!(to.status, StatusCode::SEE_OTHER, "{}", to.text);
    let address = to.location();
    let page = visitor.get(&address).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_blind(&page);
    Some((address, page))
}

/// No page of a person says which method or sample it is, or who the others are; what is hostile is text.
#[track_caller]
fn assert_blind(page: &Page) {
    for secret in ["secret", "rater-", "0-0-", "right answer is", "random"] {
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

async fn send(visitor: &Visitor, address: &str, page: &Page, does: &str, speech: &str) -> Page {
    let mut form = page.form();
    form.extend(
        [("does", does), ("speech", speech)]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    visitor.post(address, &form).await
}

/// Which story, and which answer is argued for.
fn argued(page: &Page) -> (usize, bool) {
    let own = page.text.split("You argue for: </b>").nth(1).unwrap();
    let own = own.split('<').next().unwrap();
    let story = own.split("story ").nth(1).unwrap().trim().parse().unwrap();
    (story, own.contains("keeper"))
}

/// Takes whatever waits for somebody; what they argued for.
async fn speak(visitor: &Visitor, name: &str) -> Vec<(usize, bool)> {
    let mut all = Vec::new();
    while let Some((address, page)) = next(visitor).await {
        let (story, keeper) = argued(&page);
        let words =
            format!("{name} says {keeper} of {story}: <quote>lit the lamp in the hall</quote>");
        let stored = send(visitor, &address, &page, "say", &words).await;
        assert_eq!(stored.status, StatusCode::SEE_OTHER, "{}", stored.text);
        let seen = visitor.get(&stored.location()).await;
        assert!(seen.text.contains("You said, and it is on the disk"));
        all.push((story, keeper));
    }
    all
}

#[tokio::test]
async fn two_people_debate_and_a_third_judges() {
    let place = Workplace::new("simultaneous");
    assert_eq!(place.run(), (4, false), "two sides of two questions");
    assert!(
        place.transcripts().is_empty(),
        "nobody judges what is not whole"
    );
    let server = served(&place.run_folder()).await;
    assert_eq!((server.n_turns(), server.n_items()), (4, 0));
    let mut people = Vec::new();
    for name in ["rater-1", "rater-2"] {
        people.push(rater(&server, name).await);
    }
    assert_eq!(people[0].get("/judge").await.location(), "/debate");

    let mut first = Vec::new();
    for (person, name) in people.iter().zip(["one", "two"]) {
        let argued = speak(person, name).await;
        let stories: BTreeSet<usize> = argued.iter().map(|(story, _)| *story).collect();
        assert_eq!((argued.len(), stories.len()), (2, 2), "one side of each");
        first.push(argued.into_iter().collect::<BTreeSet<_>>());
    }
    assert!(first[0].is_disjoint(&first[1]));
    // Nothing is said twice, and nothing new happens before it is run again.
    assert!(next(&people[0]).await.is_none());

    assert_eq!(place.run(), (4, false), "the second round");
    for (person, name) in people.iter().zip(["one", "two"]) {
        let (_, page) = next(person).await.unwrap();
        // Both speeches of the first round are there, quotes looked up.
        let text = &page.text;
        assert!(
            text.contains("one says") && text.contains("two says"),
            "{text}"
        );
        assert!(text.contains("quote verified"));
        let again: BTreeSet<(usize, bool)> = speak(person, name).await.into_iter().collect();
        let which = usize::from(name == "two");
        assert_eq!(again, first[which], "sides stay whose they are");
    }
    assert_eq!(place.run(), (0, true));
    let transcripts = place.transcripts();
    assert_eq!(transcripts.len(), 2);
    for transcript in &transcripts {
        assert_eq!(
            transcript.players,
            [Some("people".into()), Some("people".into())]
        );
        assert_eq!(transcript.events.len(), 4);
        for event in &transcript.events {
            let EventKind::Speech(speech) = &event.kind else {
                panic!("no speech");
            };
            assert!(speech.segments.iter().any(|segment| matches!(
                segment,
                Segment::Quote {
                    status: QuoteStatus::Verified(_),
                    ..
                }
            )));
        }
    }

    // Who has debated about all of it judges none of it; the third judges both, and is not told who is a person.
    for person in &people {
        let end = person.get("/judge").await;
        assert!(end.text.contains("nobody to speak") || end.location() == "/debate");
    }
    let judge = rater(&server, "rater-3").await;
    for _ in 0..2 {
        let (address, mut page) = judge.task().await;
        loop {
            assert_blind(&page);
            for told in ["people", "person", "the keeper came home"] {
                assert!(!page.text.contains(told), "{told:?} in {}", page.text);
            }
            let is_last = page.form()["kind"] == "final";
            let sent = judge.say(&address, &page, 80, "the quote shows it").await;
            assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
            if is_last {
                break;
            }
            page = judge.get(&address).await;
        }
    }
    let stored = People::open_to_read(&place.run_folder()).unwrap().unwrap();
    assert_eq!(stored.judgements(CELL).unwrap().len(), 2);
    let admin = rater(&server, "admin").await;
    assert!(admin.get("/run").await.text.contains("turns that wait"));

    // The admin sees who spoke, and nobody else does.
    let id = transcripts[0].id.replace('/', "%2F");
    let address = format!("/transcripts/{CELL}/{id}");
    let whole = admin.get(&address).await;
    assert_eq!(whole.status, StatusCode::OK, "{}", whole.text);
    for (side, article) in whole.text.split("<article").skip(1).enumerate() {
        let words = if article.contains("one says") {
            "rater-1"
        } else {
            "rater-2"
        };
        let name = if side % 2 == 0 { "For A" } else { "For B" };
        let heading = format!("<h3>{name}<span class=\"by\"> · {words}</span></h3>");
        assert!(article.contains(&heading), "{heading:?} in {article}");
    }
    for person in people.iter().chain([&judge]) {
        assert_eq!(person.get(&address).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_and_a_preview_stores_nothing() {
    let place = Workplace::new("sequential");
    // Either side is first once: two arms of two questions.
    assert_eq!(place.run(), (4, false));
    let server = served(&place.run_folder()).await;
    let person = rater(&server, "rater-1").await;
    let (address, page) = next(&person).await.unwrap();
    assert!(page.text.contains("At most 15 words"));
    assert!(
        page.text.contains("lit the lamp in the hall"),
        "the passage"
    );
    for (speech, why) in [
        ("", "there is nothing in it"),
        ("too short", "it has 2 words, fewer than 3"),
        (
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen <b>",
            "it has 16 words, more than 15",
        ),
    ] {
        let refused = send(&person, &address, &page, "say", speech).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains(why), "{}", refused.text);
        assert!(!speech.contains("<b>") || refused.text.contains("fifteen &lt;b&gt;</textarea>"));
    }
    let words =
        "See <quote>lit the lamp in the hall</quote>, not <quote>lit the fire in the hall</quote>";
    let preview = send(&person, &address, &page, "preview", words).await;
    assert_eq!(preview.status, StatusCode::OK);
    for part in [
        "quote verified",
        "quote unverified",
        "15 words",
        "&lt;quote&gt;lit the lamp",
    ] {
        assert!(preview.text.contains(part), "{part:?} in {}", preview.text);
    }
    let stored = || {
        let people = People::open_to_read(&place.run_folder()).unwrap().unwrap();
        people.debater_said(None).unwrap()
    };
    assert_eq!(stored(), []);

    // Two tabs at both sides of one debate: one of them is refused.
    let mut foreign = page.form();
    foreign.insert("form".into(), "0".repeat(40));
    foreign.insert("does".into(), "say".into());
    assert_eq!(
        person.post(&address, &foreign).await.status,
        StatusCode::FORBIDDEN
    );
    let fine = "<quote>lit the lamp in the hall</quote>";
    let said = send(&person, &address, &page, "say", fine).await;
    assert_eq!(said.status, StatusCode::SEE_OTHER);
    let again = send(&person, &address, &page, "say", fine).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "a double click");
    let other = send(&person, &address, &page, "say", "It was the keeper").await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(stored().len(), 1);
    assert_eq!(stored()[0].text, fine);

    // The disk as a process that is killed now would leave it.
    let left = tempfile::tempdir().unwrap();
    copy(&place.run_folder(), left.path());
    let (n_waiting, _) = place.run_in(left.path());
    assert_eq!(
        n_waiting, 4,
        "three that waited, and the answer to what was said"
    );
    let after = served(left.path()).await;
    let mut back = Visitor::stranger(after.router());
    back.cookie.clone_from(&person.cookie);
    let mut argued_for: BTreeMap<usize, BTreeSet<bool>> = BTreeMap::new();
    for (story, keeper) in speak(&back, "one").await {
        argued_for.entry(story).or_default().insert(keeper);
    }
    assert!(
        argued_for.values().all(|answers| answers.len() == 1),
        "{argued_for:?}"
    );
    for visitor in [&Visitor::stranger(after.router())] {
        assert_eq!(visitor.get(&address).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_one_turn_at_a_time_one_is_told_and_keeps_the_words() {
    let place = Workplace::of(1, "simultaneous");
    let run = place.run_folder();
    assert_eq!(place.run(), (2, false));
    let server = served(&run).await;
    let [one, two] = [
        rater(&server, "rater-1").await,
        rater(&server, "rater-2").await,
    ];
    let (address, first) = next(&one).await.unwrap();
    let second = two.get(&address).await;
    assert_eq!(second.status, StatusCode::OK, "nobody has taken it");
    assert_blind(&second);
    let words = [
        "The keeper lit it, says one.",
        "The keeper lit it, says <b>two</b>.",
    ];
    let sent = tokio::join!(
        send(&one, &address, &first, "say", words[0]),
        send(&two, &address, &second, "say", words[1]),
    );
    let sent = [sent.0, sent.1];
    let stored = People::open_to_read(&run).unwrap().unwrap();
    let said = stored.debater_said(None).unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    let late = usize::from(said[0].text == words[0]);
    assert_eq!(said[0].text, words[1 - late]);
    assert_eq!(sent[1 - late].status, StatusCode::SEE_OTHER);
    assert_eq!(sent[late].status, StatusCode::CONFLICT);
    let people = [one, two];
    let page = [&first, &second][late];
    let preview = send(&people[late], &address, page, "preview", words[late]).await;
    for told in [&sent[late], &preview] {
        assert_eq!(told.status, StatusCode::CONFLICT, "{}", told.text);
        let escaped = words[late].replace('<', "&lt;").replace('>', "&gt;");
        for part in [
            "Somebody else took this turn before you",
            "not stored",
            &escaped,
        ] {
            assert!(told.text.contains(part), "{part:?} in {}", told.text);
        }
        assert_blind(told);
    }
    // The other answer is left for whoever was late, and the debate goes on.
    let (other, own) = next(&people[late]).await.unwrap();
    assert_ne!(other, address);
    let stored_now = send(&people[late], &other, &own, "say", words[late]).await;
    assert_eq!(
        stored_now.status,
        StatusCode::SEE_OTHER,
        "{}",
        stored_now.text
    );
    assert_eq!(place.run(), (2, false), "the second round");
    // Words for a turn that the debate has left behind come back as well.
    let gone = send(&people[late], &address, page, "say", words[late]).await;
    assert_eq!(gone.status, StatusCode::CONFLICT);
    assert!(gone.text.contains("waits no longer") && gone.text.contains("says"));
}
