//! The admin's page of people: how far they are, how they agree, their links, what they said; and exports.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_core::SampleId;
use trimtab_run::debates;
use trimtab_run::people::{
    NewRater, PeopleError, Purpose, Rater, RaterRole, Said, Task, TaskKind, Tasks,
};
use trimtab_stats::{HumanAgreement, Interval};

use super::layout::{self, Script};
use super::{belief, transcript, words};
use crate::agreement::{self, Rightness};
use crate::catalogue::CatalogueError;
use crate::clock::now;
use crate::export::{self, ExportError};
use crate::place::Place;
use crate::router::{AdminVisit, Visitor};
use crate::secrets::Secret;
use crate::trouble::Trouble;

/// Judgements of one page of the list.
const PAGE: usize = 50;
/// Characters of a name.
const MOST_NAME_CHARS: usize = 40;

type Answers = BTreeMap<usize, BTreeMap<SampleId, usize>>;

/// Whether answers are shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Shows {
    answers: Option<String>,
}

/// Everybody, and how they do.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    AdminVisit(visitor): AdminVisit,
    Query(shows): Query<Shows>,
) -> Result<Markup, Trouble> {
    let there = Arc::clone(&place);
    let answers = if shows.answers.is_some() {
        Some(answers(&place)?)
    } else {
        None
    };
    let body = tokio::task::spawn_blocking(move || people_page(&there, &visitor, answers.as_ref()))
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))??;
    Ok(layout::admin_page("People", "/admin", Script::None, &body))
}

/// Which answers are right, by variant.
fn answers(place: &Place) -> Result<Answers, Trouble> {
    let catalogue = place.catalogue();
    let mut all = Answers::new();
    for cell in catalogue.debates() {
        if let Entry::Vacant(entry) = all.entry(cell.variant) {
            let of_variant = debates::answers(place.path(), cell.variant)
                .map_err(|error| Trouble::from(CatalogueError::from(error)))?;
            entry.insert(of_variant.unwrap_or_default());
        }
    }
    Ok(all)
}

fn people_page(
    place: &Place,
    visitor: &Visitor,
    answers: Option<&Answers>,
) -> Result<Markup, Trouble> {
    let people = place.people_apart()?;
    let raters: Vec<(Rater, Tasks)> = (people.raters()?.into_iter())
        .filter(|rater| rater.role == RaterRole::Rater)
        .map(|rater| {
            let progress = people.progress(rater.number)?;
            Ok((rater, progress))
        })
        .collect::<Result<_, PeopleError>>()?;
    let debates = people.said(TaskKind::Debate)?;
    let pairs = people.said(TaskKind::Pair)?;
    let questions = people.said(TaskKind::Annotation)?;
    drop(people);
    let token = visitor.form_token();
    let at = now();
    Ok(html! {
        h1 { "People" }
        (raters_table(&raters, &token, at))
        form class="inline" method="post" action="/admin/raters" {
            input type="hidden" name="form" value=(token);
            label { "New rater " input name="name" required maxlength=(MOST_NAME_CHARS) placeholder="rater-4" autocomplete="off"; }
            button type="submit" { "Make a link" }
        }
        @for (said, name) in [(&debates, "Debates"), (&pairs, "Pairs"), (&questions, "Questions")] {
            @if !said.is_empty() { (agreement_of(said, name)) }
        }
        @if !debates.is_empty() { (rightness_of(place, &debates, &raters, answers)) }
        h2 { "Judgements" }
        p {
            a href="/admin/judgements" { "Look at each, or put it into the trash" } ". Export: "
            a href="/export/judgements.jsonl" download { "records as JSON Lines" } ", "
            a href="/export/judgements.csv" download { "one row a judgement as CSV" } ", "
            a href="/export/preferences.jsonl" download { "preferences of pairs as JSON Lines" } "."
        }
    })
}

