//! The evidence game as a supervisor: it needs no ground truth of what it judges.
//!
//! Two players argue the two answers of a question and reveal pieces of its text in turn, as well as can be; a judge that was
//! taught on other texts, and sees the revealed pieces only, says how likely each answer is. Both orders are played:
//!
//! ```text
//! p(answer 1) = mean over who moves first of σ(v)
//! v = the margin z[1] − z[0] that is reached when player 1 maximises and player 0 minimises it
//! ```
//!
//! What the judge would say of as many random pieces ([`Shown::Random`]), and of all ([`Shown::All`]), are the controls: the first
//! costs it as much reading as a debate.
//!
//! A judge who can take in few pieces at a time can also be amplified ([`Shown::Parts`]; Christiano et al. 2018, arXiv:1810.08575,
//! section 2): the text is decomposed into parts that it can read, copies of the judge answer each, and the judge counts their
//! answers. Every answer is one of the two labels, or none where a copy is unsure, as the answers of sub-questions are:
//!
//! ```text
//! p(answer 1) = (n₁ + 1) / (n₀ + n₁ + 2)           n_k: parts that were answered with k;   unsure: confidence < 0.6
//! ```
//!
//! It then costs a call for every part and one for the count. What it gets wrong though the same judge reads all pieces at once
//! rightly, decomposition lost.
//!
//! After Irving et al. 2018, section 3, on text; the paper has images, and players that know the truth.

use std::num::NonZeroUsize;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{
    Cost, Distribution, Fitted, Judgement, Lesson, Question, Schedule, Seed, Student, Supervisor,
    SupervisorError, Verdict,
};

use crate::board::{Board, MOST_REVEALED};
use crate::cases::Cases as _;
use crate::game::{Game, RivalClaim, Side};
use crate::judge::{Judge, JudgeOptions, Lessons, Step, TrainingError};
use crate::minimax::value;
use crate::random_evidence::draw;
use crate::texts::{Items, Texts};

/// What the judge is shown of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// What two players choose to reveal, one for each answer.
    #[default]
    Debate,
    /// As many pieces at random.
    Random,
    /// Everything.
    All,
    /// Everything, in parts of as many pieces, each answered by itself; then their answers.
    Parts,
}

/// Below this confidence a part is not answered.
const UNSURE: f64 = 0.6;

/// A judge of revealed pieces of text, and how they are chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TextEvidenceConfig {
    /// Another `text-evidence` supervisor whose judge judges here as well: its settings count, but for `shown`. Default: a judge of
    /// its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// What the judge is shown of a text.
    pub shown: Shown,
    /// What is revealed at a time.
    pub items: Items,
    /// Pieces that are revealed, 8 at most.
    pub pieces: NonZeroUsize,
    /// Words are hashed to 2 to the power of this many features.
    pub bits: u32,
    /// Steps of the judge's training; each shows it other pieces.
    pub steps: usize,
    /// Texts a step.
    pub batch_size: usize,
    /// Step size at the start.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for TextEvidenceConfig {
    fn default() -> Self {
        Self {
            judge: None,
            shown: Shown::Debate,
            items: Items::Words,
            pieces: NonZeroUsize::MIN.saturating_add(3),
            bits: 14,
            steps: 2_000,
            batch_size: 128,
            learning_rate: 3e-3,
            weight_decay: 0.1,
        }
    }
}

impl TextEvidenceConfig {
    /// How its judge is built and trained: linear in the pieces.
    pub fn judge_options(&self) -> JudgeOptions {
        JudgeOptions {
            hidden: Vec::new(),
            pieces: self.pieces.get(),
            steps: self.steps,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            schedule: Schedule::Cosine,
            weight_decay: self.weight_decay,
            ..JudgeOptions::default()
        }
    }

    /// Texts in pieces, as its judge sees them.
    pub fn cut<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Texts {
        let bits = self.bits.clamp(1, 24);
        Texts::new(texts, self.items, self.pieces, bits)
    }
}

/// Why texts cannot be judged by evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextEvidenceError {
    /// There are not two answers.
    #[error("{n} answers: evidence is argued for one of two")]
    NotTwoAnswers {
        /// Answers there are.
        n: usize,
    },
    /// A question has no text of its own.
    #[error("question {id} has no text to reveal pieces of")]
    NoText {
        /// Which.
        id: String,
    },
    /// More pieces are to be revealed than a game can.
    #[error("{pieces} pieces a game: from 1 to {MOST_REVEALED} can be revealed")]
    Pieces {
        /// What was asked.
        pieces: usize,
    },
    /// The judge cannot be trained.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

impl TextEvidenceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotTwoAnswers { .. } | Self::NoText { .. } => {
                "use it on texts with one of two labels, such as builtin:rotten-tomatoes"
            }
            Self::Pieces { .. } => "the paper has 6 and 4",
            Self::Training(error) => error.hint(),
        }
    }
}

/// A judge before it has learnt.
#[derive(Debug, Clone)]
pub struct TextEvidenceStudent {
    /// What it is called.
    pub name: String,
    /// How it learns, and what it is shown.
    pub config: TextEvidenceConfig,
}

impl TextEvidenceStudent {
    fn check(&self, questions: &[Question], n_answers: usize) -> Result<(), TextEvidenceError> {
        let pieces = self.config.pieces.get();
        if pieces > MOST_REVEALED {
            return Err(TextEvidenceError::Pieces { pieces });
        }
        check(questions, n_answers)
    }
}

fn check(questions: &[Question], n_answers: usize) -> Result<(), TextEvidenceError> {
    if n_answers != 2 {
        return Err(TextEvidenceError::NotTwoAnswers { n: n_answers });
    }
    let without = questions
        .iter()
        .find(|question| question.text.is_empty() || question.candidates.is_some());
    match without {
        Some(question) => Err(TextEvidenceError::NoText {
            id: question.id.to_string(),
        }),
        None => Ok(()),
    }
}

