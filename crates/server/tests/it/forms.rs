//! What is sent: stored once, in its turn, and only from a form of one's own.

use std::collections::BTreeMap;

use trimtab_core::Verdict;
use trimtab_run::People;
use trimtab_server::AskingConfig;

use crate::material::{METHOD, SMALL};
use crate::visit::{Served, Visitor};

async fn served() -> Served {
    Served::new(SMALL, AskingConfig::default()).await
}

fn n_records(served: &Served) -> usize {
    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    ["0-0-two-sided", &format!("0-0-{METHOD}")]
        .iter()
        .map(|cell| people.judgements(&cell.replace('_', "-")).unwrap().len())
        .sum()
}

#[tokio::test]
async fn a_session_from_the_link_to_the_record() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    for _ in 0..4 {
        rater.judge(80).await;
    }
    // A tenth of four tasks is none again.
    let end = rater.get("/judge").await;
    assert_eq!(end.status, 200);
    assert!(end.text.contains("All 4 items are judged"));
    assert_eq!(n_records(&served), 4);

    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    let records = people.judgements("0-0-two-sided").unwrap();
    for record in &records {
        let rounds: Vec<u32> = record.beliefs.iter().map(|belief| belief.rounds).collect();
        assert_eq!(rounds, [0, 1, 2]);
        assert_eq!(record.judge, "rater-1");
        assert_eq!(record.reasons.as_deref(), Some("the quote shows it"));
        assert!(matches!(record.verdict, Verdict::Decided(_)));
        assert!(record.secs.is_some_and(|secs| (0.0..60.0).contains(&secs)));
    }
}

#[tokio::test]
async fn a_form_without_the_sessions_token_stores_nothing() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let (address, page) = rater.task().await;
    let own = page.form()["form"].clone();
    let other = served.visitor("rater-2").await.task().await.1.form()["form"].clone();
    assert_ne!(own, other);
    for token in ["", "0", &other, &own[1..]] {
        let mut form = page.form();
        form.insert("belief".into(), "60".into());
        form.insert("form".into(), token.into());
        for end in ["step", "undo", "draft"] {
            let mut form = form.clone();
            form.insert("reason".into(), "x".into());
            let sent = rater.post(&format!("{address}/{end}"), &form).await;
            assert_eq!(sent.status, 403, "{end} {token:?}");
        }
    }
    let again = rater.get(&address).await;
    assert_eq!(again.form()["step"], "0");

    let admin = served.visitor("admin").await;
    for end in ["raters", "link", "revoke", "trash"] {
        let form: BTreeMap<String, String> = [("form", "x"), ("name", "y"), ("number", "2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let sent = admin.post(&format!("/admin/{end}"), &form).await;
        assert_eq!(sent.status, 403, "{end}");
    }
}

#[tokio::test]
async fn a_double_click_is_one_step_and_two_tabs_keep_the_first() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let (address, page) = rater.task().await;
    let (one, same) = tokio::join!(
        rater.say(&address, &page, 60, ""),
        rater.say(&address, &page, 60, "")
    );
    assert_eq!([one.status, same.status], [303, 303]);
    assert_eq!(rater.get(&address).await.form()["step"], "1");

    // The other tab still shows the first step, and says something else.
    let other = rater.say(&address, &page, 30, "").await;
    assert_eq!(other.status, 409);
    assert!(
        other.text.contains("You said A 60 % here before"),
        "{}",
        other.text
    );
    let now = rater.get(&address).await;
    assert_eq!(now.form()["step"], "1");
    assert!(now.text.contains("A 60 %"));

    // The judgement, twice: the second is told, and stores nothing.
    rater.say(&address, &now, 70, "").await;
    let last = rater.get(&address).await;
    let (one, other) = tokio::join!(
        rater.say(&address, &last, 80, "it is so plain"),
        rater.say(&address, &last, 20, "not so at all")
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    assert_eq!(n_records(&served), 1);
}

#[tokio::test]
async fn steps_come_in_turn_and_say_what_may_be_said() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let (address, page) = rater.task().await;
    let send = async |changes: &[(&str, &str)]| {
        let mut form = page.form();
        form.insert("belief".into(), "60".into());
        form.insert("reason".into(), "because it is so".into());
        for (name, value) in changes {
            form.insert((*name).into(), (*value).into());
        }
        rater.post(&format!("{address}/step"), &form).await
    };
    for belief in ["", "0", "100", "57", "-5", "1e1", "NaN", "300", "<b>"] {
        assert_eq!(send(&[("belief", belief)]).await.status, 422, "{belief}");
    }
    // A judgement before anything was read, a step ahead, a step of another revision.
    for changes in [
        [("kind", "final"), ("step", "0")],
        [("kind", "belief"), ("step", "1")],
        [("kind", "final"), ("step", "2")],
        [("revision", "7"), ("step", "0")],
    ] {
        assert_eq!(send(&changes).await.status, 409, "{changes:?}");
    }
    assert_eq!(send(&[("step", "x")]).await.status, 422);
    assert_eq!(
        rater.get(&address).await.form()["step"],
        "0",
        "nothing is stored"
    );

    // The judgement: not one half, and not without a reason. What was written stays on the page.
    rater.say(&address, &page, 50, "").await;
    let page = rater.get(&address).await;
    rater.say(&address, &page, 50, "").await;
    let last = rater.get(&address).await;
    let half = rater.say(&address, &last, 50, "I cannot tell").await;
    assert_eq!(half.status, 422);
    assert!(half.text.contains("50 % is not taken here"));
    assert!(half.text.contains("I cannot tell</textarea>"));
    let short = rater.say(&address, &last, 80, "  so   there ").await;
    assert_eq!(short.status, 422);
    assert!(short.text.contains("a few words are enough"));
    assert!(short.text.contains("value=\"80\" selected"));
    let long = rater.say(&address, &last, 80, &"x ".repeat(40_000)).await;
    assert_eq!(long.status, 422);
    assert!(long.text.contains("too long"));
    assert_eq!(n_records(&served), 0);
}

