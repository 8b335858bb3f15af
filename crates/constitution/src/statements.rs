//! Principles as statements, for a model that understands texts but does not write: it judges a text by the statement that it is
//! nearer to in meaning.
//!
//! ```text
//! z_k(x) = mean over principles j of ⟨f(x), f(s_jk)⟩          s_jk: what principle j states of texts whose answer is k
//! p(k | x) = softmax_k((z_k(x) − m_k) / d)                    m_k, d: mean and spread of z over texts without labels
//! ```
//!
//! with `f` the features of a sentence encoder, scaled to length 1, and `d` the standard deviation, over texts, of the differences
//! of `z` between two answers (their mean over pairs).
//!
//! It stands for AI feedback under a constitution (Bai et al. 2022, arXiv:2212.08073, section 4.1) where no chat model is at hand: the
//! strong model judges by itself under principles that people wrote, and no label of anybody's goes in. Differs from it: one
//! judgement weighs all principles, where there one is drawn for each pair; there is no chain of thought.
//!
//! In: statements with features, one for each principle and answer ([`Statements`]), and features of the texts. Out: probabilities.
//! A call a principle; none of them a weak overseer's.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use trimtab_core::{
    AnswerSet, Cost, Distribution, Fitted, Judgement, Lesson, NamedFeatures, Question, Student,
    Supervisor, SupervisorError, Verdict,
};

/// Statements of principles, with their features.
#[derive(Debug, Clone, PartialEq)]
pub struct Statements {
    principles: Vec<Vec<Statement>>,
    dim: usize,
}

/// What a principle states of texts with one answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    principle: String,
    answer: String,
    #[serde(rename = "statement")]
    text: String,
    features: Vec<f32>,
}

/// Why statements cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementsError {
    /// A line is no statement.
    #[error("line {line}: {message}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// There is no statement.
    #[error("no statement")]
    Empty,
    /// A principle says nothing of an answer.
    #[error("principle `{principle}` has {n} statements of the answer `{answer}`, expected one")]
    Statements {
        /// Which principle.
        principle: String,
        /// Which answer.
        answer: String,
        /// How many there are.
        n: usize,
    },
    /// The texts have other features.
    #[error("the statements have {statements} features, the texts {texts}")]
    Dim {
        /// Of a statement.
        statements: usize,
        /// Of a text.
        texts: usize,
    },
    /// The texts have no features.
    #[error("the texts have no features to compare statements with")]
    NoFeatures,
    /// There is nothing to centre by.
    #[error("no text to learn from")]
    NoTexts,
}

impl StatementsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Line { .. } | Self::Empty => {
                "a line is {\"principle\", \"answer\", \"statement\", \"features\"}; scripts/data/make_statements.py writes them"
            }
            Self::Statements { .. } => {
                "give every principle one statement for each answer, by the answer's name in the data"
            }
            Self::Dim { .. } | Self::NoFeatures => {
                "make the statements' features with the encoder that made the data's"
            }
            Self::NoTexts => "give the weak half some rows",
        }
    }
}

impl Statements {
    /// Eight principles of what makes a film review positive, as all-MiniLM-L6-v2 sees them.
    ///
    /// # Panics
    ///
    /// Never: they are part of the program, and tests read them.
    pub fn film_reviews() -> Self {
        Self::parse(include_str!("../../../constitutions/film-reviews.jsonl"))
            .expect("embedded statements are statements")
    }

    /// Reads JSON Lines.
    ///
    /// # Errors
    ///
    /// [`StatementsError`] with the line.
    pub fn parse(text: &str) -> Result<Self, StatementsError> {
        let mut principles: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
        let mut dim = None;
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let wrong = |message: String| StatementsError::Line {
                line: number + 1,
                message,
            };
            let mut statement: Statement =
                serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            let length = norm(&statement.features);
            let expected = *dim.get_or_insert(statement.features.len());
            if statement.features.len() != expected {
                let got = statement.features.len();
                return Err(wrong(format!("{got} features, expected {expected}")));
            }
            if !(length.is_finite() && length > 0.0) {
                return Err(wrong(format!("features of length {length}")));
            }
            for value in &mut statement.features {
                *value /= length;
            }
            (principles.entry(statement.principle.clone()).or_default()).push(statement);
        }
        Ok(Self {
            dim: dim.ok_or(StatementsError::Empty)?,
            principles: principles.into_values().collect(),
        })
    }

    /// Every principle's name, an answer's name, and what it states of texts with that answer.
    pub fn in_words(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let all = self.principles.iter().flatten();
        all.map(|statement| (&*statement.principle, &*statement.answer, &*statement.text))
    }

    /// How many principles there are.
    pub fn n_principles(&self) -> usize {
        self.principles.len()
    }

    /// The mean over principles of the statements of each answer, `[n_answers, dim]` row-major: their mean similarity to a
    /// text is its product with that.
    fn means(&self, answers: &AnswerSet) -> Result<Vec<f32>, StatementsError> {
        let mut means = Vec::with_capacity(answers.len() * self.dim);
        for answer in answers.names() {
            let mut mean = vec![0.0; self.dim];
            for principle in &self.principles {
                let own: Vec<_> = principle.iter().filter(|s| s.answer == answer).collect();
                let [statement] = own[..] else {
                    return Err(StatementsError::Statements {
                        principle: principle[0].principle.clone(),
                        answer: answer.to_owned(),
                        n: own.len(),
                    });
                };
                for (sum, value) in mean.iter_mut().zip(&statement.features) {
                    *sum += value / self.n_principles() as f32;
                }
            }
            means.extend(mean);
        }
        Ok(means)
    }
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// A judge by statements, before it has seen any texts.
#[derive(Debug, Clone)]
pub struct StatementsStudent {
    /// What it is called.
    pub name: String,
    /// The principles.
    pub statements: Arc<Statements>,
    /// What the model sees of texts.
    pub features: Option<NamedFeatures>,
}

