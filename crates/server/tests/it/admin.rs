//! The admin's pages: how people do, the transcripts with everything, exports, the trash.

use std::collections::BTreeMap;

use trimtab_debate::JudgeRecord;
use trimtab_run::People;
use trimtab_run::people::TaskKind;
use trimtab_server::AskingConfig;

use crate::material::SMALL;
use crate::visit::{Page, Served, Visitor};

async fn judged() -> (Served, Visitor) {
    let asking = AskingConfig {
        repeat_share: 0.5,
        ..AskingConfig::default()
    };
    let served = Served::new(SMALL, asking).await;
    for (name, belief) in [("rater-1", 80), ("rater-2", 70)] {
        let rater = served.visitor(name).await;
        for _ in 0..6 {
            rater.judge(belief).await;
        }
    }
    let admin = served.visitor("admin").await;
    (served, admin)
}

fn form(page: &Page, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut form = BTreeMap::from([("form".to_owned(), page.form()["form"].clone())]);
    for (name, value) in more {
        form.insert((*name).into(), (*value).into());
    }
    form
}

#[tokio::test]
async fn how_people_do_with_answers_only_on_demand() {
    let (_served, admin) = judged().await;
    let page = admin.get("/admin").await;
    for words in [
        "rater-1",
        "Between raters",
        "With themselves",
        "Show answers",
    ] {
        assert!(page.text.contains(words), "{words}");
    }
    assert!(!page.text.contains("Calibration"));
    let page = admin.get("/admin?answers=show").await;
    for words in ["Hide answers", "everybody", "Calibration", "Wilson"] {
        assert!(page.text.contains(words), "{words}");
    }
}

#[tokio::test]
async fn a_transcript_with_everything_and_no_script() {
    let (_served, admin) = judged().await;
    let list = admin.get("/transcripts?cell=0-0-two-sided").await;
    let link = "/transcripts/0-0-two-sided/question-0%2FAsListed%2FBoth";
    assert!(list.text.contains(link), "{}", list.text);
    let page = admin.get(link).await;
    for words in [
        "SCRATCHPAD-SECRET",
        "CANDIDATE-SECRET",
        "PASSAGE-SECRET",
        "model-secret-name",
        "class=\"right\"",
        "judge-model",
        "belief-plot",
        "Found in the passage, at bytes 16–69",
    ] {
        assert!(page.text.contains(words), "{words}");
    }
    for forbidden in ["<script>", "<img", "\u{202e}"] {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }
    assert_eq!(
        admin.get("/transcripts/0-0-two-sided/unknown").await.status,
        404
    );
}

#[tokio::test]
async fn exports_read_back() {
    let (served, admin) = judged().await;
    let records = admin.get("/export/judgements.jsonl").await;
    assert_eq!(records.text.lines().count(), 12);
    for line in records.text.lines() {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields = row.as_object_mut().unwrap();
        assert!(fields.remove("cell").is_some() && fields.remove("purpose").is_some());
        let record: JudgeRecord = serde_json::from_value(row).unwrap();
        assert!(record.judge.starts_with("rater-"));
    }
    let table = admin.get("/export/judgements.csv").await;
    let mut reader = csv::Reader::from_reader(table.text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    insta::assert_snapshot!(headers.iter().collect::<Vec<_>>().join("\n"));
    assert_eq!(reader.records().flatten().count(), 12);
    assert_eq!(admin.get("/export/other").await.status, 404);
    drop(served);
}

#[tokio::test]
async fn the_trash_keeps_what_does_not_count() {
    let (served, admin) = judged().await;
    let people = || People::open_to_read(&served.run()).unwrap().unwrap();
    let n = || people().said(TaskKind::Debate).unwrap().len();
    assert_eq!(n(), 12);
    let page = admin.get("/admin/judgements").await;
    let number = people().said(TaskKind::Debate).unwrap()[0]
        .task
        .number
        .to_string();
    let sent = admin
        .post("/admin/trash", &form(&page, &[("number", &number)]))
        .await;
    assert_eq!((sent.status.as_u16(), n()), (303, 11));
    assert!(
        admin
            .get("/admin/judgements")
            .await
            .text
            .contains("Restore")
    );
    admin
        .post("/admin/trash", &form(&page, &[("number", &number)]))
        .await;
    assert_eq!(n(), 12);
}

#[tokio::test]
async fn raters_are_let_in_and_shut_out() {
    let (served, admin) = judged().await;
    let page = admin.get("/admin").await;
    let made = admin
        .post("/admin/raters", &form(&page, &[("name", "<b>ann</b>")]))
        .await;
    assert_eq!(made.status, 200);
    let (_, rest) = made.text.split_once("/enter/").unwrap();
    let link = format!("/enter/{}", &rest[..40]);
    assert_eq!(served.stranger().get(&link).await.status, 200);
    assert!(!made.text.contains("<b>ann"));
    let twice = admin
        .post("/admin/raters", &form(&page, &[("name", "<b>ann</b>")]))
        .await;
    assert_eq!(twice.status, 422);
    let long = admin
        .post("/admin/raters", &form(&page, &[("name", &"x".repeat(41))]))
        .await;
    assert_eq!(long.status, 422);

    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    let number = people.raters().unwrap().last().unwrap().number.to_string();
    let number = [("number", number.as_str())];
    let again = admin.post("/admin/link", &form(&page, &number)).await;
    assert_eq!(again.status, 200);
    assert_eq!(served.stranger().get(&link).await.status, 401);
    let out = admin.post("/admin/revoke", &form(&page, &number)).await;
    assert_eq!(out.status, 303);
    assert!(admin.get("/admin").await.text.contains("shut out"));
    // The admin cannot shut the admin out.
    let admins = people.raters().unwrap()[0].number.to_string();
    let own = admin
        .post("/admin/revoke", &form(&page, &[("number", &admins)]))
        .await;
    assert_eq!(own.status, 404);
}
