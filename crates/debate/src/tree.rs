//! Transcripts that branch: several speeches are tried at a turn, and what a judge says at the leaves is worth something to all
//! of them.
//!
//! Paper: Arnesen, Rein and Michael 2024, arXiv:2409.16636: branched rollouts and soft preferences for debaters' training.
//!
//! ```text
//! V(leaf)  = what the judge gives the side of who speaks          in [0, 1]
//! V(node)  = mean V over the leaves below it                       each leaf the same weight
//! p(chosen over rejected), values s_w > s_l:
//!   prob        e^{m s_w} / (e^{m s_w} + e^{m s_l})        m = 7
//!   log-prob    s_w^m / (s_w^m + s_l^m)                    m = 2.25
//!   binary      1
//! ```
//!
//! In: nodes, each a speech with what it was prompted with, and the judge's probability of side A at the leaves. Out: values,
//! and [`PreferencePair`]s of speeches to one prompt, as every other trainer takes them.
//! A leaf whose judgement failed is in no mean, and counted. Speeches of equal value teach nothing: they are counted as ties, and
//! make no pair. Differs from the paper: any shape of tree (theirs has two branches a turn); LOGIT and SIGMOID targets are left
//! out, for we know their code's names and not their formulas.

use serde::{Deserialize, Serialize};
use trimtab_core::PreferencePair;
use trimtab_core::chat::Message;

use crate::side::Side;

/// A tree of speeches: every node is one turn on from its parent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TranscriptTree {
    nodes: Vec<Node>,
}

/// Which node of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeIdx(usize);

/// One speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Node {
    /// What was said before; none for the first turn.
    pub parent: Option<NodeIdx>,
    /// Who spoke.
    pub side: Side,
    /// What it was asked; siblings of one side were asked the same.
    pub prompt: Vec<Message>,
    /// What it said.
    pub speech: String,
    /// What the judge made of it, where the debate ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// What a judge said at a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// The probability that it gave side A.
    SideA(f64),
    /// Nothing that can be read.
    Failed,
}

/// What a pair of values says of which speech is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A softmax of values at this multiplier.
    Prob(f64),
    /// Values to this power.
    LogProb(f64),
    /// Certainty.
    Binary,
}

impl Default for Target {
    /// [`Target::Prob`] of 7, as in the paper's debaters.
    fn default() -> Self {
        Self::Prob(7.0)
    }
}

impl Target {
    /// How probable it is that the speech worth `chosen` is better than the one worth `rejected`.
    pub fn p_chosen(self, chosen: f64, rejected: f64) -> f64 {
        match self {
            Self::Prob(m) => 1.0 / (1.0 + (m * (rejected - chosen)).exp()),
            Self::LogProb(_) if chosen == rejected => 0.5,
            Self::LogProb(m) => {
                // Values of one size first, so that nothing is lost to underflow.
                let ratio = (rejected / chosen).powf(m);
                1.0 / (1.0 + ratio)
            }
            Self::Binary => 1.0,
        }
    }
}

/// Which siblings are set side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pairs {
    /// The best and the worst of every turn.
    #[default]
    BestAndWorst,
    /// Every two.
    All,
}

/// Pairs, and what made none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preferences {
    /// In the order of the tree.
    pub pairs: Vec<PreferencePair>,
    /// Two speeches of one value.
    pub n_ties: usize,
    /// Speeches below which no judgement was read.
    pub n_without_value: usize,
}

impl TranscriptTree {
    /// Adds a node.
    ///
    /// # Panics
    ///
    /// When its parent is not in this tree: a bug in the caller.
    pub fn push(&mut self, node: Node) -> NodeIdx {
        if let Some(parent) = node.parent {
            assert!(parent.0 < self.nodes.len(), "a parent that is not there");
        }
        self.nodes.push(node);
        NodeIdx(self.nodes.len() - 1)
    }

    /// The nodes, parents before their children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many leaves were judged, and of how many nothing could be read.
    pub fn n_leaves(&self) -> (usize, usize) {
        let judged = self.nodes.iter().filter_map(|node| node.judged);
        judged.fold((0, 0), |(n, n_failed), judged| match judged {
            Judged::SideA(_) => (n + 1, n_failed),
            Judged::Failed => (n + 1, n_failed + 1),
        })
    }

    /// What every speech is worth to who made it; `None` where no judgement below it was read.
    pub fn values(&self) -> Vec<Option<f64>> {
        // Of side A, over the leaves below and the node itself. Parents come before children.
        let mut sums = vec![(0.0, 0_u32); self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if let Some(Judged::SideA(p)) = node.judged {
                sums[at].0 += p;
                sums[at].1 += 1;
            }
            if let Some(parent) = node.parent {
                let (sum, n) = sums[at];
                sums[parent.0].0 += sum;
                sums[parent.0].1 += n;
            }
        }
        (self.nodes.iter().zip(sums))
            .map(|(node, (sum, n))| {
                let a = sum / f64::from(n);
                (n > 0).then_some(match node.side {
                    Side::A => a,
                    Side::B => 1.0 - a,
                })
            })
            .collect()
    }

