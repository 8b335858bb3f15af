//! What is reported of a pool of supervisors, and of panels chosen from it.

use trimtab_core::{Rating, Seed};
use trimtab_stats::{
    Ballot, Ballots, Categories, CoincidentFailures, Confusions, DawidSkene, Difficulty,
    DisagreementAlarm, ErrorCorrelations, IndependentVotes, Level, Panel, PanelOutcome,
    RandomisedThreshold, Similarity, capa_of_answers, effective_votes, error_consistency,
};

use super::choose::{Choice, Halves, mean, mean_error};
use super::world::difficulty_model;
use super::{IndependenceConfig, VotesInput, log_odds_weights};
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// More supervisors than this are not listed one by one.
const MOST_LISTED: usize = 20;

/// The majority's error, as independence has it and as it is.
pub(super) fn claimed_and_measured(ballots: &Ballots, trial: &mut Trial) {
    let votes = IndependentVotes::new(ballots);
    let asked: usize = (0..ballots.n_supervisors())
        .map(|j| ballots.errors(j).1)
        .sum();
    trial.figures.push(Figure {
        measure: "error of the whole pool's majority".into(),
        unit: Unit::Share,
        better: Better::Lower,
        without: Arm::new(
            "claimed: independent votes (Condorcet)",
            votes.map(|votes| 1.0 - votes.null),
        ),
        with: Arm::new("measured", votes.map(|votes| 1.0 - votes.actual)),
        cost: Cost {
            of: "judge calls".into(),
            without: asked as f64,
            with: asked as f64,
        },
    });
}

