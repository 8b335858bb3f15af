//! A run as it goes on: progress, calls and what they cost, failures, the last events; and its report.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_llm::store::CallTotals;
use trimtab_llm::{CallStore, Prices, spent};
use trimtab_report::Report;
use trimtab_run::RunFolder;
use trimtab_run::chat_models::CALLS;

use super::layout::{self, Script};
use super::{debater, expert, transcript, words};
use crate::assignment::questions::answered;
use crate::clock::now;
use crate::events::{self, Progress};
use crate::place::Place;
use crate::router::AdminVisit;
use crate::trouble::Trouble;

/// How often who watches is told at most.
const PERIOD: Duration = Duration::from_millis(500);

/// What the report's page may load: it has its style and its script in it, and is shut in an origin of its own.
const REPORT_POLICY: &str = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; \
                             script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The run's page.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
) -> Result<Markup, Trouble> {
    let name = words::shown(&place.name);
    let part = current(&place).await?;
    let n_trees: usize = (place.catalogue().trees().iter())
        .flat_map(|cell| &cell.files)
        .map(|file| file.heads.len())
        .sum();
    let n_waiting = place.catalogue().waiting().len();
    let taken = n_waiting - expert::n_open(&place)?;
    let turns = debater::standing(&place, &place.catalogue(), 0)?;
    let asked = {
        let tasks = place.people().tasks(None)?;
        answered(place.catalogue().questions(), &tasks)
    };
    Ok(layout::admin_page(
        &name,
        "/run",
        Script::Live,
        &html! {
            p class="kicker" { "Run" }
            h1 { (name) }
            div id="live" data-address="/run/live" { (part) }
            @if place.catalogue().asks_people() {
                p {
                    (taken) " of " (n_waiting) " steps that wait for people are taken. "
                    @if n_waiting > taken { "Raters take them at their links." } @else if n_waiting > 0 { "Run the same command again: it goes on." }
                }
            }
            @if place.catalogue().asks_debaters() {
                p {
                    (turns.n_taken) " of " (turns.n) " turns that wait for people are taken. "
                    @if turns.n > turns.n_taken { "Raters take them at their links." } @else if turns.n > 0 { "Run the same command again: it goes on." }
                }
            }
            @if place.catalogue().asks_annotators() {
                p {
                    (asked.n_finished) " of " (asked.n) " questions that wait for people are answered. "
                    @if asked.n > asked.n_finished { "Raters answer them at their links." } @else if asked.n > 0 { "Run the same command again: it goes on." }
                }
            }
            @if n_trees > 0 {
                p { a href="/trees" { "Trees: " (n_trees) } ", what was asked and answered, question by question" }
            }
            p { a href="/run/events" { "All events" } }
        },
    ))
}

/// The part of the page that changes.
async fn current(place: &Arc<Place>) -> Result<Markup, Trouble> {
    let there = Arc::clone(place);
    let read = move || {
        there.follow();
        let totals = totals(&there)?;
        Ok::<_, Trouble>(part(there.events().progress(), &totals, now()))
    };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))?
}

