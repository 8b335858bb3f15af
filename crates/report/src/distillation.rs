//! Iterated amplification on algorithmic tasks beside Christiano, Shlegeris and Amodei 2018: who learns what, by depth.
//!
//! - `arms`: accuracy of every arm, what of the gap is recovered, and how that came about, step by step;
//! - `expert_errors`: an expert who errs; `extrapolation`: questions deeper than any in training; `ablations`: the procedure
//!   without one of its parts; `propagation`: errors without any training;
//! - `cost`: what was asked of whom, and what processor time was spent on.
//!
//! Every held-out question is about an instance of its own, so that Wilson's intervals over questions are what they say. Seeds are
//! pooled: an interval says how well the mean over these seeds is known, not how another seed would fare.

mod ablations;
mod arms;
mod cost;
mod expert_errors;
mod extrapolation;
mod propagation;

use std::collections::BTreeMap;

use trimtab_amplify::iterate::{Arm, Counted};
use trimtab_amplify::task::Task;
use trimtab_run::distillation::{DistillationError, DistillationFolder, Study, TrainingRecord};
use trimtab_stats::{Level, wilson};

use crate::document::{Cell, Document, Section};

/// Measures a folder of trainings.
///
/// # Errors
///
/// [`DistillationError`] when its files cannot be read.
pub fn describe(folder: &DistillationFolder) -> Result<Document, DistillationError> {
    let records = folder.records()?;
    let level = Level::default();
    let mut notices = Vec::new();
    let unfinished = records
        .iter()
        .filter(|record| !record.is_finished())
        .count();
    if unfinished > 0 {
        notices.push(format!(
            "{unfinished} of {} trainings are not finished: their figures are of the last evaluation",
            records.len()
        ));
    }
    let mut sections = Vec::new();
    for task in tasks(&records) {
        let of_task = Studied::of(&records, task, level);
        sections.extend(arms::sections(&of_task));
        sections.extend(expert_errors::section(&of_task));
        sections.extend(extrapolation::section(&of_task));
        sections.extend(ablations::section(&of_task));
        sections.push(cost::section(&of_task));
    }
    sections.extend(propagation::section(&folder.propagations()?, level));
    Ok(Document {
        name: "christiano2018".into(),
        run_id: folder.id(),
        version: folder.manifest().version.clone(),
        sentence: format!(
            "Algorithmic tasks (Christiano, Shlegeris and Amodei 2018): a learner is trained on what an expert, who sees no \
             instance, finds with the learner's help; scale {}.",
            folder.manifest().config.scale.name(),
        ),
        notices,
        sections,
        level: level.get(),
        interval_method:
            "Wilson over held-out questions, each about an instance of its own; seeds pooled".into(),
    })
}

/// The tasks that were trained on, in the order in which they are met.
fn tasks(records: &[TrainingRecord]) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for record in records {
        let task = record.training.config.task;
        if !tasks.contains(&task) {
            tasks.push(task);
        }
    }
    tasks
}

/// Trainings on one task.
pub(crate) struct Studied<'r> {
    task: Task,
    records: Vec<&'r TrainingRecord>,
    level: Level,
}

/// Right answers of a depth, over seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Right {
    n: usize,
    right: usize,
}

impl Right {
    fn share(self) -> Option<f64> {
        (self.n > 0).then(|| self.right as f64 / self.n as f64)
    }

    fn add(&mut self, n: u32, right: u32) {
        self.n += n as usize;
        self.right += right as usize;
    }
}

/// Who answers.
type Who = fn(&Counted) -> u32;

fn learner(counted: &Counted) -> u32 {
    counted.learner
}

fn teacher(counted: &Counted) -> u32 {
    counted.teacher
}

fn amplified(counted: &Counted) -> u32 {
    counted.amplified
}

impl<'r> Studied<'r> {
    fn of(records: &'r [TrainingRecord], task: Task, level: Level) -> Self {
        Self {
            task,
            records: (records.iter())
                .filter(|record| record.training.config.task == task)
                .collect(),
            level,
        }
    }

    /// Those of a study and an arm that have been measured.
    fn of_study(&self, study: Study, arm: Arm) -> Vec<&'r TrainingRecord> {
        (self.records.iter().copied())
            .filter(|record| record.training.study == study && record.training.arm == arm)
            .filter(|record| record.last().is_some())
            .collect()
    }

    /// Depths that were measured.
    fn depths(&self) -> Vec<u32> {
        let mut depths: Vec<u32> = (self.records.iter())
            .filter_map(|record| record.last())
            .flat_map(|row| row.evaluation.depths.iter().map(|counted| counted.depth))
            .collect();
        depths.sort_unstable();
        depths.dedup();
        depths
    }

    /// Right answers at the end, by depth, over the seeds of `records`.
    fn right(records: &[&TrainingRecord], who: Who) -> BTreeMap<u32, Right> {
        let mut right: BTreeMap<u32, Right> = BTreeMap::new();
        for row in records.iter().filter_map(|record| record.last()) {
            for counted in &row.evaluation.depths {
                let entry = right.entry(counted.depth).or_default();
                entry.add(counted.n, who(counted));
            }
        }
        right
    }

    /// The share with its interval, and every seed's own.
    fn cell(&self, records: &[&TrainingRecord], depth: u32, who: Who) -> Cell {
        let pooled = Self::right(records, who)
            .get(&depth)
            .copied()
            .unwrap_or_default();
        let Some(interval) = wilson(pooled.right, pooled.n, self.level) else {
            return Cell::absent("");
        };
        let by_seed: Vec<f64> = (records.iter())
            .filter_map(|record| Self::right(&[record], who).get(&depth)?.share())
            .collect();
        Cell::ShareWithin {
            interval,
            by_seed: if by_seed.len() > 1 {
                by_seed
            } else {
                Vec::new()
            },
        }
    }

    /// A section's anchor.
    fn id(&self, what: &str) -> String {
        format!("{}-{what}", self.task.name())
    }

    fn section(
        &self,
        what: &str,
        title: &str,
        text: String,
        table: crate::document::Table,
    ) -> Section {
        Section {
            id: self.id(what),
            title: format!("{}: {title}", self.task.name().replace('-', " ")),
            text,
            table,
            curves: None,
        }
    }
}
