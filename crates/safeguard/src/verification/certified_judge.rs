//! A judge over frozen features that speaks only where its verdict is certified.
//!
//! A head of two answers learns labels by certified training, on features in units of their own spread. It declines where a
//! change within ε of every feature could turn its verdict: such a judgement is a refusal, in the denominator like any other.
//! What it says is therefore said for every question within ε of those asked.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    Cost, Distribution, Fitted, Judgement, Lesson, NamedFeatures, Question, Student, Supervisor,
    SupervisorError, Verdict,
};
use trimtab_probe::mlp::MlpOptions;
use trimtab_probe::{Mlp, Slopes};
use trimtab_stats::{log_sigmoid, sigmoid};

use super::boxes::Boxes;
use super::certified_training::{CertifiedTraining, Step};
use super::crown::crown_bounds;
use super::interval::Propagated;
use crate::columns::{Scale, columns};

/// A judge that speaks only where its verdict is certified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertifiedJudgeConfig {
    /// Which features of the data. Default: the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// How far any feature may be changed, in its standard deviations over the samples that were learnt from.
    pub epsilon: f64,
    /// Widths of the head's hidden layers.
    pub hidden: Vec<usize>,
    /// Steps.
    pub training: MlpOptions,
    /// What certified training adds; `kappa = 1` is standard training.
    pub certified: CertifiedTraining,
}

impl Default for CertifiedJudgeConfig {
    fn default() -> Self {
        Self {
            features: None,
            epsilon: 0.02,
            hidden: vec![32],
            training: MlpOptions::default(),
            certified: CertifiedTraining::default(),
        }
    }
}

impl CertifiedJudgeConfig {
    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fits = self.epsilon >= 0.0 && self.epsilon.is_finite();
        require("epsilon", self.epsilon, fits, "0 or more")?;
        let fits = self.hidden.iter().all(|width| (1..=1024).contains(width));
        require(
            "hidden",
            format!("{:?}", self.hidden),
            fits,
            "widths from 1 to 1024",
        )?;
        let n = self.training.epochs;
        require("training.epochs", n, n > 0, "at least 1")?;
        let n = self.training.batch_size;
        require("training.batch-size", n, n > 0, "at least 1")?;
        (self.certified.check()).map_err(|error| error.within("certified"))
    }
}

/// The judge before it has learnt.
pub struct CertifiedStudent {
    /// What it is called.
    pub name: String,
    /// Features of all questions; none where the data have none.
    pub features: Option<NamedFeatures>,
    /// How it learns, and when it speaks.
    pub config: CertifiedJudgeConfig,
}

/// Why nothing can be learnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unteachable {
    #[error("questions have {0} answers, a certified judge is of two")]
    Answers(usize),
    #[error("the data have no such features")]
    NoFeatures,
    #[error("there is no label to learn from")]
    NoLabel,
}

impl Student for CertifiedStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let fail = |why: Unteachable| SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(why),
        };
        let features = (self.features.clone()).ok_or_else(|| fail(Unteachable::NoFeatures))?;
        if lesson.labels.n_answers() != 2 {
            return Err(fail(Unteachable::Answers(lesson.labels.n_answers())));
        }
        let answers: Vec<f64> = lesson.labels.rows().map(|row| row[1]).collect();
        if answers.is_empty() {
            return Err(fail(Unteachable::NoLabel));
        }
        let inputs = columns(&features, lesson.labels.labelled(lesson.questions))?;
        let scale = Scale::of(&inputs);
        let (head, loss) = train(&scale.applied(inputs), &answers, &self.config, lesson);
        Ok(Fitted {
            student: Box::new(CertifiedJudge {
                name: self.name.clone(),
                features,
                scale,
                head,
                epsilon: self.config.epsilon,
            }),
            n_steps: self.config.training.n_steps(answers.len()),
            loss,
            converged: true,
            cost: Cost::default(),
        })
    }
}

/// Cross-entropy of the logit, and of the worst that it can be within ε; labels may be soft.
fn train(
    inputs: &DMatrix<f64>,
    answers: &[f64],
    config: &CertifiedJudgeConfig,
    lesson: &Lesson<'_>,
) -> (Mlp, f64) {
    let mut widths = vec![inputs.nrows()];
    widths.extend(&config.hidden);
    widths.push(1);
    let mut head = Mlp::initial(&widths, lesson.seed);
    let options = &config.training;
    let n_steps = options.n_steps(inputs.ncols());
    let mut steps = config.certified.steps(n_steps, config.epsilon);
    let loss = head.train_by(inputs, options, lesson.seed, &mut |head, batch, into| {
        let Step { kappa, epsilon } = steps.next().expect("as many as there are batches");
        let samples = inputs.select_columns(batch);
        let n = batch.len() as f64;
        let trace = head.trace(samples.clone());
        let (mut loss, mut slope) = (0.0, DMatrix::zeros(1, batch.len()));
        for (i, &place) in batch.iter().enumerate() {
            let (logit, p) = (trace.outputs()[(0, i)], answers[place]);
            loss -= kappa / n * (p * log_sigmoid(logit) + (1.0 - p) * log_sigmoid(-logit));
            slope[(0, i)] = kappa / n * (sigmoid(logit) - p);
        }
        head.backward(&trace, &Slopes::of_outputs(loss, slope), into);
        if kappa < 1.0 {
            let bounds = Propagated::new(head, samples, epsilon);
            let weight = (1.0 - kappa) / n;
            let mut slopes = [
                DMatrix::zeros(1, batch.len()),
                DMatrix::zeros(1, batch.len()),
            ];
            for (i, &place) in batch.iter().enumerate() {
                let p = answers[place];
                let [low, high] = [0, 1].map(|side: usize| bounds.outputs()[side][(0, i)]);
                loss -= weight * (p * log_sigmoid(low) + (1.0 - p) * log_sigmoid(-high));
                slopes[0][(0, i)] = -weight * p * sigmoid(-low);
                slopes[1][(0, i)] = weight * (1.0 - p) * sigmoid(high);
            }
            bounds.backward(head, slopes, into);
        }
        loss
    });
    (head, loss)
}

