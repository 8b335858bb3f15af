//! Transcripts as the admin sees them: everything, private scratchpads folded, who of the raters spoke, and what judges said, with
//! their beliefs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_core::Verdict;
use trimtab_core::chat::Usage;
use trimtab_debate::concession::concedes;
use trimtab_debate::transcript::{NoSpeech, Speaker, Speakers};
use trimtab_debate::{Event, EventKind, JudgeRecord, Side, Speech, Transcript};
use trimtab_run::people::{Rater, speakers};
use trimtab_run::{RowFolder, debates};

use super::layout::{self, Script};
use super::{plot, words};
use crate::catalogue::{CatalogueError, arm_name};
use crate::place::Place;
use crate::router::AdminVisit;
use crate::trouble::Trouble;

/// Transcripts of one page of the list.
const PAGE: usize = 50;

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    cell: String,
    #[serde(default)]
    page: usize,
}

/// Every transcript, by method.
pub(crate) async fn list(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
    Query(part): Query<Part>,
) -> Result<Markup, Trouble> {
    place.refresh()?;
    let catalogue = place.catalogue();
    let cell = if part.cell.is_empty() {
        catalogue.debates().first()
    } else {
        catalogue.debate_cell(&part.cell)
    };
    Ok(layout::admin_page(
        "Transcripts",
        "/transcripts",
        Script::None,
        &html! {
            h1 { "Transcripts" }
            @if catalogue.debates().is_empty() {
                p { "The run has no debates so far." }
            } @else {
                nav class="tabs" aria-label="Methods" {
                    @for other in catalogue.debates() {
                        @let here = cell.is_some_and(|cell| cell.name == other.name);
                        a href={ "/transcripts?cell=" (other.name) } aria-current=[here.then_some("page")] {
                            (other.name) " " span class="count" { (other.heads.len()) }
                        }
                    }
                }
            }
            @if let Some(cell) = cell {
                div class="scroll" {
                    table {
                        caption { "Transcripts of " (cell.name) }
                        thead {
                            tr { th scope="col" { "Transcript" } th scope="col" { "Question" } th scope="col" { "Passage" } th scope="col" { "Arm" } th scope="col" { "Rounds" } }
                        }
                        tbody {
                            @for head in cell.heads.iter().skip(part.page * PAGE).take(PAGE) {
                                tr {
                                    th scope="row" { a href={ "/transcripts/" (cell.name) "/" (encoded(&head.id)) } { (words::shown(&head.id)) } }
                                    td { (words::shown(head.question.as_str())) }
                                    td { (head.passage.as_deref().map(words::shown).unwrap_or_default()) }
                                    td { (arm_name(head.arm)) }
                                    td { (head.n_rounds) }
                                }
                            }
                        }
                    }
                }
                (pager(&format!("/transcripts?cell={}", cell.name), part.page, cell.heads.len().div_ceil(PAGE)))
            }
        },
    ))
}

/// Links to the pages before and after.
pub(super) fn pager(address: &str, page: usize, n_pages: usize) -> Markup {
    let joint = if address.contains('?') { '&' } else { '?' };
    html! {
        @if n_pages > 1 {
            nav class="pager" aria-label="Pages of the list" {
                @if page > 0 { a href={ (address) (joint) "page=" (page - 1) } { "← before" } }
                span { "page " (page + 1) " of " (n_pages) }
                @if page + 1 < n_pages { a href={ (address) (joint) "page=" (page + 1) } { "next →" } }
            }
        }
    }
}

/// An id as a part of an address.
pub(super) fn encoded(id: &str) -> String {
    id.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            // Writing to a string cannot fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
        out
    })
}

/// What is shown beside a transcript.
struct Beside {
    /// Which side is right, where that is known.
    right: Option<Side>,
    /// What models and people said.
    records: Vec<JudgeRecord>,
    /// The rater's name, by round and side, where a person spoke.
    speakers: BTreeMap<(u32, Side), String>,
    /// The passage's title and text.
    passage: Option<(String, String)>,
}

/// One transcript, with everything.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    AdminVisit(_): AdminVisit,
    Path((cell, id)): Path<(String, String)>,
) -> Result<Markup, Trouble> {
    let there = Arc::clone(&place);
    let read = move || -> Result<(Transcript, Beside), Trouble> {
        let catalogue = there.catalogue();
        let transcript = catalogue.transcript(&cell, &id)?;
        let beside = beside(&there, &cell, &transcript)?;
        Ok((transcript, beside))
    };
    let (transcript, beside) = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))??;
    Ok(layout::admin_page(
        "Transcript",
        "/transcripts",
        Script::None,
        &whole(&transcript, &beside),
    ))
}

