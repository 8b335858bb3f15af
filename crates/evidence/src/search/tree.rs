//! The tree of one search.
//!
//! A node lists the pieces that were tried from it and no others: all that were not share one score, `c P √N(s)`. A piece that
//! was tried once leads to the pieces of that rollout, and to a node only when it is tried again: what a node with one visit
//! holds is in the rollout. So a rollout makes one node at most, and most nodes are small.
//!
//! Edges lie in blocks of whole lanes, so that all scores of a node are looked at with the processor's vectors, and a small node
//! is three lines of cache.

use pulp::NullaryFnOnce;
use trimtab_core::SplitMix64;

use crate::board::{MOST_REVEALED, Piece};
use crate::judge::{Kernel, LANES};

/// What is known of a node but its edges.
#[derive(Debug, Clone, Copy)]
struct Node {
    visits: u32,
    n_edges: u32,
}

/// Some edges of a node: a line of cache that scores are made of, one that leads on, and one for what only learning needs. A node is
/// as many blocks in a row as are a power of two, and is called by its first, which says what is known of it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Block {
    /// Mean reward for the side that moves; −∞ where there is no edge.
    values: [f32; LANES],
    /// `1 / (1 + visits)`.
    inverses: [f32; LANES],
    /// After one visit the rollout that it was, after more the node; of no meaning for the last piece.
    leads_to: [u32; LANES],
    /// No piece where there is no edge.
    pieces: [Piece; LANES],
    node: Node,
    visits: [u32; LANES],
}

impl Block {
    const EMPTY: Self = Self {
        values: [f32::NEG_INFINITY; LANES],
        inverses: [1.0; LANES],
        leads_to: [0; LANES],
        pieces: [Piece::MAX; LANES],
        node: Node {
            visits: 0,
            n_edges: 0,
        },
        visits: [0; LANES],
    };
}

/// Where an edge is.
#[derive(Debug, Clone, Copy, Default)]
struct Edge {
    block: usize,
    lane: usize,
}

