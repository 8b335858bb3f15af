//! What is usual of a role: a chain of capabilities, smoothed towards shorter contexts, and counts a trace.
//!
//! Paper: MacKay and Bauman Peto 1995, Natural Language Engineering 1(3): hierarchical Dirichlet language models.
//!
//! ```text
//! p_k(c | context) = (n(context, c) + α p_{k−1}(c | shorter context)) / (n(context) + α)
//! p_{−1}(c)        = 1/(V + 1)                 V capabilities that were seen, and one for all that were not
//! ```
//!
//! A trace begins in a context of its own. A role that honest traces do not have is held against all roles together.
//!
//! In: honest traces. Out: nats a call; and, to compare with, the count that is the most standard deviations above its role's mean.

use std::collections::BTreeMap;

use super::TraceRecord;

/// What is usual of each role.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    vocabulary: BTreeMap<String, usize>,
    order: usize,
    smoothing: f64,
    roles: BTreeMap<String, Usual>,
    all: Usual,
}

/// What came before the first call.
const BEGINNING: usize = 0;
/// A capability that no honest trace has.
const UNSEEN: usize = 1;
/// How many numbers are taken before capabilities have theirs.
const N_SPECIAL: usize = 2;

/// Calls by context, of every length up to the order, and counts a trace.
#[derive(Debug, Clone, PartialEq, Default)]
struct Usual {
    contexts: BTreeMap<Vec<usize>, Followed>,
    /// Sum and sum of squares of each capability's calls a trace.
    counts: BTreeMap<usize, (f64, f64)>,
    n_traces: f64,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Followed {
    all: f64,
    by: BTreeMap<usize, f64>,
}

impl Baseline {
    /// Counts honest traces, in contexts of up to `order` calls.
    pub fn new(honest: &[&TraceRecord], order: usize, smoothing: f64) -> Self {
        let mut baseline = Self {
            vocabulary: BTreeMap::new(),
            order,
            smoothing,
            roles: BTreeMap::new(),
            all: Usual::default(),
        };
        for call in honest.iter().flat_map(|trace| &trace.calls) {
            let next = baseline.vocabulary.len() + N_SPECIAL;
            (baseline.vocabulary)
                .entry(call.capability.clone())
                .or_insert(next);
        }
        for trace in honest {
            let calls = baseline.numbers(trace);
            let role = baseline.roles.entry(trace.role.clone()).or_default();
            role.add(&calls, order);
            baseline.all.add(&calls, order);
        }
        baseline
    }

    /// The trace's capabilities, after as many beginnings as contexts are long.
    fn numbers(&self, trace: &TraceRecord) -> Vec<usize> {
        let calls = (trace.calls.iter()).map(|call| {
            self.vocabulary
                .get(&call.capability)
                .copied()
                .unwrap_or(UNSEEN)
        });
        std::iter::repeat_n(BEGINNING, self.order)
            .chain(calls)
            .collect()
    }

    fn usual(&self, role: &str) -> &Usual {
        self.roles.get(role).unwrap_or(&self.all)
    }

    /// Mean surprise of its calls, in nats; `None` for a trace without calls.
    pub fn surprise(&self, trace: &TraceRecord) -> Option<f64> {
        let calls = self.numbers(trace);
        let n = trace.calls.len();
        let sum: f64 = (self.order..calls.len())
            .map(|at| {
                -self
                    .probability(&trace.role, &calls[at - self.order..at], calls[at])
                    .ln()
            })
            .sum();
        (n > 0).then(|| sum / n as f64)
    }

    /// The chance of a call after a context of `order` calls.
    fn probability(&self, role: &str, context: &[usize], call: usize) -> f64 {
        let usual = self.usual(role);
        let mut p = 1.0 / (self.vocabulary.len() as f64 + 1.0);
        for from in (0..=context.len()).rev() {
            let (seen, all) = match usual.contexts.get(&context[from..]) {
                Some(followed) => (followed.by.get(&call).copied().unwrap_or(0.0), followed.all),
                None => (0.0, 0.0),
            };
            p = (seen + self.smoothing * p) / (all + self.smoothing);
        }
        p
    }