fn beside(place: &Place, cell: &str, transcript: &Transcript) -> Result<Beside, Trouble> {
    let unreadable = |error: trimtab_run::FolderError| Trouble::from(CatalogueError::from(error));
    let catalogue = place.catalogue();
    let variant = catalogue
        .debate_cell(cell)
        .ok_or(Trouble::NotFound)?
        .variant;
    let files = RowFolder::new(place.path().join("debates").join(cell));
    let mut records = Vec::new();
    let mut keep = |record: JudgeRecord| {
        if record.transcript == transcript.id {
            records.push(record);
        }
    };
    files
        .for_each("judgements.jsonl", &mut keep)
        .map_err(unreadable)?;
    let people = place.people_apart()?;
    let of_people = people.judgements(cell)?.into_iter();
    of_people.chain(people.repeats(cell)?).for_each(keep);
    let (said, raters) = (people.debater_said(Some(cell))?, people.raters()?);
    drop(people);
    let answers = debates::answers(place.path(), variant).map_err(unreadable)?;
    let right = answers.and_then(|answers| answers.get(&transcript.question).copied());
    let passages = match &transcript.passage {
        Some(_) => debates::passages(place.path(), variant).map_err(unreadable)?,
        None => Vec::new(),
    };
    let passage = (passages.into_iter())
        .find(|passage| Some(&passage.id) == transcript.passage.as_ref())
        .map(|passage| (passage.title, passage.text));
    let text = passage.as_ref().map(|(_, text)| &**text);
    let speakers = (speakers(transcript, text, &said).into_iter())
        .map(|(turn, rater)| (turn, name_of(&raters, rater)))
        .collect();
    Ok(Beside {
        right: right.map(|right| transcript.arm.order.side_of(trimtab_core::AnswerIdx(right))),
        records,
        speakers,
        passage,
    })
}

/// Those who were let in stay in the file, shut out or not.
fn name_of(raters: &[Rater], number: i64) -> String {
    let rater = raters.iter().find(|rater| rater.number == number);
    rater.map_or_else(|| format!("rater {number}"), |rater| rater.name.clone())
}

fn whole(transcript: &Transcript, beside: &Beside) -> Markup {
    let mut rounds: Vec<u32> = transcript.events.iter().map(|event| event.round).collect();
    rounds.dedup();
    let is_beside = transcript.simultaneous && transcript.arm.speakers == Speakers::Both;
    let all = (transcript.speeches()).flat_map(|(_, speech)| speech.segments.iter());
    html! {
        p class="kicker" { (words::shown(&transcript.id)) " · " (arm_name(transcript.arm)) " · " (tokens(transcript.usage())) }
        h1 { (words::shown(&transcript.text)) }
        ol class="answers" {
            @for side in Side::BOTH {
                li class={ "answer side-" (side.letter().to_lowercase()) } {
                    span class="letter" { (side.letter()) }
                    span class="text" {
                        (words::shown(&transcript.answers[side.index()]))
                        @if beside.right == Some(side) { " " b class="right" { "right" } }
                        @if let Some(player) = &transcript.players[side.index()] { " " span class="hint" { "argued by " (words::shown(player)) } }
                    }
                }
            }
        }
        @if let Some(choice) = &transcript.choice {
            p class="hint" { "The speaker chose " (choice.side.letter()) ", at " (format!("{:.0} %", 100.0 * choice.probability)) "." }
        }
        (beliefs(transcript, &beside.records))
        @for round in rounds {
            section class="round" {
                h2 { "Round " (round) }
                div class=(if is_beside { "speeches beside" } else { "speeches" }) {
                    @for event in transcript.events.iter().filter(|event| event.round == round) {
                        (happened(event, transcript, beside))
                    }
                }
            }
        }
        (words::legend(all))
        @if let Some((title, text)) = &beside.passage {
            details class="passage" {
                summary { "Passage: " (words::shown(title)) }
                div class="words" { (words::shown(text)) }
            }
        }
        (judgements(transcript, &beside.records))
    }
}

fn tokens(usage: Usage) -> String {
    format!("{} tokens", usage.total())
}

