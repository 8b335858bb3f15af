//! A monitor over tool-call traces: which abilities an agent uses, in what order, and whether that is what its role does.
//!
//! ```text
//! surprise of a trace = −(1/n) Σ ln p(c_t | c_{t−1}, …)           p smoothed, fitted to honest traces of the agent's role
//! flagged             ⇔ surprise above, or drawn on, the threshold that flags the stated share of honest traces
//! drift               = an agent's surprises, standardised, summed (CUSUM), with a stated rate of false alarms
//! least privilege     = used − declared,  declared − used
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `baseline.rs` | the chain of abilities of each role, and counts |
//! | `privilege.rs` | declared against used |
//! | `agents.rs` | simulated agents, some of which drift |
//!
//! In: honest traces of the roles, and traces to watch ([`TracesInput`]: JSON Lines of [`TraceRecord`]), or the embedded agents.
//! Out: a [`Trial`]: recall at the stated share of false alarms, of a threshold on counts and of the trace monitor.
//!
//! It is expected not to help where an agent does more of the same: surprise is per call. A figure of its own.

mod agents;
mod baseline;
mod privilege;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_stats::{Chart, ControlChart, FalseAlarms, RandomisedThreshold, auroc};

pub use agents::AgentsConfig;
pub use baseline::Baseline;
pub use privilege::LeastPrivilege;

use crate::{Arm, Better, Cost, Figure, Measure, Trial, Unit};
use agents::{Drift, World};

/// A trace monitor, and the embedded agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TracesConfig {
    /// How many calls back the chance of a call looks; 0 for none.
    pub order: usize,
    /// How many calls of the shorter context each context is smoothed by.
    pub smoothing: f64,
    /// The share of honest traces that may be flagged.
    pub false_alarms: f64,
    /// The share of honest agents that may raise a drift alarm within the horizon.
    pub drift_false_alarms: f64,
    /// Traces over which that holds.
    pub horizon: usize,
    /// What surprise may exceed its mean by without counting as drift, in standard deviations.
    pub slack: f64,
    /// The embedded agents; of no account where your own traces are given.
    pub agents: AgentsConfig,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            order: 1,
            smoothing: 2.0,
            false_alarms: 0.01,
            drift_false_alarms: 0.05,
            horizon: 40,
            slack: 0.25,
            agents: AgentsConfig::default(),
        }
    }
}

impl TracesConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fits = self.order <= 4;
        require("order", self.order, fits, "from 0 to 4 calls")?;
        let fits = self.smoothing > 0.0 && self.smoothing.is_finite();
        require("smoothing", self.smoothing, fits, "above 0")?;
        let fits = self.false_alarms > 0.0 && self.false_alarms <= 1.0;
        let share = "a share above 0 and at most 1";
        require("false-alarms", self.false_alarms, fits, share)?;
        let fits = (1.0 / N_RESAMPLES as f64..1.0).contains(&self.drift_false_alarms);
        let got = self.drift_false_alarms;
        require("drift-false-alarms", got, fits, "from 0.0005 to below 1")?;
        require("horizon", self.horizon, self.horizon > 0, "at least 1")?;
        let fits = self.slack >= 0.0 && self.slack.is_finite();
        require("slack", self.slack, fits, "0 or more")?;
        self.agents.check().map_err(|error| error.within("agents"))
    }
}

/// Sequences drawn to set a drift alarm.
const N_RESAMPLES: usize = 2_000;

/// More agents than this are not listed one by one.
const MOST_LISTED: usize = 20;

/// One trace: what one agent did in one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TraceRecord {
    /// Who.
    pub agent: String,
    /// As what: agents of one role are expected to behave alike.
    pub role: String,
    /// What it did, in order.
    pub calls: Vec<Call>,
    /// The capabilities that it was said to need.
    #[serde(default)]
    pub declared: Vec<String>,
    /// What is known of it; left out where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<Behaviour>,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Call {
    /// The class of what it can do: `read`, `write`, `execute`, `network`, `credentials`.
    pub capability: String,
    /// Which tool; of no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// What is known of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// As its role does.
    Honest,
    /// Otherwise.
    Drifted,
}

