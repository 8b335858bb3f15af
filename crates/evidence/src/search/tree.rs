//! The tree of one search.
//!
//! A node lists the pieces that were tried from it and no others: all that were not share one score, `c P √N(s)`. A piece that
//! was tried once leads to the pieces of that rollout, and to a node only when it is tried again: what a node with one visit
//! holds is in the rollout. So a rollout makes one node at most, and most nodes are small.
//!
//! Numbers of one kind lie side by side, in blocks of whole lanes, so that all scores of a node are looked at with the
//! processor's vectors.

use pulp::{Simd, WithSimd};
use trimtab_core::SplitMix64;

use crate::board::{MOST_REVEALED, Piece};
use crate::judge::Kernel;

const LANES: usize = 8;
const ROOT: usize = 0;

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Where its edges begin.
    start: usize,
    n_edges: usize,
    /// Whole lanes.
    capacity: usize,
    visits: u32,
}

/// Edges of all nodes, by their place.
#[derive(Debug, Clone, Default)]
struct Edges {
    /// Mean reward for the side that moves; −∞ where there is no edge.
    values: Vec<f32>,
    /// `1 / (1 + visits)`; 0 where there is no edge.
    inverses: Vec<f32>,
    visits: Vec<u32>,
    pieces: Vec<Piece>,
    /// After one visit the rollout that it was, after more the node; of no meaning for the last piece.
    leads_to: Vec<u32>,
}

impl Edges {
    fn clear(&mut self) {
        self.values.clear();
        self.inverses.clear();
        self.visits.clear();
        self.pieces.clear();
        self.leads_to.clear();
    }

    /// Makes place for so many whole lanes more: where it begins.
    fn extend(&mut self, n_lanes: usize) -> usize {
        let start = self.values.len();
        for _ in 0..n_lanes {
            self.values.extend_from_slice(&[f32::NEG_INFINITY; LANES]);
            self.inverses.extend_from_slice(&[0.0; LANES]);
            self.visits.extend_from_slice(&[0; LANES]);
            self.pieces.extend_from_slice(&[0; LANES]);
            self.leads_to.extend_from_slice(&[0; LANES]);
        }
        start
    }

    /// Copies `n` edges from `start` to the end, where there are so many whole lanes from now on.
    fn move_to_end(&mut self, start: usize, n: usize, n_lanes: usize) -> usize {
        let end = self.extend(n_lanes);
        self.values.copy_within(start..start + n, end);
        self.inverses.copy_within(start..start + n, end);
        self.visits.copy_within(start..start + n, end);
        self.pieces.copy_within(start..start + n, end);
        self.leads_to.copy_within(start..start + n, end);
        end
    }
}

/// A tree, and the rollout that is not scored yet.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    kernel: Kernel,
    nodes: Vec<Node>,
    edges: Edges,
    /// The pieces of every rollout that ended in a new edge.
    rollouts: Vec<[Piece; MOST_REVEALED]>,
    /// Nodes and edges of the last rollout.
    path: [(usize, usize); MOST_REVEALED],
    n_path: usize,
    /// Scratch: a bit for each piece that is open.
    open: Vec<u64>,
}

/// Where the pieces of a board are chosen from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) n_pieces: usize,
    /// Pieces of a game.
    pub(super) length: usize,
    pub(super) exploration: f32,
}

