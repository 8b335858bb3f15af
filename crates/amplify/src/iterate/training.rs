//! A learner that is trained on what it finds with an expert's help.
//!
//! One [`Training::step`]: draw instances and questions; ask the real expert as often as it is due and let its predictor learn; have
//! the targets made by whoever the [`Arm`] says; teach the learner; let the teacher follow it; and see whether instances may grow.
//!
//! All luck comes from the seed and the step's number, so that a training which goes on from a [`Snapshot`](super::Snapshot) ends
//! in the same bits.

use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::ConfigError;
use trimtab_pointer::{Batch, Network, Rows, Shape, Trainer};

use super::arm::Arm;
use super::curriculum::Curriculum;
use super::expert::RealExpert;
use super::label_rate::LabelRate;
use super::predictor::{Predicting, Predictor};
use super::replay::{Replay, steps_at};
use super::settings::TrainingConfig;
use super::teacher::{Amplified, Asking};
use crate::task::{Drawn, Instance, Question, Solved, Symbol, Task};
use crate::tree::By;

/// What a step is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Instances and questions are drawn.
    Drawing,
    /// Trees are handled: the expert's script, the frontier.
    Trees,
    /// The teacher reads and answers.
    Teacher,
    /// The predictor takes steps.
    Predicting,
    /// The predictor learns.
    Predictor,
    /// The learner learns.
    Learner,
}

impl Part {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drawing => "drawing",
            Self::Trees => "trees",
            Self::Teacher => "teacher",
            Self::Predicting => "predicting",
            Self::Predictor => "predictor",
            Self::Learner => "learner",
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stepped {
    /// Steps taken, this one too.
    pub step: u64,
    /// The learner's loss before it, in nats; none where no question had a target.
    pub loss: Option<f64>,
    /// The share of its likeliest answers that were the target.
    pub agreement: Option<f64>,
    /// The share of questions that have no target.
    pub unanswered: f64,
}

/// A training of one arm under one seed.
pub struct Training {
    pub(super) arm: Arm,
    pub(super) config: TrainingConfig,
    pub(super) seed: Seed,
    pub(super) step: u64,
    pub(super) learner: Network,
    pub(super) trainer: Trainer,
    pub(super) teacher: Network,
    pub(super) predictor: Option<Predictor>,
    pub(super) replay: Replay,
    pub(super) labels: LabelRate,
    pub(super) curriculum: Curriculum,
    pub(super) bought: Bought,
    pub(super) last: Option<Stepped>,
    taught: Taught,
    pub(super) asking: Asking,
    pub(super) predicting: Predicting,
}

/// What was asked of whom, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bought {
    /// Questions that the real expert took to an answer.
    pub expert_questions: u64,
    /// Steps that it took at them.
    pub expert_steps: u64,
    /// Right answers that the solver gave.
    pub solved: u64,
    /// Questions that the teacher answered for somebody.
    pub teacher_answers: u64,
}

/// What the learner is taught in a step; memory is kept.
#[derive(Debug, Clone)]
struct Taught {
    facts: Rows,
    questions: Rows,
    targets: Vec<Symbol>,
    weights: Vec<f32>,
}

impl Taught {
    fn of(task: Task) -> Self {
        let shape = task.shape();
        Self {
            facts: Rows::new(shape.fact_fields),
            questions: Rows::new(shape.question_fields),
            targets: Vec::new(),
            weights: Vec::new(),
        }
    }
}

/// Instances and questions about them.
pub(super) struct Lesson {
    pub solved: Vec<Solved>,
    /// As many about each, one instance after the other.
    pub questions: Vec<Drawn>,
    /// How many.
    pub per_instance: usize,
}

impl Lesson {
    /// Draws them; instances that have no question as shallow as `deepest` are drawn again.
    pub(super) fn draw(
        task: Task,
        difficulty: u32,
        deepest: Option<u32>,
        [contexts, per_instance]: [usize; 2],
        seed: Seed,
    ) -> Self {
        let mut lesson = Self {
            solved: Vec::with_capacity(contexts),
            questions: Vec::with_capacity(contexts * per_instance),
            per_instance,
        };
        let mut luck = seed.stream();
        while lesson.solved.len() < contexts {
            let solved = task.draw(difficulty, Seed(luck.next_u64()));
            let depths = 0..=deepest.unwrap_or(u32::MAX);
            let drawn: Vec<Drawn> = (0..per_instance)
                .filter_map(|_| solved.draw(depths.clone(), &mut luck))
                .collect();
            if drawn.len() == per_instance {
                lesson.solved.push(solved);
                lesson.questions.extend(drawn);
            }
        }
        lesson
    }

    pub(super) fn roots(&self) -> Vec<Question> {
        self.questions.iter().map(|drawn| drawn.question).collect()
    }

    /// The instances.
    pub(super) fn instances(&self) -> Vec<&Instance> {
        self.solved.iter().map(Solved::instance).collect()
    }

