//! Steps of iterated amplification that wait for a person: an index of the lines of every `waiting.jsonl`. A question is read when
//! its page is opened.

use std::collections::HashMap;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use trimtab_run::RunFolder;
use trimtab_run::amplification::{self, WaitingStep};
use trimtab_run::people::ExpertStep;

use crate::secrets::hex;

use super::{Catalogue, CatalogueError, Span, line, lines, no_such};

/// What waits in a run.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Whether people are the expert of any method.
    asks_people: bool,
    heads: Vec<WaitingHead>,
    by_public: HashMap<String, usize>,
}

/// A step without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingHead {
    /// What it is called in addresses: letters that say nothing, the same for as long as it waits.
    pub public: String,
    /// Which step it is.
    pub step: ExpertStep,
    span: Span,
    file: PathBuf,
    line: usize,
}

impl Catalogue {
    /// Whether people are the expert of any method of the run.
    pub fn asks_people(&self) -> bool {
        self.waiting.asks_people
    }

    /// Steps that waited for a person when the run was last asked to go on, in the order of the run.
    pub fn waiting(&self) -> &[WaitingHead] {
        &self.waiting.heads
    }

    /// The step that is called `public`.
    pub fn waiting_head(&self, public: &str) -> Option<&WaitingHead> {
        let i = self.waiting.by_public.get(public)?;
        self.waiting.heads.get(*i)
    }

    /// Reads a step that waits.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it cannot be read, or another stands in its place since: what is said counts for what was shown.
    pub fn waiting_step(&self, head: &WaitingHead) -> Result<WaitingStep, CatalogueError> {
        let step: WaitingStep = line(&head.file, head.span, head.line)?;
        if step.key(&head.step.cell) == head.step {
            Ok(step)
        } else {
            Err(no_such(&head.step.cell, &head.public))
        }
    }
}

/// Reads the index of what waits.
pub(super) fn read(run: &RunFolder) -> Result<Waiting, CatalogueError> {
    let mut waiting = Waiting::default();
    for (_, _, config, folder) in amplification::folders(run) {
        if !config.asks_people() {
            continue;
        }
        waiting.asks_people = true;
        let file = folder.waiting_path();
        if !file.exists() {
            continue;
        }
        let cell = folder.name();
        let steps = lines(&file, |step: WaitingStep, span| (step.key(&cell), span))?;
        for (i, (step, span)) in steps.into_iter().enumerate() {
            let public = public(&run.manifest().run_id, &step);
            // Two iterations may show the same at the same place: it is one step.
            if waiting.by_public.contains_key(&public) {
                continue;
            }
            (waiting.by_public).insert(public.clone(), waiting.heads.len());
            waiting.heads.push(WaitingHead {
                public,
                step,
                span,
                file: file.clone(),
                line: i,
            });
        }
    }
    Ok(waiting)
}

/// A name that says nothing of what it names.
fn public(run_id: &str, step: &ExpertStep) -> String {
    let mut hasher = Sha256::new();
    for part in [run_id, &step.cell, step.problem.as_str(), &step.shown] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    for number in step.path.iter().chain([&step.step]) {
        hasher.update(number.to_le_bytes());
    }
    hex(&hasher.finalize()[..12])
}
