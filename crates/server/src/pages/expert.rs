//! People as the expert of iterated amplification: a question at a time, with what its sub-questions came to.
//!
//! ```text
//! question and exchanges ──► sub-questions, one a line │ an answer │ that there is none ──► stored ──► the next that waits
//! ```
//!
//! What is shown is what an expert that is a model is told ([`WaitingStep::shown`]), and no more: not which problem it belongs to,
//! nor what lies above it in its tree, nor what is right. Addresses name a step by letters that say nothing. Every form works
//! without scripts.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_amplify::language::{reply, text};
use trimtab_core::Seed;
use trimtab_run::amplification::WaitingStep;
use trimtab_run::people::{ExpertSays, ExpertStep, RecordedOnce};

use super::layout::{self, Script};
use super::typed::typed;
use super::words;
use crate::catalogue::{Catalogue, WaitingHead};
use crate::clock::now;
use crate::place::Place;
use crate::router::{RaterVisit, Visitor};
use crate::trouble::Trouble;

/// How far people are.
struct Standing {
    /// Steps that wait, or waited until somebody took them.
    n: usize,
    /// Those that somebody took.
    n_taken: usize,
    /// Steps that this visitor took in this run.
    n_mine: usize,
    /// The visitor's next step.
    next: Option<String>,
}

fn standing(place: &Place, catalogue: &Catalogue, rater: i64) -> Result<Standing, Trouble> {
    let said = place.people().expert_said(None)?;
    let n_mine = said.iter().filter(|said| said.rater == rater).count();
    let taken: BTreeSet<ExpertStep> = said.into_iter().map(|said| said.step).collect();
    let waiting = catalogue.waiting();
    let open = waiting.iter().filter(|head| !taken.contains(&head.step));
    let n_open = open.clone().count();
    Ok(Standing {
        n: waiting.len(),
        n_taken: waiting.len() - n_open,
        n_mine,
        next: open
            .min_by_key(|head| turn(head, rater))
            .map(|head| head.public.clone()),
    })
}

/// Steps that nobody has taken.
pub(crate) fn n_open(place: &Place) -> Result<usize, Trouble> {
    let standing = standing(place, &place.catalogue(), 0)?;
    Ok(standing.n - standing.n_taken)
}

/// Each rater goes through what waits in an order of their own, so that two seldom meet at one step.
fn turn(head: &WaitingHead, rater: i64) -> u64 {
    (Seed(0).child(&head.public))
        .child(&format!("rater {rater}"))
        .0
}

/// Leads to the visitor's next step.
pub(crate) async fn next(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
) -> Result<Response, Trouble> {
    place.refresh()?;
    let catalogue = place.catalogue();
    let standing = standing(&place, &catalogue, visitor.rater.number)?;
    Ok(match standing.next {
        Some(public) => Redirect::to(&format!("/expert/{public}")).into_response(),
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
                h1 { "Nothing waits" }
                @if standing.n > 0 {
                    p { "All " (standing.n) " steps are taken and stored. The run goes on when whoever started it runs it again; then there may be more." }
                } @else {
                    p { "The run asks nothing of anybody at present." }
                }
                @if let Some(mine) = standing.mine() { p { (mine) " Thank you!" } }
                p { a class="button" href="/expert" { "Look again" } }
            }
        },
    )
}

impl Standing {
    fn mine(&self) -> Option<String> {
        layout::mine(self.n_mine, ["step", "steps"])
    }
}

/// A step's page.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
) -> Result<Markup, Trouble> {
    place.refresh()?;
    page_of(&place, &visitor, &public, None)
}

/// The page of a step, with what is wrong with what was sent, if anything was.
fn page_of(
    place: &Place,
    visitor: &Visitor,
    public: &str,
    refused: Option<(&str, &StepForm)>,
) -> Result<Markup, Trouble> {
    let catalogue = place.catalogue();
    let head = catalogue.waiting_head(public).ok_or(Trouble::NotFound)?;
    let said = place.people().expert_said_of(&head.step)?;
    if let Some(said) = said {
        let own = (said.rater == visitor.rater.number).then_some(said.says);
        return Ok(taken(own.as_ref()));
    }
    let step = catalogue.waiting_step(head)?;
    let standing = standing(place, &catalogue, visitor.rater.number)?;
    Ok(step_page(
        &step,
        public,
        &standing,
        &visitor.form_token(),
        refused,
    ))
}

