//! A run folder that is moved or deleted while it is served.

use trimtab_run::People;
use trimtab_run::people::TaskKind;
use trimtab_server::AskingConfig;

use crate::material::SMALL;
use crate::visit::Served;

#[tokio::test]
async fn nothing_is_said_to_be_stored_while_the_folder_is_away() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let rater = served.visitor("rater-1").await;
    let admin = served.visitor("admin").await;
    let (address, page) = rater.task().await;
    let away = served.root().join("away");
    std::fs::rename(served.run(), &away).unwrap();
    let sent = rater.say(&address, &page, 60, "").await;
    assert_eq!(sent.status, 503);
    assert!(sent.text.contains("The run folder is not there"));
    assert!(sent.headers.contains_key("retry-after"));
    for page in [
        rater.get("/judge").await,
        admin.get("/run").await,
        admin.get("/admin").await,
    ] {
        assert_eq!(page.status, 503);
    }
    assert!(!served.run().exists(), "a new folder was made");

    // It is put back: the same form is sent again, and counts.
    std::fs::rename(&away, served.run()).unwrap();
    let sent = rater.say(&address, &page, 60, "").await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    let tasks = people.tasks(None).unwrap();
    let n_steps: usize = (tasks.iter())
        .map(|task| people.steps(task.number).unwrap().len())
        .sum();
    assert_eq!(n_steps, 1);
}

#[tokio::test]
async fn a_deleted_folder_is_a_clear_page_and_the_server_lives_on() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let rater = served.visitor("rater-1").await;
    let (address, page) = rater.task().await;
    rater.say(&address, &page, 60, "").await;
    let page = rater.get(&address).await;
    std::fs::remove_dir_all(served.run()).unwrap();
    for _ in 0..2 {
        assert_eq!(rater.say(&address, &page, 70, "").await.status, 503);
        assert_eq!(rater.get(&address).await.status, 503);
    }
    assert_eq!(rater.get("/static/style.css").await.status, 200);
    assert!(!served.run().exists());
}

#[tokio::test]
async fn a_transcript_that_is_gone_is_no_crash() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let rater = served.visitor("rater-1").await;
    let (address, _) = rater.task().await;
    std::fs::remove_dir_all(served.run().join("debates")).unwrap();
    let page = rater.get(&address).await;
    assert_eq!(page.status, 500);
    assert!(page.text.contains("The run cannot be read"));
    let people = People::open_to_read(&served.run()).unwrap().unwrap();
    assert!(people.said(TaskKind::Debate).unwrap().is_empty());
}
