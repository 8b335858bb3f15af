//! A judge that is trained: a classifier of what was said for either answer, taught which answer was right.
//!
//! Paper: Arnesen et al. 2024, arXiv:2409.16636, fine-tune a language model to judge debates; this is a linear model of words, and
//! learns from the truth, not from people's judgements.
//!
//! ```text
//! P(second) = σ( w · (φ(second) − φ(first)) )      φ: hashed n-grams of an answer and what was said for it, at unit length
//! ```
//!
//! The score of a side does not depend on which side it is, so a swap of the answers turns the verdict round exactly. Nobody is
//! judged by who learnt from debates about the same passage: passages are dealt into folds, and each fold is judged by a
//! classifier of the others. What it hears is a [`JudgeView`]; marks of quotes are words of their own, questions of a judge are
//! nobody's words. In: transcripts, and the truth about the other folds. Out: a record a transcript, in the order as listed.
//!
//! It takes the answer key, and so is no judge that a method may learn from.

use std::collections::BTreeMap;

use trimtab_core::chat::Usage;
use trimtab_core::{AnswerKey, Distribution, KeyError, Seed, Verdict};
use trimtab_probe::ngrams::Ngrams;
use trimtab_probe::{Design as _, Preconditioner, SoftCrossEntropy, SolverOptions, Sparse, solve};
use trimtab_stats::sigmoid;

use crate::config::DebateConfig;
use crate::record::JudgeRecord;
use crate::side::{Order, Side};
use crate::speech::{QuoteStatus, Segment};
use crate::transcript::{Speaker, Transcript};
use crate::view::JudgeView;

/// Passages are dealt into so many folds, or fewer where there are fewer.
const FOLDS: usize = 5;
const NGRAMS: Ngrams = Ngrams {
    max_words: 2,
    bits: 14,
    first_words: usize::MAX,
};
/// Weight of the penalty: some hundred debates have many more words than that.
const L2: f64 = 1e-2;

/// What a classifier that learnt from debates about other passages says.
///
/// # Errors
///
/// [`KeyError`] when a question is not in the key.
pub fn trained(
    transcripts: &[Transcript],
    key: &AnswerKey,
    seed: Seed,
) -> Result<Vec<JudgeRecord>, KeyError> {
    let right = (transcripts.iter())
        .map(|transcript| Ok(key.answer(&transcript.question)?.0))
        .collect::<Result<Vec<usize>, KeyError>>()?;
    let said: Vec<[String; 2]> = (transcripts.iter())
        .map(|transcript| said_for(&transcript.for_judge(Order::AsListed, transcript.n_rounds())))
        .collect();
    let fold = folds(transcripts, seed);
    let n_folds = fold.iter().map(|fold| fold + 1).max().unwrap_or(0);
    let mut verdicts: Vec<Option<Verdict>> = vec![None; transcripts.len()];
    for judged in 0..n_folds {
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..transcripts.len()).partition(|&at| fold[at] == judged);
        if others.is_empty() {
            for at in own {
                verdicts[at] = Some(Verdict::Error {
                    message: "there is no debate about another passage to learn from".into(),
                });
            }
            continue;
        }
        let weights = fit(&features(&said, &others), &others, &right);
        let logits = features(&said, &own).logits(&weights);
        for (at, logit) in own.into_iter().zip(logits) {
            verdicts[at] = Some(verdict(logit));
        }
    }
    Ok((transcripts.iter().zip(verdicts))
        .filter_map(|(transcript, verdict)| Some(record(transcript, verdict?)))
        .collect())
}

