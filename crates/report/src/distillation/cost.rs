//! What was asked of whom, and what processor time was spent on.
//!
//! The paper counts 6,000 to 24,000 questions to the expert, beside tens of millions of right answers to the supervised learner, and
//! about twice its computation.

use trimtab_amplify::iterate::Arm;
use trimtab_run::distillation::{Study, TrainingRecord};

use super::{Studied, learner};
use crate::document::{Cell, Column, Row, Section, Table};

/// The accuracy at the deepest level that counts as having learnt.
const LEARNT: f64 = 0.95;

pub(super) fn section(of: &Studied<'_>) -> Section {
    let rows = (Arm::ALL.into_iter())
        .filter_map(|arm| {
            let records = of.of_study(Study::Arms, arm);
            (!records.is_empty()).then(|| row(of, arm, &records))
        })
        .collect();
    of.section(
        "cost",
        "what it took",
        "Means over seeds. Expert: questions that the real expert took to an answer (paper: 6,000 to 24,000), and where it was asked \
         in order to learn to predict it, until 95 % at the deepest level. Solver: right answers that were bought (paper: tens of \
         millions). Learning is the share of processor time spent on networks, not on trees."
            .into(),
        Table {
            columns: vec![
                Column::new("", ""),
                Column::new("steps", "Steps of training"),
                Column::new("to 95 %", "Steps until 95 % of the deepest questions were right"),
                Column::new("expert", "Questions to the real expert"),
                Column::new("expert, to 95 %", "Questions to the real expert until then").spare(3),
                Column::new("solver", "Right answers from the solver").spare(2),
                Column::new("processor time", "Minutes, evaluations aside"),
                Column::new("learning", "Share of it spent on networks").spare(1),
            ],
            rows,
        },
    )
}

fn row(of: &Studied<'_>, arm: Arm, records: &[&TrainingRecord]) -> Row {
    let n = records.len() as f64;
    let mean = |of_record: &dyn Fn(&TrainingRecord) -> f64| {
        records.iter().map(|record| of_record(record)).sum::<f64>() / n
    };
    let last = |measure: fn(&trimtab_run::distillation::MeasuredRow) -> f64| {
        mean(&|record: &TrainingRecord| record.last().map_or(0.0, measure))
    };
    let secs = last(|row| row.cpu_secs.values().sum());
    let networks: f64 = last(|row| {
        use trimtab_amplify::iterate::Part::{Learner, Predicting, Predictor, Teacher};
        ([Learner, Teacher, Predictor, Predicting].iter())
            .filter_map(|part| row.cpu_secs.get(part.name()))
            .sum()
    });
    let learnt: Option<Vec<(u64, u64)>> =
        records.iter().map(|record| learnt_at(of, record)).collect();
    let never = || Cell::absent("not reached");
    let of_learnt = |which: fn(&(u64, u64)) -> u64| {
        learnt.as_ref().map_or_else(never, |learnt| {
            Cell::count((learnt.iter().map(which).sum::<u64>() as f64 / n).round() as usize)
        })
    };
    Row {
        name: arm.title().into(),
        cells: vec![
            Cell::count(last(|row| row.evaluation.step as f64) as usize),
            of_learnt(|(step, _)| *step),
            Cell::count(last(|row| row.evaluation.bought.expert_questions as f64) as usize),
            of_learnt(|(_, asked)| *asked),
            Cell::count(last(|row| row.evaluation.bought.solved as f64) as usize),
            Cell::Number {
                value: secs / 60.0,
                decimals: 1,
            },
            if secs > 0.0 {
                Cell::Share {
                    share: networks / secs,
                }
            } else {
                Cell::absent("")
            },
        ],
    }
}

/// The step at which the deepest questions were first answered well, and the questions to the expert until then.
fn learnt_at(of: &Studied<'_>, record: &TrainingRecord) -> Option<(u64, u64)> {
    let deepest = of.depths().into_iter().max()?;
    (record.rows.iter()).find_map(|row| {
        let counted = row
            .evaluation
            .depths
            .iter()
            .find(|counted| counted.depth == deepest)?;
        let share = f64::from(learner(counted)) / f64::from(counted.n);
        (share >= LEARNT).then_some((row.evaluation.step, row.evaluation.bought.expert_questions))
    })
}
