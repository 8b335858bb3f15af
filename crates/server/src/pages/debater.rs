//! People who debate: a turn at a time, with what a model in their place is told.
//!
//! ```text
//! question, one's answer, the passage, what one heard ──► words ──► preview, quotes looked up ──► stored ──► the next turn
//! ```
//!
//! What is shown is a [`PersonTurn`], which is made where it is decided who may see what, and no more: not what is right, nor who
//! the opponent is, nor what method it belongs to. Every form works without scripts.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_debate::Segment;
use trimtab_debate::config::Quotes;
use trimtab_debate::person::{Against, Heard, PersonTurn, Voice, n_words};
use trimtab_run::people::{DebaterSaid, RecordedOnce};

use super::layout::{self, Script};
use super::typed::typed_up_to;
use super::words;
use crate::assignment::turns::{Barred, Speakers};
use crate::catalogue::{Catalogue, TurnHead};
use crate::clock::now;
use crate::place::Place;
use crate::router::{RaterVisit, Visitor};
use crate::trouble::Trouble;

/// The longest speech that a form may bring, in characters.
const MOST_CHARS: usize = 40_000;

/// The longest passage that is shown, in characters.
const MOST_PASSAGE_CHARS: usize = 1_000_000;

/// How far people are with what waits.
pub(crate) struct Standing {
    /// Turns that wait, or waited until somebody took them.
    pub(crate) n: usize,
    /// Those that somebody took.
    pub(crate) n_taken: usize,
    n_mine: usize,
    /// The visitor's next turn.
    pub(crate) next: Option<String>,
}

pub(crate) fn standing(
    place: &Place,
    catalogue: &Catalogue,
    rater: i64,
) -> Result<Standing, Trouble> {
    let speakers = Speakers::read(&place.people(), rater)?;
    let said = &speakers.said;
    let turns = catalogue.turns();
    let is_taken = |turn: &&TurnHead| said.iter().any(|said| said.turn == turn.turn);
    Ok(Standing {
        n: turns.len(),
        n_taken: turns.iter().filter(is_taken).count(),
        n_mine: said.iter().filter(|said| said.rater == rater).count(),
        next: (speakers.floor().next(turns, rater)).map(|turn| turn.public.clone()),
    })
}

/// Leads to the visitor's next turn.
pub(crate) async fn next(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
) -> Result<Response, Trouble> {
    place.refresh()?;
    let catalogue = place.catalogue();
    let standing = standing(&place, &catalogue, visitor.rater.number)?;
    Ok(match standing.next {
        Some(public) => Redirect::to(&format!("/debate/{public}")).into_response(),
        None => nothing_waits(&standing).into_response(),
    })
}

fn nothing_waits(standing: &Standing) -> Markup {
    layout::page(
        "Nothing waits",
        "message",
        Script::None,
        &html! {
            main {
                h1 { "Nothing waits for you" }
                @if standing.n > standing.n_taken {
                    p { (standing.n - standing.n_taken) " turns wait for others: nobody argues both sides." }
                } @else if standing.n > 0 {
                    p { "All " (standing.n) " turns are taken and stored. The run goes on when whoever started it runs it again; then there may be more." }
                } @else {
                    p { "The run asks nobody to speak at present." }
                }
                @if let Some(mine) = standing.mine() { p { (mine) " Thank you!" } }
                p { a class="button" href="/judge" { "Look again" } }
            }
        },
    )
}

impl Standing {
    fn mine(&self) -> Option<String> {
        layout::mine(self.n_mine, ["speech", "speeches"])
    }
}

/// A turn's page.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
) -> Result<Markup, Trouble> {
    place.refresh()?;
    page_of(&place, &visitor, &public, None)
}

/// What came of words that were sent and are not stored.
struct Sent<'a> {
    text: &'a str,
    page_made: &'a str,
    outcome: Outcome,
}

enum Outcome {
    /// How the speech would read.
    Preview(Vec<Segment>),
    /// Why it cannot be said, or stored.
    Refused(String),
}

fn page_of(
    place: &Place,
    visitor: &Visitor,
    public: &str,
    sent: Option<&Sent<'_>>,
) -> Result<Markup, Trouble> {
    let catalogue = place.catalogue();
    let head = catalogue.turn_head(public).ok_or(Trouble::NotFound)?;
    let rater = visitor.rater.number;
    let said = place.people().debater_said_at(&head.turn)?;
    let wrote = sent.map_or("", |sent| sent.text);
    if let Some(said) = said {
        let own = (said.rater == rater).then_some(&*said.text);
        if sent.is_some() && own != Some(wrote) {
            return Err(Trouble::another_first(own.is_some(), "turn", "/judge").with_words(wrote));
        }
        return Ok(taken(&catalogue.turn(head)?, own));
    }
    admitted(place, head, rater).map_err(|trouble| trouble.with_words(wrote))?;
    let turn = catalogue.turn(head)?;
    let standing = standing(place, &catalogue, rater)?;
    Ok(turn_page(
        &turn,
        public,
        &standing,
        &visitor.form_token(),
        sent,
    ))
}

