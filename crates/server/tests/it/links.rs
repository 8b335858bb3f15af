//! Links, cookies, headers and limits.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{StatusCode, header};
use trimtab_run::People;
use trimtab_server::{AskingConfig, Links, ServeOptions, Server};

use crate::material::SMALL;
use crate::visit::{Served, options};

async fn served() -> Served {
    Served::new(SMALL, AskingConfig::default()).await
}

#[tokio::test]
async fn a_link_becomes_a_locked_cookie_and_an_address_without_a_secret() {
    let served = served().await;
    let page = served.stranger().get(&served.link("rater-1")).await;
    assert_eq!(page.status, StatusCode::OK);
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=259"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(
        !cookie.contains("Secure"),
        "over http a browser would drop it"
    );
    let secret = served.link("rater-1").replace("/enter/", "");
    assert!(secret.len() >= 40);
    assert!(!cookie.contains(&secret) && !page.text.contains(&secret));
    assert!(page.text.contains("url=/judge"));

    let request = axum::http::Request::get(served.link("rater-1"))
        .header("x-forwarded-proto", "https")
        .body(axum::body::Body::empty())
        .unwrap();
    let page = served.stranger().send(request).await;
    assert!(
        page.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .ends_with("; Secure")
    );
}

#[tokio::test]
async fn secrets_are_not_in_the_file() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    rater.task().await;
    let cookie = rater.cookie.clone().unwrap();
    let (_, session) = cookie.split_once('=').unwrap();
    for file in ["people.sqlite", "people.sqlite-wal"] {
        let bytes = std::fs::read(served.run().join(file)).unwrap();
        for secret in [session, &served.link("rater-1")[7..]] {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "a secret in {file}");
        }
    }
    assert!(!format!("{:?}", served.server).contains(&served.link("admin")[7..]));
}

#[tokio::test]
async fn every_page_is_locked_down() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let (task, _) = rater.task().await;
    for (address, cache) in [
        (task.as_str(), "no-store"),
        ("/judge/unknown", "no-store"),
        ("/static/style.css", "public, max-age=3600"),
        ("/static/../secret", "no-store"),
    ] {
        let page = rater.get(address).await;
        let value = |name: &str| page.headers[name].to_str().unwrap();
        assert!(
            value("content-security-policy").starts_with("default-src 'none'; script-src 'self'")
        );
        assert!(!value("content-security-policy").contains("unsafe"));
        assert_eq!(value("x-content-type-options"), "nosniff");
        assert_eq!(value("referrer-policy"), "no-referrer");
        assert_eq!(value("x-frame-options"), "DENY");
        if address != "/static/../secret" {
            assert_eq!(value("cache-control"), cache, "{address}");
        }
    }
}

#[tokio::test]
async fn links_that_have_ended_say_so() {
    let served = served().await;
    let stranger = served.stranger();
    let unknown = format!("/enter/{}", "0".repeat(40));
    for address in [unknown.as_str(), "/enter/x", "/judge", "/"] {
        let page = stranger.get(address).await;
        assert_eq!(page.status, 401, "{address}");
        assert!(page.text.contains("You need your link"));
    }

    let rater = served.visitor("rater-1").await;
    let mut people = People::open(&served.run()).unwrap();
    let number = people
        .raters()
        .unwrap()
        .iter()
        .find(|r| r.name == "rater-1")
        .unwrap()
        .number;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let mut writing = people.write().unwrap();
    writing.revoke(number, now).unwrap();
    writing.commit().unwrap();
    let page = stranger.get(&served.link("rater-1")).await;
    assert_eq!(page.status, 410);
    assert!(page.text.contains("This link has ended"));
    assert_eq!(
        rater.get("/judge").await.status,
        401,
        "its session ended too"
    );
}

#[tokio::test]
async fn links_are_made_once_and_anew_when_asked_for() {
    let mut served = served().await;
    let old = served.link("rater-1");
    let run = served.run();
    let again = Server::open(&run, options(AskingConfig::default()))
        .await
        .unwrap();
    assert!(again.links().is_empty(), "they were given before");
    let three = ServeOptions {
        raters: vec!["rater-1".into(), "rater-3".into()],
        ..options(AskingConfig::default())
    };
    let third = Server::open(&run, three).await.unwrap();
    let names: Vec<&str> = third
        .links()
        .iter()
        .map(|link| link.name.as_str())
        .collect();
    assert_eq!(names, ["rater-3"]);
    let all = ServeOptions {
        links: Links::ForAll,
        ..options(AskingConfig::default())
    };
    served.server = Server::open(&run, all).await.unwrap();
    assert_eq!(served.server.links().len(), 4);
    assert_eq!(served.stranger().get(&old).await.status, 401);
    served.visitor("rater-1").await;
}

#[tokio::test]
async fn guesses_and_floods_are_slowed_down() {
    let served = served().await;
    let rater = served.visitor("rater-1").await;
    let stranger = served.stranger();
    let mut statuses = Vec::new();
    for guess in 0..40 {
        statuses.push(
            stranger
                .get(&format!("/enter/{guess:040}"))
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses[..30], [401; 30]);
    assert!(statuses.contains(&429));
    // Somebody with a cookie is not shut out by a stranger's guesses, but by their own flood.
    assert_eq!(rater.get("/judge").await.status, 303);
    let mut last = 0;
    for _ in 0..200 {
        last = rater.get("/judge").await.status.as_u16();
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}
