//! The frame of every page, pages that only say something, and assets.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use trimtab_core::Seed;

const STYLE: &str = include_str!("../assets/style.css");
const JUDGE: &str = include_str!("../assets/judge.js");
const DEBATER: &str = include_str!("../assets/debater.js");
const LIVE: &str = include_str!("../assets/live.js");

/// A name of the assets that changes with them, so that browsers may keep what they have.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let seed = [STYLE, JUDGE, DEBATER, LIVE]
        .iter()
        .fold(Seed(0), |seed, asset| seed.child(asset));
    format!("{:016x}", seed.0)
});

/// Which script a page has; each works without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// None.
    None,
    /// Keys, drafts and the slider of judging pages.
    Judge,
    /// Words, quotes and drafts of debaters.
    Debater,
    /// What a page shows while the run goes on.
    Live,
}

/// A page. `class` is that of its body.
pub(crate) fn page(title: &str, class: &str, script: Script, body: &Markup) -> Markup {
    let version = VERSION.as_str();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                link rel="icon" href={ "/static/icon.svg?v=" (version) } type="image/svg+xml";
                title { (title) " · Trimtab" }
                link rel="stylesheet" href={ "/static/style.css?v=" (version) };
                @match script {
                    Script::None => {},
                    Script::Judge => { script src={ "/static/judge.js?v=" (version) } defer {} },
                    Script::Debater => { script src={ "/static/debater.js?v=" (version) } defer {} },
                    Script::Live => { script src={ "/static/live.js?v=" (version) } defer {} },
                }
            }
            body class=(class) { (body) }
        }
    }
}

/// A page of the admin, with the way to the others.
pub(crate) fn admin_page(title: &str, here: &str, script: Script, body: &Markup) -> Markup {
    let links = [
        ("/run", "Run"),
        ("/transcripts", "Transcripts"),
        ("/trees", "Trees"),
        ("/admin", "People"),
        ("/run/report", "Report"),
    ];
    page(
        title,
        "admin",
        script,
        &html! {
            header class="bar" {
                span class="brand" { "Trimtab" }
                nav aria-label="Pages" {
                    @for (address, name) in links {
                        @if address == here {
                            a href=(address) aria-current="page" { (name) }
                        } @else {
                            a href=(address) { (name) }
                        }
                    }
                }
            }
            main { (body) }
        },
    )
}

/// The bar above a page of what waits: how much of it is taken, and what the visitor took.
pub(crate) fn bar(n_taken: usize, n: usize, taken: &str, mine: Option<&str>) -> Markup {
    html! {
        header class="bar" {
            span class="brand" { "Trimtab" }
            span class="progress" {
                progress max=(n) value=(n_taken) aria-hidden="true" {}
                span { (n_taken) " of " (n) " " (taken) }
            }
            @if let Some(mine) = mine { span class="hint" { (mine) } }
        }
    }
}

/// What the visitor took, if anything: `one` and `many` are what it is called.
pub(crate) fn mine(n: usize, [one, many]: [&str; 2]) -> Option<String> {
    let what = if n == 1 { one } else { many };
    (n > 0).then(|| format!("{n} {what} of yours are on the disk."))
}

/// A page that says one thing, and hands back what somebody wrote that is not stored.
pub(crate) fn message(
    title: &str,
    text: &str,
    kept: Option<&str>,
    on: Option<(&str, &str)>,
) -> Markup {
    page(
        title,
        "message",
        Script::None,
        &html! {
            main {
                h1 { (title) }
                p { (text) }
                @if let Some(kept) = kept {
                    label class="reason" {
                        span { "What you wrote" }
                        textarea id="kept" rows="9" readonly { (kept) }
                    }
                }
                @if let Some((name, address)) = on {
                    p { a class="button primary" href=(address) { (name) } }
                }
            }
        },
    )
}

/// A page that leads on by itself.
pub(crate) fn leading_to(address: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content={ "0;url=" (address) };
                title { "Trimtab" }
                link rel="stylesheet" href={ "/static/style.css?v=" (VERSION.as_str()) };
            }
            body class="message" {
                main { p { a class="button primary" href=(address) { "Go on" } } }
            }
        }
    }
}

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" fill=\"#0067a5\"/><path d=\"M3 5h10M8 5v7\" stroke=\"#fff\" stroke-width=\"2\"/></svg>";

/// What pages load.
pub(crate) async fn asset(Path(file): Path<String>) -> Response {
    let (kind, text) = match file.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "judge.js" => ("text/javascript; charset=utf-8", JUDGE),
        "debater.js" => ("text/javascript; charset=utf-8", DEBATER),
        "live.js" => ("text/javascript; charset=utf-8", LIVE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