/// Whether the visitor may take a turn that nobody has taken.
fn admitted(place: &Place, head: &TurnHead, rater: i64) -> Result<(), Trouble> {
    let speakers = Speakers::read(&place.people(), rater)?;
    speakers.floor().admits(head, rater).map_err(barred)
}

fn barred(why: Barred) -> Trouble {
    Trouble::Conflict {
        what: match why {
            Barred::Taken => "Somebody took this turn before you, and that counts.",
            Barred::OthersSide => "Somebody else speaks for this side.",
            Barred::OtherAnswer => "You have argued for the other answer: nobody argues for both.",
            Barred::Judges => "You judge what is said about this: who judges does not speak.",
        }
        .into(),
        on: "/debate".into(),
        words: None,
    }
}

/// Words came for a turn that is no longer there.
fn gone() -> Trouble {
    Trouble::Conflict {
        what: "This turn waits no longer: somebody took it, and the debate has gone on. What came now is not stored."
            .into(),
        on: "/judge".into(),
        words: None,
    }
}

/// A turn that somebody took; `own` is what this visitor said, if it was they.
fn taken(turn: &PersonTurn, own: Option<&str>) -> Markup {
    layout::page(
        "Stored",
        "message",
        Script::None,
        &html! {
            main {
                h1 { "This turn is taken" }
                @match own {
                    Some(text) => {
                        p { "You said, and it is on the disk:" }
                        (as_read(turn, text))
                    },
                    None => p { "Somebody else took it." },
                }
                p { a class="button primary" id="go-on" href="/judge" { "Go on" } }
            }
        },
    )
}

/// Words as a speech, where they make one.
fn as_read(turn: &PersonTurn, text: &str) -> Markup {
    let passage = turn.shown.passage.as_ref().map(|passage| &*passage.text);
    html! {
        @match turn.rules.read(passage, text) {
            Ok(segments) => { div class="words" { (words::segments(&segments)) } },
            Err(_) => { div class="words" { (words::shown(text)) } },
        }
    }
}

fn turn_page(
    turn: &PersonTurn,
    public: &str,
    standing: &Standing,
    form_token: &str,
    sent: Option<&Sent<'_>>,
) -> Markup {
    let shown = &turn.shown;
    let letter = turn.side.letter();
    let heard_segments = (shown.heard.iter()).flat_map(|heard| heard.segments.iter().flatten());
    let body = html! {
        (layout::bar(standing.n_taken, standing.n, "turns taken", standing.mine().as_deref()))
        main class="judging" {
            section class="question" {
                h1 class="words" { (words::shown(&shown.question)) }
                ol class="answers" {
                    li class={ "answer side-" (letter.to_lowercase()) } {
                        span class="letter" { (letter) }
                        span class="text" { b { "You argue for: " } (words::shown(&shown.own)) }
                    }
                    li class={ "answer side-" (turn.side.other().letter().to_lowercase()) } {
                        span class="letter" { (turn.side.other().letter()) }
                        span class="text" { "The other answer: " (words::shown(&shown.other)) }
                    }
                }
                p class="hint" {
                    @match shown.against {
                        Against::Debater => {
                            "You are " (turn.side.debater()) ". " (turn.side.other().debater()) " argues against you, and a judge who does not see the text decides between you."
                        },
                        Against::Nobody => "Your answer was drawn, and may be right or wrong. A judge who does not see the text hears you and decides.",
                    }
                }
            }
            @if let Some(passage) = &shown.passage {
                details class="passage" open {
                    summary { "The text" @if !passage.title.is_empty() { ": " (words::shown(&passage.title)) } }
                    div class="words" id="passage" { (words::shown_up_to(&passage.text, MOST_PASSAGE_CHARS)) }
                }
            }
            @for round in 1..=turn.round {
                @let heard = heard_in(turn, round);
                @if !heard.is_empty() {
                    section class="round" id={ "round-" (round) } {
                        h2 { "Round " (round) }
                        div class="speeches" { @for heard in heard { (speech(turn, heard)) } }
                    }
                }
            }
            (words::legend(heard_segments))
            (panel(turn, public, form_token, sent))
        }
    };
    layout::page("Your turn", "judge", Script::Debater, &body)
}

fn heard_in(turn: &PersonTurn, round: u32) -> Vec<&Heard> {
    (turn.shown.heard.iter())
        .filter(|heard| heard.round == round)
        .collect()
}

fn speech(turn: &PersonTurn, heard: &Heard) -> Markup {
    let (side, name) = match heard.voice {
        Voice::Oneself => (Some(turn.side), "You"),
        Voice::Opponent => (Some(turn.side.other()), "Against you"),
        Voice::Judge => (None, "The judge asks"),
        Voice::Critic => (None, "Critic"),
    };
    let class = side.map_or_else(
        || "speech aside".to_owned(),
        |side| format!("speech side-{}", side.letter().to_lowercase()),
    );
    html! {
        article class=(class) {
            h3 { (name) }
            @match &heard.segments {
                Some(segments) => { div class="words" { (words::segments(segments)) } },
                None => { p class="hint" { "Nothing could be heard." } },
            }
        }
    }
}