/// A judge by statements.
#[derive(Debug, Clone)]
struct StatementsJudge {
    name: String,
    n_principles: usize,
    features: NamedFeatures,
    /// `[n_answers, dim]`.
    means: Vec<f32>,
    /// Mean similarity over texts, an answer each.
    centre: Vec<f64>,
    spread: f64,
}

impl StatementsStudent {
    fn fit(&self, questions: &[Question]) -> Result<StatementsJudge, StatementsError> {
        let first = questions.first().ok_or(StatementsError::NoTexts)?;
        let features = self.features.clone().ok_or(StatementsError::NoFeatures)?;
        if features.table.dim() != self.statements.dim {
            return Err(StatementsError::Dim {
                statements: self.statements.dim,
                texts: features.table.dim(),
            });
        }
        Ok(StatementsJudge {
            name: self.name.clone(),
            n_principles: self.statements.n_principles(),
            features,
            means: self.statements.means(&first.answers)?,
            centre: vec![0.0; first.answers.len()],
            spread: 1.0,
        })
    }
}

impl StatementsJudge {
    /// Mean similarities, `[n, n_answers]`.
    fn similarities(&self, questions: &[Question]) -> Result<Vec<Vec<f64>>, SupervisorError> {
        let rows = self.features.table.rows(questions)?;
        let dim = rows.dim();
        let mut text = vec![0.0; dim];
        Ok((0..rows.len())
            .map(|at| {
                rows.read(at..at + 1, dim, &mut text);
                let length = norm(&text).max(f32::MIN_POSITIVE);
                (self.means.chunks_exact(dim))
                    .map(|mean| {
                        let product: f32 = mean.iter().zip(&text).map(|(m, x)| m * x).sum();
                        f64::from(product / length)
                    })
                    .collect()
            })
            .collect())
    }

    /// Centres and scales by texts without labels.
    fn settle(&mut self, questions: &[Question]) -> Result<(), SupervisorError> {
        let similarities = self.similarities(questions)?;
        let n = similarities.len() as f64;
        for row in &similarities {
            for (centre, z) in self.centre.iter_mut().zip(row) {
                *centre += z / n;
            }
        }
        let n_answers = self.centre.len();
        let (mut variance, mut n_pairs) = (0.0, 0.0);
        for a in 0..n_answers {
            for b in 0..a {
                let between = self.centre[a] - self.centre[b];
                let squares = similarities.iter().map(|z| (z[a] - z[b] - between).powi(2));
                variance += squares.sum::<f64>() / n;
                n_pairs += 1.0;
            }
        }
        let spread = (variance / f64::max(n_pairs, 1.0)).sqrt();
        if spread > 0.0 {
            self.spread = spread;
        }
        Ok(())
    }
}

impl Student for StatementsStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Learns where texts lie; it does not look at the labels.
    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let fitted = self.fit(lesson.questions);
        let mut judge = fitted.map_err(|source| SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(source),
        })?;
        judge.settle(lesson.questions)?;
        Ok(Fitted {
            student: Box::new(judge),
            n_steps: 0,
            loss: 0.0,
            converged: true,
            cost: Cost::default(),
        })
    }
}