/// Traces of your own.
#[derive(Debug, Clone, Copy)]
pub struct TracesInput<'a> {
    /// Honest traces of every role: half of them to fit, half to set thresholds.
    pub baseline: &'a [TraceRecord],
    /// Traces to watch; an agent's in order of time.
    pub watched: &'a [TraceRecord],
}

/// Why there is nothing to say of traces.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TracesError {
    /// A setting out of range.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// Too little to fit to and to set a threshold on.
    #[error(
        "{got} honest traces with a call: {needed} are needed to flag a share of {share} of them"
    )]
    TooFewHonest {
        /// How many there are.
        got: usize,
        /// How many are needed.
        needed: usize,
        /// The share that is to be flagged.
        share: f64,
    },
    /// Nothing to watch.
    #[error("no trace to watch has a call")]
    NothingWatched,
}

impl TracesError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Setting(_) => "give the setting a value in its range",
            Self::TooFewHonest { .. } => "add honest traces, or let more of them be flagged",
            Self::NothingWatched => "give traces of the agents that are to be watched, one a task",
        }
    }
}

/// Tries it on simulated agents. Release: .2 s; dev: about 1 s.
///
/// # Errors
///
/// [`TracesError`] names a setting out of range.
pub fn trial(config: &TracesConfig, seed: Seed) -> Result<Trial, TracesError> {
    config.check()?;
    let in_world = |drift, name: &str| {
        let world = World::new(&config.agents, drift, seed.child(name));
        let input = TracesInput {
            baseline: &world.baseline,
            watched: &world.watched,
        };
        trial_on(config, &input, seed.child(name))
    };
    let mut trial = in_world(Drift::Order, "order")?;
    let mut more = in_world(Drift::Volume, "volume")?;
    let mut faint = in_world(Drift::FaintOrder, "faint")?;
    trial.figures.truncate(1);
    let name =
        |figure: &mut Figure, what: &str| figure.measure = format!("{}: {what}", figure.measure);
    name(&mut trial.figures[0], "abilities in another order");
    let mut volume = more.figures.swap_remove(0);
    name(&mut volume, "more of the same");
    let mut drift = faint.figures.swap_remove(1);
    name(&mut drift, "faint drift");
    trial.figures.extend([drift, volume]);
    for (what, measures) in [
        ("more of the same", more.measures),
        ("faint drift", faint.measures),
    ] {
        for mut measure in measures {
            if measure.table != "Least privilege" {
                measure.table = format!("{}: {what}", measure.table);
                trial.measures.push(measure);
            }
        }
    }
    Ok(trial)
}

/// What each trace scores: its counts, and its surprise.
struct Scored<'a> {
    trace: &'a TraceRecord,
    counts: f64,
    surprise: f64,
}

fn scored<'a>(
    baseline: &Baseline,
    traces: impl Iterator<Item = &'a TraceRecord>,
) -> Vec<Scored<'a>> {
    traces
        .filter_map(|trace| {
            Some(Scored {
                trace,
                counts: baseline.most_unusual_count(trace),
                surprise: baseline.surprise(trace)?,
            })
        })
        .collect()
}

/// Tries it on traces of your own.
///
/// Recall takes traces that are known to have drifted, and the realised share of false alarms honest ones: without a
/// `behaviour` in any watched trace, figures have no value, and the tables say what was flagged. A trace without calls has no score.
///
/// # Errors
///
/// [`TracesError`] says what is out of range, or too few.
pub fn trial_on(
    config: &TracesConfig,
    input: &TracesInput<'_>,
    seed: Seed,
) -> Result<Trial, TracesError> {
    config.check()?;
    let mut honest: Vec<&TraceRecord> = (input.baseline.iter())
        .filter(|trace| !trace.calls.is_empty())
        .collect();
    let needed = 2 * (1.0 / config.false_alarms - 1e-9).ceil() as usize;
    if honest.len() < needed {
        return Err(TracesError::TooFewHonest {
            got: honest.len(),
            needed,
            share: config.false_alarms,
        });
    }
    seed.child("halves").stream().shuffle(&mut honest);
    let (fitted_on, calibrated_on) = honest.split_at(honest.len() / 2);
    let baseline = Baseline::new(fitted_on, config.order, config.smoothing);
    let calibration = scored(&baseline, calibrated_on.iter().copied());
    let watched = scored(&baseline, input.watched.iter());
    if watched.is_empty() {
        return Err(TracesError::NothingWatched);
    }
    let mut trial = Trial::default();
    flags(config, &calibration, &watched, &mut trial);
    drift(config, &calibration, &watched, seed, &mut trial);
    least_privilege(input.watched, &mut trial);
    Ok(trial)
}