fn panel(turn: &PersonTurn, public: &str, form_token: &str, sent: Option<&Sent<'_>>) -> Markup {
    let rules = turn.rules;
    let page_made = sent.map_or_else(|| format!("{:.3}", now()), |sent| sent.page_made.to_owned());
    html! {
        form class="panel" id="panel" method="post" action={ "/debate/" (public) } data-most=(rules.max_words) {
            input type="hidden" name="form" value=(form_token);
            input type="hidden" name="page_made" value=(page_made);
            @if let Some(Sent { outcome: Outcome::Refused(what), .. }) = sent { p class="fault" role="alert" { (what) } }
            label class="reason" {
                span { "Your speech, round " (turn.round) }
                textarea id="speech" name="speech" rows="9" { (sent.map(|sent| sent.text).unwrap_or_default()) }
            }
            p class="hint" {
                span id="count" { "At most " (rules.max_words) " words" }
                @if rules.min_words > 1 { ", at least " (rules.min_words) }
                "."
                @if turn.shown.passage.is_some() {
                    " What stands between " code { "<quote>" } " and " code { "</quote>" } " is looked up in the text"
                    @if rules.quotes == Quotes::Required { "; a speech quotes something" }
                    "."
                }
            }
            @if let Some(Sent { outcome: Outcome::Preview(segments), .. }) = sent {
                section class="speech" id="preview" {
                    h3 { "This is how it would be heard: " (n_words(segments)) " words" }
                    div class="words" { (words::segments(segments)) }
                    (words::legend(segments.iter()))
                }
            }
            div class="buttons" {
                button type="submit" id="say" name="does" value="say" class="primary" { "Say it" }
                button type="submit" id="look" name="does" value="preview" { "Preview" }
                button type="button" id="quote" hidden title="Key q" { "Quote the selection" }
                span class="saved" aria-live="polite" {}
            }
        }
    }
}

/// A speech as its form sends it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SpeechForm {
    form: String,
    does: String,
    #[serde(default)]
    speech: String,
    #[serde(default)]
    page_made: String,
}

/// Takes a speech, or shows how it would be heard.
pub(crate) async fn say(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
    Form(form): Form<SpeechForm>,
) -> Result<Response, Trouble> {
    visitor.check_form(&form.form)?;
    place.refresh()?;
    let catalogue = place.catalogue();
    let text = typed_up_to(&form.speech, MOST_CHARS);
    let head = (catalogue.turn_head(&public)).ok_or_else(|| gone().with_words(&text))?;
    let turn = catalogue.turn(head)?;
    let with = |status: StatusCode, outcome: Outcome| -> Result<Response, Trouble> {
        let sent = Sent {
            text: &text,
            page_made: &form.page_made,
            outcome,
        };
        Ok((status, page_of(&place, &visitor, &public, Some(&sent))?).into_response())
    };
    let passage = turn.shown.passage.as_ref().map(|passage| &*passage.text);
    let segments = match turn.rules.read(passage, &text) {
        Ok(segments) => segments,
        Err(fault) => {
            let what = format!("This cannot be said: {fault}.");
            return with(StatusCode::UNPROCESSABLE_ENTITY, Outcome::Refused(what));
        }
    };
    if form.does == "preview" {
        return with(StatusCode::OK, Outcome::Preview(segments));
    }
    let at = now();
    let page_made = form.page_made.parse().unwrap_or(at);
    let said = DebaterSaid {
        turn: head.turn.clone(),
        stake: head.stake.clone(),
        text: text.clone(),
        rater: visitor.rater.number,
        elapsed_secs: (at - page_made).max(0.0),
        at,
    };
    let (rater, head) = (visitor.rater.number, head.clone());
    let recorded = place
        .desk
        .write(move |writing| {
            // Who may speak is asked again where nobody can be faster.
            let speakers = Speakers::read(writing.reading(), rater)?;
            match speakers.floor().admits(&head, rater) {
                // Whether it is the same again is told below.
                Ok(()) | Err(Barred::Taken) => writing.record_debater_turn(&said).map(Ok),
                Err(why) => Ok(Err(why)),
            }
        })
        .await;
    match recorded {
        Ok(Ok(RecordedOnce::Stored | RecordedOnce::AlreadyStored)) => {
            Ok(Redirect::to(&format!("/debate/{public}")).into_response())
        }
        Ok(Ok(RecordedOnce::AnotherFirst { rater: first })) => {
            Err(Trouble::another_first(first == rater, "turn", "/judge").with_words(&text))
        }
        Ok(Err(why)) => Err(barred(why).with_words(&text)),
        Err(error) => {
            // The words stay in the form.
            let what = format!("This is not stored: {error}. Send it again in a moment.");
            with(StatusCode::SERVICE_UNAVAILABLE, Outcome::Refused(what))
        }
    }
}
