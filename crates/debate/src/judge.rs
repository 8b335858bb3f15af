//! Judging transcripts: by the probabilities of A and B, by a letter, by a probability in words, with reasons or without.
//!
//! ```text
//! user    what it judges, the question, answers A and B as shown, what was said, what to answer
//!         [reasons; "which?"]
//! ```
//!
//! In: transcripts and a model that chats. Out: a [`JudgeRecord`] for each transcript and each order in which it was shown, with
//! probabilities in the order of the data set, so that orders can be averaged and compared. What cannot be read is a verdict of
//! its own, and is counted. Differs from Khan et al.: probability on other tokens is looked at (`least-mass`), never dropped.

use trimtab_core::chat::{
    Ask, ChatModel, Failure, FailureClass, Generation, Message, ModelError, OnProgress, Outcome,
    Reading, Request, Role, Said, Usage, ask_rows, bounded,
};
use trimtab_core::{Distribution, Seed, Verdict};
use trimtab_prompt::rendered;

use crate::config::{Beliefs, JudgeConfig, JudgeReading, Orders, Reasons};
use crate::prompts::{Prompts, has_marks, quoted, said, tag};
use crate::protocol::{Cast, JudgeReads, Position, Protocol, Round};
use crate::question::DebateQuestion;
use crate::record::{Belief, JudgeRecord};
use crate::side::{Order, Side};
use crate::transcript::{Speakers, Transcript};
use crate::view::JudgeView;

/// What a judge answers.
pub const OPTIONS: [&str; 2] = ["A", "B"];

/// The longest reply of a judge that is kept, in bytes.
const KEPT_BYTES: usize = 4000;

/// One judgement to be made: of a transcript, shown one way, after some rounds.
struct Case<'a> {
    place: usize,
    transcript: &'a Transcript,
    question: &'a DebateQuestion,
    shown: Order,
    rounds: u32,
}

impl Case<'_> {
    fn seed(&self, seed: Seed, what: &str) -> Seed {
        let shown = match self.shown {
            Order::AsListed => "as listed",
            Order::Swapped => "swapped",
        };
        seed.child(&self.transcript.id)
            .child(&format!("{what} {shown} {}", self.rounds))
    }
}

/// Judges all of `transcripts`, each with its question.
///
/// # Errors
///
/// [`ModelError`] when nothing more can be asked.
pub fn judge(
    config: &JudgeConfig,
    protocol: &Protocol,
    name: &str,
    model: &dyn ChatModel,
    transcripts: &[(&Transcript, &DebateQuestion)],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<JudgeRecord>, ModelError> {
    let cases = cases(config, transcripts, seed);
    let answers = answers(config, protocol, model, &cases, seed, on_progress)?;

    let mut records: Vec<JudgeRecord> = Vec::new();
    let mut last: Option<(usize, Order)> = None;
    for (case, answer) in cases.iter().zip(answers) {
        let verdict = verdict(&answer.reading, case.shown);
        let belief = Belief {
            rounds: case.rounds,
            verdict: verdict.clone(),
        };
        // Cases of one record follow each other, the last round last.
        if last == Some((case.place, case.shown))
            && let Some(record) = records.last_mut()
        {
            record.beliefs.push(belief);
            record.verdict = verdict;
            record.reasons = answer.reasons;
            record.usage += answer.usage;
            continue;
        }
        last = Some((case.place, case.shown));
        records.push(JudgeRecord {
            transcript: case.transcript.id.clone(),
            question: case.transcript.question.clone(),
            judge: name.to_owned(),
            shown: case.shown,
            beliefs: match config.beliefs {
                Beliefs::Final => Vec::new(),
                Beliefs::EveryRound => vec![belief],
            },
            verdict,
            reasons: answer.reasons,
            usage: answer.usage,
            secs: None,
        });
    }
    Ok(records)
}

/// Every judgement that is to be made, record by record.
fn cases<'a>(
    config: &JudgeConfig,
    transcripts: &[(&'a Transcript, &'a DebateQuestion)],
    seed: Seed,
) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for (place, &(transcript, question)) in transcripts.iter().enumerate() {
        let drawn = seed.child(&transcript.id).child("shown");
        let orders: &[Order] = match config.orders {
            Orders::Both => &Order::BOTH,
            Orders::Random if drawn.stream().below(2) == 0 => &[Order::AsListed],
            Orders::Random => &[Order::Swapped],
        };
        let n_rounds = transcript.n_rounds();
        let first = match config.beliefs {
            Beliefs::Final => n_rounds,
            Beliefs::EveryRound => 0,
        };
        for &shown in orders {
            cases.extend((first..=n_rounds).map(|rounds| Case {
                place,
                transcript,
                question,
                shown,
                rounds,
            }));
        }
    }
    cases
}

/// What came of asking about one case.
struct Answered {
    reasons: Option<String>,
    reading: Read,
    usage: Usage,
}

/// What was read.
enum Read {
    /// A probability of A as shown, or why there is none.
    Letters(Reading),
    /// A probability in words.
    Percent(Said),
    /// There are no reasons to answer from.
    NoReasons(Said),
}