    /// How far its most unusual count is above its role's mean, in standard deviations; the deviation is taken to be half a call at
    /// least.
    pub fn most_unusual_count(&self, trace: &TraceRecord) -> f64 {
        let usual = self.usual(&trace.role);
        let mut counts: BTreeMap<usize, f64> = usual.counts.keys().map(|c| (*c, 0.0)).collect();
        for call in self.numbers(trace).into_iter().skip(self.order) {
            *counts.entry(call).or_default() += 1.0;
        }
        (counts.into_iter())
            .map(|(call, count)| {
                let (sum, squares) = usual.counts.get(&call).copied().unwrap_or((0.0, 0.0));
                let mean = sum / usual.n_traces;
                let variance = (squares / usual.n_traces - mean * mean).max(0.0);
                (count - mean) / variance.sqrt().max(0.5)
            })
            .fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Usual {
    fn add(&mut self, calls: &[usize], order: usize) {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        for at in order..calls.len() {
            for length in 0..=order {
                let context = calls[at - length..at].to_vec();
                let followed = self.contexts.entry(context).or_default();
                followed.all += 1.0;
                *followed.by.entry(calls[at]).or_default() += 1.0;
            }
            *counts.entry(calls[at]).or_default() += 1.0;
        }
        for (call, count) in counts {
            let (sum, squares) = self.counts.entry(call).or_default();
            *sum += count;
            *squares += count * count;
        }
        self.n_traces += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Call;
    use super::*;

    fn trace(role: &str, calls: &str) -> TraceRecord {
        TraceRecord {
            agent: "agent".into(),
            role: role.into(),
            calls: (calls.chars())
                .map(|c| Call {
                    capability: c.into(),
                    tool: None,
                })
                .collect(),
            declared: Vec::new(),
            behaviour: None,
        }
    }

    #[test]
    fn by_hand() {
        let honest = trace("r", "ab");
        let baseline = Baseline::new(&[&honest], 1, 1.0);
        // V + 1 = 3. p₀(a) = (1 + ⅓)/(2 + 1) = 4/9 = p₀(b); after the beginning a: (1 + 4/9)/2 = 13/18, after a b the same.
        let surprise = baseline.surprise(&honest).unwrap();
        assert!((surprise + (13.0_f64 / 18.0).ln()).abs() < 1e-12);
        // A stranger: p₀ = ⅓/3 = 1/9, after the beginning (1/9)/2.
        let stranger = baseline.surprise(&trace("r", "z")).unwrap();
        assert!((stranger - 18.0_f64.ln()).abs() < 1e-12);
        assert_eq!(baseline.surprise(&trace("r", "")), None);
    }

    #[test]
    fn order_is_surprising_and_counts_are_not() {
        let honest: Vec<TraceRecord> = (0..20).map(|_| trace("r", "abcabc")).collect();
        let honest: Vec<&TraceRecord> = honest.iter().collect();
        let baseline = Baseline::new(&honest, 1, 1.0);
        let (usual, other) = (trace("r", "abcabc"), trace("r", "cbacba"));
        assert!(baseline.surprise(&other).unwrap() > baseline.surprise(&usual).unwrap() + 1.0);
        assert_eq!(
            baseline.most_unusual_count(&other),
            baseline.most_unusual_count(&usual)
        );
        assert_eq!(baseline.most_unusual_count(&trace("r", "aaaaabcabc")), 8.0);
        assert!(baseline.most_unusual_count(&trace("r", "zz")) == 4.0);
    }

    #[test]
    fn roles_are_apart_and_a_stranger_is_held_against_all() {
        let (one, other) = (trace("one", "aaaa"), trace("other", "bbbb"));
        let baseline = Baseline::new(&[&one, &other], 1, 1.0);
        let surprise = |role, calls| baseline.surprise(&trace(role, calls)).unwrap();
        assert!(surprise("one", "bbbb") > surprise("other", "bbbb") + 0.5);
        assert!(surprise("new", "bbbb") < surprise("one", "bbbb"));
    }

    proptest! {
        #[test]
        fn chances_of_what_may_follow_sum_to_one(
            traces in prop::collection::vec("[abc]{0,8}", 1..6), order in 0..4_usize, at in 0..64_usize,
        ) {
            let honest: Vec<TraceRecord> = traces.iter().map(|calls| trace("r", calls)).collect();
            let honest: Vec<&TraceRecord> = honest.iter().collect();
            let baseline = Baseline::new(&honest, order, 0.7);
            let n = baseline.vocabulary.len() + N_SPECIAL;
            let context: Vec<usize> = (0..order).map(|i| (at >> (2 * i)) % n).collect();
            let sum: f64 = (UNSEEN..n).map(|call| baseline.probability("r", &context, call)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
            // The mistake: no place for what was not seen.
            let without: f64 = (N_SPECIAL..n).map(|call| baseline.probability("r", &context, call)).sum();
            prop_assert!(without < 1.0 - 1e-9 || n == N_SPECIAL);
        }
    }
}