    /// The instance that a question is about, solved.
    pub(super) fn about(&self, tree: usize) -> &Solved {
        &self.solved[tree / self.per_instance]
    }
}

impl Training {
    /// A training that has not begun.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a setting makes no sense.
    pub fn new(arm: Arm, config: TrainingConfig, seed: Seed) -> Result<Self, ConfigError> {
        config.check()?;
        // Every arm begins with the same network.
        let learner = Network::new(Self::learner_shape(&config), seed.child("learner"))?;
        let trainer = Trainer::new(&learner, config.learner.adam.clone())?;
        let predictor = match arm {
            Arm::AmplifiedPredictor => Some(Predictor::new(
                config.task,
                &config.predictor,
                seed.child("predictor"),
            )?),
            Arm::Supervised | Arm::AmplifiedExpert | Arm::Unamplified => None,
        };
        Ok(Self {
            arm,
            seed,
            step: 0,
            teacher: learner.clone(),
            learner,
            trainer,
            predictor,
            replay: Replay::default(),
            labels: LabelRate::default(),
            curriculum: Curriculum::new(&config.curriculum, config.task.hardest()),
            bought: Bought::default(),
            last: None,
            taught: Taught::of(config.task),
            asking: Asking::of(config.task),
            predicting: Predicting::of(config.task),
            config,
        })
    }

    pub(super) fn learner_shape(config: &TrainingConfig) -> Shape {
        let shape = config.task.shape();
        let fields = [shape.fact_fields, shape.question_fields, 1];
        config.learner.shape(shape.n_symbols, fields)
    }

    /// Steps taken.
    pub fn n_steps(&self) -> u64 {
        self.step
    }

    /// Whether it has taken all its steps.
    pub fn is_done(&self) -> bool {
        self.step >= self.config.steps
    }