/// Asks for reasons, where they are wanted, and then for an answer. Who was asked for reasons and gave none is not asked again.
fn answers(
    config: &JudgeConfig,
    protocol: &Protocol,
    model: &dyn ChatModel,
    cases: &[Case<'_>],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Answered>, ModelError> {
    let prompts = Prompts::embedded();
    let reasons: Vec<Option<Said>> = match config.reasons {
        Reasons::None => cases.iter().map(|_| None).collect(),
        Reasons::First => {
            let request = |case: &Case<'_>| {
                let task = rendered(&prompts.reasons, &[]);
                let seed = case.seed(seed, "reasons");
                Request {
                    messages: vec![shown(protocol, case, &task)],
                    ask: Ask::Reply(Generation {
                        temperature: config.temperature,
                        max_tokens: config.reasons_max_tokens,
                        ..Generation::default()
                    }),
                    sample_idx: 0,
                    seed,
                }
            };
            let outcomes = ask_rows(model, "reasons", cases, request, &mut *on_progress)?;
            outcomes.into_iter().map(Said::from).map(Some).collect()
        }
    };
    let asked: Vec<usize> = (0..cases.len())
        .filter(|&i| reasons[i].as_ref().is_none_or(|said| said.text().is_some()))
        .collect();
    let task = match config.reads {
        JudgeReading::LogProbs | JudgeReading::Text => &prompts.answer_letter,
        JudgeReading::Percent => &prompts.answer_percent,
    };
    let task = rendered(task, &[]);
    let request = |&i: &usize| {
        let case = &cases[i];
        let messages = match reasons[i].as_ref().and_then(Said::text) {
            None => vec![shown(protocol, case, &task)],
            Some(text) => vec![
                shown(protocol, case, &rendered(&prompts.reasons, &[])),
                Message::new(Role::Assistant, text),
                Message::new(Role::User, task.clone()),
            ],
        };
        let ask = match config.reads {
            JudgeReading::LogProbs => config.without_log_probs.ask(&OPTIONS),
            JudgeReading::Text | JudgeReading::Percent => Ask::Reply(Generation {
                temperature: config.temperature,
                max_tokens: config.max_tokens,
                ..Generation::default()
            }),
        };
        Request {
            messages,
            ask,
            sample_idx: 0,
            seed: case.seed(seed, "judgement"),
        }
    };
    let outcomes = ask_rows(model, "judgement", &asked, request, on_progress)?;

    let mut outcomes = asked.into_iter().zip(outcomes).peekable();
    Ok((reasons.into_iter().enumerate())
        .map(|(i, reasons)| {
            let mut usage = reasons.as_ref().map_or_else(Usage::default, Said::usage);
            let text = reasons.as_ref().and_then(Said::text);
            let text = text.map(|text| bounded(text, KEPT_BYTES));
            let reading = match outcomes.next_if(|&(asked, _)| asked == i) {
                Some((_, outcome)) => read(config, outcome),
                None => Read::NoReasons(reasons.unwrap_or_else(|| {
                    Said::Failed(Failure {
                        class: FailureClass::Malformed,
                        message: "nothing was asked".into(),
                    })
                })),
            };
            usage += match &reading {
                Read::Letters(reading) => reading.usage(),
                Read::Percent(said) => said.usage(),
                Read::NoReasons(_) => Usage::default(),
            };
            Answered {
                reasons: text,
                reading,
                usage,
            }
        })
        .collect())
}

fn read(config: &JudgeConfig, outcome: Outcome) -> Read {
    match config.reads {
        JudgeReading::LogProbs => Read::Letters(Reading::of_options(outcome, config.least_mass)),
        JudgeReading::Text => Read::Letters(Reading::of_text(outcome)),
        JudgeReading::Percent => Read::Percent(Said::from(outcome)),
    }
}

/// What was read, as probabilities over the question's answers in the order of the data set.
fn verdict(read: &Read, shown: Order) -> Verdict {
    let of_said = |said: &Said| match said {
        Said::Text { text, .. } => Verdict::Unparsed {
            reply: bounded(text, KEPT_BYTES),
        },
        Said::Empty { .. } => Verdict::Unparsed {
            reply: String::new(),
        },
        Said::Refused { text, .. } => Verdict::Refused {
            reply: bounded(text, KEPT_BYTES),
        },
        Said::Failed(failure) => Verdict::Error {
            message: failure.to_string(),
        },
    };
    let p = match read {
        Read::NoReasons(said) => return of_said(said),
        Read::Percent(said) => match said.text().and_then(percent) {
            Some(p) => p,
            None => return of_said(said),
        },
        Read::Letters(reading) => match reading.p_of_a() {
            Some(p) => p,
            None => {
                return match reading {
                    Reading::Refused { reply, .. } => Verdict::Refused {
                        reply: bounded(reply, KEPT_BYTES),
                    },
                    Reading::Failed(failure) => Verdict::Error {
                        message: failure.to_string(),
                    },
                    Reading::Unparsed { reply, .. } | Reading::Text { reply, .. } => {
                        Verdict::Unparsed {
                            reply: bounded(reply, KEPT_BYTES),
                        }
                    }
                    Reading::LittleMass(read) | Reading::LogProbs(read) => Verdict::Unparsed {
                        reply: format!(
                            "(probability {:.4} on A and B together: no answer)",
                            read.mass
                        ),
                    },
                };
            }
        },
    };
    let by_answer = shown.arrange([p, 1.0 - p]);
    Distribution::new(&by_answer).map_or_else(
        |error| Verdict::Error {
            message: error.to_string(),
        },
        Verdict::Decided,
    )
}