/// Which fold each transcript is in: passages whole, and questions without one by themselves.
fn folds(transcripts: &[Transcript], seed: Seed) -> Vec<usize> {
    let cluster = |transcript: &Transcript| -> String {
        let passage = transcript.passage.clone();
        passage.unwrap_or_else(|| transcript.question.as_str().to_owned())
    };
    let mut clusters: Vec<String> = transcripts.iter().map(cluster).collect();
    clusters.sort_unstable();
    clusters.dedup();
    seed.child("folds").stream().shuffle(&mut clusters);
    let n_folds = FOLDS.min(clusters.len()).max(1);
    let fold_of: BTreeMap<&str, usize> = (clusters.iter().enumerate())
        .map(|(at, cluster)| (&**cluster, at % n_folds))
        .collect();
    (transcripts.iter())
        .map(|transcript| fold_of[&*cluster(transcript)])
        .collect()
}

/// What stands for either answer, as shown: the answer, and all that its side said.
fn said_for(view: &JudgeView) -> [String; 2] {
    let mut texts = view.answers.clone();
    for event in &view.events {
        let side = match event.by {
            Speaker::Side(Side::A) => 0,
            Speaker::Side(Side::B) => 1,
            _ => continue,
        };
        let text = &mut texts[side];
        for segment in event.segments.iter().flatten() {
            text.push(' ');
            match segment {
                Segment::Words(words) => text.push_str(words),
                Segment::Quote {
                    text: quote,
                    status,
                } => {
                    text.push_str(quote);
                    text.push_str(match status {
                        QuoteStatus::Verified(_) => " <verified>",
                        _ => " <unverified>",
                    });
                }
            }
        }
    }
    texts
}

fn features(said: &[[String; 2]], which: &[usize]) -> Sparse {
    NGRAMS.differences(which.iter().map(|&at| {
        let [first, second] = &said[at];
        [&**first, &**second]
    }))
}

/// Weights under which the right answers of `which` are likeliest, under the penalty.
fn fit(design: &Sparse, which: &[usize], right: &[usize]) -> Vec<f32> {
    let targets: Vec<f64> = (which.iter())
        .flat_map(|&at| [0, 1].map(|answer| f64::from(u8::from(right[at] == answer))))
        .collect();
    let mut objective = SoftCrossEntropy::new(2, &targets, &vec![1.0; which.len()]);
    let preconditioner = Preconditioner::diagonal(design, L2);
    let mut fitted = solve(
        design,
        &mut [&mut objective],
        &preconditioner,
        &SolverOptions::default(),
    );
    fitted.remove(0).weights
}

fn verdict(logit: f32) -> Verdict {
    let p = sigmoid(f64::from(logit));
    Distribution::new(&[1.0 - p, p]).map_or_else(
        |error| Verdict::Error {
            message: error.to_string(),
        },
        Verdict::Decided,
    )
}

