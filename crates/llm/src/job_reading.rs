//! What providers show of batch jobs, whoever's API it is: a job, and a row of its results.

use std::time::SystemTime;

use serde_json::Value;

use crate::batch::{JobCounts, JobName};
use crate::completion::{Completion, NoCompletion};
use crate::exchange::Received;
use crate::trouble::{self, Again, AgainKind, Trouble};

/// One of a provider's jobs, as it shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenJob {
    pub(crate) id: String,
    pub(crate) name: JobName,
    pub(crate) made: Option<SystemTime>,
    pub(crate) counts: Option<JobCounts>,
    pub(crate) stage: Stage,
    /// Where its results are, as the provider says: identifiers of files, or an address.
    pub(crate) results: Vec<String>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    Ended,
    TakenBack(String),
    /// Its results are kept no longer.
    Archived,
}

/// One row of a job's results.
#[derive(Debug)]
pub(crate) struct Row {
    /// What the request was sent as.
    pub(crate) id: String,
    pub(crate) read: Result<Received, Trouble>,
}

/// An identifier that may be part of a path: what providers give are letters, digits, `-` and `_`.
pub(crate) fn identifier(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_one = (1..=256).contains(&text.len()) && text.chars().all(is_plain);
    is_one.then(|| text.to_owned())
}

/// A completion that came as `body`, read as `read` does.
pub(crate) fn received(
    body: &Value,
    read: impl FnOnce(&str) -> Result<Completion, NoCompletion>,
) -> Result<Received, Trouble> {
    let raw = body.to_string();
    match read(&raw) {
        Ok(completion) => Ok(Received {
            completion,
            raw: Some(raw),
        }),
        Err(NoCompletion::Error(error)) => Err(trouble::of_error_in_success(&error)),
        Err(NoCompletion::Malformed(why)) => Err(Trouble::Again(Again {
            kind: AgainKind::Malformed,
            message: format!("what came back could not be read: {why}"),
            hint: None,
        })),
    }
}

/// A request that was never answered.
pub(crate) fn unanswered(why: &str) -> Trouble {
    Trouble::Again(Again {
        kind: AgainKind::Failed,
        message: format!(
            "the batch job did not answer it: {}",
            crate::shown::shown(why)
        ),
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_no_paths() {
        for bad in ["", "..", "a/b", "a?b", "a b", "ä", &"x".repeat(257)] {
            assert_eq!(identifier(&bad.into()), None, "{bad}");
        }
        assert_eq!(
            identifier(&"batch_1-A".into()).as_deref(),
            Some("batch_1-A")
        );
        assert_eq!(identifier(&Value::from(7)), None);
    }
}
