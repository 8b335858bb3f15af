//! Steps of iterated amplification that wait for a person: an index of the lines of every `waiting.jsonl`. A question is read when
//! its page is opened.

use trimtab_run::RunFolder;
use trimtab_run::amplification::{self, WaitingStep};
use trimtab_run::people::ExpertStep;

use super::named::{self, Named};
use super::{Catalogue, CatalogueError, Line, lines, no_such};

/// What waits in a run.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Whether people are the expert of any method.
    asks_people: bool,
    heads: Named<WaitingHead>,
}

/// A step without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingHead {
    /// What it is called in addresses: letters that say nothing, the same for as long as it waits.
    pub public: String,
    /// Which step it is.
    pub step: ExpertStep,
    line: Line,
}

impl Catalogue {
    /// Whether people are the expert of any method of the run.
    pub fn asks_people(&self) -> bool {
        self.waiting.asks_people
    }

    /// Steps that waited for a person when the run was last asked to go on, in the order of the run.
    pub fn waiting(&self) -> &[WaitingHead] {
        self.waiting.heads.all()
    }

    /// The step that is called `public`.
    pub fn waiting_head(&self, public: &str) -> Option<&WaitingHead> {
        self.waiting.heads.get(public)
    }

    /// Reads a step that waits.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it cannot be read, or another stands in its place since: what is said counts for what was shown.
    pub fn waiting_step(&self, head: &WaitingHead) -> Result<WaitingStep, CatalogueError> {
        let step: WaitingStep = head.line.read()?;
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
        let heads = lines(&file, |step: WaitingStep, line| {
            let step = step.key(&cell);
            WaitingHead {
                public: public(&run.manifest().run_id, &step),
                step,
                line,
            }
        })?;
        for head in heads {
            // Two iterations may show the same at the same place: it is one step.
            waiting.heads.add(&head.public.clone(), head);
        }
    }
    Ok(waiting)
}

/// What a step is called in addresses.
fn public(run_id: &str, step: &ExpertStep) -> String {
    let parts = [run_id, &step.cell, step.problem.as_str(), &step.shown];
    named::public(parts, step.path.iter().copied().chain([step.step]))
}
