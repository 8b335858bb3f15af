//! Candidates for a speech: asked for until they keep to the rules of form, and the best of them.

use trimtab_core::chat::{
    Ask, Failure, FailureClass, Message, ModelError, OnProgress, Request, Role, Said, Usage,
    ask_rows,
};
use trimtab_prompt::rendered;

use super::{Hall, Work, in_order_of_sides, speaker_name};
use crate::config::{Quotes, SpeechConfig};
use crate::debater::{Draft, Fault, draft, is_criticism, messages, no_speech};
use crate::judge::{asked, situation};
use crate::prompts::Prompts;
use crate::protocol::Turn;
use crate::question::DebateQuestion;
use crate::side::{Order, Side};
use crate::speech::{Candidate, Segment, Speech};
use crate::transcript::{Event, EventKind, Speaker, Speakers, Transcript};

/// What the dummy opponent says while a candidate is scored.
const DUMMY: &str = "My answer is the right one, and the other is wrong.";

/// A speech that may be spoken, and what is known of it.
pub(super) struct Made {
    pub(super) draft: Draft,
    score: Option<f64>,
}

/// What the attempts at one candidate have come to.
pub(super) struct Attempts {
    made: Option<Made>,
    last: Option<(Said, Option<Fault>)>,
    n: u32,
    usage: Usage,
}

