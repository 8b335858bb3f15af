//! Judging: a transcript round by round, two replies, or a question of active querying, with a belief at every step.
//!
//! ```text
//! question and answers ──► prior ──► round 1 ──► belief ──► … ──► last round ──► judgement with a reason ──► stored
//! ```
//!
//! What is shown of a transcript is a [`JudgeView`] of as many rounds as beliefs were given: what a judge may not see yet is not
//! in the page. Addresses name a task by random letters. Every step is a form that works without scripts; scripts add the
//! slider, keys, drafts and a question before the last click.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use trimtab_core::chat::Role;
use trimtab_debate::transcript::{Speaker, Speakers};
use trimtab_debate::{JudgeView, ShownEvent, Side};
use trimtab_run::debates;
use trimtab_run::people::{
    NewTask, Percent, Purpose, Recorded, Step, StepKind, Submission, Task, TaskKind, Tasks,
};
use trimtab_run::safeguard::{AskedQuestion, ShownAnswers};

use super::belief::{self, Half};
use super::debater;
use super::layout::{self, Script};
use super::typed::typed_up_to;
use super::words;
use crate::assignment::questions::{next_question, standing, task_of};
use crate::assignment::turns::spoken_about;
use crate::assignment::{AskingConfig, plan};
use crate::catalogue::Pair;
use crate::clock::now;
use crate::place::Place;
use crate::router::{RaterVisit, Visitor};
use crate::secrets::neutral_name;
use crate::trouble::Trouble;

/// Words of a reason at least.
const LEAST_WORDS: usize = 3;
/// Characters of a reason at most.
const MOST_REASON_CHARS: usize = 4000;

/// What a step is, and what it may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stage {
    /// Rounds that were read.
    rounds: u32,
    /// Whether more can be read.
    more: More,
    /// Whether a judgement may be given, or must.
    judgement: Judgement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Round,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    NotYet,
    Possible,
    Due,
}

impl Stage {
    /// After `n_steps` beliefs about a transcript of `n_rounds` rounds.
    fn of(n_steps: u32, n_rounds: u32, asking: &AskingConfig) -> Self {
        let rounds = n_steps.min(n_rounds);
        let judgement = if rounds == n_rounds {
            Judgement::Due
        } else if asking.min_rounds.is_some_and(|least| rounds >= least) {
            Judgement::Possible
        } else {
            Judgement::NotYet
        };
        Self {
            rounds,
            more: if rounds < n_rounds {
                More::Round
            } else {
                More::Nothing
            },
            judgement,
        }
    }

    fn allows(self, kind: StepKind) -> bool {
        match kind {
            StepKind::Belief => self.more == More::Round,
            StepKind::Final => self.judgement != Judgement::NotYet,
        }
    }
}

/// Leads to the visitor's next task, and hands out more where there are any.
pub(crate) async fn next(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
) -> Result<Response, Trouble> {
    let rater = visitor.rater.number;
    let mut task = place.people().next_task(rater)?;
    if task.is_none() {
        // Who speaks does not judge, and a run waits for who speaks: that comes first.
        place.refresh()?;
        let catalogue = place.catalogue();
        if catalogue.asks_debaters() && debater::standing(&place, &catalogue, rater)?.next.is_some()
        {
            return Ok(Redirect::to("/debate").into_response());
        }
        hand_out(&place, rater).await?;
        task = place.people().next_task(rater)?;
    }
    if task.is_none() {
        hand_out_question(&place, rater).await?;
        task = place.people().next_task(rater)?;
    }
    match task {
        Some(task) => Ok(Redirect::to(&format!("/judge/{}", task.what.public)).into_response()),
        None if place.catalogue().asks_people() => Ok(Redirect::to("/expert").into_response()),
        None if place.catalogue().asks_debaters() && place.people().progress(rater)?.n == 0 => {
            Ok(Redirect::to("/debate").into_response())
        }
        None => Ok(nothing_left(&place, &visitor)?.into_response()),
    }
}