/// A row of the pool's table.
type Row = (&'static str, Unit, Option<f64>);

/// What the whole pool is like.
pub(super) fn pool(input: &VotesInput<'_>, trial: &mut Trial) {
    let ballots = input.ballots;
    let correlations = ErrorCorrelations::new(ballots);
    let rows = alike(ballots, &correlations)
        .into_iter()
        .chain(together(ballots))
        .chain(alarm(ballots));
    for (row, unit, value) in rows {
        (trial.measures).push(Measure::new("The pool", row, "value", unit, value));
    }
    if ballots.n_supervisors() <= MOST_LISTED {
        supervisors(input, &correlations, trial);
    }
}

/// How alike supervisors err, and how many votes that leaves.
fn alike(ballots: &Ballots, correlations: &ErrorCorrelations) -> Vec<Row> {
    let m = ballots.n_supervisors();
    let (number, count) = (Unit::Number, Unit::Count);
    let pairs = || (0..m).flat_map(|j| (0..j).map(move |k| (j, k)));
    let mean_kappa = |of: fn(&Ballots, usize, usize) -> Option<Similarity>| {
        mean(pairs().map(|(j, k)| of(ballots, j, k)?.kappa()))
    };
    let mean_correlation = correlations.mean();
    let pooled = Difficulty::new(ballots).and_then(|difficulty| difficulty.correlation());
    // Where items have different panels, an item's own is what votes.
    let asked = (0..ballots.n_items()).map(|item| ballots.errors_on(item).1);
    let panel = asked.sum::<usize>() as f64 / ballots.n_items() as f64;
    let votes_an_item = |rho: f64| {
        let divisor = 1.0 + (panel - 1.0) * rho;
        (divisor > 0.0).then(|| panel / divisor)
    };
    let without = correlations.n_undefined();
    // A mean over a minority of the pairs says nothing of all.
    let is_known = 4 * without <= m * m.saturating_sub(1);
    let all_votes = mean_correlation
        .filter(|_| is_known)
        .and_then(|rho| effective_votes(m, rho));
    let without = without as f64;
    vec![
        ("supervisors", count, Some(m as f64)),
        ("failed judgements", count, Some(ballots.n_failed() as f64)),
        ("votes an item", number, Some(panel)),
        ("effective votes of all supervisors", number, all_votes),
        (
            "effective votes an item (by difficulty)",
            number,
            pooled.and_then(votes_an_item),
        ),
        ("mean correlation of errors", number, mean_correlation),
        ("correlation by difficulty (Eckhardt–Lee)", number, pooled),
        ("pairs without a correlation", count, Some(without)),
        ("mean CAPA of pairs", number, mean_kappa(capa_of_answers)),
        (
            "mean error consistency of pairs",
            number,
            mean_kappa(error_consistency),
        ),
    ]
}

/// How often they fail together.
fn together(ballots: &Ballots) -> Vec<Row> {
    let (number, share, count) = (Unit::Number, Unit::Share, Unit::Count);
    let votes = IndependentVotes::new(ballots);
    let difficulty = Difficulty::new(ballots);
    let coincident = CoincidentFailures::new(ballots);
    vec![
        (
            "gap to independent votes",
            share,
            votes.map(|votes| votes.gap()),
        ),
        ("all wrong", share, votes.map(|votes| votes.all_wrong)),
        (
            "all wrong, were errors independent",
            share,
            votes.map(|votes| votes.null_all_wrong),
        ),
        (
            "both of two wrong",
            share,
            difficulty.as_ref().map(|d| d.both_fail),
        ),
        (
            "both of two wrong, by chance",
            share,
            difficulty.as_ref().map(|d| d.both_fail_by_chance),
        ),
        (
            "items with two errors or more",
            count,
            coincident.map(|c| c.observed as f64),
        ),
        (
            "the same, were errors independent",
            count,
            coincident.map(|c| c.expected),
        ),
        ("Knight–Leveson z", number, coincident.and_then(|c| c.z)),
    ]
}

/// What disagreement shows of errors.
fn alarm(ballots: &Ballots) -> Vec<Row> {
    let alarm = DisagreementAlarm::new(ballots);
    let of = |value: fn(&DisagreementAlarm) -> Option<f64>| alarm.as_ref().and_then(value);
    vec![
        (
            "AUROC of disagreement for panel error",
            Unit::Number,
            of(DisagreementAlarm::auroc),
        ),
        (
            "error where all agree",
            Unit::Share,
            of(DisagreementAlarm::residual),
        ),
        (
            "error where all agree, at most (95 %)",
            Unit::Share,
            of(|alarm| alarm.residual_bound(Level::default())),
        ),
    ]
}

/// Each supervisor by itself.
fn supervisors(input: &VotesInput<'_>, correlations: &ErrorCorrelations, trial: &mut Trial) {
    let (ballots, m) = (input.ballots, input.ballots.n_supervisors());
    let (number, share) = (Unit::Number, Unit::Share);
    let table = "Supervisors";
    for (j, registered) in input.supervisors.iter().enumerate() {
        let with_others = mean((0..m).filter(|k| *k != j).map(|k| correlations.get(j, k)));
        let failed = ballots.row(j).iter().filter(|b| **b == Ballot::Failed);
        let (_, asked) = ballots.errors(j);
        let failed = (asked > 0).then(|| failed.count() as f64 / asked as f64);
        for (column, unit, value) in [
            ("accuracy", share, ballots.accuracy(j)),
            ("failed", share, failed),
            ("correlation with others", number, with_others),
        ] {
            (trial.measures).push(Measure::new(table, &registered.name, column, unit, value));
        }
    }
}

/// Panels of one size, each counted on the half it was not chosen on.
pub(super) fn panels(
    config: &IndependenceConfig,
    halves: &Halves<'_>,
    seed: Seed,
    trial: &mut Trial,
) {
    let second = ErrorCorrelations::new(&halves.second);
    let accuracy = |panel: &[usize]| mean(panel.iter().map(|&j| halves.second.accuracy(j)));
    let votes =
        |panel: &[usize]| (second.mean_of(panel)).and_then(|rho| effective_votes(panel.len(), rho));
    let unanimous = |panel: &[usize]| {
        DisagreementAlarm::new(&halves.second.of_supervisors(panel))
            .and_then(|alarm| alarm.residual())
    };
    let random = halves.random_panels(config, seed);
    let over = |of: &dyn Fn(&[usize]) -> Option<f64>| mean(random.iter().map(|panel| of(panel)));
    let mut rows = vec![(
        "drawn at random",
        [
            mean_error(halves, &random),
            over(&accuracy),
            over(&votes),
            over(&unanimous),
        ],
    )];
    for (name, choice) in [
        (
            "diverse, accurate enough, few of one origin",
            Choice::Diverse,
        ),
        ("diverse, and nothing else", Choice::DiverseAlone),
        ("the most accurate", Choice::Accurate),
    ] {
        let chosen = halves.choose(config, choice);
        let of = |value: &dyn Fn(&[usize]) -> Option<f64>| (chosen.as_deref()).and_then(value);
        rows.push((
            name,
            [
                of(&|panel| halves.error(panel)),
                of(&accuracy),
                of(&votes),
                of(&unanimous),
            ],
        ));
    }
    let table = "Panels of one size, on items they were not chosen on";
    for (row, [error, accuracy, votes, unanimous]) in rows {
        for (column, unit, value) in [
            ("panel error", Unit::Share, error),
            ("mean accuracy", Unit::Share, accuracy),
            ("effective votes", Unit::Number, votes),
            ("error where all agree", Unit::Share, unanimous),
        ] {
            (trial.measures).push(Measure::new(table, row, column, unit, value));
        }
    }
}

/// Ways to vote, of the whole pool, on the second half.
///
/// Where one answer is true of every item, answers are outcomes in disguise (`right` and `wrong`): to vote against a poor judge, or to
/// fit how judges err, would be to read the key. Such votes have no value.
pub(super) fn votes(config: &IndependenceConfig, halves: &Halves<'_>, trial: &mut Trial) {
    let weights = log_odds_weights(&halves.first, config.shrinkage);
    let truth = |half: &Ballots| half.truth().to_vec();
    let truths = [truth(&halves.first), truth(&halves.second)].concat();
    let is_disguised = truths.iter().all(|answer| *answer == truths[0]);
    let unless_disguised = |value: Option<f64>| value.filter(|_| !is_disguised);
    let candidates = halves.candidates(config);
    let accuracy = |j: &usize| halves.first.accuracy(*j).unwrap_or(0.0);
    let best = (candidates.iter().copied())
        .max_by(|a, b| accuracy(a).total_cmp(&accuracy(b)).then(b.cmp(a)));
    for (row, value) in [
        ("each counts alike", halves.second.plurality_error()),
        (
            "log-odds, shrunk",
            unless_disguised(halves.second.vote_error(&weights)),
        ),
        (
            "Dawid and Skene, one coin",
            unless_disguised(dawid_skene(&halves.second)),
        ),
        (
            "the best single supervisor",
            best.and_then(|j| halves.second.accuracy(j))
                .map(|a| 1.0 - a),
        ),
    ] {
        (trial.measures).push(Measure::new(
            "Votes of the whole pool",
            row,
            "error",
            Unit::Share,
            value,
        ));
    }
}

/// The error of what Dawid and Skene's model takes for true, without any label; `None` where it cannot be fitted. An item without
/// a vote is an error where anyone was asked.
fn dawid_skene(ballots: &Ballots) -> Option<f64> {
    let names = (0..ballots.n_answers()).map(|answer| format!("answer {answer}"));
    let categories = Categories::nominal(names).ok()?;
    let mut ratings = Vec::new();
    for rater in 0..ballots.n_supervisors() {
        for (item, ballot) in ballots.row(rater).iter().enumerate() {
            if let Ballot::Answer(answer) = ballot {
                ratings.push(Rating {
                    item: item as u32,
                    rater: rater as u32,
                    category: u16::try_from(answer.0).ok()?,
                });
            }
        }
    }
    let panel = Panel::new(categories, &ratings).ok()?;
    let model = DawidSkene {
        confusions: Confusions::OneCoin,
        ..DawidSkene::default()
    };
    let labels = model.fit(&panel, &[]).ok()?.labels();
    let (mut errors, mut n) = (0_u32, 0_u32);
    for (item, truth) in ballots.truth().iter().enumerate() {
        if ballots.errors_on(item).1 > 0 {
            n += 1;
            errors += u32::from(labels.get(item).copied().flatten() != Some(truth.0));
        }
    }
    (n > 0).then(|| f64::from(errors) / f64::from(n))
}

/// What is left of the panel's errors when the items it disagrees on most are answered by someone who is right.
pub(super) fn escalation(ballots: &Ballots, trial: &mut Trial) {
    const SHARES: [f64; 8] = [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0];
    let alarm = DisagreementAlarm::new(ballots);
    let points = SHARES.map(|share| {
        let left = alarm.as_ref().and_then(|alarm| {
            let (scores, errs): (Vec<f64>, Vec<bool>) = (alarm.items.iter())
                .map(|(score, outcome)| (*score, *outcome == PanelOutcome::Wrong))
                .unzip();
            let kept = |score: f64| -> Option<f64> {
                if share == 0.0 {
                    return Some(1.0);
                }
                let rule = RandomisedThreshold::new(&scores, share)?;
                Some(1.0 - rule.probability(score))
            };
            let errors = scores.iter().zip(&errs).filter(|(_, errs)| **errs);
            let left: Option<f64> = errors.map(|(score, _)| kept(*score)).sum();
            left.map(|left| left / scores.len() as f64)
        });
        (share, left)
    });
    trial.curves.push(Curve {
        plot: "Errors left when the most disputed items are answered rightly by another".into(),
        name: "whole pool".into(),
        x: "share of items escalated".into(),
        y: "error".into(),
        unit: Unit::Share,
        points: points.to_vec(),
    });
}

/// The closed forms, beside what nine simulated judges come to.
pub(super) fn difficulty_models(n_items: usize, seed: Seed, trial: &mut Trial) {
    const M: usize = 9;
    let table = "Nine judges of one family: closed form and measured";
    for (a, b) in [(0.2, 0.8), (1.0, 4.0), (4.0, 16.0)] {
        let row = format!("Beta({a}, {b})");
        let rho = 1.0 / (a + b + 1.0);
        let ballots = difficulty_model(a, b, M, n_items, seed.child(&row)).ok();
        let measured = ballots
            .as_ref()
            .and_then(|ballots| ErrorCorrelations::new(ballots).mean());
        let votes = ballots.as_ref().and_then(IndependentVotes::new);
        for (column, unit, value) in [
            ("correlation, closed form", Unit::Number, Some(rho)),
            ("measured", Unit::Number, measured),
            (
                "effective votes, closed form",
                Unit::Number,
                effective_votes(M, rho),
            ),
            (
                "effective votes, measured",
                Unit::Number,
                measured.and_then(|rho| effective_votes(M, rho)),
            ),
            ("majority error", Unit::Share, votes.map(|v| 1.0 - v.actual)),
            (
                "were errors independent",
                Unit::Share,
                votes.map(|v| 1.0 - v.null),
            ),
        ] {
            (trial.measures).push(Measure::new(table, &row, column, unit, value));
        }
    }
}
