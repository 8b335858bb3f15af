//! Holding debates: from questions to transcripts, all of them at once.
//!
//! ```text
//! for every question and arm:                       who argues what, in which order (`protocol.rs`)
//!   open protocols: the first speaker answers       A or B, by its probabilities
//!   while any transcript has turns that are due:    all due turns of all transcripts are one wave of calls
//!     people (`person.rs`) have said something, or the transcript waits for them
//!     candidates, again where a rule of form is broken
//!     best of n: the candidate after which the judge is likeliest to believe its side
//!     critique and refinement: advice, the most helpful of it, a speech that follows it
//! ```
//!
//! Papers: Khan et al. 2024, section 3 and appendix (best of n, critique and refinement); Michael et al. 2023 (judges who ask).
//! Differs from Khan et al.: a candidate is scored in both orders, so that what is chosen cannot depend on the side (in three of
//! their experiments the worst argument was chosen where sides were swapped).

mod branching;
mod candidates;
mod refinement;

use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_core::Seed;
use trimtab_core::chat::{
    Ask, ChatModel, Generation, Message, ModelError, OnProgress, Outcome, Reading, Request, Role,
    Said, ask_rows, bounded,
};
use trimtab_prompt::rendered;

pub(crate) use self::branching::root;
use self::candidates::{Attempts, Spoken};
use crate::config::{DebateConfig, JudgeReading};
use crate::debater::{no_speech, reading};
use crate::judge::{OPTIONS, said_so_far, situation};
use crate::person::{PEOPLE, PersonTurn};
use crate::prompts::{Prompts, quoted};
use crate::protocol::{Cast, Position, Protocol, Turn, next_turns};
use crate::question::DebateQuestion;
use crate::quotes;
use crate::side::Side;
use crate::speech::Segment;
use crate::transcript::{Arm, Choice, Event, EventKind, NoSpeech, Speaker, Speakers, Transcript};

/// Who takes part. Roles are kept with transcripts; models are asked.
#[derive(Clone, Copy)]
pub struct Participants<'a> {
    /// What tells their transcripts from those of others on the same questions; may be empty.
    pub label: &'a str,
    /// Who debates, or advises; in open protocols, who chooses.
    pub debater: Participant<'a>,
    /// Against whom. Where it is somebody else, every arm is held twice, with places exchanged.
    pub opponent: Participant<'a>,
    /// Who finds faults.
    pub critic: Participant<'a>,
    /// Who asks between rounds, and who candidates are scored by.
    pub judge: Participant<'a>,
}

/// A role and its model.
#[derive(Clone, Copy)]
pub struct Participant<'a> {
    /// The role.
    pub role: &'a str,
    /// Its model.
    pub model: &'a dyn ChatModel,
}

/// One transcript in the making.
struct Work<'a> {
    question: &'a DebateQuestion,
    transcript: Transcript,
}

/// Debates as far as they have come.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Every transcript; where a turn waits, it ends before it.
    pub transcripts: Vec<Transcript>,
    /// Turns that wait for a person.
    pub waiting: Vec<PersonTurn>,
}