    /// Pairs of speeches that one side made to one prompt. `name` is what ids begin with, `judge` who judged.
    pub fn preferences(
        &self,
        target: Target,
        which: Pairs,
        name: &str,
        judge: &str,
    ) -> Preferences {
        let values = self.values();
        let mut out = Preferences {
            n_without_value: values.iter().filter(|value| value.is_none()).count(),
            ..Preferences::default()
        };
        for first in 0..self.nodes.len() {
            let siblings = self.siblings_from(first);
            if siblings.is_empty() {
                continue;
            }
            let mut valued: Vec<(usize, f64)> = (siblings.into_iter())
                .filter_map(|at| Some((at, values[at]?)))
                .collect();
            valued.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let couples: Vec<[(usize, f64); 2]> = match (which, &valued[..]) {
                (Pairs::BestAndWorst, [best, .., worst]) => vec![[*best, *worst]],
                (Pairs::BestAndWorst, _) => Vec::new(),
                (Pairs::All, valued) => (0..valued.len())
                    .flat_map(|i| (i + 1..valued.len()).map(move |j| [valued[i], valued[j]]))
                    .collect(),
            };
            for [(chosen, high), (rejected, low)] in couples {
                if high <= low {
                    out.n_ties += 1;
                    continue;
                }
                out.pairs.push(PreferencePair {
                    id: format!("{name}-{chosen}-{rejected}"),
                    prompt: self.nodes[chosen].prompt.clone(),
                    chosen: self.nodes[chosen].speech.clone(),
                    rejected: self.nodes[rejected].speech.clone(),
                    p_chosen: target.p_chosen(high, low),
                    judge: judge.to_owned(),
                });
            }
        }
        out
    }

    /// The speeches that answer the same prompt as `first`, if it is the first of them: else none.
    fn siblings_from(&self, first: usize) -> Vec<usize> {
        let same = |at: usize| {
            let (one, other) = (&self.nodes[first], &self.nodes[at]);
            one.parent == other.parent && one.side == other.side && one.prompt == other.prompt
        };
        if (0..first).any(same) {
            return Vec::new();
        }
        (first..self.nodes.len()).filter(|at| same(*at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::chat::Role;

    use super::*;

    fn node(parent: Option<NodeIdx>, side: Side, speech: &str, judged: Option<Judged>) -> Node {
        Node {
            parent,
            side,
            prompt: vec![Message::new(Role::User, format!("{parent:?}"))],
            speech: speech.into(),
            judged,
        }
    }

    /// Two openings of A; to the first, two replies of B; to the second, three.
    fn tree() -> TranscriptTree {
        let mut tree = TranscriptTree::default();
        let good = tree.push(node(None, Side::A, "good", None));
        let bad = tree.push(node(None, Side::A, "bad", None));
        for (speech, p) in [("x", 0.9), ("y", 0.7)] {
            tree.push(node(Some(good), Side::B, speech, Some(Judged::SideA(p))));
        }
        for (speech, judged) in [
            ("u", Judged::SideA(0.2)),
            ("v", Judged::Failed),
            ("w", Judged::SideA(0.2)),
        ] {
            tree.push(node(Some(bad), Side::B, speech, Some(judged)));
        }
        tree
    }

    #[test]
    fn values_are_means_of_leaves_for_who_speaks() {
        let near = |value: Option<f64>| value.map(|value| (value * 1e9).round() / 1e9);
        let values: Vec<_> = tree().values().into_iter().map(near).collect();
        assert_eq!(
            values,
            [
                Some(0.8),
                Some(0.2),
                Some(0.1),
                Some(0.3),
                Some(0.8),
                None,
                Some(0.8)
            ]
        );
        assert_eq!(tree().n_leaves(), (5, 1));
    }

    #[test]
    fn siblings_become_pairs() {
        let got = tree().preferences(Target::Binary, Pairs::All, "d1", "judge");
        let pairs: Vec<_> = got
            .pairs
            .iter()
            .map(|p| (&*p.id, &*p.chosen, &*p.rejected))
            .collect();
        assert_eq!(pairs, [("d1-0-1", "good", "bad"), ("d1-3-2", "y", "x")]);
        assert_eq!((got.n_ties, got.n_without_value), (1, 1));
        assert_eq!(got.pairs[1].prompt, tree().nodes()[2].prompt);
        assert_eq!(
            tree()
                .preferences(Target::default(), Pairs::BestAndWorst, "d1", "judge")
                .pairs
                .len(),
            2
        );
    }

    #[test]
    fn targets_by_hand() {
        let check = |target: Target, expected: f64| {
            let got = target.p_chosen(0.8, 0.2);
            assert!((got - expected).abs() < 1e-12, "{target:?}: {got}");
        };
        check(Target::default(), 1.0 / (1.0 + (-4.2_f64).exp()));
        check(
            Target::LogProb(2.25),
            0.8_f64.powf(2.25) / (0.8_f64.powf(2.25) + 0.2_f64.powf(2.25)),
        );
        check(Target::Binary, 1.0);
        assert_eq!(Target::LogProb(2.0).p_chosen(0.0, 0.0), 0.5);
    }

    proptest! {
        #[test]
        fn a_better_speech_is_chosen_more_than_half_the_time(low in 0.0..1.0_f64, by in 0.001..1.0_f64, m in 0.1..10.0_f64) {
            let high = (low + by).min(1.0);
            prop_assume!(high > low);
            for target in [Target::Prob(m), Target::LogProb(m), Target::Binary] {
                let p = target.p_chosen(high, low);
                prop_assert!((0.5..=1.0).contains(&p), "{target:?}: {p}");
            }
        }

        #[test]
        fn what_one_side_gains_the_other_loses(p in prop::collection::vec(0.0..=1.0_f64, 1..8)) {
            let value = |side| {
                let mut tree = TranscriptTree::default();
                let root = tree.push(node(None, side, "", None));
                for p in &p {
                    tree.push(node(Some(root), Side::A, "", Some(Judged::SideA(*p))));
                }
                tree.values()[0].unwrap()
            };
            prop_assert!((value(Side::A) + value(Side::B) - 1.0).abs() < 1e-12);
        }
    }
}
