//! Preference pairs for the training of debaters: from debates that branched, and from candidates that were scored.
//!
//! Papers: Arnesen, Rein and Michael 2024, arXiv:2409.16636 (branches, soft targets); Khan et al. 2024 (scored candidates).
//!
//! ```text
//! branches     the tree of all debates of one question and arm; V(speech) = mean judgement of its side over the leaves below
//! candidates   V(speech) = how likely the judge is to believe its side after it
//! pairs        the best and the worst speech at a turn, p(chosen) = e^{7 s_w} / (e^{7 s_w} + e^{7 s_l})
//! ```
//!
//! In: transcripts, judgements of them, their questions. Out: [`PreferencePair`]s whose prompt is what the speaker was asked, and
//! whose texts are what it wrote, thoughts and tags too. A turn at which somebody had nothing to say is in no pair.

use std::collections::{BTreeMap, HashMap};

use trimtab_core::PreferencePair;

use crate::config::{DebateConfig, Form};
use crate::debater::messages;
use crate::hold::root;
use crate::protocol::{Protocol, next_turns};
use crate::question::DebateQuestion;
use crate::record::JudgeRecord;
use crate::side::Side;
use crate::speech::{Segment, Speech};
use crate::transcript::{EventKind, Speaker, Transcript};
use crate::tree::{Judged, Node, NodeIdx, Pairs, Preferences, Target, TranscriptTree};

/// Every pair that `transcripts` have in them. `records` are one judge's.
pub fn preferences(
    config: &DebateConfig,
    transcripts: &[(&Transcript, &DebateQuestion)],
    records: &[&JudgeRecord],
) -> Preferences {
    let protocol = config.as_protocol();
    let mut by_root: BTreeMap<&str, Vec<(&Transcript, &DebateQuestion)>> = BTreeMap::new();
    for &(transcript, question) in transcripts {
        (by_root.entry(root(&transcript.id)).or_default()).push((transcript, question));
    }
    let judge = records.first().map_or("judge", |record| &record.judge);
    let leaves = leaves(records);
    let mut all = Preferences::default();
    for (name, branches) in by_root {
        let mut one = candidates(config, &protocol, branches[0], name, judge);
        if config.branching.is_some() {
            let tree = tree(config, &protocol, &branches, &leaves);
            let of_tree = tree.preferences(Target::default(), Pairs::BestAndWorst, name, judge);
            one.pairs.extend(of_tree.pairs);
            one.n_ties += of_tree.n_ties;
            one.n_without_value += of_tree.n_without_value;
        }
        all.pairs.extend(one.pairs);
        all.n_ties += one.n_ties;
        all.n_without_value += one.n_without_value;
    }
    all
}

/// What the judge gave answer 0 of each transcript, averaged over orders; `None` where all failed.
fn leaves<'r>(records: &[&'r JudgeRecord]) -> HashMap<&'r str, Option<f64>> {
    let mut sums: HashMap<&str, (f64, u32)> = HashMap::new();
    for record in records {
        let (sum, n) = sums.entry(&record.transcript).or_default();
        if let Some(decided) = record.verdict.decided() {
            *sum += decided.probabilities()[0];
            *n += 1;
        }
    }
    (sums.into_iter())
        .map(|(id, (sum, n))| (id, (n > 0).then(|| sum / f64::from(n))))
        .collect()
}

