//! What a judge's page may not hold, at every step; and that text of models stays text.

use trimtab_server::AskingConfig;

use crate::material::{SECRETS, SMALL};
use crate::visit::{Page, Served};

#[track_caller]
fn assert_blind(page: &Page) {
    for secret in SECRETS {
        assert!(!page.text.contains(secret), "{secret:?} in {}", page.text);
    }
}

#[track_caller]
fn assert_inert(page: &Page) {
    for forbidden in [
        "<script>",
        "<img",
        "onerror=\"",
        "\u{202e}",
        " style=",
        "onclick",
    ] {
        assert!(
            !page.text.contains(forbidden),
            "{forbidden:?} in {}",
            page.text
        );
    }
}

#[tokio::test]
async fn judges_see_what_they_may_and_no_more() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    for name in ["rater-1", "rater-2"] {
        let rater = served.visitor(name).await;
        for _ in 0..4 {
            let (address, prior) = rater.task().await;
            assert_blind(&prior);
            assert!(prior.text.contains("Who lit the lamp"));
            assert!(!prior.text.contains("ROUND-1"), "a round before the prior");

            rater.say(&address, &prior, 50, "").await;
            let first = rater.get(&address).await;
            assert_blind(&first);
            assert_inert(&first);
            assert!(first.text.contains("ROUND-1"));
            assert!(!first.text.contains("ROUND-2"), "a round too many");
            assert!(first.text.contains("&lt;script&gt;document.title"));
            assert!(first.text.contains("class=\"quote verified\""));

            rater.say(&address, &first, 60, "").await;
            let last = rater.get(&address).await;
            assert_blind(&last);
            assert_inert(&last);
            assert!(last.text.contains("ROUND-2"));

            rater.say(&address, &last, 80, "it is plain").await;
            let stored = rater.get(&address).await;
            assert_blind(&stored);
            assert!(stored.text.contains("It is on the disk"));
            assert!(!stored.text.contains("right answer"));
        }
    }
}

#[tokio::test]
async fn nothing_of_the_admin_opens_for_a_rater_or_a_stranger() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let rater = served.visitor("rater-1").await;
    let admin = served.visitor("admin").await;
    for address in [
        "/admin",
        "/admin?answers=show",
        "/admin/judgements",
        "/run",
        "/run/live",
        "/run/events",
        "/run/report",
        "/transcripts",
        "/transcripts/0-0-two-sided/question-0%2FAsListed%2FBoth",
        "/export/judgements.jsonl",
        "/export/judgements.csv",
        "/export/preferences.jsonl",
    ] {
        for visitor in [&rater, &served.stranger()] {
            let page = visitor.get(address).await;
            assert_eq!(page.status, 401, "{address}");
            assert_blind(&page);
        }
        if !["/run/live", "/run/report"].contains(&address) {
            assert_eq!(admin.get(address).await.status, 200, "{address}");
        }
    }
    assert_eq!(
        admin.get("/judge").await.status,
        401,
        "the admin does not judge"
    );
}

#[tokio::test]
async fn nobody_opens_anothers_task() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let [one, other] = [
        served.visitor("rater-1").await,
        served.visitor("rater-2").await,
    ];
    let (address, page) = one.task().await;
    other.task().await;
    assert_eq!(other.get(&address).await.status, 404);
    let mut form = page.form();
    form.insert("belief".into(), "60".into());
    let other_form = other.task().await.1.form();
    form.insert("form".into(), other_form["form"].clone());
    let sent = other.post(&format!("{address}/step"), &form).await;
    assert_eq!(sent.status, 404);
}

#[tokio::test]
async fn sides_are_exchanged_with_the_order_shown() {
    // Over the raters of a block, each of two questions' answers stands at A as often as at B.
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let mut keeper_at_a = 0;
    let mut n = 0;
    for name in ["rater-1", "rater-2"] {
        let rater = served.visitor(name).await;
        for _ in 0..4 {
            let (_, page) = rater.task().await;
            let [keeper, morning] = ["The keeper lit it", "It had been burning"]
                .map(|answer| page.text.find(answer).unwrap());
            keeper_at_a += usize::from(keeper < morning);
            n += 1;
            rater.judge(70).await;
        }
    }
    assert_eq!((keeper_at_a, n), (4, 8));
}
