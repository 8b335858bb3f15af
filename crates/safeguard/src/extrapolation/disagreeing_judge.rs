//! A judge of disagreeing heads: learns several generalisations of what was labelled, and asks an overseer which is meant.
//!
//! ```text
//! heads on frozen features, in units of their own spread ← labels of the weak half, made to disagree on the questions to be judged
//! the most disputed of these ──► overseer ──► the head that its answers make likeliest judges
//! ```
//!
//! Paper: Lee, Yao and Finn 2022, arXiv:2202.03418; the equations are [`super::heads`]'s. For questions of two answers. The
//! overseer learns the same lesson first, if it learns at all. What it leaves undecided is no label; where it decides nothing
//! there is no judge.

use trimtab_core::{
    Distribution, Fitted, Judgement, Lesson, NamedFeatures, Question, Student, Supervisor,
    SupervisorError,
};

use super::heads::{Heads, HeadsConfig, most_disputed};
use crate::columns::{Scale, columns};

/// Disagreeing heads over frozen features, before they have learnt.
pub struct DisagreeingStudent {
    /// What it is called.
    pub name: String,
    /// Features of all questions; none where the data have none.
    pub features: Option<NamedFeatures>,
    /// Questions of the target, without labels.
    pub target: Vec<Question>,
    /// Who is asked about the most disputed of them: it learns the same lesson first.
    pub overseer: Box<dyn Student>,
    /// Heads, labels, training.
    pub config: HeadsConfig,
}

/// Why heads cannot be taught.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum Unteachable {
    #[error("questions have {0} answers, heads are of two")]
    Answers(usize),
    #[error("the data have no features for heads to learn from")]
    NoFeatures,
    #[error("there is no target")]
    NoTarget,
    #[error("none of the {0} questions asked of the overseer was decided")]
    NothingSaid(usize),
}

impl Student for DisagreeingStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| SupervisorError::Fit {
            name: self.name.clone(),
            source,
        };
        if lesson.labels.n_answers() != 2 {
            return Err(fail(Box::new(Unteachable::Answers(
                lesson.labels.n_answers(),
            ))));
        }
        let Some(features) = &self.features else {
            return Err(fail(Box::new(Unteachable::NoFeatures)));
        };
        if self.target.is_empty() {
            return Err(fail(Box::new(Unteachable::NoTarget)));
        }
        let source = columns(features, lesson.labels.labelled(lesson.questions))?;
        let scale = Scale::of(&source);
        let source = scale.applied(source);
        let target = scale.applied(columns(features, &self.target)?);
        let answers: Vec<f64> = lesson.labels.rows().map(|row| row[1]).collect();
        let heads = Heads::fit(&source, &answers, &target, &self.config, lesson.seed);

        let asked = most_disputed(&heads.probabilities(&target), self.config.labels);
        let questions: Vec<Question> = asked.iter().map(|&at| self.target[at].clone()).collect();
        let overseer = self.overseer.learn(lesson)?;
        let said = overseer.student.judge(&questions)?;
        let cost = (said.iter()).fold(overseer.cost, |sum, said| sum + said.cost);
        let (places, labels): (Vec<usize>, Vec<f64>) = (asked.iter().zip(&said))
            .filter_map(|(&at, said)| Some((at, said.verdict.decided()?.probabilities()[1])))
            .unzip();
        if places.is_empty() {
            return Err(fail(Box::new(Unteachable::NothingSaid(said.len()))));
        }
        let head = heads.pick(&target.select_columns(&places), &labels);
        let options = &self.config.training;
        let n = source.ncols().max(target.ncols());
        Ok(Fitted {
            n_steps: overseer.n_steps + options.n_steps(n),
            loss: heads.loss(&source, &answers),
            converged: overseer.converged,
            cost,
            student: Box::new(PickedHead {
                name: self.name.clone(),
                features: features.clone(),
                scale,
                heads,
                head,
            }),
        })
    }
}

