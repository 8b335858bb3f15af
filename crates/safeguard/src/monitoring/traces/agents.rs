//! Simulated agents: each call follows the last as its role has it, or is drawn; half of the agents drift halfway through.
//!
//! ```text
//! next call = the successor of the last in the role's round, with probability `regularity`; else drawn from the role's mix
//! calls a trace ~ between half and one and a half times `calls`, evenly
//! order      a share of a trace's calls change places, at random: the same calls, elsewhere
//! faint      a fifth of that share
//! volume     `growth` times as many calls, as ever
//! ```
//!
//! Order leaves every count as it was; volume leaves the chance of every call as it was. Agents declare what their role mixes, and
//! `admin`, which none uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{Seed, SplitMix64};

use super::{Behaviour, Call, TraceRecord};

/// The embedded agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AgentsConfig {
    /// Honest traces, half to fit and half to set thresholds.
    pub baseline: usize,
    /// Agents that are watched, half of whom drift; from 2.
    pub agents: usize,
    /// Traces each; drift begins halfway.
    pub traces: usize,
    /// Calls a trace, on average; from 2.
    pub calls: usize,
    /// How often a call is the usual successor of the last.
    pub regularity: f64,
    /// The share of a drifted trace's calls that change places.
    pub disorder: f64,
    /// How many times as many calls there are where volume drifts.
    pub growth: f64,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        Self {
            baseline: 2_000,
            agents: 100,
            traces: 40,
            calls: 20,
            regularity: 0.7,
            disorder: 0.5,
            growth: 2.0,
        }
    }
}

impl AgentsConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("agents", self.agents, self.agents >= 2, "at least 2")?;
        require("traces", self.traces, self.traces >= 2, "at least 2")?;
        require("calls", self.calls, self.calls >= 2, "at least 2")?;
        for (key, value) in [("regularity", self.regularity), ("disorder", self.disorder)] {
            let fits = (0.0..=1.0).contains(&value);
            require(key, value, fits, "a fraction from 0 to 1")?;
        }
        let fits = (1.0..=100.0).contains(&self.growth);
        require("growth", self.growth, fits, "from 1 to 100")
    }
}

/// What drifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drift {
    Order,
    FaintOrder,
    Volume,
}

/// Honest traces, and agents to watch.
pub(super) struct World {
    pub(super) baseline: Vec<TraceRecord>,
    pub(super) watched: Vec<TraceRecord>,
}

/// A role: its round, and how often each capability is drawn.
struct Role {
    name: &'static str,
    round: &'static [&'static str],
    mix: &'static [(&'static str, f64)],
}

static ROLES: [Role; 2] = [
    Role {
        name: "developer",
        round: &["read", "search", "write", "execute"],
        mix: &[
            ("read", 0.3),
            ("search", 0.2),
            ("write", 0.2),
            ("execute", 0.2),
            ("network", 0.07),
            ("credentials", 0.03),
        ],
    },
    Role {
        name: "analyst",
        round: &["network", "read", "write"],
        mix: &[
            ("network", 0.35),
            ("read", 0.35),
            ("write", 0.2),
            ("credentials", 0.1),
        ],
    },
];

impl World {
    pub(super) fn new(config: &AgentsConfig, drift: Drift, seed: Seed) -> Self {
        let honest = seed.child("honest");
        let baseline = (0..config.baseline)
            .map(|number| {
                let mut stream = honest.child(&number.to_string()).stream();
                let role = &ROLES[number % 2];
                record(
                    role,
                    format!("honest {number}"),
                    honest_calls(config, role, &mut stream),
                )
            })
            .collect();
        let mut watched = Vec::with_capacity(config.agents * config.traces);
        for number in 0..config.agents {
            let agent = seed.child("agent").child(&number.to_string());
            // Both roles drift and both do not.
            let (role, drifts) = (
                &ROLES[number % 2],
                number / 2 % 2 == 1 || config.agents == 2 && number == 1,
            );
            for t in 0..config.traces {
                let mut stream = agent.child(&t.to_string()).stream();
                let mut calls = honest_calls(config, role, &mut stream);
                let is_drifted = drifts && t >= config.traces / 2;
                if is_drifted {
                    calls = drifted(config, role, drift, calls, &mut stream);
                }
                watched.push(TraceRecord {
                    behaviour: Some(if is_drifted {
                        Behaviour::Drifted
                    } else {
                        Behaviour::Honest
                    }),
                    ..record(role, format!("agent {number}"), calls)
                });
            }
        }
        Self { baseline, watched }
    }
}

