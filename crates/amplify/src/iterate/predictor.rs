//! H′: a network that takes the expert's steps, trained on steps that the expert took.
//!
//! It sees what the expert sees: the question and the exchanges so far; never an instance. Its context is the exchanges, its one question
//! the question, and its outputs are the symbols of a step, each predicted on its own: the experts of these tasks are functions of
//! what they see, so nothing is lost by that. The paper's predictor writes symbol after symbol.

use std::convert::Infallible;

use trimtab_core::Seed;
use trimtab_core::setting::ConfigError;
use trimtab_pointer::{Answers, Batch, Encoded, Network, Rows, Shape, StepReport, Trainer};

use super::replay::TakenStep;
use super::settings::NetworkConfig;
use super::training::Part;
use crate::expert::{Expert, Stepped, Working};
use crate::task::{Question, Symbol, Task};
use crate::tree::Exchange;

/// A network that is trained to take an expert's steps.
#[derive(Debug, Clone)]
pub(crate) struct Predictor {
    task: Task,
    pub network: Network,
    pub trainer: Trainer,
    /// A mean of its losses over about a hundred steps, in nats; none before the first.
    pub loss: Option<f64>,
    exchanges: Rows,
    questions: Rows,
    targets: Vec<u8>,
    weights: Vec<f32>,
}

impl Predictor {
    pub(crate) fn shape(task: Task, config: &NetworkConfig) -> Shape {
        let shape = task.transcript_shape();
        let fields = [shape.fact_fields, shape.question_fields, shape.step_fields];
        config.shape(shape.n_symbols, fields)
    }

    pub(crate) fn new(task: Task, config: &NetworkConfig, seed: Seed) -> Result<Self, ConfigError> {
        let network = Network::new(Self::shape(task, config), seed)?;
        let trainer = Trainer::new(&network, config.adam.clone())?;
        Ok(Self::with(task, network, trainer, None))
    }

    pub(crate) fn with(task: Task, network: Network, trainer: Trainer, loss: Option<f64>) -> Self {
        let shape = task.transcript_shape();
        Self {
            task,
            network,
            trainer,
            loss,
            exchanges: Rows::new(shape.fact_fields),
            questions: Rows::new(shape.question_fields),
            targets: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// One step of training.
    pub(crate) fn learn(&mut self, taken: &[&TakenStep]) -> StepReport {
        self.exchanges.clear();
        self.questions.clear();
        self.targets.clear();
        for step in taken {
            put(
                self.task,
                &step.question,
                &step.exchanges,
                &mut self.exchanges,
                &mut self.questions,
            );
            let symbols = self.task.step_to_symbols(&step.step());
            self.targets
                .extend(symbols.unwrap_or_else(|| unreachable!("one question a step")));
        }
        self.weights.clear();
        self.weights.resize(self.targets.len(), 1.0);
        let batch = Batch {
            facts: &self.exchanges,
            questions: &self.questions,
            targets: &self.targets,
            weights: &self.weights,
        };
        let report = (self.trainer.step(&mut self.network, batch))
            .unwrap_or_else(|error| unreachable!("steps of the predictor's task: {error}"));
        let loss = self.loss.unwrap_or(report.loss);
        self.loss = Some(0.99 * loss + 0.01 * report.loss);
        report
    }
}

/// A question and what is known so far, as a network sees them.
fn put(
    task: Task,
    question: &Question,
    known: &[Exchange<Question, Symbol>],
    exchanges: &mut Rows,
    questions: &mut Rows,
) {
    let (transcript, question) = task.transcript(question, known);
    exchanges.open();
    for row in transcript.facts() {
        exchanges.push(row);
    }
    questions.open();
    questions.push(question.symbols());
}

/// What predicting takes; memory is kept.
#[derive(Debug, Clone)]
pub(crate) struct Predicting {
    exchanges: Rows,
    questions: Rows,
    encoded: Encoded,
    answers: Answers,
}

impl Predicting {
    pub(crate) fn of(task: Task) -> Self {
        let shape = task.transcript_shape();
        Self {
            exchanges: Rows::new(shape.fact_fields),
            questions: Rows::new(shape.question_fields),
            encoded: Encoded::default(),
            answers: Answers::default(),
        }
    }

    /// The predictor in the expert's place.
    pub(crate) fn expert<'a>(
        &'a mut self,
        predictor: &'a Predictor,
        watch: &'a dyn Fn(Part),
    ) -> PredictedExpert<'a> {
        PredictedExpert {
            predictor,
            memory: self,
            watch,
        }
    }
}

/// The predictor in the expert's place.
pub(crate) struct PredictedExpert<'a> {
    predictor: &'a Predictor,
    memory: &'a mut Predicting,
    watch: &'a dyn Fn(Part),
}

impl Expert<Question, Symbol> for PredictedExpert<'_> {
    type Error = Infallible;

    fn next(
        &mut self,
        open: &[Working<'_, Question, Symbol>],
    ) -> Result<Vec<Stepped<Question, Symbol>>, Infallible> {
        let Predictor { task, network, .. } = self.predictor;
        let Predicting {
            exchanges,
            questions,
            encoded,
            answers,
        } = &mut *self.memory;
        exchanges.clear();
        questions.clear();
        for working in open {
            put(
                *task,
                working.question,
                working.exchanges,
                exchanges,
                questions,
            );
        }
        (self.watch)(Part::Predicting);
        (network.encode(exchanges, encoded))
            .and_then(|()| network.answer(encoded, questions, answers))
            .unwrap_or_else(|error| unreachable!("questions of the predictor's task: {error}"));
        (self.watch)(Part::Trees);
        let n_outputs = network.shape().outputs;
        Ok((0..open.len())
            .map(|row| {
                let symbols: Vec<Symbol> = (0..n_outputs)
                    .map(|output| answers.best(row, output))
                    .collect();
                Stepped::free(task.step_from_symbols(&symbols))
            })
            .collect())
    }
}