/// What is tried next from a node.
enum Choice {
    Edge(usize),
    New(Piece),
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            kernel: Kernel::new(),
            nodes: Vec::new(),
            edges: Edges::default(),
            rollouts: Vec::new(),
            path: [(0, 0); MOST_REVEALED],
            n_path: 0,
            open: Vec::new(),
        }
    }

    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.edges.clear();
        self.rollouts.clear();
        self.new_node(0);
    }

    fn new_node(&mut self, visits: u32) -> usize {
        let start = self.edges.extend(1);
        self.nodes.push(Node {
            start,
            n_edges: 0,
            capacity: LANES,
            visits,
        });
        self.nodes.len() - 1
    }

    fn push(&mut self, node: usize, piece: Piece, leads_to: u32) -> usize {
        let Node {
            start,
            n_edges,
            capacity,
            ..
        } = self.nodes[node];
        let start = if n_edges < capacity {
            start
        } else {
            self.nodes[node].capacity *= 2;
            self.edges.move_to_end(start, n_edges, 2 * capacity / LANES)
        };
        self.nodes[node].start = start;
        self.nodes[node].n_edges += 1;
        let at = start + n_edges;
        self.edges.values[at] = 0.0;
        self.edges.inverses[at] = 1.0;
        self.edges.visits[at] = 0;
        self.edges.pieces[at] = piece;
        self.edges.leads_to[at] = leads_to;
        at
    }

    /// Descends to the end of a game: its pieces.
    pub(super) fn descend(
        &mut self,
        rules: &Rules,
        revealed: &[Piece],
        stream: &mut SplitMix64,
    ) -> [Piece; MOST_REVEALED] {
        let mut pieces = [0; MOST_REVEALED];
        pieces[..revealed.len()].copy_from_slice(revealed);
        self.n_path = 0;
        let mut node = ROOT;
        for at in revealed.len()..rules.length {
            match self.choose(node, rules, &pieces[..at], stream) {
                Choice::Edge(edge) => {
                    pieces[at] = self.edges.pieces[edge];
                    self.step(node, edge);
                    if at + 1 < rules.length {
                        node = self.enter(edge, at);
                    }
                }
                Choice::New(piece) => {
                    pieces[at] = piece;
                    let edge = self.push(node, piece, self.rollouts.len() as u32);
                    self.step(node, edge);
                    // Nothing was tried from here on: all pieces tie.
                    for at in at + 1..rules.length {
                        pieces[at] = self.untried(None, rules, &pieces[..at], stream);
                    }
                    self.rollouts.push(pieces);
                    break;
                }
            }
        }
        pieces
    }

    fn step(&mut self, node: usize, edge: usize) {
        self.path[self.n_path] = (node, edge);
        self.n_path += 1;
    }

    /// The node that the edge of the `at`-th piece leads to, made where there is none yet.
    fn enter(&mut self, edge: usize, at: usize) -> usize {
        if self.edges.visits[edge] > 1 {
            return self.edges.leads_to[edge] as usize;
        }
        let rollout = self.edges.leads_to[edge];
        let node = self.new_node(1);
        self.edges.leads_to[edge] = node as u32;
        let only = self.push(node, self.rollouts[rollout as usize][at + 1], rollout);
        self.edges.visits[only] = 1;
        self.edges.inverses[only] = 0.5;
        // Sides take turns.
        self.edges.values[only] = -self.edges.values[edge];
        node
    }

    /// Learns what the last rollout was worth: `reward` for the side that moved first in it.
    pub(super) fn learn(&mut self, reward: f32) {
        let mut own = reward;
        for &(node, edge) in &self.path[..self.n_path] {
            self.nodes[node].visits += 1;
            let visits = self.edges.visits[edge] + 1;
            self.edges.visits[edge] = visits;
            self.edges.inverses[edge] = 1.0 / (1.0 + visits as f32);
            let value = &mut self.edges.values[edge];
            *value += (own - *value) / visits as f32;
            own = -own;
        }
    }

    /// The piece with the largest score, or one that was not tried before.
    fn choose(
        &mut self,
        node: usize,
        rules: &Rules,
        revealed: &[Piece],
        stream: &mut SplitMix64,
    ) -> Choice {
        let Node {
            start,
            n_edges,
            visits,
            ..
        } = self.nodes[node];
        let n_left = rules.n_pieces - revealed.len();
        let pull = rules.exploration / n_left as f32 * (visits as f32).sqrt();
        let n_untried = n_left - n_edges;
        let places = start..start + n_edges.next_multiple_of(LANES);
        let values = &self.edges.values[places.clone()];
        let inverses = &self.edges.inverses[places];
        let tried = self.kernel.run(BestOf {
            values,
            inverses,
            pull,
            unless_below: if n_untried > 0 {
                pull
            } else {
                f32::NEG_INFINITY
            },
        });
        // All that were not tried tie with one another.
        let n_ties = if n_untried > 0 && pull >= tried.score {
            n_untried
        } else {
            0
        };
        let chosen = match n_ties + tried.n {
            1 => 0,
            n => stream.below(n),
        };
        match chosen.checked_sub(n_ties) {
            None => Choice::New(self.untried(Some((node, chosen)), rules, revealed, stream)),
            Some(_) if tried.n == 1 => Choice::Edge(start + tried.only),
            Some(tie) => {
                let mut scores = values.iter().zip(inverses);
                let mut n = 0;
                let is_it = |(value, inverse): (&f32, &f32)| {
                    n += usize::from(*value + pull * *inverse == tried.score);
                    n == tie + 1
                };
                let at = scores.position(is_it);
                Choice::Edge(start + at.unwrap_or_else(|| unreachable!("{} tie", tried.n)))
            }
        }
    }

    /// A piece that is neither revealed nor tried, uniformly at random: from a node, and by a number below their count that
    /// was drawn; or from where nothing was tried.
    fn untried(
        &mut self,
        from: Option<(usize, usize)>,
        rules: &Rules,
        revealed: &[Piece],
        stream: &mut SplitMix64,
    ) -> Piece {
        let n_pieces = rules.n_pieces;
        let n_left = n_pieces - revealed.len();
        let (tried, chosen) = match from {
            Some((node, chosen)) => {
                let Node { start, n_edges, .. } = self.nodes[node];
                (&self.edges.pieces[start..start + n_edges], chosen)
            }
            None if n_left == 1 => (&[][..], 0),
            None => (&[][..], stream.below(n_left)),
        };
        if 2 * (n_left - tried.len()) >= n_pieces {
            // Every other draw hits, at least.
            loop {
                let piece = stream.below(n_pieces) as Piece;
                if !revealed.contains(&piece) && !tried.contains(&piece) {
                    return piece;
                }
            }
        }
        self.open.clear();
        self.open.resize(n_pieces.div_ceil(64), u64::MAX);
        for &piece in revealed.iter().chain(tried) {
            self.open[usize::from(piece) / 64] &= !(1 << (piece % 64));
        }
        nth_open(&self.open, chosen)
    }

    /// Whether the most visited piece stays so, whatever `n_left` more rollouts do.
    pub(super) fn is_settled(&self, n_left: u32) -> bool {
        let (mut most, mut second) = (0, 0);
        for &visits in self.root_visits() {
            if visits > most {
                (most, second) = (visits, most);
            } else {
                second = second.max(visits);
            }
        }
        most > second + n_left
    }

    fn root_visits(&self) -> &[u32] {
        let Node { start, n_edges, .. } = self.nodes[ROOT];
        &self.edges.visits[start..start + n_edges]
    }

    /// The most visited piece, ties broken at random.
    pub(super) fn most_visited(&self, stream: &mut SplitMix64) -> Piece {
        let visits = self.root_visits();
        let most = visits.iter().copied().max().unwrap_or(0);
        let mut best = (0..visits.len()).filter(|at| visits[*at] == most);
        let n_best = best.clone().count();
        let at = best
            .nth(stream.below(n_best))
            .unwrap_or_else(|| unreachable!("one rollout visits one piece"));
        self.edges.pieces[self.nodes[ROOT].start + at]
    }
}