/// A step that somebody took; `own` is what this visitor said, if it was they.
fn taken(own: Option<&ExpertSays>) -> Markup {
    layout::page(
        "Stored",
        "message",
        Script::None,
        &html! {
            main {
                h1 { "This step is taken" }
                @match own {
                    Some(ExpertSays::Asks(questions)) => {
                        p { "You asked, and it is on the disk:" }
                        ol { @for question in questions { li class="words" { (words::shown(question)) } } }
                    },
                    Some(ExpertSays::Answers(answer)) => {
                        p { "You answered, and it is on the disk:" }
                        p class="words" { (words::shown(answer)) }
                    },
                    Some(ExpertSays::CannotBeAnswered) => p { "You said that it cannot be answered, and that is on the disk." },
                    None => p { "Somebody else took it." },
                }
                p { a class="button primary" href="/expert" { "Next question" } }
            }
        },
    )
}

fn step_page(
    step: &WaitingStep,
    public: &str,
    standing: &Standing,
    form_token: &str,
    refused: Option<(&str, &StepForm)>,
) -> Markup {
    let sent = refused.map(|(_, form)| form);
    let body = html! {
        (layout::bar(standing.n_taken, standing.n, "taken", standing.mine().as_deref()))
        main class="judging" {
            section class="question" {
                h1 class="words" { (words::shown(step.question.as_str())) }
            }
            @if !step.exchanges.is_empty() {
                section class="round" {
                    h2 { "What was asked, and what it came to" }
                    div class="speeches" {
                        @for (question, came_to) in step.shown() {
                            article class="speech" {
                                h3 class="words" { (words::shown(question)) }
                                @match came_to {
                                    Ok(answer) => div class="words" { (words::shown(answer)) },
                                    Err(why) => div class="unanswered" { (why) },
                                }
                            }
                        }
                    }
                }
            }
            (panel(step, public, form_token, sent, refused.map(|(what, _)| what)))
        }
    };
    layout::page("A question", "judge", Script::None, &body)
}

fn panel(
    step: &WaitingStep,
    public: &str,
    form_token: &str,
    sent: Option<&StepForm>,
    fault: Option<&str>,
) -> Markup {
    html! {
        form class="panel" id="panel" method="post" action={ "/expert/" (public) } {
            input type="hidden" name="form" value=(form_token);
            @if let Some(fault) = fault { p class="fault" role="alert" { (fault) } }
            @if step.most_questions > 0 {
                label class="reason" {
                    span {
                        @if step.most_questions == 1 { "A smaller question that should be answered first" }
                        @else { "Smaller questions that should be answered first, one a line, at most " (step.most_questions) }
                    }
                    textarea id="questions" name="questions" rows=(step.most_questions.clamp(2, 6)) { (sent.map(|form| &*form.questions).unwrap_or_default()) }
                }
                p class="hint" { "Whoever answers one sees that question alone: say in it all that is needed to answer it." }
                div class="buttons" { button type="submit" id="ask" name="says" value="asks" class="primary" { "Ask" } }
            }
            label class="reason" {
                span { @if step.most_questions > 0 { "Or the answer" } @else { "The answer" } }
                textarea id="answer" name="answer" rows="2" { (sent.map(|form| &*form.answer).unwrap_or_default()) }
            }
            div class="buttons" {
                button type="submit" id="answers" name="says" value="answers" class="primary" { "Answer" }
                button type="submit" id="cannot" name="says" value="cannot" class="quiet" { "It cannot be answered" }
            }
        }
    }
}

/// A step as its form sends it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StepForm {
    form: String,
    says: String,
    #[serde(default)]
    questions: String,
    #[serde(default)]
    answer: String,
}