async fn undo(rater: &Visitor, address: &str, revision: &str) -> u16 {
    let token = rater.get(address).await.form()["form"].clone();
    let form = [("form", token.as_str()), ("revision", revision)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let to = rater.post(&format!("{address}/undo"), &form).await;
    to.status.as_u16()
}

#[tokio::test]
async fn the_last_step_can_be_taken_back_until_the_next_item_is_begun() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let address = rater.judge(80).await;
    assert!(rater.get(&address).await.text.contains("id=\"undo\""));
    assert_eq!(undo(&rater, &address, "0").await, 303);
    let page = rater.get(&address).await;
    assert_eq!(
        (
            page.form()["step"].as_str(),
            page.form()["revision"].as_str()
        ),
        ("2", "1")
    );
    assert!(
        page.text.contains("the quote shows it</textarea>"),
        "the reason is kept as a draft"
    );
    rater
        .say(&address, &page, 20, "the quote shows it not")
        .await;
    assert_eq!(n_records(&served), 1);

    // Once the next item is begun, it stays.
    let (next, page) = rater.task().await;
    assert_ne!(next, address);
    rater.say(&next, &page, 50, "").await;
    let stored = rater.get(&address).await;
    assert!(!stored.text.contains("id=\"undo\""));
    let token = page.form()["form"].clone();
    let form = [("form", token.as_str()), ("revision", "1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let refused = rater.post(&format!("{address}/undo"), &form).await;
    assert_eq!(refused.status, 409);
}

#[tokio::test]
async fn drafts_come_back() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let (address, page) = rater.task().await;
    rater.say(&address, &page, 50, "").await;
    let page = rater.get(&address).await;
    rater.say(&address, &page, 50, "").await;
    let token = rater.get(&address).await.form()["form"].clone();
    let form = [("form", token.as_str()), ("reason", "half a <b>thought")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(
        rater.post(&format!("{address}/draft"), &form).await.status,
        204
    );
    let again = served.visitor("rater-1").await;
    let page = again.get(&address).await;
    assert!(page.text.contains("half a &lt;b&gt;thought</textarea>"));
}

#[tokio::test]
async fn a_judge_may_decide_early_where_that_is_allowed() {
    let asking = AskingConfig {
        min_rounds: Some(1),
        ..AskingConfig::default()
    };
    let served = Served::new(SMALL, asking).await;
    let rater = served.visitor("rater-1").await;
    let (address, page) = rater.task().await;
    assert!(!page.text.contains("Decide now"));
    rater.say(&address, &page, 50, "").await;
    let page = rater.get(&address).await;
    assert!(page.text.contains("Decide now"));
    let decides = rater.get(&format!("{address}?decide=1")).await;
    assert_eq!(decides.form()["kind"], "final");
    let sent = rater.say(&address, &decides, 80, "that is enough").await;
    assert_eq!(sent.status, 303);
    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    let said = people.said(trimtab_run::people::TaskKind::Debate).unwrap();
    assert_eq!(said[0].record().unwrap().beliefs.last().unwrap().rounds, 1);
}

#[tokio::test]
async fn gold_items_tell_the_answer_after_the_judgement() {
    let asking = AskingConfig {
        gold: 1,
        ..AskingConfig::default()
    };
    let served = Served::new(SMALL, asking).await;
    let rater = served.visitor("rater-1").await;
    let address = rater.judge(80).await;
    let stored = rater.get(&address).await;
    assert!(
        stored.text.contains("The right answer is"),
        "{}",
        stored.text
    );
    assert!(stored.text.contains("+0.68") || stored.text.contains("−1.32"));
    assert!(!stored.text.contains("id=\"undo\""), "it was told");
    let next = rater.judge(80).await;
    assert!(!rater.get(&next).await.text.contains("The right answer"));
}