/// The place of the `n`-th bit that is set.
fn nth_open(words: &[u64], mut n: usize) -> Piece {
    for (at, &word) in words.iter().enumerate() {
        let here = word.count_ones() as usize;
        if n < here {
            let mut word = word;
            for _ in 0..n {
                word &= word - 1;
            }
            return (64 * at) as Piece + word.trailing_zeros() as Piece;
        }
        n -= here;
    }
    unreachable!("fewer pieces are open")
}

/// The largest score, how many edges have it, and where it is when it is one.
struct Best {
    score: f32,
    n: usize,
    only: usize,
}

/// Looks at whole lanes of edges; a best score below another's is that of none.
struct BestOf<'a> {
    values: &'a [f32],
    inverses: &'a [f32],
    pull: f32,
    unless_below: f32,
}

impl WithSimd for BestOf<'_> {
    type Output = Best;

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Best {
        let (values, values_left) = S::as_simd_f32s(self.values);
        let (inverses, inverses_left) = S::as_simd_f32s(self.inverses);
        let pull = simd.splat_f32s(self.pull);
        let scores = |value, inverse| simd.add_f32s(value, simd.mul_f32s(pull, inverse));
        let score = |value: &f32, inverse: &f32| value + self.pull * inverse;
        let mut best = simd.splat_f32s(f32::NEG_INFINITY);
        for (value, inverse) in values.iter().zip(inverses) {
            best = simd.max_f32s(scores(*value, *inverse), best);
        }
        let mut best = simd.reduce_max_f32s(best);
        for (value, inverse) in values_left.iter().zip(inverses_left) {
            best = best.max(score(value, inverse));
        }
        if best < self.unless_below {
            return Best {
                score: best,
                n: 0,
                only: 0,
            };
        }
        // How many in each lane, and the sum of their places.
        let bests = simd.splat_f32s(best);
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let (mut counts, mut sums, mut at) = (zero, zero, zero);
        for (value, inverse) in values.iter().zip(inverses) {
            let is_best = simd.equal_f32s(scores(*value, *inverse), bests);
            counts = simd.add_f32s(counts, simd.select_f32s(is_best, one, zero));
            sums = simd.add_f32s(sums, simd.select_f32s(is_best, at, zero));
            at = simd.add_f32s(at, one);
        }
        let (mut n, mut only) = (0, 0);
        let lanes = pulp::bytemuck::cast_slice::<_, f32>(std::slice::from_ref(&counts));
        let places = pulp::bytemuck::cast_slice::<_, f32>(std::slice::from_ref(&sums));
        for (lane, (count, place)) in lanes.iter().zip(places).enumerate() {
            if *count > 0.0 {
                n += *count as usize;
                only = *place as usize * S::F32_LANES + lane;
            }
        }
        let start = values.len() * S::F32_LANES;
        for (at, (value, inverse)) in values_left.iter().zip(inverses_left).enumerate() {
            if score(value, inverse) == best {
                n += 1;
                only = start + at;
            }
        }
        Best {
            score: best,
            n,
            only,
        }
    }
}