impl Hall<'_> {
    /// `n` candidates for every due turn, each asked for until it keeps to the rules or has been asked for often enough.
    pub(super) fn candidates(
        &self,
        works: &[Work<'_>],
        due: &[(usize, Turn)],
        n: usize,
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Attempts>, ModelError> {
        let config = &self.config.speech;
        let mut all: Vec<Attempts> = (0..due.len() * n).map(|_| Attempts::none()).collect();
        for attempt in 0..config.n_attempts {
            // Who declined, or could not be reached, is not asked again: the model's server has its own retries.
            let open: Vec<usize> = (0..all.len()).filter(|&c| all[c].may_try_again()).collect();
            if open.is_empty() {
                break;
            }
            let stage = if attempt == 0 {
                "speech"
            } else {
                "speech again"
            };
            let requests = |&c: &usize| {
                let (i, turn) = due[c / n];
                let work = &works[i];
                let name = format!("{} {}", turn.round, speaker_name(turn.by));
                Request {
                    messages: messages(
                        self.protocol,
                        config.max_words,
                        work.question,
                        &work.transcript,
                        turn,
                    ),
                    ask: Ask::Reply(config.generation()),
                    sample_idx: (c % n) as u32 + attempt * n as u32,
                    seed: (self.seed.child(&work.transcript.id))
                        .child(&name)
                        .child(&format!("{} {attempt}", c % n)),
                }
            };
            let outcomes = self.ask_players(
                works,
                due,
                &open,
                stage,
                &requests,
                |&c| c / n,
                &mut *on_progress,
            )?;
            for (c, outcome) in open.into_iter().zip(outcomes) {
                let (i, turn) = due[c / n];
                let said = Said::from(outcome);
                let this = &mut all[c];
                this.n += 1;
                this.usage += said.usage();
                let drafted = said
                    .text()
                    .map(|text| self.drafted(works[i].question, turn, text));
                match drafted {
                    Some(Ok(draft)) => this.made = Some(Made { draft, score: None }),
                    Some(Err(fault)) => this.last = Some((said, Some(fault))),
                    None => this.last = Some((said, None)),
                }
            }
        }
        Ok(all)
    }

    pub(super) fn drafted(
        &self,
        question: &DebateQuestion,
        turn: Turn,
        text: &str,
    ) -> Result<Draft, Fault> {
        // A critic that finds nothing has nothing to quote.
        if is_criticism(self.protocol, turn.round) {
            let config = SpeechConfig {
                quotes: Quotes::Allowed,
                ..self.config.speech.clone()
            };
            return draft(&config, question, text);
        }
        draft(&self.config.speech, question, text)
    }

    /// How likely the judge is to believe each candidate's side, in both orders, where the opponent says nothing to the point.
    pub(super) fn score(
        &self,
        works: &[Work<'_>],
        due: &[(usize, Turn)],
        by_turn: &mut [Vec<Attempts>],
        on_progress: OnProgress<'_>,
    ) -> Result<(), ModelError> {
        let mut cases = Vec::new();
        for (t, (_, turn)) in due.iter().enumerate() {
            // A critic has no side that could be believed.
            if matches!(turn.by, Speaker::Side(_)) {
                for (c, attempts) in by_turn[t].iter().enumerate() {
                    if attempts.made.is_some() {
                        cases.extend(Order::BOTH.map(|shown| (t, c, shown)));
                    }
                }
            }
        }
        let task = rendered(&Prompts::embedded().answer_letter, &[]);
        let request = |&(t, c, shown): &(usize, usize, Order)| {
            let (i, turn) = due[t];
            let work = &works[i];
            let segments = by_turn[t][c].made.as_ref().map(|made| &made.draft.segments);
            let imagined = imagined(&work.transcript, turn, segments.map_or(&[][..], |s| s));
            let view = imagined.for_judge(shown, turn.round);
            let situation = situation(self.protocol, work.question, &view);
            let text = asked(self.protocol, &view, &situation, &task);
            Request {
                messages: vec![Message::new(Role::User, text)],
                ask: self.letters(),
                sample_idx: 0,
                seed: (self.seed.child(&work.transcript.id)).child("score"),
            }
        };
        let model = self.participants.judge.model;
        let outcomes = ask_rows(model, "candidates", &cases, request, on_progress)?;
        let mut sums: Vec<Vec<(f64, u32)>> = by_turn
            .iter()
            .map(|candidates| vec![(0.0, 0); candidates.len()])
            .collect();
        for (&(t, c, shown), outcome) in cases.iter().zip(outcomes) {
            let (i, turn) = due[t];
            let reading = self.letter(outcome);
            by_turn[t][c].usage += reading.usage();
            if let (Some(p), Speaker::Side(side)) = (reading.p_of_a(), turn.by) {
                let order = works[i].transcript.arm.order;
                let at = shown.side_of(order.answer_at(side));
                sums[t][c].0 += if at == Side::A { p } else { 1.0 - p };
                sums[t][c].1 += 1;
            }
        }
        for (candidates, sums) in by_turn.iter_mut().zip(sums) {
            for (attempts, (sum, n)) in candidates.iter_mut().zip(sums) {
                if let Some(made) = &mut attempts.made
                    && n > 0
                {
                    made.score = Some(sum / f64::from(n));
                }
            }
        }
        Ok(())
    }
}

impl Attempts {
    fn none() -> Self {
        Self {
            made: None,
            last: None,
            n: 0,
            usage: Usage::default(),
        }
    }

    /// A reply that breaks a rule is worth another attempt; silence and refusal are answers.
    fn may_try_again(&self) -> bool {
        self.made.is_none()
            && (self.last.as_ref())
                .is_none_or(|(said, _)| matches!(said, Said::Text { .. } | Said::Empty { .. }))
    }
}

/// What is spoken in one turn.
pub(super) struct Spoken {
    pub(super) made: Option<Made>,
    candidates: Vec<Candidate>,
    last: Option<(Said, Option<Fault>)>,
    n_attempts: u32,
    pub(super) usage: Usage,
}

impl Spoken {
    /// The best of the candidates that may be spoken; the first where none is scored.
    pub(super) fn best(candidates: Vec<Attempts>) -> Self {
        let mut spoken = Self {
            made: None,
            candidates: Vec::new(),
            last: None,
            n_attempts: 0,
            usage: Usage::default(),
        };
        let several = candidates.len() > 1;
        for attempts in candidates {
            spoken.n_attempts += attempts.n;
            spoken.usage += attempts.usage;
            match attempts.made {
                Some(made) => {
                    if several {
                        spoken.candidates.push(Candidate {
                            segments: made.draft.segments.clone(),
                            score: made.score,
                        });
                    }
                    let better = (spoken.made.as_ref()).is_none_or(|best| made.score > best.score);
                    if better {
                        spoken.made = Some(made);
                    }
                }
                None => spoken.last = attempts.last.or(spoken.last),
            }
        }
        spoken
    }

    pub(super) fn event(self) -> EventKind {
        let Self {
            made,
            candidates,
            last,
            n_attempts,
            usage,
        } = self;
        if let Some(Made { draft, .. }) = made {
            return EventKind::Speech(Speech {
                segments: draft.segments,
                scratchpad: draft.scratchpad,
                n_attempts,
                truncated: draft.truncated,
                candidates,
                usage,
            });
        }
        let (said, fault) = last.unwrap_or_else(|| {
            let failure = Failure {
                class: FailureClass::Malformed,
                message: "nobody was asked".into(),
            };
            (Said::Failed(failure), None)
        });
        EventKind::NoSpeech {
            reason: no_speech(&said, fault.as_ref()),
            usage,
        }
    }
}

/// `transcript` as it would be if `segments` were said at `turn`, and the opponent had nothing to say.
fn imagined(transcript: &Transcript, turn: Turn, segments: &[Segment]) -> Transcript {
    let speech = |segments: Vec<Segment>| {
        EventKind::Speech(Speech {
            segments,
            scratchpad: None,
            n_attempts: 1,
            truncated: false,
            candidates: Vec::new(),
            usage: Usage::default(),
        })
    };
    let mut imagined = transcript.clone();
    let mut say = |by: Speaker, segments: Vec<Segment>| {
        imagined.events.push(Event {
            round: turn.round,
            by,
            kind: speech(segments),
        });
    };
    say(turn.by, segments.to_vec());
    if let (Speaker::Side(side), Speakers::Both) = (turn.by, transcript.arm.speakers) {
        let opponent = Speaker::Side(side.other());
        let spoke = (transcript.events.iter())
            .any(|event| event.round == turn.round && event.by == opponent);
        if !spoke {
            say(opponent, vec![Segment::Words(DUMMY.into())]);
        }
    }
    if imagined.simultaneous {
        in_order_of_sides(&mut imagined.events);
    }
    imagined
}