impl StepForm {
    /// What it says, or what is wrong with it, in words.
    fn says(&self, most_questions: u32) -> Result<ExpertSays, String> {
        let questions: Vec<String> = (typed(&self.questions).lines())
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        let answer = typed(&self.answer);
        match &*self.says {
            "asks" => {
                if !answer.is_empty() {
                    return Err("There is an answer as well: ask first, or answer now. Empty one of the two.".into());
                }
                if questions.is_empty() {
                    return Err("Write a question, or answer.".into());
                }
                if questions.len() > most_questions as usize {
                    return Err(match most_questions {
                        0 => "Nothing more can be asked here: answer, or say that it cannot be answered.".into(),
                        1 => "One question can be asked here, on one line.".into(),
                        most => format!("At most {most} questions can be asked here, one a line; these are {}.", questions.len()),
                    });
                }
                if questions
                    .iter()
                    .any(|question| question.len() > text::MOST_BYTES)
                {
                    return Err(format!(
                        "A question has {} bytes at most.",
                        text::MOST_BYTES
                    ));
                }
                Ok(ExpertSays::Asks(questions))
            }
            "answers" => {
                if !questions.is_empty() {
                    return Err("There are questions as well: ask first, or answer now. Empty one of the two.".into());
                }
                if answer.is_empty() {
                    return Err("Write an answer, or say that it cannot be answered.".into());
                }
                if answer.len() > reply::MOST_ANSWER_BYTES {
                    return Err(format!(
                        "An answer has {} bytes at most.",
                        reply::MOST_ANSWER_BYTES
                    ));
                }
                Ok(ExpertSays::Answers(answer))
            }
            "cannot" => Ok(ExpertSays::CannotBeAnswered),
            _ => Err("Use one of the buttons.".into()),
        }
    }
}

/// Takes a step.
pub(crate) async fn step(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
    Form(form): Form<StepForm>,
) -> Result<Response, Trouble> {
    visitor.check_form(&form.form)?;
    place.refresh()?;
    let catalogue = place.catalogue();
    let head = catalogue.waiting_head(&public).ok_or(Trouble::NotFound)?;
    let waiting = catalogue.waiting_step(head)?;
    let refused = |status: StatusCode, what: &str| -> Result<Response, Trouble> {
        let page = page_of(&place, &visitor, &public, Some((what, &form)))?;
        Ok((status, page).into_response())
    };
    let says = match form.says(waiting.most_questions) {
        Ok(says) => says,
        Err(what) => return refused(StatusCode::UNPROCESSABLE_ENTITY, &what),
    };
    let (step, rater, at) = (head.step.clone(), visitor.rater.number, now());
    let recorded = place
        .desk
        .write(move |writing| writing.record_expert_step(&step, &says, rater, at))
        .await;
    match recorded {
        Ok(RecordedOnce::Stored | RecordedOnce::AlreadyStored) => {
            Ok(Redirect::to("/expert").into_response())
        }
        Ok(RecordedOnce::AnotherFirst { rater: first }) => {
            let wrote = format!("{}\n{}", form.questions, form.answer);
            Err(Trouble::another_first(first == rater, "step", "/expert").with_words(wrote.trim()))
        }
        Err(error) => {
            // The words stay in the form.
            let what = format!("This is not stored: {error}. Send it again in a moment.");
            refused(StatusCode::SERVICE_UNAVAILABLE, &what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(says: &str, questions: &str, answer: &str) -> StepForm {
        let [form, says, questions, answer] = ["", says, questions, answer].map(str::to_owned);
        StepForm {
            form,
            says,
            questions,
            answer,
        }
    }

    #[test]
    fn a_form_says_one_thing() {
        let asks = form("asks", " What is 1 + 1?\r\n\r\n\u{7}What is 2?  \r\n", "").says(2);
        let questions = ["What is 1 + 1?", "What is 2?"].map(str::to_owned);
        assert_eq!(asks, Ok(ExpertSays::Asks(questions.to_vec())));
        let answers = form("answers", " \n", " 7 ").says(0);
        assert_eq!(answers, Ok(ExpertSays::Answers("7".into())));
        assert_eq!(
            form("cannot", "x", "y").says(0),
            Ok(ExpertSays::CannotBeAnswered)
        );
    }

    #[test]
    fn what_a_form_cannot_say_is_told() {
        for (says, questions, answer, most, wanted) in [
            ("asks", "", "", 2, "Write a question"),
            (
                "asks",
                "a\nb\nc",
                "",
                2,
                "At most 2 questions can be asked here, one a line; these are 3.",
            ),
            ("asks", "a\nb", "", 1, "One question can be asked"),
            ("asks", "a", "", 0, "Nothing more can be asked"),
            ("asks", "a", "7", 2, "There is an answer as well"),
            ("answers", "a", "7", 2, "There are questions as well"),
            ("answers", "", " ", 2, "Write an answer"),
            ("answers", "", &"x".repeat(1001), 2, "1000 bytes"),
            ("asks", &"é".repeat(4001), "", 2, "8000 bytes"),
            ("judge", "", "7", 2, "Use one of the buttons"),
        ] {
            let refused = form(says, questions, answer).says(most).unwrap_err();
            assert!(refused.contains(wanted), "{refused}");
        }
    }
}