    /// One step of everything; `watch` is told what it is busy with.
    pub fn step(&mut self, watch: &dyn Fn(Part)) -> Stepped {
        watch(Part::Drawing);
        let seed = Seed(self.seed.child("step").0 ^ self.step.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .child("draw");
        let lesson = self.lesson(seed);
        if self.predictor.is_some() {
            self.ask_the_expert(&lesson, seed, watch);
            self.train_the_predictor(seed, watch);
        }
        self.make_targets(&lesson, seed, watch);
        watch(Part::Learner);
        let (loss, agreement) = self.teach(&lesson);
        let decay = self.decay();
        self.teacher.average(&self.learner, decay);
        self.curriculum.observe(
            agreement,
            &self.config.curriculum,
            self.config.task.hardest(),
        );
        self.step += 1;
        let n_targets = self
            .taught
            .weights
            .iter()
            .filter(|weight| **weight > 0.0)
            .count();
        let stepped = Stepped {
            step: self.step,
            loss,
            agreement,
            unanswered: 1.0 - n_targets as f64 / lesson.questions.len() as f64,
        };
        self.last = Some(stepped);
        stepped
    }

    /// Instances as large as they may be by now, and questions about them.
    fn lesson(&self, seed: Seed) -> Lesson {
        let TrainingConfig {
            task,
            contexts,
            questions,
            deepest,
            ..
        } = self.config;
        let difficulty = self.curriculum.difficulty;
        Lesson::draw(task, difficulty, deepest, [contexts, questions], seed)
    }

    /// Process 1: the real expert takes some of the questions to an answer with the teacher's help, and its steps are kept.
    fn ask_the_expert(&mut self, lesson: &Lesson, seed: Seed, watch: &dyn Fn(Part)) {
        let loss = self.predictor.as_ref().and_then(|predictor| predictor.loss);
        let mut due = self.labels.due(loss, &self.config.labels);
        let mut round = 0_u32;
        while due > 0 {
            let seed = seed.child("expert").child(&round.to_string());
            // The step's own questions, and then others like them.
            let others;
            let lesson = if round == 0 {
                lesson
            } else {
                others = self.lesson(seed);
                &others
            };
            round += 1;
            // Questions of fact need nobody: they are no labels.
            let asked: Vec<usize> = (0..lesson.questions.len())
                .filter(|&i| lesson.questions[i].depth > 0)
                .take(due)
                .collect();
            // There may be no others: where all are of fact, nobody is to be predicted.
            if asked.is_empty() {
                return;
            }
            due -= asked.len();
            let roots = asked
                .iter()
                .map(|&i| lesson.questions[i].question)
                .collect();
            let instances: Vec<&Instance> =
                asked.iter().map(|&i| lesson.about(i).instance()).collect();
            let mut expert = RealExpert::of(&self.config, seed);
            let amplified = self.asking.amplified(
                &mut expert,
                (&self.config, &self.teacher),
                roots,
                (&instances, 1),
                seed,
                watch,
            );
            self.bought.expert_questions += amplified.trees.len() as u64;
            self.bought.expert_steps += expert.n_steps();
            self.bought.teacher_answers += amplified.n_asked;
            for tree in &amplified.trees {
                for taken in steps_at(tree) {
                    self.replay.push(taken, self.config.replay);
                }
            }
        }
    }

    /// Process 2: the predictor learns to take the expert's steps.
    fn train_the_predictor(&mut self, seed: Seed, watch: &dyn Fn(Part)) {
        let mut stream = seed.child("replay").stream();
        let taken = self.replay.draw(self.config.predictor_batch, &mut stream);
        if let (Some(predictor), false) = (&mut self.predictor, taken.is_empty()) {
            watch(Part::Predictor);
            predictor.learn(&taken);
        }
    }

    /// Process 3: a target for every question, or none.
    fn make_targets(&mut self, lesson: &Lesson, seed: Seed, watch: &dyn Fn(Part)) {
        watch(Part::Trees);
        let answers: Vec<Option<Symbol>> = match self.arm {
            Arm::Supervised => {
                self.bought.solved += lesson.questions.len() as u64;
                (lesson.questions.iter().enumerate())
                    .map(|(tree, drawn)| lesson.about(tree).answer(&drawn.question))
                    .collect()
            }
            Arm::Unamplified => (lesson.questions.iter().enumerate())
                .map(|(tree, drawn)| {
                    let instance = lesson.about(tree).instance();
                    let known = self.config.task.look_up(instance, &drawn.question, seed);
                    known.and_then(Result::ok)
                })
                .collect(),
            Arm::AmplifiedExpert => {
                let mut expert = RealExpert::of(&self.config, seed);
                let Amplified { trees, n_asked } = self.amplified(&mut expert, lesson, seed, watch);
                let by_expert = trees.iter().filter(|tree| tree.by == By::Expert);
                self.bought.expert_questions += by_expert.count() as u64;
                self.bought.expert_steps += expert.n_steps();
                self.bought.teacher_answers += n_asked;
                trees.into_iter().map(|tree| tree.answer.ok()).collect()
            }
            Arm::AmplifiedPredictor => {
                let predicted = self.predicted(lesson, seed, watch);
                let Amplified { trees, n_asked } =
                    predicted.unwrap_or_else(|| unreachable!("this arm has a predictor"));
                self.bought.teacher_answers += n_asked;
                trees.into_iter().map(|tree| tree.answer.ok()).collect()
            }
        };
        let Taught {
            targets, weights, ..
        } = &mut self.taught;
        targets.clear();
        targets.extend(answers.iter().map(|answer| answer.unwrap_or_default()));
        weights.clear();
        weights.extend(
            answers
                .iter()
                .map(|answer| f32::from(u8::from(answer.is_some()))),
        );
    }

    /// Process 4: the learner learns the targets.
    fn teach(&mut self, lesson: &Lesson) -> (Option<f64>, Option<f64>) {
        let Taught {
            facts,
            questions,
            targets,
            weights,
        } = &mut self.taught;
        if weights.iter().all(|weight| *weight == 0.0) {
            return (None, None);
        }
        put_facts(&lesson.instances(), facts);
        questions.clear();
        for some in lesson.questions.chunks(lesson.per_instance) {
            questions.open();
            for drawn in some {
                questions.push(drawn.question.symbols());
            }
        }
        let batch = Batch {
            facts,
            questions,
            targets,
            weights,
        };
        let report = (self.trainer.step(&mut self.learner, batch)).unwrap_or_else(|error| {
            unreachable!("facts and questions of the learner's task: {error}")
        });
        (
            Some(report.loss),
            Some(report.n_right as f64 / report.n_targets as f64),
        )
    }

    /// How much of itself the teacher keeps: a mean over the horizon, or over all steps while there are fewer.
    fn decay(&self) -> f32 {
        let k = self.step as f64;
        (1.0 - 1.0 / self.config.teacher_horizon).min(k / (k + 1.0)) as f32
    }

    /// `Amplify^H′(X̄)` of a lesson, the predictor in the expert's place; none where there is no predictor.
    pub(super) fn predicted(
        &mut self,
        lesson: &Lesson,
        seed: Seed,
        watch: &dyn Fn(Part),
    ) -> Option<Amplified> {
        let mut expert = self.predicting.expert(self.predictor.as_ref()?, watch);
        let teacher = (&self.config, &self.teacher);
        Some((self.asking).amplified_lesson(&mut expert, teacher, lesson, seed, watch))
    }

    /// `Amplify^H(X̄)` of a lesson.
    pub(super) fn amplified(
        &mut self,
        expert: &mut RealExpert,
        lesson: &Lesson,
        seed: Seed,
        watch: &dyn Fn(Part),
    ) -> Amplified {
        let teacher = (&self.config, &self.teacher);
        (self.asking).amplified_lesson(expert, teacher, lesson, seed, watch)
    }
}

/// All facts of instances, one context each.
pub(super) fn put_facts(instances: &[&Instance], rows: &mut Rows) {
    rows.clear();
    for instance in instances {
        rows.open();
        for fact in instance.facts() {
            rows.push(fact);
        }
    }
}
