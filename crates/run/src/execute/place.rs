//! Where something happens, one seed of one variant: what is asked and what is trained there, told as it goes.

use std::cell::Cell;
use std::sync::mpsc;
use std::time::Instant;

use trimtab_constitution::StageError;
use trimtab_core::chat::Said;
use trimtab_core::chat::{
    Answer, Ask, ChatModel, Failure, FailureClass, Generation, PromptRow, Request,
};
use trimtab_core::{Folders, Seed, TrainingStep, Workplace};

use super::RunError;
use crate::event::{Event, EventLog};
use crate::experiment::Experiment;
use crate::folder::RunFolder;

/// Hears of everything that happens.
pub(super) type Tell<'a> = dyn FnMut(&Event) -> Result<(), RunError> + 'a;

/// Does `work` on a run whose methods are cells, and tells, and logs, that it begins, what happens in it, and that it is done:
/// unless something waits.
pub(super) fn told(
    folder: &mut RunFolder,
    observe: &mut dyn FnMut(&Event),
    work: impl FnOnce(&mut RunFolder, &[Experiment], &mut Tell<'_>) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let began = Instant::now();
    let experiments: Vec<Experiment> = (folder.manifest().variants.iter())
        .map(|variant| variant.experiment.clone())
        .collect();
    let mut log = EventLog::open(folder.path())?;
    let waits = Cell::new(false);
    let mut tell = |event: &Event| {
        waits.set(waits.get() || matches!(event, Event::Waiting { .. }));
        observe(event);
        if event.is_logged() {
            log.append(event)?;
        }
        Ok::<(), RunError>(())
    };
    let n_cells = (experiments.iter())
        .map(|experiment| experiment.seeds as usize * experiment.method.len())
        .sum();
    tell(&Event::Started {
        n_cells,
        n_finished: 0,
    })?;
    work(folder, &experiments, &mut tell)?;
    if waits.get() {
        return Ok(());
    }
    tell(&Event::Finished {
        wall_secs: began.elapsed().as_secs_f64(),
    })
}

/// One seed of one variant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) variant: usize,
    pub(super) seed: u64,
}

impl Place {
    /// Tells that `n_steps` of a method wait for people.
    pub(super) fn waits(
        self,
        name: String,
        n_steps: usize,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        let Self { variant, seed } = self;
        tell(&Event::Waiting {
            variant,
            seed,
            name,
            n_steps,
        })
    }

    /// Runs a stage of calls that tells how far it is.
    pub(super) fn heard<T>(
        self,
        tell: &mut Tell<'_>,
        stage: impl FnOnce(&mut dyn FnMut(trimtab_core::chat::Progress<'_>)) -> Result<T, StageError>,
    ) -> Result<T, RunError> {
        let mut told = Ok(());
        let result = stage(&mut |progress| {
            if told.is_ok() {
                told = tell(&Event::Calls {
                    variant: self.variant,
                    seed: self.seed,
                    stage: progress.stage.to_owned(),
                    done: progress.done,
                    n_failed: progress.n_failed,
                    of: progress.of,
                });
            }
        });
        told?;
        Ok(result?)
    }

    /// What `model` says to each of `rows`, in their order.
    pub(super) fn replies(
        self,
        model: &dyn ChatModel,
        rows: &[PromptRow],
        generation: &Generation,
        seed: Seed,
        stage: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Said>, RunError> {
        let request = |row: &PromptRow| Request {
            messages: row.prompt.clone(),
            ask: Ask::Reply(generation.clone()),
            sample_idx: 0,
            seed: seed.child(&row.id),
        };
        let mut replies = Vec::with_capacity(rows.len());
        let (mut n_failed, mut told) = (0, Ok(()));
        model
            .ask(&mut rows.iter().map(request), &mut |i, outcome| {
                n_failed += usize::from(outcome.is_err());
                let said = match outcome {
                    Ok(Answer::Reply(reply)) => Said::from(reply),
                    Ok(Answer::Options(_)) => Said::Failed(Failure {
                        class: FailureClass::Malformed,
                        message: "asked for a reply, the model gave probabilities".into(),
                    }),
                    Err(failure) => Said::Failed(failure),
                };
                replies.push((i, said));
                if told.is_ok() {
                    told = tell(&Event::Calls {
                        variant: self.variant,
                        seed: self.seed,
                        stage: stage.into(),
                        done: replies.len(),
                        n_failed,
                        of: rows.len(),
                    });
                }
            })
            .map_err(StageError::from)?;
        told?;
        replies.sort_by_key(|(i, _)| *i);
        Ok(replies.into_iter().map(|(_, said)| said).collect())
    }

    /// Trains on a thread of its own, and tells of every step from this one.
    pub(super) fn train<T: Send>(
        self,
        folders: Folders,
        name: &str,
        tell: &mut Tell<'_>,
        train: impl FnOnce(&Workplace<'_>) -> T + Send,
    ) -> Result<T, RunError> {
        let (sender, receiver) = mpsc::sync_channel(16);
        std::thread::scope(|scope| {
            let training = scope.spawn(move || {
                let on_step = |training: &str, step: &TrainingStep| {
                    // A closed channel means that nobody listens any more.
                    drop(sender.send((training.to_owned(), *step)));
                };
                train(&Workplace::new(&on_step, Some(folders)).within(name))
            });
            let mut told = Ok(());
            for (training, step) in &receiver {
                if told.is_ok() {
                    told = tell(&Event::Step {
                        variant: self.variant,
                        seed: self.seed,
                        training,
                        step: step.step + 1,
                        n_steps: step.n_steps,
                        loss: step.loss,
                        learning_rate: step.learning_rate,
                        gradient_norm: step.gradient_norm,
                    });
                }
            }
            let trained = training
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            told.map(|()| trained)
        })
    }
}