/// Holds every debate of `questions` between models.
///
/// # Errors
///
/// [`ModelError`] when nothing more can be asked; answers that are stored are found again.
pub fn hold(
    config: &DebateConfig,
    participants: Participants<'_>,
    questions: &[Arc<DebateQuestion>],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Transcript>, ModelError> {
    let held = hold_with_people(
        config,
        participants,
        questions,
        seed,
        &|_| None,
        on_progress,
    )?;
    Ok(held.transcripts)
}

/// The same, where people may have a role ([`PEOPLE`]): `said` is what somebody said at a turn, none where nobody has yet.
/// What can be said without them is said.
///
/// # Errors
///
/// As [`hold`].
pub fn hold_with_people(
    config: &DebateConfig,
    participants: Participants<'_>,
    questions: &[Arc<DebateQuestion>],
    seed: Seed,
    said: &dyn Fn(&PersonTurn) -> Option<String>,
    on_progress: OnProgress<'_>,
) -> Result<Held, ModelError> {
    let protocol = config.as_protocol();
    let hall = Hall {
        config,
        protocol: &protocol,
        participants,
        seed,
    };
    let mut works: Vec<Work<'_>> = (questions.iter())
        .flat_map(|question| hall.begin(question))
        .collect();
    if protocol.is_open() {
        hall.choose(&mut works, &mut *on_progress)?;
    }
    let mut waiting = Waiting::new();
    loop {
        let due: Vec<(usize, Turn)> = (works.iter().enumerate())
            .flat_map(|(i, work)| {
                let turns = next_turns(&protocol, &work.transcript);
                turns.into_iter().map(move |turn| (i, turn))
            })
            .filter(|(i, turn)| !waiting.contains_key(&(*i, turn.round, turn.by)))
            .collect();
        let Some(&(_, first)) = due.first() else {
            break;
        };
        // Waves keep in step: questions of the judge are a wave of their own.
        let asks = first.by == Speaker::Judge;
        let due: Vec<(usize, Turn)> = (due.into_iter())
            .filter(|(_, turn)| (turn.by == Speaker::Judge) == asks)
            .collect();
        let due = hall.hear_people(&mut works, due, said, &mut waiting);
        if due.is_empty() {
            continue;
        }
        if let Some(branching) = config.branching.filter(|_| !asks) {
            // A turn at a time, so that what one side tries goes with everything that the other tries.
            let mut due = due;
            due.dedup_by_key(|(i, _)| *i);
            works = hall.branch(branching, works, &due, &mut *on_progress)?;
            continue;
        }
        let events = if asks {
            hall.questions(&works, &due, &mut *on_progress)?
        } else {
            hall.speeches(&works, &due, &mut *on_progress)?
        };
        for ((i, turn), kind) in due.into_iter().zip(events) {
            works[i].transcript.events.push(Event {
                round: turn.round,
                by: turn.by,
                kind,
            });
        }
    }
    let mut transcripts: Vec<Transcript> =
        (works.into_iter()).map(|work| work.transcript).collect();
    // Simultaneous speeches stand in the order of their sides.
    for transcript in &mut transcripts {
        if transcript.simultaneous {
            in_order_of_sides(&mut transcript.events);
        }
    }
    Ok(Held {
        transcripts,
        waiting: waiting.into_values().collect(),
    })
}

impl Work<'_> {
    /// Whether a person has the turn of `by`.
    fn is_persons(&self, by: Speaker) -> bool {
        match by {
            Speaker::Side(side) => self.transcript.players[side.index()].as_deref() == Some(PEOPLE),
            Speaker::Judge | Speaker::Critic => false,
        }
    }
}

/// Turns that wait, by transcript, round and speaker.
type Waiting = BTreeMap<(usize, u32, Speaker), PersonTurn>;

/// Where debates are held.
struct Hall<'a> {
    config: &'a DebateConfig,
    protocol: &'a Protocol,
    participants: Participants<'a>,
    seed: Seed,
}