/// Single traces: a threshold on counts, and one on surprise.
fn flags(
    config: &TracesConfig,
    calibration: &[Scored<'_>],
    watched: &[Scored<'_>],
    trial: &mut Trial,
) {
    let per_cent = 100.0 * config.false_alarms;
    let known = |behaviour| {
        (watched.iter()).filter(move |scored| scored.trace.behaviour == Some(behaviour))
    };
    let mut recalls = Vec::new();
    for (row, of) in [
        ("counts", (|s| s.counts) as fn(&Scored<'_>) -> f64),
        ("surprise", |s| s.surprise),
    ] {
        let scores = calibration.iter().map(of).collect::<Vec<f64>>();
        let rule = RandomisedThreshold::new(&scores, config.false_alarms);
        let share = |behaviour| {
            let scores: Vec<f64> = known(behaviour).map(of).collect();
            rule.and_then(|rule| rule.share(&scores))
        };
        let all: Vec<f64> = watched.iter().map(of).collect();
        let (labelled, is_drifted): (Vec<f64>, Vec<bool>) = (watched.iter())
            .filter_map(|s| Some((of(s), s.trace.behaviour? == Behaviour::Drifted)))
            .unzip();
        let table = format!("Traces flagged at {per_cent} % of honest ones");
        for (column, unit, value) in [
            ("recall", Unit::Share, share(Behaviour::Drifted)),
            (
                "realised false alarms",
                Unit::Share,
                share(Behaviour::Honest),
            ),
            ("AUROC", Unit::Area, auroc(&labelled, &is_drifted)),
            (
                "of all watched",
                Unit::Share,
                rule.and_then(|rule| rule.share(&all)),
            ),
        ] {
            (trial.measures).push(Measure::new(&table, row, column, unit, value));
        }
        recalls.push(share(Behaviour::Drifted));
    }
    let calls: usize = watched.iter().map(|s| s.trace.calls.len()).sum();
    trial.figures.push(Figure {
        measure: format!("recall at {per_cent} % false alarms"),
        unit: Unit::Share,
        better: Better::Higher,
        without: Arm::new("threshold on counts", recalls[0]),
        with: Arm::new("trace monitor (surprise)", recalls[1]),
        cost: Cost {
            of: "calls read".into(),
            without: calls as f64,
            with: calls as f64,
        },
    });
}

/// Agents over time: single surprises against their sum, at one rate of false alarms.
fn drift(
    config: &TracesConfig,
    calibration: &[Scored<'_>],
    watched: &[Scored<'_>],
    seed: Seed,
    trial: &mut Trial,
) {
    let standard = Standard::new(calibration);
    let in_control: Vec<f64> = calibration.iter().map(|s| standard.of(s)).collect();
    let mut agents: BTreeMap<&str, Vec<&Scored<'_>>> = BTreeMap::new();
    for scored in watched {
        agents.entry(&scored.trace.agent).or_default().push(scored);
    }
    let alarms = FalseAlarms {
        horizon: config.horizon,
        rate: config.drift_false_alarms,
        n_resamples: N_RESAMPLES,
    };
    let table = format!(
        "Drift alarms within {} traces, set for {} % of honest agents",
        config.horizon,
        100.0 * config.drift_false_alarms
    );
    let mut found = Vec::new();
    for (row, chart) in [
        ("single traces", Chart::Shewhart),
        (
            "their sum (CUSUM)",
            Chart::Cusum {
                slack: config.slack,
            },
        ),
    ] {
        let chart = ControlChart::calibrated(chart, &in_control, alarms, seed.child("drift"));
        let (mut drifting, mut honest) = (Vec::new(), Vec::new());
        for (agent, traces) in &agents {
            let surprises: Vec<f64> = traces.iter().map(|s| standard.of(s)).collect();
            let alarm = chart
                .as_ref()
                .and_then(|chart| chart.first_alarm(&surprises));
            let onset = (traces.iter()).position(|s| s.trace.behaviour == Some(Behaviour::Drifted));
            let is_honest = (traces.iter()).all(|s| s.trace.behaviour == Some(Behaviour::Honest));
            match onset {
                // An alarm before it drifts is none for it.
                Some(onset) => drifting.push(alarm.filter(|at| *at >= onset).map(|at| at - onset)),
                None if is_honest => honest.push(alarm),
                None => {}
            }
            if agents.len() <= MOST_LISTED {
                let value = alarm.map(|at| at as f64 + 1.0);
                let table = "First alarm of each agent, at which trace";
                (trial.measures).push(Measure::new(table, *agent, row, Unit::Count, value));
            }
        }
        let share = |alarms: &[Option<usize>]| {
            let raised = alarms.iter().flatten().count() as f64;
            (chart.is_some() && !alarms.is_empty()).then(|| raised / alarms.len() as f64)
        };
        let mut delays: Vec<usize> = drifting.iter().flatten().copied().collect();
        delays.sort_unstable();
        let median = delays.get(delays.len() / 2).map(|delay| *delay as f64);
        for (column, unit, value) in [
            ("drifting agents found", Unit::Share, share(&drifting)),
            ("honest agents alarmed", Unit::Share, share(&honest)),
            ("median delay, traces", Unit::Number, median),
        ] {
            (trial.measures).push(Measure::new(&table, row, column, unit, value));
        }
        found.push(share(&drifting));
    }
    let calls: usize = watched.iter().map(|s| s.trace.calls.len()).sum();
    trial.figures.push(Figure {
        measure: "drifting agents found".into(),
        unit: Unit::Share,
        better: Better::Higher,
        without: Arm::new("alarm on single traces", found[0]),
        with: Arm::new("alarm on their sum (CUSUM)", found[1]),
        cost: Cost {
            of: "calls read".into(),
            without: calls as f64,
            with: calls as f64,
        },
    });
}

/// Mean and standard deviation of honest surprise, by role.
struct Standard<'a> {
    roles: BTreeMap<&'a str, (f64, f64)>,
    all: (f64, f64),
}

impl<'a> Standard<'a> {
    fn new(calibration: &[Scored<'a>]) -> Self {
        let mut by_role: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for scored in calibration {
            let of_role = by_role.entry(&scored.trace.role).or_default();
            of_role.push(scored.surprise);
        }
        let all: Vec<f64> = calibration.iter().map(|s| s.surprise).collect();
        Self {
            roles: (by_role.into_iter())
                .filter(|(_, surprises)| surprises.len() >= 2)
                .map(|(role, surprises)| (role, moments(&surprises)))
                .collect(),
            all: moments(&all),
        }
    }

    /// In standard deviations; a role that honest traces hardly have is held against all of them.
    fn of(&self, scored: &Scored<'_>) -> f64 {
        let role = self.roles.get(scored.trace.role.as_str());
        let (mean, sd) = role.copied().unwrap_or(self.all);
        (scored.surprise - mean) / sd
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    // Traces that are all alike: any other is far from them.
    (mean, variance.sqrt().max(1e-6))
}

fn least_privilege(watched: &[TraceRecord], trial: &mut Trial) {
    let agents = LeastPrivilege::of_agents(watched);
    let table = "Least privilege";
    let sum = |of: fn(&LeastPrivilege) -> usize| agents.values().map(of).sum::<usize>() as f64;
    for (row, value) in [
        (
            "calls of undeclared capabilities",
            sum(LeastPrivilege::undeclared_calls),
        ),
        (
            "agents with such calls",
            sum(|agent| usize::from(!agent.undeclared.is_empty())),
        ),
        (
            "declared capabilities never used",
            sum(|agent| agent.unused.len()),
        ),
        (
            "agents with such declarations",
            sum(|agent| usize::from(!agent.unused.is_empty())),
        ),
    ] {
        (trial.measures).push(Measure::new(table, row, "all agents", Unit::Count, value));
    }
    if agents.len() <= MOST_LISTED {
        for (agent, found) in &agents {
            for (column, value) in [
                ("undeclared, calls", found.undeclared_calls()),
                ("never used", found.unused.len()),
            ] {
                let table = "Least privilege of each agent";
                let value = value as f64;
                (trial.measures).push(Measure::new(table, agent, column, Unit::Count, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> TracesConfig {
        TracesConfig {
            agents: AgentsConfig {
                baseline: 2_400,
                agents: 24,
                ..AgentsConfig::default()
            },
            ..TracesConfig::default()
        }
    }

    #[test]
    fn order_is_seen_and_volume_is_not() {
        let (mut order, mut drift, mut volume) = (0.0, 0.0, 0.0);
        for seed in 0..4 {
            let trial = trial(&small(), Seed(seed)).unwrap();
            let gain = |at: usize| {
                let figure = &trial.figures[at];
                (figure.with.value.unwrap() - figure.without.value.unwrap()) / 4.0
            };
            order += gain(0);
            drift += gain(1);
            volume += gain(2);
        }
        assert!(order > 0.2, "{order}");
        assert!(drift > 0.0, "{drift}");
        assert!(volume < -0.2, "{volume}");
    }

    #[test]
    fn false_alarms_are_as_stated() {
        let (mut flagged, mut alarmed) = (0.0, 0.0);
        for seed in 0..8 {
            let trial = trial(&small(), Seed(seed)).unwrap();
            let of = |row: &str, column: &str| {
                let cell = (trial.measures.iter()).find(|m| m.row == row && m.column == column);
                cell.unwrap().value.unwrap()
            };
            flagged += of("surprise", "realised false alarms") / 8.0;
            alarmed += of("their sum (CUSUM)", "honest agents alarmed") / 8.0;
        }
        // Eight thresholds of 1,200 traces each: a standard error of .001. 96 agents: of .022.
        assert!((flagged - 0.01).abs() < 0.008, "{flagged}");
        assert!(alarmed < 0.15, "{alarmed}");
    }

    #[test]
    fn own_traces_without_labels_have_tables_and_no_figure() {
        let world = World::new(&small().agents, Drift::Order, Seed(1));
        let watched: Vec<TraceRecord> = (world.watched.iter())
            .map(|trace| TraceRecord {
                behaviour: None,
                ..trace.clone()
            })
            .collect();
        let input = TracesInput {
            baseline: &world.baseline,
            watched: &watched,
        };
        let trial = trial_on(&small(), &input, Seed(1)).unwrap();
        assert_eq!(trial.figures[0].with.value, None);
        let flagged = (trial.measures.iter())
            .find(|m| m.row == "surprise" && m.column == "of all watched")
            .unwrap();
        assert!(flagged.value.unwrap() > 0.05);
    }

    #[test]
    fn too_little_is_named() {
        let world = World::new(&small().agents, Drift::Order, Seed(1));
        let input = TracesInput {
            baseline: &world.baseline[..199],
            watched: &world.watched,
        };
        let error = trial_on(&small(), &input, Seed(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "199 honest traces with a call: 200 are needed to flag a share of 0.01 of them"
        );
        let input = TracesInput {
            baseline: &world.baseline,
            watched: &[],
        };
        let error = trial_on(&small(), &input, Seed(0)).unwrap_err();
        assert_eq!(error, TracesError::NothingWatched);
    }

    #[test]
    fn a_record_is_read_from_a_file() {
        let line = r#"{"agent":"a","role":"r","calls":[{"capability":"read"}],"declared":["read"],"behaviour":"drifted"}"#;
        let read: TraceRecord = serde_json::from_str(line).unwrap();
        assert_eq!(read.behaviour, Some(Behaviour::Drifted));
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}
