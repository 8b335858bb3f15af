//! One stage for many rows at once: a request for each, made as there is room, and an outcome for each.

use super::{ChatModel, ModelError, Outcome, Request};

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Which stage, in a word or two: `reply`, `critique 2`.
    pub stage: &'a str,
    /// Requests that have come to something.
    pub done: usize,
    /// Of these, failures.
    pub n_failed: usize,
    /// Requests in all.
    pub of: usize,
}

/// Is told of every answer.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress<'_>);

/// Asks one request for each of `rows`, and gives the outcomes in their order.
///
/// # Errors
///
/// [`ModelError`] when nothing more can be asked.
///
/// # Panics
///
/// When the model leaves a request without an outcome: a bug in it.
pub fn ask_rows<R>(
    model: &dyn ChatModel,
    stage: &str,
    rows: &[R],
    request: impl Fn(&R) -> Request,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Outcome>, ModelError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut outcomes: Vec<Option<Outcome>> = rows.iter().map(|_| None).collect();
    let mut progress = Progress {
        stage,
        done: 0,
        n_failed: 0,
        of: rows.len(),
    };
    model.ask(&mut rows.iter().map(request), &mut |i, outcome| {
        progress.done += 1;
        progress.n_failed += usize::from(outcome.is_err());
        outcomes[i] = Some(outcome);
        on_progress(progress);
    })?;
    let all = outcomes.into_iter().collect::<Option<_>>();
    Ok(all.expect("a chat model answers every request"))
}