fn totals(place: &Place) -> Result<Vec<CallTotals>, Trouble> {
    let path = place.path().join(CALLS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    CallStore::open_to_read(&path)
        .and_then(|store| store.totals())
        .map_err(|error| Trouble::Unreadable(format!("{error}. {}", error.hint())))
}

fn part(progress: &Progress, totals: &[CallTotals], at: f64) -> Markup {
    let n_failed: u64 = (totals.iter())
        .filter(|total| !matches!(total.kind.as_str(), "reply" | "options"))
        .map(|total| total.n_calls)
        .sum();
    let all = spent(totals, &Prices::built_in());
    let elapsed = progress
        .started
        .map(|started| (progress.last.unwrap_or(at).max(started) - started).max(0.0));
    html! {
        div class="cards" {
            div class="card" {
                h2 { "Cells" }
                p class="figure" { strong { (progress.n_finished) } " of " (progress.n_cells) }
                progress max=(progress.n_cells.max(1)) value=(progress.n_finished) {}
                p class="small" { (state(progress, at)) }
            }
            @if !totals.is_empty() {
                div class="card" {
                    h2 { "Calls" }
                    p class="figure" { strong { (all.calls) } }
                    p class="small" {
                        (all.tokens) " tokens"
                        @if let Some(secs) = elapsed.filter(|secs| *secs > 1.0) { ", " (format!("{:.1}", all.calls as f64 / secs)) " calls a second" }
                    }
                }
                div class="card" {
                    h2 { "Cost" }
                    p class="figure" { strong { (format!("{:.2}", all.usd.0)) } " USD" }
                    p class="small" { "by the built-in prices; models without a price cost nothing here" }
                }
            }
            div class="card" {
                h2 { "Events" }
                p class="figure" { strong { (progress.n_events) } }
                @if progress.n_unread > 0 { p class="small fault" { (progress.n_unread) " lines cannot be read" } }
                @if n_failed > 0 { p class="small" { (n_failed) " calls came to no reply" } }
            }
        }
        @if !progress.calls.is_empty() {
            div class="scroll" {
                table {
                    caption { "Stages of calls" }
                    thead { tr { th scope="col" { "Stage" } th scope="col" { "Done" } th scope="col" { "Of" } th scope="col" { "Failed" } } }
                    tbody {
                        @for (name, calls) in &progress.calls {
                            tr {
                                th scope="row" { (words::shown(name)) }
                                td { (calls.done) } td { (calls.of) } td { (calls.n_failed) }
                            }
                        }
                    }
                }
            }
        }
        (jobs(progress, at))
        @if !totals.is_empty() {
            div class="scroll" {
                table {
                    caption { "What calls came to" }
                    thead { tr { th scope="col" { "Model" } th scope="col" { "Came to" } th scope="col" { "Calls" } th scope="col" { "Tokens" } } }
                    tbody {
                        @for total in totals {
                            tr {
                                th scope="row" { (words::shown(&trimtab_llm::name_of(&total.identity))) }
                                td { (words::shown(&total.kind)) } td { (total.n_calls) } td { (total.usage.total()) }
                            }
                        }
                    }
                }
            }
        }
        @if !progress.trainings.is_empty() {
            div class="scroll" {
                table {
                    caption { "Trainings" }
                    thead { tr { th scope="col" { "Training" } th scope="col" { "Step" } th scope="col" { "Of" } th scope="col" { "Loss" } } }
                    tbody {
                        @for (name, training) in &progress.trainings {
                            tr {
                                th scope="row" { (words::shown(name)) }
                                td { (training.step) } td { (training.n_steps) } td { (format!("{:.4}", training.loss)) }
                            }
                        }
                    }
                }
            }
        }
        @if !progress.recent.is_empty() {
            h2 { "Last events" }
            ul class="events" { @for line in progress.recent.iter().rev() { li { (words::shown(&line.what)) } } }
        }
    }
}

/// Batch jobs that were waited for.
fn jobs(progress: &Progress, at: f64) -> Markup {
    html! {
        @if !progress.jobs.is_empty() {
            div class="scroll" {
                table {
                    caption { "Batch jobs" }
                    thead { tr { th scope="col" { "Job" } th scope="col" { "Model" } th scope="col" { "Last seen at" } th scope="col" { "Ago" } } }
                    tbody {
                        @for (name, job) in &progress.jobs {
                            tr {
                                th scope="row" { (words::shown(name)) }
                                td { (words::shown(&job.model)) } td { (events::how_far(job.counts)) } td { (span(at - job.at)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(progress: &Progress, at: f64) -> String {
    match (progress.finished_secs, progress.last) {
        (Some(secs), _) => format!("finished after {secs:.1} s"),
        (None, Some(last)) if at - last > 120.0 => {
            format!("nothing has happened for {}", span(at - last))
        }
        (None, Some(_)) => "going on".into(),
        (None, None) => "nothing has happened so far".into(),
    }
}

/// `7 minutes`, `3 hours`, `12 days`.
fn span(secs: f64) -> String {
    let (number, unit) = if secs < 7200.0 {
        (secs / 60.0, "minutes")
    } else if secs < 172_800.0 {
        (secs / 3600.0, "hours")
    } else {
        (secs / 86_400.0, "days")
    };
    format!("{number:.0} {unit}")
}

/// Sends the changing part whenever the log has grown, until the server ends.
pub(crate) async fn watch(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (grown, ending) = (place.grown.subscribe(), place.ending.subscribe());
    let events = stream::unfold(
        (place, grown, ending),
        |(place, mut grown, mut ending)| async move {
            if *ending.borrow() {
                return None;
            }
            tokio::select! {
                changed = grown.changed() => changed.ok()?,
                _ = ending.wait_for(|ends| *ends) => return None,
            }
            tokio::time::sleep(PERIOD).await;
            grown.mark_unchanged();
            // A run folder that is away: the page stays as it was until it is back.
            let text = match current(&place).await {
                Ok(part) => part.into_string(),
                Err(_) => {
                    html! { p class="fault" { "The run folder is not there." } }.into_string()
                }
            };
            let event = Event::default().event("part").data(text);
            Some((Ok(event), (place, grown, ending)))
        },
    );
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Which page of the log.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    page: Option<usize>,
}

/// The log, a thousand lines a page; the last one first.
pub(crate) async fn log(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
    Query(part): Query<Part>,
) -> Result<Markup, Trouble> {
    place.follow();
    let (lines, page, n_pages) = {
        let events = place.events();
        let n_pages = events.n_pages();
        let page = part.page.unwrap_or(n_pages.saturating_sub(1));
        let lines = events
            .page(page)
            .map_err(|error| Trouble::Unreadable(error.to_string()))?;
        (lines, page, n_pages)
    };
    Ok(layout::admin_page(
        "Events",
        "/run",
        Script::None,
        &html! {
            h1 { "Events" }
            (transcript::pager("/run/events", page, n_pages))
            ol class="events" start=(page * events::PAGE + 1) {
                @for line in &lines { li { (words::shown(&line.what)) } }
            }
            (transcript::pager("/run/events", page, n_pages))
        },
    ))
}

/// The report of the run as it is now.
pub(crate) async fn report(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
) -> Result<Response, Trouble> {
    let run = place.path().to_owned();
    let read = move || -> Result<String, String> {
        let folder = RunFolder::open(&run).map_err(|error| error.to_string())?;
        let report = Report::of(&folder).map_err(|error| error.to_string())?;
        Ok(report.html())
    };
    let page = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))?
        .map_err(|error| {
            Trouble::Unreadable(format!("there is no report of this run yet: {error}"))
        })?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(REPORT_POLICY),
        ),
        (
            HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        ),
    ];
    Ok((headers, page).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_a_unit_of_their_size() {
        let said = [150.0, 10_000.0, 500_000.0].map(span);
        assert_eq!(said, ["2 minutes", "3 hours", "6 days"]);
    }
}
