//! Training rows of the supervised stage: a prompt, and a revision to be learnt as its reply.
//!
//! Paper: Bai et al. 2022, arXiv:2212.08073, section 3.1: all revisions of a prompt are targets; first replies and critiques
//! never are.

use std::collections::BTreeMap;

use trimtab_core::SftRow;

use crate::hygiene::Blemish;
use crate::supervised::{Dialogue, Revisions, StepKind, SupervisedConfig};

/// Training rows, and what became none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrainingRows {
    /// In the order of dialogues, then rounds; `DIALOGUE/r2` is the second revision of that dialogue.
    pub rows: Vec<SftRow>,
    /// Revisions left out, by the first blemish that is a reason.
    pub left_out: BTreeMap<Blemish, usize>,
    /// Dialogues that ended before their first revision.
    pub n_without_revision: usize,
}

/// The rows of `dialogues`, as `revisions` and `leave-out` of `config` say.
pub fn training_rows(config: &SupervisedConfig, dialogues: &[Dialogue]) -> TrainingRows {
    let mut all = TrainingRows::default();
    for dialogue in dialogues {
        let mut revisions: Vec<_> = (dialogue.steps.iter())
            .filter(|step| step.kind == StepKind::Revision)
            .filter_map(|step| Some((step, step.said.text()?)))
            .collect();
        if revisions.is_empty() {
            all.n_without_revision += 1;
        }
        if config.revisions == Revisions::Last {
            revisions.drain(..revisions.len().saturating_sub(1));
        }
        for (step, text) in revisions {
            let why_not = (step.blemishes.iter()).find(|b| config.leave_out.contains(b));
            if let Some(&blemish) = why_not {
                *all.left_out.entry(blemish).or_default() += 1;
                continue;
            }
            all.rows.push(SftRow {
                id: format!("{}/r{}", dialogue.id, step.round),
                prompt: dialogue.prompt.clone(),
                completion: text.to_owned(),
            });
        }
    }
    all
}
