//! Advice on a speech, and the speech that follows it.
//!
//! Paper: Khan et al. 2024, appendix (critique and refinement): critiques are ranked by how probable it is that they help, the
//! first is followed once, and a speech that talks of it is not spoken.

use trimtab_core::Seed;
use trimtab_core::chat::{
    Ask, Generation, Message, ModelError, OnProgress, Request, Role, Said, ask_rows, bounded,
};
use trimtab_prompt::rendered;

use super::candidates::Spoken;
use super::{Hall, Work, speaker_name};
use crate::debater::{Draft, Fault, messages};
use crate::preferences::tagged;
use crate::prompts::{Prompts, quoted};
use crate::protocol::Turn;
use crate::speech::Segment;

/// The longest critique that is shown to anybody, in bytes.
const CRITIQUE_BYTES: usize = 2000;

/// Advice on the speech of a turn.
struct Advice {
    turn: usize,
    critique: String,
}

/// The due turns, and who may hear what at them.
struct Speeches<'w> {
    works: &'w [Work<'w>],
    due: &'w [(usize, Turn)],
    /// Each turn's speech, as its speaker wrote it.
    texts: Vec<String>,
}

impl Hall<'_> {
    /// Advice on every speech, the most helpful of it, and a speech that follows it; where that breaks a rule, the first stays.
    pub(super) fn refine(
        &self,
        works: &[Work<'_>],
        due: &[(usize, Turn)],
        spoken: &mut [Spoken],
        on_progress: OnProgress<'_>,
    ) -> Result<(), ModelError> {
        let texts = (spoken.iter())
            .map(|spoken| {
                (spoken.made.as_ref()).map_or_else(String::new, |made| tagged(&made.draft.segments))
            })
            .collect();
        let speeches = Speeches { works, due, texts };
        let advice = self.advice(&speeches, spoken, &mut *on_progress)?;
        let best = self.most_helpful(&speeches, advice, spoken, &mut *on_progress)?;
        self.follow(&speeches, &best, spoken, on_progress)
    }

    /// As many critiques as are wanted of each speech.
    fn advice(
        &self,
        speeches: &Speeches<'_>,
        spoken: &mut [Spoken],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Advice>, ModelError> {
        let n = self.config.speech.n_critiques;
        let rows: Vec<(usize, u32)> = (0..speeches.due.len())
            .filter(|&turn| spoken[turn].made.is_some())
            .flat_map(|turn| (0..n).map(move |k| (turn, k)))
            .collect();
        let request = |&(turn, k): &(usize, u32)| {
            let argument = quoted(&speeches.texts[turn]);
            let task = rendered(&Prompts::embedded().critique, &[("argument", &argument)]);
            Request {
                messages: self.after_its_speech(speeches, turn, task),
                ask: Ask::Reply(Generation {
                    max_tokens: 200,
                    ..self.config.speech.generation()
                }),
                sample_idx: k,
                seed: self.seed_of(speeches, turn, &format!("critique {k}")),
            }
        };
        let outcomes = self.ask_players(
            speeches.works,
            speeches.due,
            &rows,
            "critique",
            &request,
            |&(turn, _)| turn,
            on_progress,
        )?;
        let mut advice = Vec::new();
        for ((turn, _), outcome) in rows.into_iter().zip(outcomes) {
            let said = Said::from(outcome);
            spoken[turn].usage += said.usage();
            if let Some(text) = said.text() {
                let critique = bounded(text, CRITIQUE_BYTES);
                advice.push(Advice { turn, critique });
            }
        }
        Ok(advice)
    }

    /// For each speech the advice that the judge's model thinks likeliest to help; where there is one, that one.
    fn most_helpful(
        &self,
        speeches: &Speeches<'_>,
        advice: Vec<Advice>,
        spoken: &mut [Spoken],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Advice>, ModelError> {
        if self.config.speech.n_critiques == 1 {
            return Ok(advice);
        }
        let request = |advice: &Advice| {
            let text = rendered(
                &Prompts::embedded().helpful,
                &[
                    ("argument", &quoted(&speeches.texts[advice.turn])),
                    ("critique", &quoted(&advice.critique)),
                ],
            );
            Request {
                messages: vec![Message::new(Role::User, text)],
                ask: self.letters(),
                sample_idx: 0,
                seed: self.seed_of(speeches, advice.turn, "helpful"),
            }
        };
        let model = self.participants.judge.model;
        let outcomes = ask_rows(model, "helpful", &advice, request, on_progress)?;
        let mut best: Vec<Option<(Advice, f64)>> = spoken.iter().map(|_| None).collect();
        for (advice, outcome) in advice.into_iter().zip(outcomes) {
            let reading = self.letter(outcome);
            spoken[advice.turn].usage += reading.usage();
            let Some(p) = reading.p_of_a() else { continue };
            let place = &mut best[advice.turn];
            if place.as_ref().is_none_or(|(_, most)| p > *most) {
                *place = Some((advice, p));
            }
        }
        Ok(best
            .into_iter()
            .flatten()
            .map(|(advice, _)| advice)
            .collect())
    }

    /// Speeches made again along `advice`.
    fn follow(
        &self,
        speeches: &Speeches<'_>,
        advice: &[Advice],
        spoken: &mut [Spoken],
        on_progress: OnProgress<'_>,
    ) -> Result<(), ModelError> {
        let request = |advice: &Advice| {
            let critique = quoted(&advice.critique);
            let task = rendered(&Prompts::embedded().refine, &[("critique", &critique)]);
            Request {
                messages: self.after_its_speech(speeches, advice.turn, task),
                ask: Ask::Reply(self.config.speech.generation()),
                sample_idx: 0,
                seed: self.seed_of(speeches, advice.turn, "refine"),
            }
        };
        let outcomes = self.ask_players(
            speeches.works,
            speeches.due,
            advice,
            "refinement",
            &request,
            |advice| advice.turn,
            on_progress,
        )?;
        for (advice, outcome) in advice.iter().zip(outcomes) {
            let (i, turn) = speeches.due[advice.turn];
            let said = Said::from(outcome);
            let spoken = &mut spoken[advice.turn];
            spoken.usage += said.usage();
            let refined = (said.text().ok_or(Fault::NoArgument))
                .and_then(|text| self.drafted(speeches.works[i].question, turn, text))
                .and_then(unaware);
            if let (Ok(draft), Some(made)) = (refined, &mut spoken.made) {
                let scratchpad = draft.scratchpad.or(made.draft.scratchpad.take());
                made.draft = Draft {
                    scratchpad,
                    ..draft
                };
            }
        }
        Ok(())
    }

    /// The turn's conversation, its speech, and `task`.
    fn after_its_speech(&self, speeches: &Speeches<'_>, turn: usize, task: String) -> Vec<Message> {
        let (i, due) = speeches.due[turn];
        let work = &speeches.works[i];
        let limit = self.config.speech.max_words;
        let mut messages = messages(self.protocol, limit, work.question, &work.transcript, due);
        let argument = format!("<argument>{}</argument>", speeches.texts[turn]);
        messages.push(Message::new(Role::Assistant, argument));
        messages.push(Message::new(Role::User, task));
        messages
    }

    fn seed_of(&self, speeches: &Speeches<'_>, turn: usize, what: &str) -> Seed {
        let (i, due) = speeches.due[turn];
        let name = format!("{what} {} {}", due.round, speaker_name(due.by));
        self.seed
            .child(&speeches.works[i].transcript.id)
            .child(&name)
    }
}

/// That a speech does not talk of the advice that it follows.
fn unaware(draft: Draft) -> Result<Draft, Fault> {
    let text: String = draft.segments.iter().map(Segment::text).collect();
    if text.to_lowercase().contains("critique") {
        Err(Fault::NamesCritique)
    } else {
        Ok(draft)
    }
}