/// The probability that `reply` says, if it says one and nothing else of the kind.
///
/// Differs from a search for the first number: "I am 90 % sure that it is not A" has words that are none of an answer's.
pub(crate) fn percent(reply: &str) -> Option<f64> {
    let words: Vec<&str> = (reply.split(|c: char| c.is_whitespace() || c == ':' || c == '*'))
        .filter(|word| !word.is_empty())
        .collect();
    let number = |word: &str| -> Option<f64> {
        let digits = word.trim_end_matches(['.', ',']).trim_end_matches('%');
        let starts = digits.starts_with(|c: char| c.is_ascii_digit());
        digits.parse().ok().filter(|_| starts)
    };
    let around = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let word = word.to_lowercase();
        word.is_empty()
            || [
                "answer",
                "a",
                "probability",
                "the",
                "is",
                "my",
                "about",
                "percent",
                "per",
                "cent",
                "likelihood",
                "of",
                "that",
                "right",
            ]
            .contains(&&*word)
    };
    let mut found = None;
    for word in words {
        match number(word) {
            Some(_) if found.is_some() => return None,
            Some(value) => found = Some(value),
            None if around(word) => {}
            None => return None,
        }
    }
    let p = found? / 100.0;
    (0.0..=1.0).contains(&p).then_some(p)
}

/// What the judge is shown in `case`, and asked.
fn shown(protocol: &Protocol, case: &Case<'_>, task: &str) -> Message {
    let view = case.transcript.for_judge(case.shown, case.rounds);
    let situation = situation(protocol, case.question, &view);
    let text = asked(protocol, &view, &situation, task);
    Message::new(Role::User, text)
}

/// A judge's view as text.
pub(crate) fn asked(protocol: &Protocol, view: &JudgeView, situation: &str, task: &str) -> String {
    let prompts = Prompts::embedded();
    let [a, b] = &view.answers;
    rendered(
        &prompts.judge,
        &[
            ("situation", situation),
            ("question", &quoted(&view.question)),
            ("answer_a", &quoted(a)),
            ("answer_b", &quoted(b)),
            ("said", &said_so_far(protocol, view)),
            ("task", task),
        ],
    )
}

/// What was said, as a judge reads it, with an empty line after it; nothing where nobody speaks.
pub(crate) fn said_so_far(protocol: &Protocol, view: &JudgeView) -> String {
    let apart = protocol.cast == Cast::Consultants;
    let mut out = String::new();
    for event in &view.events {
        let tag = tag(event.by, view.speakers, apart);
        said(&mut out, event.round, tag, event.segments.as_deref());
    }
    let marked = (view.events.iter())
        .filter_map(|event| event.segments.as_deref())
        .any(has_marks);
    if marked {
        let note = rendered(&Prompts::embedded().quotes_note, &[]);
        out = format!("{note}\n\n{out}");
    }
    if out.is_empty() && view.speakers != Speakers::Nobody {
        out.push_str("Nothing has been said yet.");
    }
    if !out.is_empty() {
        out.truncate(out.trim_end().len());
        out.push_str("\n\n");
    }
    out
}

/// What the judge is told of who speaks.
pub(crate) fn situation(
    protocol: &Protocol,
    question: &DebateQuestion,
    view: &JudgeView,
) -> String {
    let prompts = Prompts::embedded();
    let argued = match view.speakers {
        Speakers::One(side) => side,
        _ => Side::A,
    };
    let side = [("side", argued.letter())];
    match protocol.cast {
        Cast::Nobody => match (protocol.judge_reads, &question.passage) {
            (JudgeReads::Passage, Some(passage)) => rendered(
                &prompts.situation_expert,
                &[("passage", &quoted(&passage.text))],
            ),
            _ => rendered(&prompts.situation_alone, &[]),
        },
        Cast::Consultant(_) if protocol.rounds.contains(&Round::Criticism) => {
            rendered(&prompts.situation_critique, &side)
        }
        Cast::Consultant(Position::Assigned) => rendered(&prompts.situation_consultancy, &side),
        Cast::Consultant(Position::Chosen) => rendered(&prompts.situation_open_consultancy, &side),
        Cast::Consultants => rendered(&prompts.situation_consultancies, &[]),
        Cast::Debaters(Position::Assigned) => rendered(&prompts.situation_debate, &[]),
        Cast::Debaters(Position::Chosen) => {
            let chose = view.chose.unwrap_or(Side::A);
            rendered(&prompts.situation_open_debate, &[("side", chose.letter())])
        }
    }
}
