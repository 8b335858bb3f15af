//! Preferences between two replies.

use trimtab_core::PreferencePair;
use trimtab_server::AskingConfig;

use crate::material::{HOSTILE, SMALL, Size};
use crate::visit::Served;

#[tokio::test]
async fn two_replies_a_choice_and_a_file() {
    let size = Size {
        questions: 0,
        pairs: 3,
        ..SMALL
    };
    let served = Served::new(size, AskingConfig::default()).await;
    let rater = served.visitor("rater-1").await;
    let mut first_at_a = Vec::new();
    for belief in [90, 50, 20] {
        let (address, page) = rater.task().await;
        assert!(!page.text.contains("judge-model") && !page.text.contains("pair-"));
        assert!(!page.text.contains("<script>") && page.text.contains("&lt;script&gt;"));
        let [good, bad] =
            ["Unplug it first", "Just pull"].map(|reply| page.text.find(reply).unwrap());
        first_at_a.push((good < bad, belief));
        // A reason is optional, and a tie is an answer.
        let sent = rater.say(&address, &page, belief, "").await;
        assert_eq!(sent.status, 303, "{}", sent.text);
    }
    let admin = served.visitor("admin").await;
    let file = admin.get("/export/preferences.jsonl").await;
    let mut pairs: Vec<PreferencePair> = (file.text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(pairs.len(), 3);
    pairs.sort_by(|a, b| a.p_chosen.total_cmp(&b.p_chosen));
    for (pair, p) in pairs.iter().zip([0.5, 0.8, 0.9]) {
        assert!((pair.p_chosen - p).abs() < 1e-9);
        assert_eq!(pair.judge, "rater-1");
        let chose_first = pair.chosen.starts_with("Unplug");
        let expected = (first_at_a.iter())
            .map(|(at_a, belief)| {
                let p_first = f64::from(*belief) / 100.0;
                if *at_a { p_first } else { 1.0 - p_first }
            })
            .any(|p_first| {
                (p_first >= 0.5) == chose_first && (p_first.max(1.0 - p_first) - p).abs() < 1e-9
            });
        assert!(expected, "{pair:?}");
        assert!(pair.chosen.contains(HOSTILE) || pair.rejected.contains(HOSTILE));
    }
    let table = admin.get("/export/judgements.csv").await;
    assert_eq!(table.text.lines().count(), 4);
}