impl Supervisor for StatementsJudge {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let similarities = self.similarities(questions)?;
        Ok((questions.iter().zip(similarities))
            .map(|(question, z)| {
                let logits: Vec<f64> = (z.iter().zip(&self.centre))
                    .map(|(z, centre)| (z - centre) / self.spread)
                    .collect();
                Judgement {
                    id: question.id.clone(),
                    verdict: Verdict::Decided(Distribution::softmax(&logits)),
                    cost: Cost {
                        calls: self.n_principles as u64,
                        ..Cost::default()
                    },
                }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::{
        AnswerIdx, AnswerKey, FeatureTable, SampleId, Seed, TrainingLabels, Workplace,
    };

    use super::*;

    const TWO: &str = r#"
{"principle": "up", "answer": "no", "statement": "Down.", "features": [0, -2]}
{"principle": "up", "answer": "yes", "statement": "Up.", "features": [0, 1]}
{"principle": "right", "answer": "no", "statement": "Left.", "features": [-1, 0]}
{"principle": "right", "answer": "yes", "statement": "Right.", "features": [3, 0]}
"#;

    fn questions(n: usize, answers: &[&str]) -> Vec<Question> {
        let answers = AnswerSet::new(answers).unwrap();
        (0..n)
            .map(|i| Question {
                id: SampleId::new(&format!("q{i}")),
                text: "t".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect()
    }

    fn student(statements: &str, features: &[[f32; 2]]) -> StatementsStudent {
        let ids: Vec<SampleId> = (questions(features.len(), &["no", "yes"]).into_iter())
            .map(|q| q.id)
            .collect();
        let values = features.as_flattened().to_vec();
        StatementsStudent {
            name: "principles".into(),
            statements: Arc::new(Statements::parse(statements).unwrap()),
            features: Some(NamedFeatures {
                name: "f".into(),
                table: Arc::new(FeatureTable::from_f32(&ids, 2, values).unwrap()),
            }),
        }
    }

    fn learn(
        student: &StatementsStudent,
        questions: &[Question],
    ) -> Result<Fitted, SupervisorError> {
        let key = AnswerKey::new(questions.iter().map(|q| (q.id.clone(), AnswerIdx(0)))).unwrap();
        let labels = TrainingLabels::from_key(questions, &key).unwrap();
        student.learn(&Lesson {
            questions,
            labels: &labels,
            validation: None,
            seed: Seed(0),
            workplace: Workplace::none(),
        })
    }

    #[test]
    fn a_text_is_judged_by_the_nearer_statements_whatever_the_labels_say() {
        let student = student(TWO, &[[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [5.0, 5.0]]);
        let questions = questions(4, &["no", "yes"]);
        let fitted = learn(&student, &questions[..3]).unwrap();
        let judged = fitted.student.judge(&questions).unwrap();
        let p: Vec<f64> = (judged.iter())
            .map(|j| j.verdict.decided().unwrap().probabilities()[1])
            .collect();
        // Differences z₁ − z₀ are ±√2 and 0: mean 0, spread √(4/3).
        let expected = 1.0 / (1.0 + (-(2.0_f64).sqrt() / (4.0_f64 / 3.0).sqrt()).exp());
        assert!((p[0] - expected).abs() < 1e-6 && (p[1] - (1.0 - expected)).abs() < 1e-6);
        assert!((p[2] - 0.5).abs() < 1e-6);
        // Lengths say nothing.
        assert!((p[3] - p[0]).abs() < 1e-6);
        assert_eq!((judged[0].cost.calls, judged[0].cost.judge_calls), (2, 0));
    }

    #[test]
    fn embedded_statements_are_of_eight_principles() {
        let statements = Statements::film_reviews();
        assert_eq!((statements.n_principles(), statements.dim), (8, 384));
        assert_eq!(statements.in_words().count(), 16);
        assert!(statements.in_words().any(|(principle, answer, text)| {
            (principle, answer) == ("advice", "positive") && text == "I recommend it warmly."
        }));
        let answers = AnswerSet::new(&["negative", "positive"]).unwrap();
        assert_eq!(statements.means(&answers).unwrap().len(), 2 * 384);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let parse = |text: &str| Statements::parse(text).unwrap_err().to_string();
        assert_eq!(parse(""), "no statement");
        assert!(parse("{}").starts_with("line 1: missing field"));
        assert!(parse(&TWO.replace("[3, 0]", "[3]")).contains("line 5: 1 features, expected 2"));
        assert!(parse(&TWO.replace("[3, 0]", "[0, 0]")).contains("line 5: features of length 0"));
        let failed = |student: &StatementsStudent, questions: &[Question]| {
            let Err(SupervisorError::Fit { source, .. }) = learn(student, questions) else {
                panic!("it fits");
            };
            source.to_string()
        };
        let two = student(TWO, &[[1.0, 0.0]]);
        assert_eq!(
            failed(&two, &questions(1, &["no", "maybe"])),
            "principle `right` has 0 statements of the answer `maybe`, expected one"
        );
        let mut other = two.clone();
        other.features = None;
        assert!(failed(&other, &questions(1, &["no", "yes"])).contains("no features"));
        other.statements = Arc::new(Statements::film_reviews());
        other.features.clone_from(&two.features);
        assert_eq!(
            failed(&other, &questions(1, &["no", "yes"])),
            "the statements have 384 features, the texts 2"
        );
    }
}