fn raters_table(raters: &[(Rater, Tasks)], token: &str, at: f64) -> Markup {
    html! {
        @if raters.is_empty() { p { "Nobody is asked so far." } } @else {
            div class="scroll" {
                table {
                    caption { "Raters" }
                    thead { tr { th scope="col" { "Rater" } th scope="col" { "Judged" } th scope="col" { "Of" } th scope="col" { "Link" } th scope="col" { "" } } }
                    tbody {
                        @for (rater, tasks) in raters {
                            tr {
                                th scope="row" { (words::shown(&rater.name)) }
                                td { (tasks.n_finished) }
                                td { @if tasks.n == 0 { "not begun" } @else { (tasks.n) } }
                                td { (link_state(rater, at)) }
                                td class="actions" {
                                    (action("/admin/link", token, rater.number, "New link"))
                                    @if rater.revoked.is_none() { (action("/admin/revoke", token, rater.number, "Shut out")) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn link_state(rater: &Rater, at: f64) -> String {
    if rater.revoked.is_some() {
        return "shut out".into();
    }
    let days = (rater.link_expires - at) / 86_400.0;
    if days <= 0.0 {
        "has ended".into()
    } else {
        format!("{days:.0} days left")
    }
}

fn action(address: &str, token: &str, number: i64, name: &str) -> Markup {
    html! {
        form method="post" action=(address) {
            input type="hidden" name="form" value=(token);
            input type="hidden" name="number" value=(number);
            button type="submit" { (name) }
        }
    }
}

fn percent(interval: Interval) -> String {
    let [estimate, low, high] = [interval.estimate, interval.low, interval.high].map(|x| 100.0 * x);
    format!("{estimate:.1} % [{low:.1}, {high:.1}]")
}

fn agreement_of(said: &[Said], name: &str) -> Markup {
    let between: Option<HumanAgreement> = agreement::between(said);
    let with_self = agreement::with_self(said);
    html! {
        h2 { (name) ": agreement" }
        dl class="measures" {
            div {
                dt { "Between raters" }
                dd {
                    @match &between {
                        Some(between) => {
                            (percent(between.agreement))
                            @if let Some(kappa) = between.kappa { ", κ " (format!("{:.2} [{:.2}, {:.2}]", kappa.estimate, kappa.low, kappa.high)) }
                            " " span class="hint" { "over " (between.n / 2) " pairs of judgements of one item; 95 % intervals, clustered by item" }
                        },
                        None => "no item was judged by two so far",
                    }
                }
            }
            div {
                dt { "With themselves" }
                dd {
                    @match with_self {
                        Some((same, n)) => { (percent(same)) " " span class="hint" { "of " (n) " items that were asked again, the other way round" } },
                        None => "nothing was asked again so far",
                    }
                }
            }
        }
    }
}

fn rightness_of(
    place: &Place,
    said: &[Said],
    raters: &[(Rater, Tasks)],
    answers: Option<&Answers>,
) -> Markup {
    let Some(answers) = answers else {
        return html! {
            h2 { "Debates: accuracy" }
            p { a class="button" href="/admin?answers=show" { "Show answers" } " " span class="hint" { "Who sees them should not judge." } }
        };
    };
    let catalogue = place.catalogue();
    let right = |cell: &str, question: &SampleId| {
        let variant = catalogue.debate_cell(cell)?.variant;
        answers.get(&variant)?.get(question).copied()
    };
    let all = agreement::rightness(said.iter(), right);
    html! {
        h2 { "Debates: accuracy" }
        p { a class="button" href="/admin" { "Hide answers" } }
        @match &all {
            None => { p { "No judgement of a question with a known answer so far." } },
            Some(all) => {
                div class="scroll" {
                    table {
                        caption { "Right answers, with Wilson's 95 % interval, and the mean of 1 + log₂ p in bits" }
                        thead { tr { th scope="col" { "Rater" } th scope="col" { "Judgements" } th scope="col" { "Right" } th scope="col" { "Score" } } }
                        tbody {
                            (rightness_row("everybody", all))
                            @for (rater, _) in raters {
                                @let own = said.iter().filter(|said| said.task.rater == rater.number);
                                @if let Some(own) = agreement::rightness(own, right) { (rightness_row(&rater.name, &own)) }
                            }
                        }
                    }
                }
                div class="scroll" {
                    table {
                        caption { "Calibration: how often judgements of a confidence are right" }
                        thead { tr { th scope="col" { "Confidence" } th scope="col" { "Judgements" } th scope="col" { "Mean confidence" } th scope="col" { "Right" } } }
                        tbody {
                            @for bin in &all.calibration.bins {
                                tr {
                                    th scope="row" { (format!("{:.0}–{:.0} %", 100.0 * bin.from, 100.0 * bin.to)) }
                                    td { (bin.n) }
                                    td { (format!("{:.1} %", 100.0 * bin.confidence)) }
                                    td { (format!("{:.1} %", 100.0 * bin.accuracy)) }
                                }
                            }
                        }
                    }
                }
            },
        }
    }
}

fn rightness_row(name: &str, rightness: &Rightness) -> Markup {
    html! {
        tr {
            th scope="row" { (words::shown(name)) }
            td { (rightness.n) }
            td { (percent(rightness.accuracy)) }
            td { (belief::signed(rightness.score)) }
        }
    }
}

/// A rater's name.
#[derive(Debug, Deserialize)]
pub(crate) struct NameForm {
    form: String,
    name: String,
}

/// Lets somebody in, and shows their link once.
pub(crate) async fn add_rater(
    State(place): State<Arc<Place>>,
    AdminVisit(visitor): AdminVisit,
    Form(form): Form<NameForm>,
) -> Result<Markup, Trouble> {
    visitor.check_form(&form.form)?;
    let name = words::shown(form.name.trim());
    if name.is_empty() || name.chars().count() > MOST_NAME_CHARS {
        return Err(Trouble::Invalid(format!(
            "A name has 1 to {MOST_NAME_CHARS} characters."
        )));
    }
    let link = Secret::new()?;
    let (hash, at) = (link.hash(), now());
    let expires = at + place.asking.link_days * 86_400.0;
    let shown = name.clone();
    let added = place
        .desk
        .write(move |writing| {
            let new = NewRater {
                name: &name,
                role: RaterRole::Rater,
                link: hash,
                link_expires: expires,
            };
            writing.add_rater(&new, at)
        })
        .await;
    match added {
        Ok(_) => Ok(link_page(&place, &shown, &link)),
        Err(crate::desk::NotStored::Part(error @ PeopleError::NameTaken { .. })) => {
            Err(Trouble::Invalid(format!("{error}: {}.", error.hint())))
        }
        Err(error) => Err(error.into()),
    }
}

fn link_page(place: &Place, name: &str, link: &Secret) -> Markup {
    layout::admin_page(
        "Link",
        "/admin",
        Script::None,
        &html! {
            h1 { "The link of " (name) }
            p { "It is shown this once: what is kept of it is a hash." }
            p { code class="link" { (place.base) "/enter/" (link.reveal()) } }
            p { a class="button" href="/admin" { "Back" } }
        },
    )
}

/// Somebody's number.
#[derive(Debug, Deserialize)]
pub(crate) struct NumberForm {
    form: String,
    number: i64,
}

/// Gives somebody a new link.
pub(crate) async fn new_link(
    State(place): State<Arc<Place>>,
    AdminVisit(visitor): AdminVisit,
    Form(form): Form<NumberForm>,
) -> Result<Markup, Trouble> {
    visitor.check_form(&form.form)?;
    let rater = rater(&place, form.number)?;
    let link = Secret::new()?;
    let (hash, expires) = (link.hash(), now() + place.asking.link_days * 86_400.0);
    let number = rater.number;
    place
        .desk
        .write(move |writing| writing.set_link(number, hash, expires))
        .await?;
    Ok(link_page(&place, &words::shown(&rater.name), &link))
}

fn rater(place: &Place, number: i64) -> Result<Rater, Trouble> {
    (place.people().raters()?.into_iter())
        .find(|rater| rater.number == number && rater.role == RaterRole::Rater)
        .ok_or(Trouble::NotFound)
}

/// Shuts somebody out.
pub(crate) async fn revoke(
    State(place): State<Arc<Place>>,
    AdminVisit(visitor): AdminVisit,
    Form(form): Form<NumberForm>,
) -> Result<Redirect, Trouble> {
    visitor.check_form(&form.form)?;
    let number = rater(&place, form.number)?.number;
    let at = now();
    place
        .desk
        .write(move |writing| writing.revoke(number, at))
        .await?;
    Ok(Redirect::to("/admin"))
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    page: usize,
}

/// Every judgement, with a way into the trash and out.
pub(crate) async fn judgements(
    State(place): State<Arc<Place>>,
    AdminVisit(visitor): AdminVisit,
    Query(part): Query<Part>,
) -> Result<Markup, Trouble> {
    let (tasks, names) = {
        let people = place.people_apart()?;
        let tasks: Vec<Task> = (people.tasks(None)?.into_iter())
            .filter(|task| task.finished.is_some())
            .collect();
        let raters = people.raters()?;
        let names: BTreeMap<i64, String> = (raters.into_iter())
            .map(|rater| (rater.number, rater.name))
            .collect();
        (tasks, names)
    };
    let token = visitor.form_token();
    let rows = tasks.iter().skip(part.page * PAGE).take(PAGE);
    Ok(layout::admin_page(
        "Judgements",
        "/admin",
        Script::None,
        &html! {
            h1 { "Judgements" }
            @if tasks.is_empty() { p { "Nobody has judged anything so far." } } @else {
                div class="scroll" {
                    table {
                        caption { "What was judged. What is in the trash is kept, and counts nowhere." }
                        thead { tr { th scope="col" { "Item" } th scope="col" { "Rater" } th scope="col" { "Why asked" } th scope="col" { "Undone steps" } th scope="col" { "" } } }
                        tbody {
                            @for task in rows {
                                tr class=[task.trashed.map(|_| "trashed")] {
                                    th scope="row" {
                                        @match task.what.kind {
                                            TaskKind::Debate => { a href={ "/transcripts/" (task.what.cell) "/" (transcript::encoded(&task.what.item)) } { (words::shown(&task.what.item)) } },
                                            TaskKind::Pair => (words::shown(&task.what.item)),
                                            TaskKind::Annotation => (words::shown(task.what.question.as_str())),
                                        }
                                    }
                                    td { (names.get(&task.rater).map(|name| words::shown(name)).unwrap_or_default()) }
                                    td { (purpose(task.what.purpose)) }
                                    td { (task.revision) }
                                    td class="actions" {
                                        (action("/admin/trash", &token, task.number, if task.trashed.is_some() { "Restore" } else { "To the trash" }))
                                    }
                                }
                            }
                        }
                    }
                }
                (transcript::pager("/admin/judgements", part.page, tasks.len().div_ceil(PAGE)))
            }
        },
    ))
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Judgement => "",
        Purpose::Gold => "with feedback",
        Purpose::Repeat => "again",
    }
}

/// Puts a judgement into the trash, or takes it out.
pub(crate) async fn trash(
    State(place): State<Arc<Place>>,
    AdminVisit(visitor): AdminVisit,
    Form(form): Form<NumberForm>,
) -> Result<Redirect, Trouble> {
    visitor.check_form(&form.form)?;
    let at = now();
    place
        .desk
        .write(move |writing| {
            let tasks = writing.reading().tasks(None)?;
            if let Some(task) = tasks.iter().find(|task| task.number == form.number) {
                let trashed = task.trashed.is_none().then_some(at);
                writing.set_trashed(task.number, trashed)?;
            }
            Ok(())
        })
        .await?;
    Ok(Redirect::to("/admin/judgements"))
}

impl From<ExportError> for Trouble {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::People(error) => error.into(),
            ExportError::Catalogue(error) => error.into(),
            error => Self::Unreadable(error.to_string()),
        }
    }
}

/// A file of what people said.
pub(crate) async fn export(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
    Path(file): Path<String>,
) -> Result<Response, Trouble> {
    let there = Arc::clone(&place);
    let name = file.clone();
    let make = move || -> Result<(&'static str, String), Trouble> {
        let catalogue = there.catalogue();
        let answers = answers(&there)?;
        let people = there.people_apart()?;
        Ok(match name.as_str() {
            "judgements.jsonl" => ("application/x-ndjson", export::records(&people)?),
            "judgements.csv" => (
                "text/csv; charset=utf-8",
                export::table(&people, &catalogue, &answers)?,
            ),
            "preferences.jsonl" => (
                "application/x-ndjson",
                export::preferences(&people, &catalogue)?,
            ),
            _ => return Err(Trouble::NotFound),
        })
    };
    let (kind, text) = tokio::task::spawn_blocking(make)
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))??;
    // `file` is one of the three names above.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{file}\""))
        .map_err(|_| Trouble::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, text).into_response())
}
