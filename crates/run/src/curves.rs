//! Loss curves of trainings, from the log of a run.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::folder::FolderError;

/// The loss of one training over its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct LossCurve {
    /// The variant, from 0.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
    /// What learnt: `ceiling`, `method/confidence/student`.
    pub training: String,
    /// Steps in all.
    pub n_steps: usize,
    /// Steps taken, and the mean loss of the batch in nats, in order; a hundred at the most and a few.
    pub points: Vec<(usize, f64)>,
}

/// The line of a step; other events are passed over, and so is a line that a killed process left unfinished.
#[derive(Deserialize)]
struct StepLine {
    event: String,
    variant: usize,
    seed: u64,
    training: String,
    step: usize,
    n_steps: usize,
    loss: f64,
}

/// The curves in the log of the run folder `folder`, by variant, training and seed. Steps that were taken again after a
/// kill count once.
///
/// # Errors
///
/// [`FolderError`] when there is a log that cannot be read.
pub fn loss_curves(folder: &Path) -> Result<Vec<LossCurve>, FolderError> {
    let path = folder.join("events.jsonl");
    let failed = |source| FolderError::Io {
        path: path.clone(),
        action: "reading",
        source,
    };
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    // By variant, training and seed: steps in all, and the loss of those taken.
    let mut curves: BTreeMap<_, (usize, BTreeMap<usize, f64>)> = BTreeMap::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(failed)?;
        let Ok(line) = serde_json::from_slice::<StepLine>(&line) else {
            continue;
        };
        if line.event == "step" {
            let key = (line.variant, line.training, line.seed);
            let (n_steps, points) = curves.entry(key).or_default();
            *n_steps = line.n_steps;
            points.insert(line.step, line.loss);
        }
    }
    Ok((curves.into_iter())
        .map(|((variant, training, seed), (n_steps, points))| LossCurve {
            variant,
            seed,
            training,
            n_steps,
            points: points.into_iter().collect(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_curves_and_the_rest_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(loss_curves(folder.path()).unwrap(), []);
        let step = |step: usize, loss: f64| {
            format!(
                r#"{{"at":1,"event":"step","variant":0,"seed":3,"training":"ceiling","step":{step},"n_steps":9,"loss":{loss},"learning_rate":0.1}}"#
            )
        };
        let log = [
            r#"{"at":1,"event":"started","n_cells":2,"n_finished":0}"#.to_owned(),
            step(1, 0.7),
            step(5, 0.5),
            "{\"at\":1,\"event\":\"st".to_owned(),
            step(5, 0.5),
            step(9, 0.25),
        ];
        std::fs::write(folder.path().join("events.jsonl"), log.join("\n")).unwrap();
        let [curve] = &loss_curves(folder.path()).unwrap()[..] else {
            panic!("one curve");
        };
        assert_eq!(curve.points, [(1, 0.7), (5, 0.5), (9, 0.25)]);
        assert_eq!((curve.seed, curve.n_steps), (3, 9));
    }
}