fn happened(event: &Event, transcript: &Transcript, beside: &Beside) -> Markup {
    let gives_up = |speech: &Speech| match event.by {
        Speaker::Side(side) => concedes(speech, side, &transcript.answers),
        Speaker::Judge | Speaker::Critic => false,
    };
    let rater = match event.by {
        Speaker::Side(side) => beside.speakers.get(&(event.round, side)),
        Speaker::Judge | Speaker::Critic => None,
    };
    let (class, name) = match event.by {
        Speaker::Side(Side::A) => ("speech side-a", "For A"),
        Speaker::Side(Side::B) => ("speech side-b", "For B"),
        Speaker::Judge => ("speech aside", "Judge asks"),
        Speaker::Critic => ("speech aside", "Critic"),
    };
    html! {
        article class=(class) {
            h3 { (name) @if let Some(rater) = rater { span class="by" { " · " (words::shown(rater)) } } }
            @match &event.kind {
                EventKind::Speech(speech) => {
                    div class="words" { (words::segments(&speech.segments)) }
                    @if let Some(scratchpad) = &speech.scratchpad {
                        details class="scratchpad" {
                            summary { "Private scratchpad" }
                            div class="words" { (words::shown(scratchpad)) }
                        }
                    }
                    @if !speech.candidates.is_empty() {
                        details class="scratchpad" {
                            summary { (speech.candidates.len()) " candidates" }
                            @for candidate in &speech.candidates {
                                p class="hint" {
                                    @match candidate.score {
                                        Some(score) => { "The judge would believe it at " (format!("{:.0} %", 100.0 * score)) },
                                        None => "The judge did not say",
                                    }
                                }
                                div class="words" { (words::segments(&candidate.segments)) }
                            }
                        }
                    }
                    p class="hint" {
                        (speech.n_words()) " words, " (speech.n_attempts) " attempt" @if speech.n_attempts != 1 { "s" }
                        @if speech.truncated { ", cut at the limit" }
                        @if gives_up(speech) { ", concedes" }
                        ", " (tokens(speech.usage))
                    }
                },
                EventKind::Question { text, .. } => { div class="words" { (words::shown(text)) } },
                EventKind::NoSpeech { reason, .. } => { p class="fault" { (no_speech(reason)) } },
            }
        }
    }
}

fn no_speech(reason: &NoSpeech) -> String {
    match reason {
        NoSpeech::Invalid { fault, reply } => {
            format!(
                "No speech: {}. The last attempt: {}",
                words::shown(fault),
                words::shown(reply)
            )
        }
        NoSpeech::Refused { reply } => format!("Declined: {}", words::shown(reply)),
        NoSpeech::Failed(failure) => format!("The call failed: {}", words::shown(&failure.message)),
    }
}

/// The probability of the answer that stands at A in the transcript.
fn p_a(transcript: &Transcript, verdict: &Verdict) -> Option<f64> {
    let answer = transcript.arm.order.answer_at(Side::A);
    verdict.decided()?.probabilities().get(answer.0).copied()
}

fn beliefs(transcript: &Transcript, records: &[JudgeRecord]) -> Markup {
    let lines: Vec<plot::Line> = (records.iter())
        .filter(|record| record.beliefs.len() > 1)
        .map(|record| plot::Line {
            judge: words::shown(&record.judge),
            beliefs: (record.beliefs.iter())
                .filter_map(|belief| Some((belief.rounds, p_a(transcript, &belief.verdict)?)))
                .collect(),
        })
        .collect();
    html! { div class="belief-plots" { (plot::beliefs(&lines)) } }
}

fn judgements(transcript: &Transcript, records: &[JudgeRecord]) -> Markup {
    html! {
        h2 { "Judgements" }
        @if records.is_empty() { p { "Nobody has judged it so far." } } @else {
            div class="scroll" {
                table class="prose" {
                    caption { "What judges say of it, as A and B stand here" }
                    thead { tr { th scope="col" { "Judge" } th scope="col" { "Says" } th scope="col" { "Shown" } th scope="col" { "Reasons" } } }
                    tbody {
                        @for record in records {
                            tr {
                                th scope="row" { (words::shown(&record.judge)) }
                                td { (said(transcript, &record.verdict)) }
                                td { @if record.shown == transcript.arm.order { "as it was made" } @else { "the other way round" } }
                                td { (record.reasons.as_deref().map(words::shown).unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn said(transcript: &Transcript, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Decided(_) => p_a(transcript, verdict)
            .map(|p| format!("A {:.0} %, B {:.0} %", 100.0 * p, 100.0 * (1.0 - p)))
            .unwrap_or_default(),
        Verdict::Unparsed { reply } => format!("unparsed: {}", words::shown(reply)),
        Verdict::Refused { reply } => format!("declined: {}", words::shown(reply)),
        Verdict::Error { message } => format!("failed: {}", words::shown(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_part_of_an_address() {
        assert_eq!(encoded("a/b?c #d"), "a%2Fb%3Fc%20%23d");
        assert_eq!(encoded("é"), "%C3%A9");
    }
}