fn record(role: &Role, agent: String, calls: Vec<&'static str>) -> TraceRecord {
    TraceRecord {
        agent,
        role: role.name.into(),
        calls: (calls.into_iter())
            .map(|capability| Call {
                capability: capability.into(),
                tool: None,
            })
            .collect(),
        declared: (role.mix.iter())
            .map(|(capability, _)| (*capability).to_owned())
            .chain(["admin".to_owned()])
            .collect(),
        behaviour: Some(Behaviour::Honest),
    }
}

fn honest_calls(config: &AgentsConfig, role: &Role, stream: &mut SplitMix64) -> Vec<&'static str> {
    let n = (config.calls / 2 + stream.below(config.calls + 1)).max(1);
    walk(config, role, n, stream)
}

fn walk(
    config: &AgentsConfig,
    role: &Role,
    n: usize,
    stream: &mut SplitMix64,
) -> Vec<&'static str> {
    let mut calls: Vec<&'static str> = Vec::with_capacity(n);
    while calls.len() < n {
        let follows = stream.next_f64() < config.regularity;
        let last = calls
            .last()
            .and_then(|last| role.round.iter().position(|c| c == last));
        let next = match last {
            Some(at) if follows => role.round[(at + 1) % role.round.len()],
            _ => drawn(role, stream),
        };
        calls.push(next);
    }
    calls
}

fn drawn(role: &Role, stream: &mut SplitMix64) -> &'static str {
    let mut left = stream.next_f64();
    for (capability, share) in role.mix {
        left -= share;
        if left < 0.0 {
            return capability;
        }
    }
    role.mix[0].0
}

fn drifted(
    config: &AgentsConfig,
    role: &Role,
    drift: Drift,
    mut calls: Vec<&'static str>,
    stream: &mut SplitMix64,
) -> Vec<&'static str> {
    let disorder = match drift {
        Drift::Order => config.disorder,
        Drift::FaintOrder => config.disorder / 5.0,
        Drift::Volume => {
            let n = (config.growth * calls.len() as f64).round() as usize;
            return walk(config, role, n, stream);
        }
    };
    let places: Vec<usize> = (0..calls.len())
        .filter(|_| stream.next_f64() < disorder)
        .collect();
    let mut moved: Vec<&'static str> = places.iter().map(|&at| calls[at]).collect();
    stream.shuffle(&mut moved);
    for (at, call) in places.into_iter().zip(moved) {
        calls[at] = call;
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_shares_and_hold_the_round() {
        for role in &ROLES {
            let sum: f64 = role.mix.iter().map(|(_, share)| share).sum();
            assert!((sum - 1.0).abs() < 1e-12);
            assert!(
                role.round
                    .iter()
                    .all(|c| role.mix.iter().any(|(m, _)| m == c))
            );
        }
    }

    #[test]
    fn order_keeps_the_counts() {
        let config = AgentsConfig::default();
        let mut stream = Seed(3).stream();
        let calls = honest_calls(&config, &ROLES[0], &mut stream);
        let mut before = calls.clone();
        let mut after = drifted(&config, &ROLES[0], Drift::Order, calls.clone(), &mut stream);
        assert_ne!(after, calls);
        before.sort_unstable();
        after.sort_unstable();
        assert_eq!(after, before);
    }

    #[test]
    fn half_of_the_agents_drift_halfway() {
        let config = AgentsConfig {
            agents: 8,
            traces: 10,
            ..AgentsConfig::default()
        };
        let world = World::new(&config, Drift::Volume, Seed(0));
        let drifted: Vec<&TraceRecord> = (world.watched.iter())
            .filter(|trace| trace.behaviour == Some(Behaviour::Drifted))
            .collect();
        assert_eq!((world.watched.len(), drifted.len()), (80, 20));
        assert!(drifted.iter().any(|trace| trace.role == "developer"));
        assert!(drifted.iter().any(|trace| trace.role == "analyst"));
    }
}