/// The head that was picked.
struct PickedHead {
    name: String,
    features: NamedFeatures,
    scale: Scale,
    heads: Heads,
    head: usize,
}

impl Supervisor for PickedHead {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let inputs = (self.scale).applied(columns(&self.features, questions)?);
        let p = self.heads.probabilities(&inputs);
        (questions.iter().zip(p.row(self.head).iter()))
            .map(|(question, &p)| {
                let distribution =
                    Distribution::new(&[1.0 - p, p]).map_err(|source| SupervisorError::Judge {
                        name: self.name.clone(),
                        source: Box::new(source),
                    })?;
                Ok(Judgement::decided(question.id.clone(), distribution))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trimtab_core::{
        AnswerIdx, AnswerKey, AnswerSet, Cost, FeatureTable, GroundTruth, SampleId, Seed,
        TrainingLabels, Workplace,
    };
    use trimtab_probe::MlpOptions;

    use super::super::divdis::{Spurious, SpuriousWorld};
    use super::*;

    /// An overseer who knows.
    struct Truth(AnswerKey);

    impl Student for Truth {
        fn name(&self) -> String {
            "truth".into()
        }

        fn learn(&self, _: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
            Ok(Fitted {
                student: Box::new(GroundTruth::new(self.0.clone())),
                n_steps: 0,
                loss: 0.0,
                converged: true,
                cost: Cost::default(),
            })
        }
    }

    #[test]
    fn the_student_learns_the_principle_from_one_judgement() {
        let world = SpuriousWorld {
            n_nuisance: 2,
            ..SpuriousWorld::default()
        };
        let config = HeadsConfig {
            training: MlpOptions {
                epochs: 100,
                ..MlpOptions::default()
            },
            hidden: 16,
            ..HeadsConfig::default()
        };
        let (source, source_answers) = world.draw(300, Spurious::Agrees, Seed(1));
        let (target, target_answers) = world.draw(300, Spurious::ByChance, Seed(2));
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let question = |at: usize| Question {
            id: SampleId::new(&format!("q{at}")),
            text: "".into(),
            answers: answers.clone(),
            candidates: None,
        };
        let questions: Vec<Question> = (0..600).map(question).collect();
        let ids: Vec<SampleId> = questions.iter().map(|q| q.id.clone()).collect();
        let values = source
            .iter()
            .chain(target.iter())
            .map(|&x| x as f32)
            .collect();
        let table = FeatureTable::from_f32(&ids, source.nrows(), values).unwrap();
        let all: Vec<bool> = source_answers
            .iter()
            .chain(&target_answers)
            .copied()
            .collect();
        let key = AnswerKey::new(
            ids.iter()
                .cloned()
                .zip(all.iter().map(|&y| AnswerIdx(usize::from(y)))),
        )
        .unwrap();
        let student = DisagreeingStudent {
            name: "heads".into(),
            features: Some(NamedFeatures {
                name: "world".into(),
                table: Arc::new(table),
            }),
            target: questions[300..].to_vec(),
            overseer: Box::new(Truth(key.clone())),
            config,
        };
        let labels = TrainingLabels::from_key(&questions[..300], &key).unwrap();
        let lesson = Lesson {
            questions: &questions[..300],
            labels: &labels,
            validation: None,
            seed: Seed(3),
            workplace: Workplace::none(),
        };
        let fitted = student.learn(&lesson).unwrap();
        let judged = fitted.student.judge(&questions[300..]).unwrap();
        let right = judged
            .iter()
            .zip(&target_answers)
            .filter(|(judged, answer)| {
                judged.verdict.decided().unwrap().answer() == AnswerIdx(usize::from(**answer))
            });
        assert!(right.count() >= 270);

        let blind = DisagreeingStudent {
            features: None,
            ..student
        };
        let refused = blind.learn(&lesson).err().unwrap();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert_eq!(why, "the data have no features for heads to learn from");
    }
}
