//! How often everybody is right, by depth, about instances that nobody was trained on.
//!
//! ```text
//! amplification gap of a depth = right (Amplify^H(X̄)) − right (X̄)
//! ```
//!
//! While the gap is positive there is something left to distil; it goes to nought as training converges, unless amplification itself
//! errs. Instances have their full size, whatever the curriculum is at; the same ones are used throughout a training, and by all arms of
//! one seed. The expert of an evaluation makes no mistakes but those that the settings give it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use super::expert::RealExpert;
use super::training::{Bought, Lesson, Part, Training};
use crate::task::{Question, Symbol};
use crate::tree::Answered;

/// Right answers to questions of a depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Counted {
    /// Levels of decomposition down to facts.
    pub depth: u32,
    /// Questions.
    pub n: u32,
    /// Those that the learner X answers rightly, at once.
    pub learner: u32,
    /// Those that its teacher X̄ does.
    pub teacher: u32,
    /// Those that the expert does with the teacher's help.
    pub amplified: u32,
    /// Those that the predicted expert does with the teacher's help; none where there is no predictor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<u32>,
}

/// A training, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Evaluation {
    /// After how many steps.
    pub step: u64,
    /// How large instances are in training.
    pub difficulty: u32,
    /// The learner's loss in the last step, in nats; none where it had nothing to learn.
    pub loss: Option<f64>,
    /// The predictor's, a mean over about a hundred steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictor_loss: Option<f64>,
    /// The share of the last step's questions that had no target.
    pub unanswered: f64,
    /// What was asked of whom so far.
    pub bought: Bought,
    /// Right answers, by depth.
    pub depths: Vec<Counted>,
}

impl Training {
    /// Measures it as it is. Nothing of it changes.
    pub fn evaluate(&mut self, watch: &dyn Fn(Part)) -> Evaluation {
        let seed = Seed(self.seed.0).child("held out");
        let sizes = [
            self.config.held_out_contexts,
            self.config.held_out_questions,
        ];
        let task = self.config.task;
        let lesson = Lesson::draw(task, task.hardest(), None, sizes, seed);
        let (roots, instances) = (lesson.roots(), lesson.instances());
        let about = (&instances[..], lesson.per_instance);
        let learner = self.asking.direct(&self.learner, &roots, about, watch);
        let teacher = self.asking.direct(&self.teacher, &roots, about, watch);
        let mut expert = RealExpert::of(&self.config, seed);
        let amplified = self.amplified(&mut expert, &lesson, seed, watch).trees;
        let predicted = (self.predicted(&lesson, seed, watch)).map(|predicted| predicted.trees);

        let right = |tree: usize, answer: &Answered<Symbol>| {
            let question: &Question = &roots[tree];
            u32::from(lesson.about(tree).is_right(question, answer))
        };
        let mut depths: BTreeMap<u32, Counted> = BTreeMap::new();
        for (tree, drawn) in lesson.questions.iter().enumerate() {
            let counted = depths.entry(drawn.depth).or_insert(Counted {
                depth: drawn.depth,
                n: 0,
                learner: 0,
                teacher: 0,
                amplified: 0,
                predicted: predicted.as_ref().map(|_| 0),
            });
            counted.n += 1;
            counted.learner += right(tree, &learner[tree]);
            counted.teacher += right(tree, &teacher[tree]);
            counted.amplified += right(tree, &amplified[tree].answer);
            if let (Some(n), Some(predicted)) = (&mut counted.predicted, &predicted) {
                *n += right(tree, &predicted[tree].answer);
            }
        }
        Evaluation {
            step: self.step,
            difficulty: self.curriculum.difficulty,
            loss: self.last.and_then(|last| last.loss),
            predictor_loss: self.predictor.as_ref().and_then(|predictor| predictor.loss),
            unanswered: self.last.map_or(0.0, |last| last.unanswered),
            bought: self.bought,
            depths: depths.into_values().collect(),
        }
    }
}
