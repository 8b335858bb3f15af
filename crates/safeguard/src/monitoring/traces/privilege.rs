//! Least privilege: what an agent uses that it did not declare, and what it declared and never uses.
//!
//! ```text
//! undeclared = used − declared           unused = declared − used
//! ```
//!
//! An unused capability may be taken away: after n calls without it, it is less often used than in 3/n of calls, with the usual
//! confidence ([`LeastPrivilege::unused_at_most`]). What is declared in any of an agent's traces is declared.

use std::collections::{BTreeMap, BTreeSet};

use trimtab_stats::{Level, upper_bound};

use super::TraceRecord;

/// Declared against used, of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeastPrivilege {
    /// What it used without having declared it, and how often.
    pub undeclared: BTreeMap<String, usize>,
    /// What it declared and never used.
    pub unused: BTreeSet<String>,
    /// Its calls.
    pub n_calls: usize,
}

impl LeastPrivilege {
    /// Of every agent that has a trace.
    pub fn of_agents(traces: &[TraceRecord]) -> BTreeMap<String, Self> {
        let mut agents: BTreeMap<String, Vec<&TraceRecord>> = BTreeMap::new();
        for trace in traces {
            agents.entry(trace.agent.clone()).or_default().push(trace);
        }
        (agents.into_iter())
            .map(|(agent, traces)| (agent, Self::of(&traces)))
            .collect()
    }

    fn of(traces: &[&TraceRecord]) -> Self {
        let declared: BTreeSet<&String> = traces.iter().flat_map(|trace| &trace.declared).collect();
        let mut found = Self {
            unused: declared
                .iter()
                .map(|capability| (*capability).clone())
                .collect(),
            ..Self::default()
        };
        for call in traces.iter().flat_map(|trace| &trace.calls) {
            found.n_calls += 1;
            found.unused.remove(&call.capability);
            if !declared.contains(&call.capability) {
                *(found.undeclared)
                    .entry(call.capability.clone())
                    .or_default() += 1;
            }
        }
        found
    }

    /// Calls of capabilities that were not declared.
    pub fn undeclared_calls(&self) -> usize {
        self.undeclared.values().sum()
    }

    /// The share of calls that an unused capability stays below, at the level, if calls are alike; `None` where there was no call.
    pub fn unused_at_most(&self, level: Level) -> Option<f64> {
        upper_bound(0, self.n_calls, level)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Call;
    use super::*;

    #[test]
    fn by_hand() {
        let trace = |agent: &str, calls: &[&str], declared: &[&str]| TraceRecord {
            agent: agent.into(),
            role: "r".into(),
            calls: (calls.iter())
                .map(|c| Call {
                    capability: (*c).into(),
                    tool: None,
                })
                .collect(),
            declared: declared.iter().map(|c| (*c).to_owned()).collect(),
            behaviour: None,
        };
        let found = LeastPrivilege::of_agents(&[
            trace("a", &["read", "network", "network"], &["read", "write"]),
            trace("a", &["read", "admin"], &["admin"]),
            trace("b", &[], &["read"]),
        ]);
        let a = &found["a"];
        assert_eq!(a.undeclared, BTreeMap::from([("network".to_owned(), 2)]));
        assert_eq!(a.unused, BTreeSet::from(["write".to_owned()]));
        assert_eq!((a.n_calls, a.undeclared_calls()), (5, 2));
        let bound = a.unused_at_most(Level::default()).unwrap();
        assert!((bound - (1.0 - 0.05_f64.powf(0.2))).abs() < 1e-12);
        assert_eq!(found["b"].unused_at_most(Level::default()), None);
    }
}