impl<'a> Hall<'a> {
    /// Empty transcripts of `question`: one an arm, and one more where places are exchanged.
    fn begin<'q>(&self, question: &'q DebateQuestion) -> Vec<Work<'q>> {
        let arms = self.protocol.arms(self.seed.child(question.id.as_str()));
        let Participants {
            debater, opponent, ..
        } = self.participants;
        let exchanges = self.protocol.cast == Cast::Debaters(Position::Assigned)
            && debater.role != opponent.role;
        let mut works = Vec::new();
        for arm in arms {
            let casts: &[bool] = if exchanges { &[false, true] } else { &[false] };
            for &exchanged in casts {
                works.push(Work {
                    question,
                    transcript: self.empty(question, arm, exchanged),
                });
            }
        }
        works
    }

    fn empty(&self, question: &DebateQuestion, arm: Arm, exchanged: bool) -> Transcript {
        let answers = question.answers.each_ref().map(ToString::to_string);
        let Participants {
            debater, opponent, ..
        } = self.participants;
        let players = match arm.speakers {
            Speakers::Nobody => [None, None],
            Speakers::One(Side::A) => [Some(debater.role), None],
            Speakers::One(Side::B) => [None, Some(debater.role)],
            Speakers::Both if exchanged => [Some(opponent.role), Some(debater.role)],
            Speakers::Both => [Some(debater.role), Some(opponent.role)],
        };
        Transcript {
            id: format!(
                "{}/{}{}{}",
                question.id,
                match self.participants.label {
                    "" => String::new(),
                    label => format!("{label}/"),
                },
                arm.name(),
                if exchanged { "-exchanged" } else { "" }
            ),
            question: question.id.clone(),
            passage: question.passage.as_ref().map(|passage| passage.id.clone()),
            text: question.text.to_string(),
            answers: arm.order.arrange(answers),
            arm,
            players: players.map(|player| player.map(str::to_owned)),
            choice: None,
            simultaneous: arm.speakers == Speakers::Both && !self.protocol.is_sequential(),
            events: Vec::new(),
        }
    }

    /// Lets first speakers of open protocols choose. Who cannot answer argues for nothing: its transcript says so.
    fn choose(
        &self,
        works: &mut [Work<'_>],
        on_progress: OnProgress<'_>,
    ) -> Result<(), ModelError> {
        let model = self.participants.debater.model;
        let request = |work: &Work<'_>| {
            let [a, b] = &work.transcript.answers;
            let text = rendered(
                &Prompts::embedded().choose,
                &[
                    ("reading", &reading(work.question)),
                    ("question", &quoted(&work.transcript.text)),
                    ("answer_a", &quoted(a)),
                    ("answer_b", &quoted(b)),
                ],
            );
            Request {
                messages: vec![Message::new(Role::User, text)],
                ask: self.letters(),
                sample_idx: 0,
                seed: self.seed.child(&work.transcript.id).child("choice"),
            }
        };
        let outcomes = ask_rows(model, "choice", works, request, on_progress)?;
        let Participants {
            debater, opponent, ..
        } = self.participants;
        for (work, outcome) in works.iter_mut().zip(outcomes) {
            let reading = self.letter(outcome);
            let transcript = &mut work.transcript;
            if let Some(p) = reading.p_of_a() {
                let side = if p >= 0.5 { Side::A } else { Side::B };
                transcript.choice = Some(Choice {
                    side,
                    probability: p.max(1.0 - p),
                    usage: reading.usage(),
                });
                transcript.arm = transcript.arm.chosen(side);
                transcript.arm.first = side;
                let mut players = [None, None];
                players[side.index()] = Some(debater.role.to_owned());
                if transcript.arm.speakers == Speakers::Both {
                    players[side.other().index()] = Some(opponent.role.to_owned());
                }
                transcript.players = players;
            } else {
                let side = match transcript.arm.speakers {
                    Speakers::One(side) => side,
                    Speakers::Both | Speakers::Nobody => Side::A,
                };
                transcript.arm.speakers = Speakers::Nobody;
                transcript.events.push(Event {
                    round: 1,
                    by: Speaker::Side(side),
                    kind: EventKind::NoSpeech {
                        reason: unread(&reading),
                        usage: reading.usage(),
                    },
                });
            }
        }
        Ok(())
    }

    /// Puts what people said into transcripts, and turns of theirs at which nobody has said anything among what waits. The turns of
    /// others are left.
    fn hear_people(
        &self,
        works: &mut [Work<'_>],
        due: Vec<(usize, Turn)>,
        said: &dyn Fn(&PersonTurn) -> Option<String>,
        waiting: &mut Waiting,
    ) -> Vec<(usize, Turn)> {
        let (mut left, mut of_people) = (Vec::new(), Vec::new());
        for (i, turn) in due {
            let Work {
                question,
                transcript,
            } = &works[i];
            let person = (works[i].is_persons(turn.by))
                .then(|| {
                    let speech = &self.config.speech;
                    PersonTurn::at(self.protocol, speech, question, transcript, turn)
                })
                .flatten();
            match person {
                Some(person) => of_people.push((i, turn, person)),
                None => left.push((i, turn)),
            }
        }
        for (i, turn, person) in of_people {
            if let Some(text) = said(&person) {
                works[i].transcript.events.push(Event {
                    round: turn.round,
                    by: turn.by,
                    kind: person.event(&text),
                });
            } else {
                waiting.insert((i, turn.round, turn.by), person);
            }
        }
        left
    }

    /// How A or B is asked for: of a judge that writes, in words.
    fn letters(&self) -> Ask {
        let judging = &self.config.judging;
        match judging.reads {
            JudgeReading::LogProbs => judging.without_log_probs.ask(&OPTIONS),
            JudgeReading::Text | JudgeReading::Percent => Ask::Reply(Generation {
                temperature: 0.0,
                max_tokens: judging.max_tokens,
                ..Generation::default()
            }),
        }
    }

    fn letter(&self, outcome: Outcome) -> Reading {
        match self.config.judging.reads {
            JudgeReading::LogProbs => Reading::of_options(outcome, self.config.judging.least_mass),
            JudgeReading::Text | JudgeReading::Percent => Reading::of_text(outcome),
        }
    }

    /// What the judge asks.
    fn questions(
        &self,
        works: &[Work<'_>],
        due: &[(usize, Turn)],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<EventKind>, ModelError> {
        let prompts = Prompts::embedded();
        let request = |&(i, turn): &(usize, Turn)| {
            let Work {
                question,
                transcript,
            } = &works[i];
            // As it stood while it was made: which answer is at A was drawn.
            let view = transcript.for_judge(transcript.arm.order, turn.round);
            let [a, b] = &view.answers;
            let text = rendered(
                &prompts.ask,
                &[
                    ("situation", &situation(self.protocol, question, &view)),
                    ("question", &quoted(&view.question)),
                    ("answer_a", &quoted(a)),
                    ("answer_b", &quoted(b)),
                    ("said", &said_so_far(self.protocol, &view)),
                ],
            );
            Request {
                messages: vec![Message::new(Role::User, text)],
                ask: Ask::Reply(Generation {
                    temperature: self.config.judging.temperature,
                    max_tokens: 150,
                    ..Generation::default()
                }),
                sample_idx: 0,
                seed: (self.seed.child(&transcript.id)).child(&format!("question {}", turn.round)),
            }
        };
        let model = self.participants.judge.model;
        let outcomes = ask_rows(model, "question", due, request, on_progress)?;
        Ok((outcomes.into_iter())
            .map(|outcome| {
                let said = Said::from(outcome);
                let usage = said.usage();
                match said.text() {
                    Some(text) => {
                        let segments = quotes::segments(text, None);
                        let (cut, _) = quotes::truncate(segments, 90);
                        EventKind::Question {
                            text: cut.iter().map(Segment::text).collect(),
                            usage,
                        }
                    }
                    None => EventKind::NoSpeech {
                        reason: no_speech(&said, None),
                        usage,
                    },
                }
            })
            .collect())
    }

    /// Speeches of all due turns.
    fn speeches(
        &self,
        works: &[Work<'_>],
        due: &[(usize, Turn)],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<EventKind>, ModelError> {
        let n = self.config.speech.best_of as usize;
        let candidates = self.candidates(works, due, n, &mut *on_progress)?;
        let mut by_turn: Vec<Vec<Attempts>> = Vec::new();
        let mut candidates = candidates.into_iter();
        for _ in due {
            by_turn.push(candidates.by_ref().take(n).collect());
        }
        if n > 1 {
            self.score(works, due, &mut by_turn, &mut *on_progress)?;
        }
        let mut spoken: Vec<Spoken> = by_turn.into_iter().map(Spoken::best).collect();
        if self.config.speech.n_critiques > 0 {
            self.refine(works, due, &mut spoken, on_progress)?;
        }
        Ok(spoken.into_iter().map(Spoken::event).collect())
    }

    fn player(&self, work: &Work<'_>, by: Speaker) -> &'a dyn ChatModel {
        let Participants {
            debater,
            opponent,
            critic,
            judge,
            ..
        } = self.participants;
        match by {
            Speaker::Critic => critic.model,
            Speaker::Judge => judge.model,
            Speaker::Side(side) => {
                let role = work.transcript.players[side.index()].as_deref();
                if role == Some(opponent.role) {
                    opponent.model
                } else {
                    debater.model
                }
            }
        }
    }

    /// Asks for each of `rows` whoever has the turn that it belongs to: a wave for each model that is in it.
    #[expect(
        clippy::too_many_arguments,
        reason = "what is asked, of whom, and how that is told"
    )]
    fn ask_players<R>(
        &self,
        works: &[Work<'_>],
        due: &[(usize, Turn)],
        rows: &[R],
        stage: &str,
        request: &dyn Fn(&R) -> Request,
        turn_of: impl Fn(&R) -> usize,
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Outcome>, ModelError> {
        let model_of = |row: &R| {
            let (i, turn) = due[turn_of(row)];
            self.player(&works[i], turn.by)
        };
        let mut outcomes: Vec<Option<Outcome>> = rows.iter().map(|_| None).collect();
        let Participants {
            debater,
            opponent,
            critic,
            ..
        } = self.participants;
        let mut asked: Vec<&dyn ChatModel> = Vec::new();
        for model in [debater.model, opponent.model, critic.model] {
            if asked.iter().any(|&other| std::ptr::addr_eq(other, model)) {
                continue;
            }
            asked.push(model);
            let here: Vec<usize> = (0..rows.len())
                .filter(|&r| std::ptr::addr_eq(model_of(&rows[r]), model))
                .collect();
            let answers = ask_rows(
                model,
                stage,
                &here,
                |&r| request(&rows[r]),
                &mut *on_progress,
            )?;
            for (r, outcome) in here.into_iter().zip(answers) {
                outcomes[r] = Some(outcome);
            }
        }
        let all = outcomes.into_iter().collect::<Option<_>>();
        Ok(all.expect("every turn is somebody's"))
    }
}

/// Whoever is asked first, A is shown first, and before it what the judge asked.
fn in_order_of_sides(events: &mut [Event]) {
    events.sort_by_key(|event| (event.round, event.by != Speaker::Judge, event.by));
}

fn speaker_name(by: Speaker) -> &'static str {
    match by {
        Speaker::Side(Side::A) => "a",
        Speaker::Side(Side::B) => "b",
        Speaker::Judge => "judge",
        Speaker::Critic => "critic",
    }
}

fn unread(reading: &Reading) -> NoSpeech {
    match reading {
        Reading::Failed(failure) => NoSpeech::Failed(failure.clone()),
        Reading::Refused { reply, .. } => NoSpeech::Refused {
            reply: bounded(reply, 2000),
        },
        Reading::Unparsed { reply, .. } | Reading::Text { reply, .. } => NoSpeech::Invalid {
            fault: "neither A nor B".into(),
            reply: bounded(reply, 2000),
        },
        Reading::LittleMass(_) | Reading::LogProbs(_) => NoSpeech::Invalid {
            fault: "little probability on A and B".into(),
            reply: String::new(),
        },
    }
}