impl TextEvidenceStudent {
    /// Trains the judge.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Fit`] when the questions are no texts with one of two labels.
    pub fn learn_supervisor(
        &self,
        lesson: &Lesson<'_>,
    ) -> Result<TextEvidenceSupervisor, SupervisorError> {
        let failed = |error: TextEvidenceError| SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(error),
        };
        let labels = lesson.labels;
        self.check(lesson.questions, labels.n_answers())
            .map_err(failed)?;
        let labelled = labels.labelled(lesson.questions);
        let texts = self
            .config
            .cut(labelled.into_iter().map(|question| &*question.text));
        let targets: Vec<f32> = labels.probabilities().iter().map(|p| *p as f32).collect();
        let mut losses = Vec::new();
        let lessons = Lessons {
            cases: &texts,
            targets: &targets,
            n_labels: 2,
        };
        let mut on_step = |step: &Step| losses.push(step.loss);
        let judge = Judge::train(
            lessons,
            &self.config.judge_options(),
            lesson.seed,
            1,
            &mut on_step,
        )
        .map_err(|error| failed(error.into()))?;
        let last = &losses[losses.len().saturating_sub(100)..];
        Ok(TextEvidenceSupervisor {
            name: self.name.clone(),
            config: self.config.clone(),
            loss: last.iter().sum::<f64>() / last.len().max(1) as f64,
            judge: Arc::new(judge),
            seed: lesson.seed.child("random evidence"),
        })
    }
}

impl Student for TextEvidenceStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let supervisor = self.learn_supervisor(lesson)?;
        Ok(Fitted {
            n_steps: supervisor.config.steps,
            loss: supervisor.loss,
            student: Box::new(supervisor),
            converged: true,
            cost: Cost::default(),
        })
    }
}

/// A judge that has learnt, and those who choose what it is shown.
#[derive(Debug, Clone)]
pub struct TextEvidenceSupervisor {
    name: String,
    config: TextEvidenceConfig,
    /// The last losses of its judge's training, on average.
    loss: f64,
    judge: Arc<Judge>,
    seed: Seed,
}

impl TextEvidenceSupervisor {
    /// A supervisor with another way to choose what its judge is shown.
    #[must_use]
    pub fn shown(&self, shown: Shown) -> Self {
        let mut other = self.clone();
        other.config.shown = shown;
        other
    }

    /// The same under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// Its judge.
    pub fn trained(&self) -> &Judge {
        &self.judge
    }

    /// Mean loss of the last hundred steps of its judge's training, in nats.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// How its judge was trained, and what it is shown.
    pub fn config(&self) -> &TextEvidenceConfig {
        &self.config
    }

    /// How likely answer 1 is, from what is shown of one text.
    fn probability(&self, texts: &Texts, case: usize, seed: Seed) -> f64 {
        let n_pieces = texts.n_pieces(case);
        let sigma = |margin: f32| 1.0 / (1.0 + (-f64::from(margin)).exp());
        let of_pieces = |pieces: &[usize]| {
            let logits = self.judge.logits(texts, case, pieces);
            sigma(logits[1] - logits[0])
        };
        let pieces = self.config.pieces.get();
        match self.config.shown {
            Shown::All => of_pieces(&(0..n_pieces).collect::<Vec<_>>()),
            Shown::Random => {
                let mut drawn = Vec::new();
                draw(n_pieces, pieces, &mut seed.stream(), &mut drawn);
                of_pieces(&drawn)
            }
            Shown::Parts => {
                let all: Vec<usize> = (0..n_pieces).collect();
                let mut counts = [1.0, 1.0];
                for part in all.chunks(pieces) {
                    let p = of_pieces(part);
                    if p.max(1.0 - p) >= UNSURE {
                        counts[usize::from(p > 0.5)] += 1.0;
                    }
                }
                counts[1] / (counts[0] + counts[1])
            }
            Shown::Debate => {
                let mut board = Board::new(&self.judge, texts, case);
                let [first, second] = [Side::Claimant, Side::Rival].map(|first| {
                    let game = Game {
                        claim: 1,
                        rival: RivalClaim::Label(0),
                        pieces,
                        first,
                    };
                    sigma(value(&mut board, &game))
                });
                f64::midpoint(first, second)
            }
        }
    }
}

impl Supervisor for TextEvidenceSupervisor {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let n_answers = questions
            .first()
            .map_or(2, |question| question.answers.len());
        check(questions, n_answers).map_err(|error| SupervisorError::Judge {
            name: self.name.clone(),
            source: Box::new(error),
        })?;
        let texts = self
            .config
            .cut(questions.iter().map(|question| &*question.text));
        let calls = |case: usize| match self.config.shown {
            // It is judged in both orders.
            Shown::Debate => 2,
            Shown::Random | Shown::All => 1,
            Shown::Parts => 1 + texts.n_pieces(case).div_ceil(self.config.pieces.get()) as u64,
        };
        let judged = questions.iter().enumerate().map(|(case, question)| {
            let seed = self.seed.child(&question.id.to_string());
            let p = self.probability(&texts, case, seed);
            let verdict = match Distribution::new(&[1.0 - p, p]) {
                Ok(distribution) => Verdict::Decided(distribution),
                Err(error) => Verdict::Error {
                    message: error.to_string(),
                },
            };
            Judgement {
                id: question.id.clone(),
                verdict,
                cost: Cost {
                    calls: calls(case),
                    judge_calls: calls(case),
                    ..Cost::default()
                },
            }
        });
        Ok(judged.collect())
    }
}