/// The judge.
struct CertifiedJudge {
    name: String,
    features: NamedFeatures,
    scale: Scale,
    head: Mlp,
    epsilon: f64,
}

impl Supervisor for CertifiedJudge {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let inputs = (self.scale).applied(columns(&self.features, questions)?);
        let logits = self.head.outputs(&inputs);
        let bounds = crown_bounds(&self.head, &Boxes::around(&inputs, self.epsilon));
        let bounds = &bounds[self.head.layers.len() - 1];
        (questions.iter().enumerate())
            .map(|(i, question)| {
                let (low, high) = (bounds.low[(0, i)], bounds.high[(0, i)]);
                if low <= 0.0 && high >= 0.0 {
                    return Ok(Judgement {
                        id: question.id.clone(),
                        verdict: Verdict::Refused {
                            reply: format!(
                                "not certified: within ε = {} the logit is from {low:.3} to {high:.3}",
                                self.epsilon
                            ),
                        },
                        cost: Cost::default(),
                    });
                }
                let p = sigmoid(logits[(0, i)]);
                let said = Distribution::new(&[1.0 - p, p]).map_err(|source| SupervisorError::Judge {
                    name: self.name.clone(),
                    source: Box::new(source),
                })?;
                Ok(Judgement::decided(question.id.clone(), said))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trimtab_core::{
        AnswerIdx, AnswerKey, AnswerSet, FeatureTable, SampleId, Seed, TrainingLabels, Workplace,
    };

    use super::*;

    /// Two features, the first of which decides; a third of the samples lie near the line.
    fn taught(epsilon: f64, kappa: f64) -> (Box<dyn Supervisor>, Vec<Question>, Vec<usize>) {
        let mut stream = Seed(2).stream();
        let n = 400;
        let rows: Vec<[f32; 2]> = (0..n)
            .map(|_| [stream.next_normal() as f32, stream.next_normal() as f32])
            .collect();
        let questions: Vec<Question> = (0..n)
            .map(|i| Question {
                id: SampleId::new(&format!("q{i}")),
                text: "?".into(),
                answers: AnswerSet::new(&["no", "yes"]).unwrap(),
                candidates: None,
            })
            .collect();
        let answers: Vec<usize> = rows.iter().map(|row| usize::from(row[0] > 0.0)).collect();
        let ids: Vec<SampleId> = questions.iter().map(|q| q.id.clone()).collect();
        let table = FeatureTable::from_f32(&ids, 2, rows.concat()).unwrap();
        let key =
            AnswerKey::new((ids.into_iter()).zip(answers.iter().map(|answer| AnswerIdx(*answer))))
                .unwrap();
        let student = CertifiedStudent {
            name: "certified".into(),
            features: Some(NamedFeatures {
                name: "two".into(),
                table: Arc::new(table),
            }),
            config: CertifiedJudgeConfig {
                epsilon,
                hidden: vec![16],
                certified: CertifiedTraining {
                    kappa,
                    ..CertifiedTraining::default()
                },
                ..CertifiedJudgeConfig::default()
            },
        };
        let labels = TrainingLabels::from_key(&questions, &key).unwrap();
        let fitted = student
            .learn(&Lesson {
                questions: &questions,
                labels: &labels,
                validation: None,
                seed: Seed(0),
                workplace: Workplace::none(),
            })
            .unwrap();
        (fitted.student, questions, answers)
    }

    #[test]
    fn it_speaks_where_its_verdict_holds_and_is_right_there() {
        let (judge, questions, answers) = taught(0.2, 0.5);
        let said = judge.judge(&questions).unwrap();
        let spoken: Vec<(usize, usize)> = (said.iter().zip(&answers))
            .filter_map(|(said, answer)| Some((said.verdict.decided()?.answer().0, *answer)))
            .collect();
        assert!(spoken.len() > 200 && spoken.len() < 390, "{}", spoken.len());
        let wrong = spoken
            .iter()
            .filter(|(said, answer)| said != answer)
            .count();
        assert!(wrong <= 2, "{wrong} of {}", spoken.len());
        let refused = said
            .iter()
            .filter(|said| matches!(said.verdict, Verdict::Refused { .. }));
        assert_eq!(refused.count() + spoken.len(), 400);
    }

    #[test]
    fn without_a_box_it_speaks_everywhere() {
        let (judge, questions, _) = taught(0.0, 1.0);
        let said = judge.judge(&questions).unwrap();
        assert!(said.iter().all(|said| said.verdict.decided().is_some()));
    }
}