/// A tree, and the rollout that is not scored yet.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    kernel: Kernel,
    blocks: Vec<Block>,
    root: usize,
    /// The pieces of every rollout that ended in a new edge.
    rollouts: Vec<[Piece; MOST_REVEALED]>,
    /// Nodes and edges of the last rollout.
    path: [(usize, Edge); MOST_REVEALED],
    n_path: usize,
    /// Scratch: the scores of a node's edges.
    scores: Vec<[f32; LANES]>,
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
    Edge(Edge),
    New(Piece),
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            kernel: Kernel::new(),
            blocks: Vec::new(),
            root: 0,
            rollouts: Vec::new(),
            path: [(0, Edge::default()); MOST_REVEALED],
            n_path: 0,
            scores: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.rollouts.clear();
        self.root = self.new_node(0);
    }

    fn new_node(&mut self, visits: u32) -> usize {
        self.blocks.push(Block {
            node: Node { visits, n_edges: 0 },
            ..Block::EMPTY
        });
        self.blocks.len() - 1
    }

    /// The blocks of a node that have an edge.
    fn blocks(&self, node: usize) -> &[Block] {
        let n_edges = self.blocks[node].node.n_edges as usize;
        &self.blocks[node..node + n_edges.div_ceil(LANES)]
    }

    /// Adds an edge to the node that the path has come to: that node, which may have moved, and the edge.
    fn push(&mut self, mut node: usize, piece: Piece, leads_to: u32) -> (usize, Edge) {
        let n_edges = self.blocks[node].node.n_edges as usize;
        let n_full = n_edges / LANES;
        if n_edges.is_multiple_of(LANES) && n_full.is_power_of_two() {
            let moved = self.blocks.len();
            self.blocks.extend_from_within(node..node + n_full);
            self.blocks.resize(moved + 2 * n_full, Block::EMPTY);
            match self.path[..self.n_path].last() {
                Some((_, edge)) => self.blocks[edge.block].leads_to[edge.lane] = moved as u32,
                None => self.root = moved,
            }
            node = moved;
        }
        self.blocks[node].node.n_edges += 1;
        let edge = Edge {
            block: node + n_full,
            lane: n_edges % LANES,
        };
        let block = &mut self.blocks[edge.block];
        block.values[edge.lane] = 0.0;
        block.pieces[edge.lane] = piece;
        block.leads_to[edge.lane] = leads_to;
        (node, edge)
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
        let mut node = self.root;
        for at in revealed.len()..rules.length {
            match self.choose(node, rules, &pieces[..at], stream) {
                Choice::Edge(edge) => {
                    pieces[at] = self.blocks[edge.block].pieces[edge.lane];
                    self.step(node, edge);
                    if at + 1 < rules.length {
                        node = self.enter(edge, at);
                    }
                }
                Choice::New(piece) => {
                    pieces[at] = piece;
                    let (node, edge) = self.push(node, piece, self.rollouts.len() as u32);
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

    fn step(&mut self, node: usize, edge: Edge) {
        self.path[self.n_path] = (node, edge);
        self.n_path += 1;
    }

    /// The node that the edge of the `at`-th piece leads to, made where there is none yet.
    fn enter(&mut self, edge: Edge, at: usize) -> usize {
        let Edge { block, lane } = edge;
        let leads_to = self.blocks[block].leads_to[lane];
        if self.blocks[block].visits[lane] > 1 {
            return leads_to as usize;
        }
        let node = self.new_node(1);
        self.blocks[block].leads_to[lane] = node as u32;
        // Sides take turns.
        let value = -self.blocks[block].values[lane];
        let piece = self.rollouts[leads_to as usize][at + 1];
        let (node, only) = self.push(node, piece, leads_to);
        let block = &mut self.blocks[only.block];
        block.visits[only.lane] = 1;
        block.inverses[only.lane] = 0.5;
        block.values[only.lane] = value;
        node
    }

    /// Learns what the last rollout was worth: `reward` for the side that moved first in it.
    pub(super) fn learn(&mut self, reward: f32) {
        let mut own = reward;
        for &(node, Edge { block, lane }) in &self.path[..self.n_path] {
            self.blocks[node].node.visits += 1;
            let block = &mut self.blocks[block];
            let visits = block.visits[lane] + 1;
            block.visits[lane] = visits;
            block.inverses[lane] = 1.0 / (1.0 + visits as f32);
            let value = &mut block.values[lane];
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
        let Node { visits, n_edges } = self.blocks[node].node;
        let n_edges = n_edges as usize;
        let n_left = rules.n_pieces - revealed.len();
        let pull = rules.exploration / n_left as f32 * (visits as f32).sqrt();
        let n_untried = n_left - n_edges;
        let n_blocks = n_edges.div_ceil(LANES);
        if self.scores.len() < n_blocks {
            self.scores.resize(n_blocks, [0.0; LANES]);
        }
        let scores = &mut self.scores[..n_blocks];
        let tried = self.kernel.run(BestOf {
            kernel: self.kernel,
            blocks: &self.blocks[node..node + n_blocks],
            scores,
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
        let at = match chosen.checked_sub(n_ties) {
            None => {
                return Choice::New(self.untried(Some((node, chosen)), rules, revealed, stream));
            }
            Some(_) if tried.n == 1 => tried.only,
            Some(tie) => {
                let at = self.kernel.run(NthOf {
                    kernel: self.kernel,
                    scores,
                    score: tried.score,
                    n: tie,
                });
                at.unwrap_or_else(|| unreachable!("{} tie", tried.n))
            }
        };
        Choice::Edge(Edge {
            block: node + at / LANES,
            lane: at % LANES,
        })
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
        let (tried, n_tried, chosen) = match from {
            Some((node, chosen)) => {
                let n_tried = self.blocks[node].node.n_edges as usize;
                (self.blocks(node), n_tried, chosen)
            }
            None if n_left == 1 => (&[][..], 0, 0),
            None => (&[][..], 0, stream.below(n_left)),
        };
        if 2 * (n_left - n_tried) >= n_pieces {
            // Every other draw hits, at least.
            loop {
                let piece = stream.below(n_pieces) as Piece;
                if !revealed.contains(&piece) && !is_among(tried, piece) {
                    return piece;
                }
            }
        }
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        open.resize(n_pieces.div_ceil(64), u64::MAX);
        let tried = from
            .map_or(&[][..], |(node, _)| self.blocks(node))
            .iter()
            .flat_map(|block| &block.pieces);
        for &piece in revealed.iter().chain(tried.take(n_tried)) {
            open[usize::from(piece) / 64] &= !(1 << (piece % 64));
        }
        let piece = nth_open(&open, chosen);
        self.open = open;
        piece
    }

    /// Whether the most visited piece stays so, whatever `n_left` more rollouts do.
    pub(super) fn is_settled(&self, n_left: u32) -> bool {
        let (mut most, mut second) = (0, 0);
        for visits in self.root_visits() {
            if visits > most {
                (most, second) = (visits, most);
            } else {
                second = second.max(visits);
            }
        }
        most > second + n_left
    }

    /// Zero where there is no edge.
    fn root_visits(&self) -> impl Iterator<Item = u32> + Clone {
        let blocks = self.blocks(self.root).iter();
        blocks.flat_map(|block| block.visits)
    }

    /// The most visited piece, ties broken at random.
    pub(super) fn most_visited(&self, stream: &mut SplitMix64) -> Piece {
        let most = self.root_visits().max().unwrap_or(0);
        let pieces = self.blocks(self.root).iter().flat_map(|block| block.pieces);
        let visited = self.root_visits().zip(pieces);
        let mut best = visited.filter(|(visits, _)| *visits == most);
        let n_best = best.clone().count();
        let (_, piece) = best
            .nth(stream.below(n_best))
            .unwrap_or_else(|| unreachable!("one rollout visits one piece"));
        piece
    }
}

/// Whether a piece is that of an edge.
fn is_among(blocks: &[Block], piece: Piece) -> bool {
    blocks.iter().any(|block| {
        let mut is_here = false;
        for other in block.pieces {
            is_here |= other == piece;
        }
        is_here
    })
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

/// Scores all edges of a node; a best score below another's is that of none.
struct BestOf<'a> {
    kernel: Kernel,
    blocks: &'a [Block],
    scores: &'a mut [[f32; LANES]],
    pull: f32,
    unless_below: f32,
}

impl NullaryFnOnce for BestOf<'_> {
    type Output = Best;

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn call(self) -> Best {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        for (block, scores) in self.blocks.iter().zip(&mut *self.scores) {
            for lane in 0..LANES {
                let score = block.values[lane] + self.pull * block.inverses[lane];
                scores[lane] = score;
                lanes[lane] = if score > lanes[lane] {
                    score
                } else {
                    lanes[lane]
                };
            }
        }
        let mut best = lanes[0];
        for score in lanes {
            best = if score > best { score } else { best };
        }
        let (mut n, mut only) = (0, 0);
        if best >= self.unless_below {
            for (at, scores) in self.scores.iter().enumerate() {
                let bits = self.kernel.equal(scores, best);
                if bits != 0 {
                    n += bits.count_ones() as usize;
                    only = LANES * at + bits.trailing_zeros() as usize;
                }
            }
        }
        Best {
            score: best,
            n,
            only,
        }
    }
}

/// Where the `n`-th edge of a score is.
struct NthOf<'a> {
    kernel: Kernel,
    scores: &'a [[f32; LANES]],
    score: f32,
    n: usize,
}

impl NullaryFnOnce for NthOf<'_> {
    type Output = Option<usize>;

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn call(mut self) -> Option<usize> {
        for (at, scores) in self.scores.iter().enumerate() {
            let mut bits = self.kernel.equal(scores, self.score);
            let here = bits.count_ones() as usize;
            if self.n < here {
                for _ in 0..self.n {
                    bits &= bits - 1;
                }
                return Some(LANES * at + bits.trailing_zeros() as usize);
            }
            self.n -= here;
        }
        None
    }
}
