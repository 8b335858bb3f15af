//! Where scripted debates are held.

use std::sync::{Arc, Mutex};

use trimtab_core::chat::{Answer, Ask, Message, Outcome, Request};
use trimtab_core::{SampleId, Seed};
use trimtab_debate::{
    DebateConfig, DebateQuestion, JudgeRecord, Participant, Participants, Passage, ProtocolName,
    Transcript, hold, judge,
};
use trimtab_llm_testkit::ScriptedModel;
use trimtab_llm_testkit::scripted_model::{option_scores, reply};

pub(crate) const SEED: Seed = Seed(3);

pub(crate) fn config(protocol: ProtocolName) -> DebateConfig {
    DebateConfig {
        protocol,
        ..DebateConfig::default()
    }
}

/// Questions on one passage, `n` of them.
pub(crate) fn questions(n: usize) -> Vec<Arc<DebateQuestion>> {
    let passage = Arc::new(Passage {
        id: "garden".into(),
        title: "The garden".into(),
        text: "The gardener locked the gate at nine. Nobody saw the fox leave before dawn.".into(),
    });
    (0..n)
        .map(|i| {
            Arc::new(DebateQuestion {
                id: SampleId::new(&format!("q{i}")),
                text: format!("When was the gate locked, in case {i}?").into(),
                answers: ["at nine".into(), "before dawn".into()],
                passage: Some(Arc::clone(&passage)),
            })
        })
        .collect()
}

/// A speech in the form that is asked for.
#[expect(
    clippy::unnecessary_wraps,
    reason = "an outcome is what a script returns"
)]
pub(crate) fn speech(text: &str) -> Outcome {
    Ok(reply(format!(
        "<thinking>secret plan</thinking><argument>{text}</argument>"
    )))
}

/// A model that speaks, judges and asks: `says` makes speeches, `believes` the probability of A.
pub(crate) fn model(
    name: &str,
    says: impl Fn(&str) -> Outcome + Send + Sync + 'static,
    believes: impl Fn(&str) -> f64 + Send + Sync + 'static,
) -> ScriptedModel {
    ScriptedModel::new(name, move |request: &Request| {
        let last = request.messages.last().map_or("", |m| &m.content);
        match &request.ask {
            Ask::Options(_) => {
                let p = believes(last);
                Ok(option_scores(&[0.9 * p, 0.9 * (1.0 - p)]))
            }
            Ask::Reply(_) if last.contains("Write your questions") => {
                Ok(reply("Where does it say so?"))
            }
            Ask::Reply(_) => says(last),
        }
    })
}

/// What was asked of a model, and what it answered.
pub(crate) type Heard = Arc<Mutex<Vec<(Vec<Message>, Outcome)>>>;

/// The same model, and all that it is asked.
pub(crate) fn overheard(inner: ScriptedModel) -> (ScriptedModel, Heard) {
    use trimtab_core::chat::ChatModel as _;
    let heard: Heard = Arc::default();
    let log = Arc::clone(&heard);
    let name = inner.name();
    let model = ScriptedModel::new(name, move |request: &Request| {
        let mut outcome = None;
        let asked = inner.ask(&mut std::iter::once(request.clone()), &mut |_, o| {
            outcome = Some(o);
        });
        asked.unwrap();
        let outcome = outcome.unwrap();
        log.lock()
            .unwrap()
            .push((request.messages.clone(), outcome.clone()));
        outcome
    });
    (model, heard)
}

/// Debates of one model with itself.
pub(crate) fn held(
    config: &DebateConfig,
    model: &ScriptedModel,
    questions: &[Arc<DebateQuestion>],
) -> Vec<Transcript> {
    let one = Participant {
        role: "debater",
        model,
    };
    let participants = Participants {
        label: "",
        debater: one,
        opponent: one,
        critic: one,
        judge: Participant {
            role: "judge",
            model,
        },
    };
    hold(config, participants, questions, SEED, &mut |_| {}).unwrap()
}

/// Each transcript with its question.
pub(crate) fn with_questions<'t>(
    transcripts: &'t [Transcript],
    questions: &'t [Arc<DebateQuestion>],
) -> Vec<(&'t Transcript, &'t DebateQuestion)> {
    (transcripts.iter())
        .map(|transcript| {
            let question = questions.iter().find(|q| q.id == transcript.question);
            (transcript, &**question.unwrap())
        })
        .collect()
}

pub(crate) fn judged(
    config: &DebateConfig,
    model: &ScriptedModel,
    transcripts: &[Transcript],
    questions: &[Arc<DebateQuestion>],
) -> Vec<JudgeRecord> {
    let rows = with_questions(transcripts, questions);
    let protocol = config.as_protocol();
    judge(
        &config.judging,
        &protocol,
        "judge",
        model,
        &rows,
        SEED,
        &mut |_| {},
    )
    .unwrap()
}

/// The part of a text between `open` and `close`.
pub(crate) fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let from = text.split_once(open).map_or("", |(_, rest)| rest);
    from.split_once(close).map_or(from, |(inside, _)| inside)
}

pub(crate) fn answer_of(outcome: &Outcome) -> String {
    match outcome {
        Ok(Answer::Reply(reply)) => reply.text.clone(),
        other => format!("{other:?}"),
    }
}
