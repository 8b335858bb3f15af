//! Probes on frozen features trained by mini-batch AdamW: the paper's way of training, in small.
//!
//! Losses decide their targets anew at every step, over the mini-batch, as in Burns et al. 2023,
//! section 4.3. With held-out labels the network that agrees with them most often is kept (early
//! stopping; the paper's section 5.1.2 compares weak labels with ground truth for it).

use trimtab_core::{
    Cost, Distribution, Fitted, Judgement, Lesson, Question, Student, Supervisor, SupervisorError,
    TrainingLabels,
};
use trimtab_probe::{EarlyStopping, Network, NetworkOptions};

use crate::loss::{LabelStatistics, Loss, LossConfig};
use crate::objective::MiniBatch;
use crate::source::FeatureView;

/// Looks at the held-out labels in one training.
pub(crate) const N_LOOKS: usize = 20;

/// A network before learning.
#[derive(Debug, Clone)]
pub struct NetworkStudent {
    pub(crate) name: String,
    pub(crate) view: FeatureView,
    pub(crate) loss: LossConfig,
    pub(crate) options: NetworkOptions,
}

impl Student for NetworkStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let labels = lesson.labels;
        let statistics = LabelStatistics::of(labels.probabilities(), labels.n_answers());
        let loss = Loss::new(&self.loss, &statistics).map_err(|source| SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(source),
        })?;
        let questions = labels.labelled(lesson.questions);
        let rows = self.view.rows(questions.iter().copied())?;
        let mut objective =
            MiniBatch::new(loss, labels.n_answers(), labels.probabilities().to_vec());
        let n_answers = labels.n_answers();
        let held_out = match lesson.validation {
            None => None,
            Some((questions, labels)) => {
                Some((self.view.rows(labels.labelled(questions))?, labels))
            }
        };
        let mut score = |network: &Network| match &held_out {
            None => 0.0,
            Some((rows, labels)) => agreement(&network.logits(rows), labels),
        };
        let n_steps = rows.len().div_ceil(self.options.batch_size) * self.options.epochs;
        let stopping = lesson.validation.map(|_| EarlyStopping {
            every: n_steps.div_ceil(N_LOOKS),
            score: &mut score,
        });
        let training = Network::train(
            &rows,
            n_answers,
            &mut objective,
            &self.options,
            lesson.seed,
            stopping,
        );
        Ok(Fitted {
            student: Box::new(NetworkModel {
                name: self.name.clone(),
                view: self.view.clone(),
                network: training.network,
                n_answers,
            }),
            n_steps: training.kept_step,
            loss: training.loss,
            converged: true,
            cost: Cost::default(),
        })
    }
}

/// The share of `labels` whose likeliest answer has the largest of `logits`, `[n, n_answers]`.
pub(crate) fn agreement(logits: &[f32], labels: &TrainingLabels) -> f64 {
    let agreeing = logits
        .chunks_exact(labels.n_answers())
        .zip(labels.rows())
        .filter(|(z, y)| argmax(z) == argmax(y))
        .count();
    agreeing as f64 / labels.len() as f64
}

fn argmax<T: PartialOrd + Copy>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// A fitted network.
struct NetworkModel {
    name: String,
    view: FeatureView,
    network: Network,
    n_answers: usize,
}

impl Supervisor for NetworkModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let logits = self.network.logits(&self.view.rows(questions)?);
        Ok(judgements(questions, &logits, self.n_answers))
    }
}

/// The softmax of each question's logits, `[questions.len(), n_answers]`, as its judgement.
pub(crate) fn judgements(
    questions: &[Question],
    logits: &[f32],
    n_answers: usize,
) -> Vec<Judgement> {
    let mut row = vec![0.0; n_answers];
    questions
        .iter()
        .zip(logits.chunks_exact(n_answers))
        .map(|(question, logits)| {
            for (z, &logit) in row.iter_mut().zip(logits) {
                *z = f64::from(logit);
            }
            Judgement::decided(question.id.clone(), Distribution::softmax(&row))
        })
        .collect()
}
