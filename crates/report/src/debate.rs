//! What debates and their controls came to: how often judges are right, what speakers do to them, whether judges know how sure
//! they may be, whether places of answers matter, what each protocol rewards, what was said and what it cost.
//!
//! Everything is read from the files of the run folder. Seeds are pooled; intervals take passages as clusters, so that several
//! questions on one passage count as what they are. A judgement that failed is wrong, and stays in the denominator.

mod accuracy;
mod beliefs;
mod calibration;
mod concessions;
mod honesty;
mod judged_row;
mod order;
mod persuasion;
mod ratings;
mod rewards;
mod speeches;

use trimtab_debate::protocol::{Cast, JudgeAsks, Turns};
use trimtab_debate::{DebateConfig, ProtocolName};
use trimtab_run::RunFolder;

use self::judged_row::{JudgedRow, methods, rows};
use crate::calls::calls;
use crate::document::{Cell, Column, Document, Row, Section, Table};
use crate::measuring::Measuring;
use crate::summarise::SummaryError;

/// Measures a run of debates.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    let report = manifest.variants[0].experiment.report;
    let measuring = Measuring::of(report)?;
    let (rows, mut notices) = rows(folder)?;
    let judged: Vec<_> = (rows.iter())
        .map(JudgedRow::judged)
        .collect::<Result<_, _>>()
        .map_err(SummaryError::Key)?;
    let pairs: Vec<(&JudgedRow<'_>, &trimtab_debate::measure::Judged<'_>)> =
        rows.iter().zip(&judged).collect();
    let mut sections = vec![accuracy::section(&pairs, measuring)];
    sections.extend(honesty::section(&rows, measuring)?);
    sections.extend(persuasion::section(&pairs, measuring));
    sections.extend(beliefs::section(&rows));
    sections.extend(calibration::section(&pairs));
    sections.extend(rewards::section(&rows)?);
    sections.extend(ratings::sections(&rows, measuring)?);
    let (order, flagged) = order::section(&pairs, measuring);
    sections.extend(order);
    notices.extend(flagged);
    sections.extend(speeches::section(folder, &rows)?);
    sections.extend(concessions::section(&rows, measuring)?);
    sections.push(protocols(&rows));
    sections.extend(calls(folder)?);
    let experiment = &manifest.variants[0].experiment;
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: format!(
            "Debate and its controls on {}: {}, {}",
            experiment.data.set,
            crate::text::plural(experiment.method.len(), "method", "methods"),
            crate::text::plural(experiment.seeds as usize, "seed", "seeds"),
        ),
        notices,
        sections,
        level: report.level,
        interval_method: "Wilson's for shares, with the effective number of questions where several are on one passage; the bootstrap over passages for differences; seeds pooled".into(),
    })
}

/// Who argues what, in which rounds.
fn protocols(rows: &[JudgedRow<'_>]) -> Section {
    let table = methods(rows).map(|row| Row {
        name: row.method.clone(),
        cells: protocol(row.config),
    });
    Section {
        id: "protocols".into(),
        title: "Protocols".into(),
        text: "Who argues, and who hears whom. Which answer stands at A is drawn for every transcript; where turns are in sequence, either side is first once; a consultant argues for either answer once, unless it chooses.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Speakers", "Who argues."),
                Column::new("Rounds", "Of speeches."),
                Column::new("Turns", "Whether debaters hear each other within a round."),
                Column::new("Judge asks", "Whether the judge asks between rounds.").spare(2),
                Column::new("Best of", "Candidates a speech.").spare(1),
            ],
            rows: table.collect(),
        },
        curves: None,
    }
}

fn protocol(config: &DebateConfig) -> Vec<Cell> {
    let none = || Cell::absent("nobody speaks");
    let cast = config.as_protocol().cast;
    let speakers = match (config.protocol, cast) {
        (ProtocolName::Expert, _) => "none: judge reads",
        (ProtocolName::Critique, _) => "one and a critic",
        (_, Cast::Nobody) => "none",
        (_, Cast::Consultant(_)) if config.as_protocol().is_open() => "one, chooses",
        (_, Cast::Consultant(_)) => "one",
        (_, Cast::Consultants) => "two, apart",
        (_, Cast::Debaters(_)) if config.as_protocol().is_open() => "two, one chooses",
        (_, Cast::Debaters(_)) => "two",
    };
    let speaks = cast != Cast::Nobody;
    let debates = matches!(cast, Cast::Debaters(_));
    let rounds = match config.protocol {
        ProtocolName::Propaganda => 1,
        _ => config.n_rounds as usize,
    };
    vec![
        Cell::words(speakers),
        if speaks { Cell::count(rounds) } else { none() },
        if debates {
            Cell::words(match config.turns {
                Turns::Simultaneous => "at once",
                Turns::Sequential => "in turn",
            })
        } else {
            Cell::absent("nobody to hear")
        },
        if speaks {
            Cell::words(match config.judge_asks {
                JudgeAsks::Never => "no",
                JudgeAsks::EveryRound => "yes",
            })
        } else {
            none()
        },
        if speaks {
            Cell::count(config.speech.best_of as usize)
        } else {
            none()
        },
    ]
}