fn record(transcript: &Transcript, verdict: Verdict) -> JudgeRecord {
    JudgeRecord {
        transcript: transcript.id.clone(),
        question: transcript.question.clone(),
        judge: DebateConfig::TRAINED.to_owned(),
        shown: Order::AsListed,
        beliefs: Vec::new(),
        verdict,
        reasons: None,
        usage: Usage::default(),
        secs: None,
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::{AnswerIdx, SampleId};

    use super::*;
    use crate::speech::Speech;
    use crate::transcript::{Arm, Event, EventKind, Speakers};

    const N: usize = 120;

    /// Two debates about each of 60 passages; what is said for the right answer and for the wrong one is up to `words`.
    fn debates(
        order: Order,
        words: impl Fn(usize, bool) -> String,
    ) -> (Vec<Transcript>, AnswerKey) {
        let mut coin = Seed(7).stream();
        let right: Vec<usize> = (0..N).map(|_| coin.below(2)).collect();
        let transcript = |at: usize| {
            let listed = ["yes".to_owned(), "no".to_owned()];
            let answers = match order {
                Order::AsListed => listed,
                Order::Swapped => [listed[1].clone(), listed[0].clone()],
            };
            let speech = |side: Side| {
                let place = usize::from(side == Side::B);
                let answer = if order == Order::AsListed {
                    place
                } else {
                    1 - place
                };
                Event {
                    round: 1,
                    by: Speaker::Side(side),
                    kind: EventKind::Speech(Speech {
                        segments: vec![Segment::Words(words(at, answer == right[at]))],
                        scratchpad: None,
                        n_attempts: 1,
                        truncated: false,
                        candidates: Vec::new(),
                        usage: Usage::default(),
                    }),
                }
            };
            Transcript {
                id: format!("t{at}"),
                question: SampleId::new(&format!("q{at}")),
                passage: Some(format!("p{}", at / 2)),
                text: "Is it so?".into(),
                answers,
                arm: Arm {
                    order,
                    speakers: Speakers::Both,
                    first: Side::A,
                },
                players: [None, None],
                choice: None,
                simultaneous: true,
                events: vec![speech(Side::A), speech(Side::B)],
            }
        };
        let answers = right.iter().map(|answer| AnswerIdx(*answer));
        let ids = (0..N).map(|at| SampleId::new(&format!("q{at}")));
        let key = AnswerKey::new(ids.zip(answers)).unwrap();
        ((0..N).map(transcript).collect(), key)
    }

    fn share_right(records: &[JudgeRecord], key: &AnswerKey) -> f64 {
        let is_right = |record: &&JudgeRecord| {
            let said = record.verdict.decided().unwrap().answer();
            said == key.answer(&record.question).unwrap()
        };
        records.iter().filter(is_right).count() as f64 / records.len() as f64
    }

    /// A word that honest speakers like, three times in four.
    fn telling(at: usize, is_right: bool) -> String {
        let likes = if at.is_multiple_of(4) {
            !is_right
        } else {
            is_right
        };
        let word = if likes { "shows" } else { "obviously" };
        format!("the text {word} it, word{at}")
    }

    #[test]
    fn it_learns_how_those_speak_who_are_right() {
        let (transcripts, key) = debates(Order::AsListed, telling);
        let records = trained(&transcripts, &key, Seed(0)).unwrap();
        assert_eq!(records.len(), N);
        let accuracy = share_right(&records, &key);
        assert!((0.7..=0.8).contains(&accuracy), "{accuracy}");
    }

    #[test]
    fn debates_about_its_own_passage_are_not_learnt_from() {
        // What is said tells passages apart and nothing else: to who knows the passage it says which answer is right.
        let words = |at: usize, is_right: bool| format!("passage{} {is_right}ly{at}", at / 2);
        let (transcripts, key) = debates(Order::AsListed, words);
        let accuracy = share_right(&trained(&transcripts, &key, Seed(0)).unwrap(), &key);
        assert!(accuracy < 0.65, "{accuracy}");
        // The twin that learns from all of them knows all of them.
        let all: Vec<usize> = (0..N).collect();
        let said: Vec<[String; 2]> = (transcripts.iter())
            .map(|transcript| said_for(&transcript.for_judge(Order::AsListed, 1)))
            .collect();
        let right: Vec<usize> = (transcripts.iter())
            .map(|transcript| key.answer(&transcript.question).unwrap().0)
            .collect();
        let design = features(&said, &all);
        let logits = design.logits(&fit(&design, &all, &right));
        let known = (logits.iter().zip(&right)).filter(|(z, y)| usize::from(**z > 0.0) == **y);
        assert_eq!(known.count(), N);
    }

    #[test]
    fn it_makes_no_difference_which_answer_stood_first() {
        let (listed, key) = debates(Order::AsListed, telling);
        let (swapped, _) = debates(Order::Swapped, telling);
        let [one, other] = [&listed, &swapped].map(|t| trained(t, &key, Seed(0)).unwrap());
        assert_eq!(one, other);
    }

    #[test]
    fn one_passage_alone_teaches_nobody() {
        let (transcripts, key) = debates(Order::AsListed, telling);
        let records = trained(&transcripts[..2], &key, Seed(0)).unwrap();
        assert!(
            records
                .iter()
                .all(|record| record.verdict.decided().is_none())
        );
        assert!(trained(&[], &key, Seed(0)).unwrap().is_empty());
    }
}