/// Plans tasks of what the rater has not met, and stores them.
async fn hand_out(place: &Arc<Place>, rater: i64) -> Result<(), Trouble> {
    let there = Arc::clone(place);
    let planned = tokio::task::spawn_blocking(move || plan_for(&there, rater))
        .await
        .map_err(|error| Trouble::Unreadable(error.to_string()))??;
    let (n_before, tasks) = planned;
    if tasks.is_empty() {
        return Ok(());
    }
    place
        .desk
        .write(move |writing| {
            // Another tab may have been faster.
            if writing.reading().tasks(Some(rater))?.len() == n_before {
                writing.add_tasks(rater, &tasks)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// Hands out one question of active querying, where any is open for the rater.
async fn hand_out_question(place: &Arc<Place>, rater: i64) -> Result<(), Trouble> {
    place.refresh()?;
    let catalogue = place.catalogue();
    if !catalogue.questions().iter().any(|question| question.waits) {
        return Ok(());
    }
    let public = neutral_name()?;
    place
        .desk
        .write(move |writing| {
            let tasks = writing.reading().tasks(None)?;
            let in_hand = |task: &&Task| task.rater == rater && task.trashed.is_none();
            // Another tab may have been faster.
            if (tasks.iter().filter(in_hand)).all(|task| task.finished.is_some())
                && let Some(next) = next_question(catalogue.questions(), &tasks, rater)
            {
                writing.add_tasks(rater, &[task_of(next, rater, public)])?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

fn plan_for(place: &Place, rater: i64) -> Result<(usize, Vec<NewTask>), Trouble> {
    place.refresh()?;
    let catalogue = place.catalogue();
    let candidates = catalogue.candidates();
    let (raters, tasks, speeches) = {
        let people = place.people();
        (
            people.raters()?,
            people.tasks(Some(rater))?,
            people.debater_said(None)?,
        )
    };
    let mut met: BTreeSet<&str> = (tasks.iter())
        .map(|task| task.what.cluster.as_str())
        .collect();
    met.extend(spoken_about(&speeches, rater));
    let n_asked = (tasks.iter())
        .filter(|task| {
            task.what.purpose != Purpose::Repeat && task.what.kind != TaskKind::Annotation
        })
        .count() as u32;
    let config = AskingConfig {
        tasks: place.asking.tasks.map(|most| most.saturating_sub(n_asked)),
        gold: if n_asked == 0 { place.asking.gold } else { 0 },
        ..place.asking.clone()
    };
    let planned = plan(
        &candidates,
        Place::rater_index(&raters, rater),
        &config,
        &met,
    );
    let new = (planned.iter())
        .map(|planned| {
            let candidate = &candidates[planned.candidate];
            Ok(NewTask {
                public: neutral_name()?,
                kind: candidate.kind,
                cell: candidate.cell.clone(),
                item: candidate.item.clone(),
                question: candidate.question.clone(),
                cluster: candidate.cluster.clone(),
                shown: planned.shown,
                purpose: planned.purpose,
            })
        })
        .collect::<Result<_, Trouble>>()?;
    Ok((tasks.len(), new))
}

fn nothing_left(place: &Place, visitor: &Visitor) -> Result<Markup, Trouble> {
    let (tasks, last) = {
        let people = place.people();
        let rater = visitor.rater.number;
        (people.progress(rater)?, people.last_finished(rater)?)
    };
    Ok(layout::page(
        "Done",
        "message",
        Script::Judge,
        &html! {
            main {
                @if tasks.n == 0 {
                    h1 { "There is nothing to judge yet" }
                    p { "The run has nothing to ask you so far. Reload this page later." }
                } @else {
                    h1 { "That was all. Thank you!" }
                    p { "All " (tasks.n) " items are judged, and everything is stored. You can close this page." }
                    @if place.catalogue().asks_annotators() {
                        p { "The run goes on when whoever started it runs it again; then there may be more." }
                    }
                    @if let Some(last) = last {
                        p { a href={ "/judge/" (last.what.public) } { "Look at your last judgement" } }
                    }
                }
            }
        },
    ))
}

/// What a page of a task needs besides what is judged.
struct Sitting<'a> {
    task: &'a Task,
    steps: &'a [Step],
    draft: Option<&'a str>,
    progress: Tasks,
    form_token: String,
    /// What is wrong with what was sent, with what was sent.
    refused: Option<(&'static str, &'a StepForm)>,
}

/// How the page is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// That the judge wants to decide without reading the rest.
    decide: Option<String>,
}

/// A task's page.
pub(crate) async fn show(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Trouble> {
    page_of(&place, &visitor, &public, asked.decide.is_some(), None)
}

fn page_of(
    place: &Place,
    visitor: &Visitor,
    public: &str,
    decides: bool,
    refused: Option<(&'static str, &StepForm)>,
) -> Result<Markup, Trouble> {
    let (task, steps, draft, progress) = {
        let people = place.people();
        let rater = visitor.rater.number;
        let task = people.task(rater, public)?.ok_or(Trouble::NotFound)?;
        let steps = people.steps(task.number)?;
        let draft = people.draft(task.number)?;
        (task, steps, draft, people.progress(rater)?)
    };
    let progress = match task.what.kind {
        TaskKind::Annotation => {
            let tasks = place.people().tasks(None)?;
            standing(place.catalogue().questions(), &tasks, task.rater)
        }
        TaskKind::Debate | TaskKind::Pair => progress,
    };
    if task.finished.is_some() {
        return finished(place, visitor, &task, &steps, progress);
    }
    let sitting = Sitting {
        task: &task,
        steps: &steps,
        draft: draft.as_deref(),
        progress,
        form_token: visitor.form_token(),
        refused,
    };
    let catalogue = place.catalogue();
    match task.what.kind {
        TaskKind::Debate => {
            let transcript = catalogue.transcript(&task.what.cell, &task.what.item)?;
            let stage = Stage::of(steps.len() as u32, transcript.n_rounds(), &place.asking);
            let layout = if transcript.simultaneous && transcript.arm.speakers == Speakers::Both {
                Speeches::SideBySide
            } else {
                Speeches::Stacked
            };
            let view = transcript.for_judge(task.what.shown, stage.rounds);
            let judges = stage.judgement == Judgement::Due
                || decides && stage.judgement == Judgement::Possible;
            Ok(debate_page(&sitting, &view, layout, stage, judges))
        }
        TaskKind::Pair => {
            let mut pair = catalogue.pair(&task.what.cell, &task.what.item)?;
            pair.replies = task.what.shown.arrange(pair.replies);
            Ok(pair_page(&sitting, &pair))
        }
        TaskKind::Annotation => {
            let question = catalogue.question(&task.what.item)?;
            Ok(question_page(&sitting, &question))
        }
    }
}

/// How speeches of a round stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speeches {
    /// Beside each other, where there is room: they were made without hearing each other.
    SideBySide,
    /// One after the other.
    Stacked,
}

fn debate_page(
    sitting: &Sitting<'_>,
    view: &JudgeView,
    speeches: Speeches,
    stage: Stage,
    judges: bool,
) -> Markup {
    let rounds: BTreeSet<u32> = view.events.iter().map(|event| event.round).collect();
    let all_segments = (view.events.iter()).flat_map(|event| event.segments.iter().flatten());
    let question = if judges {
        "Your judgement: which answer is right?"
    } else if stage.rounds == 0 {
        "Before you read on: which answer is right?"
    } else {
        "What do you believe now?"
    };
    let body = html! {
        (bar(sitting))
        main class="judging" {
            section class="question" {
                h1 { (words::shown(&view.question)) }
                ol class="answers" {
                    @for (side, answer) in Side::BOTH.iter().zip(&view.answers) {
                        li class={ "answer side-" (side.letter().to_lowercase()) } {
                            span class="letter" { (side.letter()) }
                            span class="text" { (words::shown(answer)) }
                        }
                    }
                }
                (who_speaks(view.speakers))
                @if let Some(side) = view.chose { p class="hint" { "The speaker for " (side.letter()) " chose that answer." } }
            }
            @for round in &rounds {
                section class="round" id={ "round-" (round) } tabindex="-1" {
                    h2 { "Round " (round) }
                    div class=(if speeches == Speeches::SideBySide { "speeches beside" } else { "speeches" }) {
                        @for event in view.events.iter().filter(|event| event.round == *round) {
                            (speech(event))
                        }
                    }
                }
            }
            (words::legend(all_segments))
            (trail(sitting.steps))
            (panel(sitting, question, stage, judges, Reason::Required))
        }
    };
    layout::page("Judge", "judge", Script::Judge, &body)
}

fn who_speaks(speakers: Speakers) -> Markup {
    html! {
        p class="hint" {
            @match speakers {
                Speakers::Both => "One speaker argues for each answer. One of the answers is right.",
                Speakers::One(_) => "One speaker argues for one of the answers, which may be right or wrong.",
                Speakers::Nobody => "Nobody argues here: judge by what you know.",
            }
        }
    }
}

fn speech(event: &ShownEvent) -> Markup {
    let (class, name) = match event.by {
        Speaker::Side(Side::A) => ("speech side-a", "For A"),
        Speaker::Side(Side::B) => ("speech side-b", "For B"),
        Speaker::Judge => ("speech aside", "Question to the speakers"),
        Speaker::Critic => ("speech aside", "Critic"),
    };
    html! {
        article class=(class) {
            h3 { (name) }
            @match &event.segments {
                Some(segments) => { div class="words" { (words::segments(segments)) } },
                None => { p class="hint" { "Nothing could be heard." } },
            }
        }
    }
}

fn pair_page(sitting: &Sitting<'_>, pair: &Pair) -> Markup {
    let body = html! {
        (bar(sitting))
        main class="judging" {
            section class="question" {
                h1 { "Which reply is better?" }
                @for message in &pair.prompt {
                    div class="message-of" {
                        h3 {
                            @match message.role {
                                Role::System => "Instructions",
                                Role::User => "Prompt",
                                Role::Assistant => "Earlier reply",
                            }
                        }
                        div class="words" { (words::shown(&message.content)) }
                    }
                }
            }
            section class="round" id="round-1" tabindex="-1" {
                div class="speeches beside" {
                    @for (side, reply) in Side::BOTH.iter().zip(&pair.replies) {
                        article class={ "speech side-" (side.letter().to_lowercase()) } {
                            h3 { "Reply " (side.letter()) }
                            div class="words" { (words::shown(reply)) }
                        }
                    }
                }
            }
            (panel(sitting, "Which reply is better, and how sure are you?", ONE_STEP, true, Reason::Optional))
        }
    };
    layout::page("Judge", "judge", Script::Judge, &body)
}

/// A question of active querying. Why it is asked, and what a model thinks of it, is not known here.
fn question_page(sitting: &Sitting<'_>, question: &AskedQuestion) -> Markup {
    let shown = sitting.task.what.shown;
    let (heading, asked) = match question.answers {
        ShownAnswers::Names(_) => (
            "Which answer is right?",
            "Which answer, and how sure are you?",
        ),
        ShownAnswers::Texts(_) => ("Which text is better?", "Which text, and how sure are you?"),
    };
    let body = html! {
        (bar(sitting))
        main class="judging" {
            section class="question" {
                h1 { (question.instruction.as_deref().map_or_else(|| heading.to_owned(), words::shown)) }
                @if !question.text.trim().is_empty() {
                    div class="message-of" { div class="words" { (words::shown(&question.text)) } }
                }
                @if let ShownAnswers::Names(names) = &question.answers {
                    ol class="answers" {
                        @for (side, name) in Side::BOTH.iter().zip(shown.arrange(names.clone())) {
                            li class={ "answer side-" (side.letter().to_lowercase()) } {
                                span class="letter" { (side.letter()) }
                                span class="text" { (words::shown(&name)) }
                            }
                        }
                    }
                }
            }
            @if let ShownAnswers::Texts(texts) = &question.answers {
                section class="round" id="round-1" tabindex="-1" {
                    div class="speeches beside" {
                        @for (side, text) in Side::BOTH.iter().zip(shown.arrange(texts.clone())) {
                            article class={ "speech side-" (side.letter().to_lowercase()) } {
                                h3 { (side.letter()) }
                                div class="words" { (words::shown(&text)) }
                            }
                        }
                    }
                }
            }
            (panel(sitting, asked, ONE_STEP, true, Reason::Optional))
        }
    };
    layout::page("Judge", "judge", Script::Judge, &body)
}

/// The one stage of a pair, and of a question of active querying.
const ONE_STEP: Stage = Stage {
    rounds: 0,
    more: More::Nothing,
    judgement: Judgement::Due,
};

fn bar(sitting: &Sitting<'_>) -> Markup {
    let Tasks { n, n_finished } = sitting.progress;
    html! {
        header class="bar" {
            span class="brand" { "Trimtab" }
            span class="progress" {
                progress max=(n) value=(n_finished) aria-hidden="true" {}
                span { "Item " (n.min(n_finished + 1)) " of " (n) }
            }
            details class="help" {
                summary { "Keys" }
                dl {
                    div { dt { kbd { "1" } " … " kbd { "0" } } dd { "from A certain to B certain" } }
                    div { dt { kbd { "←" } " " kbd { "→" } } dd { "5 % more to A, to B" } }
                    div { dt { kbd { "Enter" } } dd { "go on, once a belief is set" } }
                    div { dt { kbd { "j" } " " kbd { "k" } } dd { "next round, round before" } }
                    @match sitting.task.what.kind {
                        TaskKind::Debate => {},
                        TaskKind::Pair => { div { dt { kbd { "t" } } dd { "tie" } } },
                        TaskKind::Annotation => { div { dt { kbd { "c" } } dd { "cannot say" } } },
                    }
                    div { dt { kbd { "r" } } dd { "write the reason; " kbd { "Esc" } " leaves it" } }
                    div { dt { kbd { "u" } } dd { "undo the last step" } }
                }
            }
        }
    }
}

fn trail(steps: &[Step]) -> Markup {
    html! {
        @if !steps.is_empty() {
            ol class="trail" aria-label="Your beliefs so far" {
                @for step in steps {
                    li {
                        @if step.rounds == 0 { "before reading" } @else { "round " (step.rounds) }
                        " " b { (belief::words(step.percent)) }
                    }
                }
            }
        }
    }
}

/// Whether a judgement needs a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Required,
    Optional,
}

fn panel(
    sitting: &Sitting<'_>,
    question: &str,
    stage: Stage,
    judges: bool,
    reason: Reason,
) -> Markup {
    let task = sitting.task;
    let address = format!("/judge/{}", task.what.public);
    let sent = sitting.refused.map(|(_, form)| form);
    let chosen = sent.and_then(StepForm::percent);
    let half = match (task.what.kind, judges) {
        (TaskKind::Pair, _) => Half::Tie,
        (TaskKind::Annotation, _) => Half::CannotSay,
        (TaskKind::Debate, true) => Half::Refused,
        (TaskKind::Debate, false) => Half::Allowed,
    };
    let text = sent.map(|form| form.reason.as_str()).or(sitting.draft);
    let kind = if judges { "final" } else { "belief" };
    html! {
        form class="panel" data-kind=(kind) id="panel" method="post" action={ (address) "/step" } data-task=(task.what.public)
            data-step=(sitting.steps.len()) data-revision=(task.revision) data-reason=(if reason == Reason::Required { "required" } else { "optional" }) {
            input type="hidden" name="form" value=(sitting.form_token);
            input type="hidden" name="step" value=(sitting.steps.len());
            input type="hidden" name="revision" value=(task.revision);
            input type="hidden" name="kind" value=(kind);
            input type="hidden" name="page_made" value=(format!("{:.3}", now()));
            input type="hidden" name="active_secs" value="";
            @if let Some((what, _)) = sitting.refused {
                p class="fault" role="alert" { (what) }
            }
            (belief::field(question, half, chosen))
            @if judges {
                label class="reason" {
                    span { "Why?" @if reason == Reason::Optional { " (optional)" } }
                    textarea name="reason" rows="3" maxlength=(MOST_REASON_CHARS) required[reason == Reason::Required]
                        placeholder="What decided it for you" { (text.unwrap_or_default()) }
                }
            }
            div class="buttons" {
                button type="submit" class="primary" id="go-on" {
                    @if judges { "Judge" } @else if stage.rounds == 0 { "Start reading" } @else { "Next round" }
                }
                @if stage.judgement == Judgement::Possible && !judges {
                    a class="button" id="decide" href={ (address) "?decide=1" } { "Decide now" }
                }
                @if stage.judgement == Judgement::Possible && judges {
                    a class="button" href=(address) { "Read on" }
                }
                @if !sitting.steps.is_empty() {
                    button type="submit" class="quiet" id="undo" form="undo-form" formnovalidate { "Undo" }
                }
                span class="saved" aria-live="polite" {}
            }
            @if task.what.kind == TaskKind::Debate { (belief::how_scored()) }
            dialog id="confirm" {
                p { "Is this your judgement: " b class="said" {} "?" }
                div class="buttons" {
                    button type="button" class="primary" id="confirm-yes" { "Yes, judge" }
                    button type="button" id="confirm-no" { "Not yet" }
                }
            }
        }
        (undo_form(sitting, &address))
    }
}

fn undo_form(sitting: &Sitting<'_>, address: &str) -> Markup {
    html! {
        @if !sitting.steps.is_empty() {
            form id="undo-form" method="post" action={ (address) "/undo" } {
                input type="hidden" name="form" value=(sitting.form_token);
                input type="hidden" name="revision" value=(sitting.task.revision);
            }
        }
    }
}

/// A step as its form sends it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StepForm {
    form: String,
    step: u32,
    revision: u32,
    kind: String,
    #[serde(default)]
    belief: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    active_secs: String,
    #[serde(default)]
    page_made: String,
}

impl StepForm {
    fn percent(&self) -> Option<Percent> {
        Percent::try_from(self.belief.parse::<u8>().ok()?).ok()
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
    let (task, n_steps) = {
        let people = place.people();
        let task = people.task(visitor.rater.number, &public)?;
        let task = task.ok_or(Trouble::NotFound)?;
        let n_steps = people.steps(task.number)?.len() as u32;
        (task, n_steps)
    };
    let address = format!("/judge/{public}");
    let kind = match form.kind.as_str() {
        "final" => StepKind::Final,
        _ => StepKind::Belief,
    };
    let refused = |what: &'static str| -> Result<Response, Trouble> {
        let decides = kind == StepKind::Final;
        let page = page_of(&place, &visitor, &public, decides, Some((what, &form)))?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let Some(percent) = form.percent() else {
        return refused("Say what you believe: 5 to 95 %, in steps of 5.");
    };
    let reason = typed_up_to(&form.reason, MOST_REASON_CHARS);
    let mut rounds = 0;
    if task.what.kind == TaskKind::Debate {
        if kind == StepKind::Final && percent.is_half() {
            return refused("A judgement leans to one side: 50 % is not taken here.");
        }
        if kind == StepKind::Final && reason.split_whitespace().count() < LEAST_WORDS {
            return refused("Give a reason: a few words are enough.");
        }
        let catalogue = place.catalogue();
        let transcript = catalogue.transcript(&task.what.cell, &task.what.item)?;
        let stage = Stage::of(form.step, transcript.n_rounds(), &place.asking);
        rounds = stage.rounds;
        // What is stored already is compared, whatever the stage.
        if form.step >= n_steps && !stage.allows(kind) {
            return Err(conflict("It is not time for this step.", &address));
        }
    } else if kind == StepKind::Belief {
        return Err(Trouble::Invalid("This is judged in one step.".into()));
    }
    let submission = Submission {
        step: form.step,
        revision: form.revision,
        kind,
        rounds,
        percent,
        reason: (kind == StepKind::Final && !reason.is_empty()).then_some(reason),
        active_secs: form.active_secs.parse().ok(),
        page_made: form.page_made.parse().unwrap_or_else(|_| now()),
    };
    let at = now();
    let recorded = place
        .desk
        .write(move |writing| writing.record(&task, &submission, at))
        .await?;
    match recorded {
        Recorded::Stored | Recorded::AlreadyStored => {
            let on = match kind {
                StepKind::Final => address,
                StepKind::Belief => format!("{address}#round-{}", rounds + 1),
            };
            Ok(Redirect::to(&on).into_response())
        }
        Recorded::AnotherFirst(stored) => Err(conflict(
            &format!(
                "You said {} here before, perhaps in another tab, and that counts: what came now is not stored. You can take back the last step with Undo.",
                belief::words(stored.percent)
            ),
            &address,
        )),
        Recorded::Stale => Err(conflict(
            "A step was undone since this page was loaded, perhaps in another tab: what came now is not stored.",
            &address,
        )),
        Recorded::OutOfTurn { .. } => Err(conflict(
            "This page is ahead of what is stored: what came now is not stored.",
            &address,
        )),
        Recorded::Closed => Err(conflict(
            "This item is judged, perhaps in another tab: what came now is not stored.",
            &address,
        )),
    }
}

fn conflict(what: &str, on: &str) -> Trouble {
    Trouble::Conflict {
        what: what.to_owned(),
        on: on.to_owned(),
        words: None,
    }
}

/// A form that says only what it is of.
#[derive(Debug, Deserialize)]
pub(crate) struct UndoForm {
    form: String,
    revision: u32,
}

/// Takes back the last step.
pub(crate) async fn undo(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
    Form(form): Form<UndoForm>,
) -> Result<Response, Trouble> {
    visitor.check_form(&form.form)?;
    let address = format!("/judge/{public}");
    let task = {
        let people = place.people();
        let task = people.task(visitor.rater.number, &public)?;
        let task = task.ok_or(Trouble::NotFound)?;
        if task.finished.is_some() && !may_undo(&people, &task)? {
            return Err(conflict(
                "This judgement can no longer be taken back.",
                &address,
            ));
        }
        task
    };
    let at = now();
    place
        .desk
        .write(move |writing| writing.undo(&task, form.revision, at))
        .await?;
    Ok(Redirect::to(&address).into_response())
}

/// A judgement may be taken back until the right answer was told, or the next item was begun.
fn may_undo(people: &trimtab_run::People, task: &Task) -> Result<bool, Trouble> {
    if task.what.purpose == Purpose::Gold {
        return Ok(false);
    }
    let last = people.last_finished(task.rater)?;
    if last.is_none_or(|last| last.number != task.number) {
        return Ok(false);
    }
    Ok(match people.next_task(task.rater)? {
        Some(next) => people.steps(next.number)?.is_empty(),
        None => true,
    })
}

/// Words that are not sent yet.
#[derive(Debug, Deserialize)]
pub(crate) struct DraftForm {
    form: String,
    reason: String,
}

/// Keeps them.
pub(crate) async fn draft(
    State(place): State<Arc<Place>>,
    RaterVisit(visitor): RaterVisit,
    Path(public): Path<String>,
    Form(form): Form<DraftForm>,
) -> Result<StatusCode, Trouble> {
    visitor.check_form(&form.form)?;
    let task = place.people().task(visitor.rater.number, &public)?;
    let task = task.ok_or(Trouble::NotFound)?;
    let text = typed_up_to(&form.reason, MOST_REASON_CHARS);
    let at = now();
    place
        .desk
        .write(move |writing| writing.keep_draft(task.number, &text, at))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn finished(
    place: &Place,
    visitor: &Visitor,
    task: &Task,
    steps: &[Step],
    progress: Tasks,
) -> Result<Markup, Trouble> {
    let can_undo = may_undo(&place.people(), task)?;
    let said = steps.last().map(|step| step.percent);
    let feedback = match (task.what.purpose, said) {
        (Purpose::Gold, Some(said)) => feedback(place, task, said)?,
        _ => None,
    };
    let sitting = Sitting {
        task,
        steps,
        draft: None,
        progress,
        form_token: visitor.form_token(),
        refused: None,
    };
    let address = format!("/judge/{}", task.what.public);
    Ok(layout::page(
        "Stored",
        "judge stored",
        Script::Judge,
        &html! {
            header class="bar" {
                span class="brand" { "Trimtab" }
                span class="progress" {
                    progress max=(progress.n) value=(progress.n_finished) aria-hidden="true" {}
                    span { (progress.n_finished) " of " (progress.n) " judged" }
                }
            }
            main {
                h1 { "Stored" }
                @if let Some(said) = said {
                    p { "You said " b { (if is_passed(task, said) { "that you cannot say".into() } else { belief::words(said) }) } ". It is on the disk." }
                }
                (trail(steps))
                @if let Some(feedback) = &feedback { p class="feedback" { (feedback) } }
                div class="buttons" {
                    a class="button primary" id="go-on" href="/judge" { "Next item" }
                    @if can_undo {
                        button type="submit" class="quiet" id="undo" form="undo-form" { "Undo" }
                    }
                }
                @if can_undo { (undo_form(&sitting, &address)) }
            }
        },
    ))
}

/// Whether somebody said that they cannot say.
fn is_passed(task: &Task, said: Percent) -> bool {
    task.what.kind == TaskKind::Annotation && said.is_half()
}

/// What was right, for a gold item.
fn feedback(place: &Place, task: &Task, said: Percent) -> Result<Option<String>, Trouble> {
    let catalogue = place.catalogue();
    let Some(cell) = catalogue.debate_cell(&task.what.cell) else {
        return Ok(None);
    };
    let answers = debates::answers(place.path(), cell.variant)
        .map_err(|error| Trouble::Unreadable(error.to_string()))?;
    let right = answers.and_then(|answers| answers.get(&task.what.question).copied());
    Ok(right.map(|right| {
        let side = task.what.shown.side_of(trimtab_core::AnswerIdx(right));
        let in_right = match side {
            Side::A => said,
            Side::B => said.of_b(),
        };
        format!(
            "The right answer is {}. Your score: {}.",
            side.letter(),
            belief::signed(belief::score(in_right))
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_a_debate() {
        let all = AskingConfig::default();
        let check = |n_steps, asking: &AskingConfig, belief: bool, judgement: bool| {
            let stage = Stage::of(n_steps, 3, asking);
            assert_eq!(stage.allows(StepKind::Belief), belief, "{n_steps}");
            assert_eq!(stage.allows(StepKind::Final), judgement, "{n_steps}");
        };
        check(0, &all, true, false);
        check(2, &all, true, false);
        check(3, &all, false, true);
        let early = AskingConfig {
            min_rounds: Some(1),
            ..all
        };
        check(0, &early, true, false);
        check(1, &early, true, true);
        // Nobody speaks: the first step is the judgement.
        let alone = Stage::of(0, 0, &early);
        assert!(alone.allows(StepKind::Final) && !alone.allows(StepKind::Belief));
    }
}
