//! What each protocol rewards: the truth, or whatever is argued.

use std::collections::BTreeMap;

use trimtab_core::Verdict;
use trimtab_debate::Order;
use trimtab_debate::measure::agent_score::{BothRuns, Motive, Score, agent_score};
use trimtab_debate::transcript::Speakers;

use super::judged_row::JudgedRow;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where nobody is assigned an answer.
pub(super) fn section(rows: &[JudgedRow<'_>]) -> Result<Option<Section>, SummaryError> {
    let mut table = Vec::new();
    for row in rows {
        let runs = runs(row)?;
        let both: Vec<BothRuns<'_>> = runs.iter().filter_map(Runs::both).collect();
        let score = |motive| agent_score(&both, Score::Log, motive);
        let Some(truthful) = score(Motive::Temperature(1.0)) else {
            continue;
        };
        let judge = |motive| {
            score(motive).map_or_else(
                || Cell::absent("none"),
                |scored| Cell::Number {
                    value: scored.judge,
                    decimals: 2,
                },
            )
        };
        table.push(Row {
            name: row.name.clone(),
            cells: vec![
                Cell::Number {
                    value: truthful.difference,
                    decimals: 2,
                },
                judge(Motive::Best),
                judge(Motive::Temperature(1.0)),
                judge(Motive::Indifferent),
                Cell::count(truthful.n),
            ],
        });
    }
    Ok((!table.is_empty()).then(|| Section {
        id: "rewards".into(),
        title: "What the protocol rewards".into(),
        text: "The agent score difference (Sudhir et al. 2025): what an agent that wants to be believed gets for arguing the truth, less what it gets for the falsehood, in nats; above 0, the truth pays. Beside it the judge's expected log score when agents choose what to argue by what it pays, greedily (β = 0), softly (β = 1), or not at all (β = ∞).".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("ASD", "Agent score difference, in nats."),
                Column::new("JSE β=0", "Judge score expected, of agents that argue what pays most."),
                Column::new("JSE β=1", "Of agents that mostly do.").spare(1),
                Column::new("JSE β=∞", "Of agents that argue either answer as often."),
                Column::new("Questions", "Seeds and orders of showing apart.").spare(2),
            ],
            rows: table,
        },
        curves: None,
    }))
}

/// What the judge said of one question, shown one way, when each of its answers was argued.
struct Runs<'r> {
    truth: trimtab_core::AnswerIdx,
    by_answer: [Option<&'r Verdict>; 2],
}

impl Runs<'_> {
    fn both(&self) -> Option<BothRuns<'_>> {
        let truth = self.truth.0;
        Some(BothRuns {
            truth_argued: self.by_answer[truth]?,
            falsehood_argued: self.by_answer[1 - truth]?,
            truth: self.truth,
        })
    }
}

fn runs<'r>(row: &'r JudgedRow<'_>) -> Result<Vec<Runs<'r>>, SummaryError> {
    // By seed, question, order shown, and who was first in turn.
    let mut runs: BTreeMap<(u64, &str, Order, &str), Runs<'r>> = BTreeMap::new();
    for (seed, record) in &row.records {
        let Some(transcript) = row.transcript(*seed, record) else {
            continue;
        };
        if transcript.choice.is_some() {
            continue;
        }
        let truth = row.truth(&record.question)?;
        let (name, argued): (&str, &[usize]) = match transcript.arm.speakers {
            Speakers::Nobody => continue,
            Speakers::One(side) => match transcript.arm.order.answer_at(side).0 {
                0 => ("one", &[0]),
                _ => ("one", &[1]),
            },
            // In a debate of two both answers are argued at once.
            Speakers::Both => (&transcript.id, &[0, 1]),
        };
        let entry = (runs.entry((*seed, record.question.as_str(), record.shown, name)))
            .or_insert_with(|| Runs {
                truth,
                by_answer: [None, None],
            });
        for &answer in argued {
            entry.by_answer[answer] = Some(&record.verdict);
        }
    }
    Ok(runs.into_values().collect())
}