/// The tree of the debates of one question and arm.
fn tree(
    config: &DebateConfig,
    protocol: &Protocol,
    branches: &[(&Transcript, &DebateQuestion)],
    leaves: &HashMap<&str, Option<f64>>,
) -> TranscriptTree {
    let mut tree = TranscriptTree::default();
    let mut known: HashMap<(Option<NodeIdx>, Side, String), NodeIdx> = HashMap::new();
    for (transcript, question) in branches {
        let spoken: Option<Vec<(usize, Side, &Speech)>> = (transcript.events.iter().enumerate())
            .filter_map(|(at, event)| match (event.by, &event.kind) {
                (Speaker::Side(side), EventKind::Speech(speech)) => Some(Some((at, side, speech))),
                (Speaker::Side(_), EventKind::NoSpeech { .. }) => Some(None),
                _ => None,
            })
            .collect();
        // Where somebody had nothing to say, the branch is no debate of speeches.
        let Some(spoken) = spoken else { continue };
        let n = spoken.len();
        let mut parent = None;
        for (i, (at, side, speech)) in spoken.into_iter().enumerate() {
            let text = written(config.speech.form, speech);
            let is_leaf = i + 1 == n;
            // Leaves are never merged: each has a judgement of its own.
            let found = known.get(&(parent, side, text.clone())).copied();
            let node = if let Some(node) = found.filter(|_| !is_leaf) {
                node
            } else {
                let node = tree.push(Node {
                    parent,
                    side,
                    prompt: prompt(config, protocol, transcript, question, at),
                    speech: text.clone(),
                    judged: is_leaf.then(|| {
                        let p = leaves.get(&*transcript.id).copied().flatten();
                        p.map_or(Judged::Failed, |p| {
                            Judged::SideA(transcript.arm.order.arrange([p, 1.0 - p])[0])
                        })
                    }),
                });
                known.insert((parent, side, text), node);
                node
            };
            parent = Some(node);
        }
    }
    tree
}

/// What whoever spoke in the event at `at` was asked.
fn prompt(
    config: &DebateConfig,
    protocol: &Protocol,
    transcript: &Transcript,
    question: &DebateQuestion,
    at: usize,
) -> Vec<trimtab_core::chat::Message> {
    let event = &transcript.events[at];
    let mut before = transcript.clone();
    // In simultaneous rounds the other side's speech of this round was not heard, and does not count as made.
    before.events.truncate(at);
    let turn = (next_turns(protocol, &before).into_iter()).find(|turn| turn.by == event.by);
    let limit = config.speech.max_words;
    turn.map_or_else(Vec::new, |turn| {
        messages(protocol, limit, question, &before, turn)
    })
}

/// Pairs of the candidates of every speech.
fn candidates(
    config: &DebateConfig,
    protocol: &Protocol,
    (transcript, question): (&Transcript, &DebateQuestion),
    name: &str,
    judge: &str,
) -> Preferences {
    let mut out = Preferences::default();
    for (at, event) in transcript.events.iter().enumerate() {
        let (EventKind::Speech(speech), Speaker::Side(_)) = (&event.kind, event.by) else {
            continue;
        };
        let mut scored: Vec<(&[Segment], f64)> = (speech.candidates.iter())
            .filter_map(|candidate| Some((&candidate.segments[..], candidate.score?)))
            .collect();
        out.n_without_value += speech.candidates.len() - scored.len();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        let [(chosen, high), .., (rejected, low)] = scored[..] else {
            continue;
        };
        if high <= low {
            out.n_ties += 1;
            continue;
        }
        let text = |segments: &[Segment]| argument(config.speech.form, segments);
        out.pairs.push(PreferencePair {
            id: format!("{name}-turn-{at}"),
            prompt: prompt(config, protocol, transcript, question, at),
            chosen: text(chosen),
            rejected: text(rejected),
            p_chosen: Target::default().p_chosen(high, low),
            judge: judge.to_owned(),
        });
    }
    out
}

/// A speech as its speaker wrote it.
fn written(form: Form, speech: &Speech) -> String {
    let thinking = (speech.scratchpad.as_ref())
        .map(|thought| format!("<thinking>{thought}</thinking>"))
        .unwrap_or_default();
    thinking + &argument(form, &speech.segments)
}

/// What is said aloud, in the tags that it had to stand in.
fn argument(form: Form, segments: &[Segment]) -> String {
    let said = tagged(segments);
    match form {
        Form::Tagged => format!("<argument>{said}</argument>"),
        Form::Plain => said,
    }
}

/// Segments with the tags that they were written with.
pub(crate) fn tagged(segments: &[Segment]) -> String {
    (segments.iter())
        .map(|segment| match segment {
            Segment::Words(words) => words.clone(),
            Segment::Quote { text, .. } => format!("<quote>{text}</quote>"),
        })
        .collect()
}
