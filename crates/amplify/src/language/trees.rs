//! From problems to trees, all of them at once.
//!
//! ```text
//! for every problem:                               a root
//!   while any question waits:                      a round: the expert is asked about all that wait for it, in one wave,
//!                                                  and the assistant about all that wait for it, in one wave
//! ```
//!
//! In: problems without answers. Out: a tree each, in their order, whatever came of it. A seed is derived from a problem's id and a
//! question's place in its tree, so that another problem shifts nothing, and what was asked before is found again.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use trimtab_core::chat::{ChatModel, ModelError, OnProgress};
use trimtab_core::{Problem, SampleId, Seed};

use super::config::{Amplification, TreeConfig};
use super::expert::LanguageExpert;
use super::learner::LanguageLearner;
use super::reply::Reply;
use super::text::Text;
use crate::expert::Expert;
use crate::frontier::amplify;
use crate::tree::Node;

/// Who takes part.
#[derive(Clone, Copy)]
pub struct Participants<'a> {
    /// Who decomposes and composes.
    pub expert: &'a dyn ChatModel,
    /// Who answers at the bottom.
    pub assistant: &'a dyn ChatModel,
}

/// A problem and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemTree {
    /// Which problem.
    pub id: SampleId,
    /// All that was asked and answered.
    pub tree: Node<Text, Reply>,
}

/// Amplifies every problem.
///
/// # Errors
///
/// [`ModelError`] when nothing more can be asked; answers that are stored are found again.
pub fn amplify_all(
    config: &Amplification,
    participants: Participants<'_>,
    problems: &[Problem],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<ProblemTree>, ModelError> {
    trees(
        &config.tree,
        config.depth,
        participants,
        problems,
        seed,
        on_progress,
    )
}

/// The assistant's answer to every problem at once: trees of one question, to compare amplified ones with.
///
/// # Errors
///
/// [`ModelError`] when nothing more can be asked.
pub fn answer_alone(
    config: &TreeConfig,
    assistant: &dyn ChatModel,
    problems: &[Problem],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<ProblemTree>, ModelError> {
    let participants = Participants {
        expert: assistant,
        assistant,
    };
    trees(config, 0, participants, problems, seed, on_progress)
}

pub(crate) fn trees(
    config: &TreeConfig,
    depth: u32,
    participants: Participants<'_>,
    problems: &[Problem],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<ProblemTree>, ModelError> {
    let ids = ids(problems);
    let on_progress = RefCell::new(on_progress);
    let mut expert = LanguageExpert {
        model: participants.expert,
        config,
        ids: &ids,
        seed: seed.child("expert"),
        on_progress: &on_progress,
    };
    let assistant = participants.assistant;
    grow(
        config,
        depth,
        &mut expert,
        assistant,
        problems,
        seed,
        &on_progress,
    )
}

/// Amplifies every problem with the help of an expert who need not be a chat model; its roots are the problems, in their order.
///
/// # Errors
///
/// [`ModelError`] when nothing more can be asked.
pub fn amplify_by<E: Expert<Text, Reply, Error = ModelError> + ?Sized>(
    config: &Amplification,
    expert: &mut E,
    assistant: &dyn ChatModel,
    problems: &[Problem],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<ProblemTree>, ModelError> {
    let Amplification { depth, tree } = config;
    let on_progress = RefCell::new(on_progress);
    grow(
        tree,
        *depth,
        expert,
        assistant,
        problems,
        seed,
        &on_progress,
    )
}

fn ids(problems: &[Problem]) -> Vec<SampleId> {
    problems.iter().map(|problem| problem.id.clone()).collect()
}

fn grow<E: Expert<Text, Reply, Error = ModelError> + ?Sized>(
    config: &TreeConfig,
    depth: u32,
    expert: &mut E,
    assistant: &dyn ChatModel,
    problems: &[Problem],
    seed: Seed,
    on_progress: &RefCell<OnProgress<'_>>,
) -> Result<Vec<ProblemTree>, ModelError> {
    let ids = ids(problems);
    let mut learner = LanguageLearner {
        model: assistant,
        sampled: config.answer,
        ids: &ids,
        seed: seed.child("assistant"),
        on_progress,
    };
    let roots = problems
        .iter()
        .map(|problem| Text::new(&problem.text))
        .collect();
    let trees = amplify(expert, &mut learner, roots, config.limits(depth))?;
    Ok((ids.iter().zip(trees))
        .map(|(id, tree)| ProblemTree {
            id: id.clone(),
            tree,
        })
        .collect())
}
