//! Monte Carlo tree search for the piece to reveal.
//!
//! Paper: Irving et al. 2018, section 3.2: a variant of PUCT (Silver et al. 2017) without a learnt prior or value; every rollout
//! descends to the end of the game, where the judge decides; the most visited piece is revealed.
//!
//! ```text
//! descend to the piece with the largest   σ Q(s, a) + c P √N(s) / (1 + N(s, a))
//!     σ    1 where the claimant moves, −1 where the rival does
//!     Q    mean reward of the claimant in rollouts through (s, a); 0 before the first
//!     P    1 / (pieces that are left)
//! ```
//!
//! Ties are broken at random, in the tree and at the root. Each move is searched afresh. The last piece of a game is not searched
//! but tried out: every piece once, and the best by the margin is revealed.
//!
//! Differs from the paper: its `c` is not published; we take 2, and report others beside it.
//!
//! A node lists the pieces that were tried from it and no others: all that were not share one score.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use crate::board::{Board, MOST_REVEALED, Piece};
use crate::game::{Game, Player, Reward};

/// How a move is searched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SearchOptions {
    /// Rollouts a move.
    pub rollouts: u32,
    /// The constant of exploration, c.
    pub exploration: f32,
    /// What a rollout brings home.
    pub reward: Reward,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            rollouts: 1_000,
            exploration: 2.0,
            reward: Reward::Sign,
        }
    }
}

/// A piece that was tried from a node.
#[derive(Debug, Clone, Copy)]
struct Edge {
    piece: Piece,
    /// Where it leads: [`Edge::LEAF`] at the end of the game.
    node: u32,
    /// Mean reward for the side that moves here.
    value: f32,
    visits: u32,
}

impl Edge {
    const LEAF: u32 = u32::MAX;
}

#[derive(Debug, Clone, Default)]
struct Node {
    edges: Vec<Edge>,
    visits: u32,
}

/// A player that searches.
#[derive(Debug, Clone)]
pub struct Search {
    options: SearchOptions,
    stream: SplitMix64,
    /// Nodes in use, and before them those of earlier searches, whose memory is used again.
    nodes: Vec<Node>,
    n_nodes: usize,
    /// `1 / (1 + n)`.
    inverses: Vec<f32>,
    ties: Vec<usize>,
}

impl Search {
    /// A player whose luck comes from `seed`.
    pub fn new(options: SearchOptions, seed: Seed) -> Self {
        let inverses = (0..=options.rollouts).map(|n| 1.0 / (1.0 + n as f32));
        Self {
            options,
            stream: seed.stream(),
            nodes: Vec::new(),
            n_nodes: 0,
            inverses: inverses.collect(),
            ties: Vec::new(),
        }
    }

    /// The same player with another luck; its memory is used again.
    pub fn reseed(&mut self, seed: Seed) {
        self.stream = seed.stream();
    }

    fn new_node(&mut self) -> u32 {
        if self.n_nodes == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        let node = &mut self.nodes[self.n_nodes];
        node.edges.clear();
        node.visits = 0;
        self.n_nodes += 1;
        (self.n_nodes - 1) as u32
    }

    fn search(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
        let length = game.length(board.n_pieces());
        self.n_nodes = 0;
        let root = self.new_node();
        for _ in 0..self.options.rollouts.max(1) {
            self.roll_out(board, game, revealed, length);
        }
        let edges = &self.nodes[root as usize].edges;
        let most = edges.iter().map(|edge| edge.visits).max().unwrap_or(0);
        let mut best = edges.iter().filter(|edge| edge.visits == most);
        let n_best = best.clone().count();
        best.nth(self.stream.below(n_best))
            .unwrap_or_else(|| unreachable!("one rollout visits one piece"))
            .piece
    }

    fn roll_out(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece], length: usize) {
        let mut pieces = [0; MOST_REVEALED];
        pieces[..revealed.len()].copy_from_slice(revealed);
        let mut path = [(0_u32, 0_usize); MOST_REVEALED];
        let mut node = 0;
        for at in revealed.len()..length {
            let edge = self.descend(node, board.n_pieces(), &pieces[..at]);
            path[at] = (node, edge);
            let Edge {
                piece, node: next, ..
            } = self.nodes[node as usize].edges[edge];
            pieces[at] = piece;
            if next == Edge::LEAF && at + 1 < length {
                let new = self.new_node();
                self.nodes[node as usize].edges[edge].node = new;
                node = new;
            } else {
                node = next;
            }
        }
        let margin = game.margin(board.logits(&pieces[..length]));
        let reward = self.options.reward.of(margin);
        for (at, (node, edge)) in path.iter().enumerate().take(length).skip(revealed.len()) {
            let node = &mut self.nodes[*node as usize];
            node.visits += 1;
            let edge = &mut node.edges[*edge];
            edge.visits += 1;
            let own = game.mover(at).sign() * reward;
            edge.value += (own - edge.value) / edge.visits as f32;
        }
    }

    /// The edge with the largest score, made where its piece was not tried before.
    fn descend(&mut self, node: u32, n_pieces: usize, revealed: &[Piece]) -> usize {
        let node = &mut self.nodes[node as usize];
        let n_left = n_pieces - revealed.len();
        let pull = self.options.exploration / n_left as f32 * (node.visits as f32).sqrt();
        let n_untried = n_left - node.edges.len();
        // All that were not tried tie with one another.
        let (mut best, mut n_ties) = if n_untried > 0 {
            (pull, n_untried)
        } else {
            (f32::NEG_INFINITY, 0)
        };
        self.ties.clear();
        for (at, edge) in node.edges.iter().enumerate() {
            let score = edge.value + pull * self.inverses[edge.visits as usize];
            if score > best {
                (best, n_ties) = (score, 0);
                self.ties.clear();
            }
            if score >= best {
                self.ties.push(at);
            }
        }
        let chosen = match n_ties + self.ties.len() {
            1 => 0,
            n => self.stream.below(n),
        };
        if let Some(tie) = chosen.checked_sub(n_ties) {
            return self.ties[tie];
        }
        let piece = untried(
            &node.edges,
            n_pieces,
            revealed,
            n_untried,
            chosen,
            &mut self.stream,
        );
        node.edges.push(Edge {
            piece,
            node: Edge::LEAF,
            value: 0.0,
            visits: 0,
        });
        node.edges.len() - 1
    }

    /// The last piece: the best of all.
    fn last(board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
        let sign = game.mover(revealed.len()).sign();
        let mut pieces = [0; MOST_REVEALED];
        let at = revealed.len();
        pieces[..at].copy_from_slice(revealed);
        let mut best = (f32::NEG_INFINITY, 0);
        for piece in (0..board.n_pieces() as Piece).filter(|piece| !revealed.contains(piece)) {
            pieces[at] = piece;
            let score = sign * game.margin(board.logits(&pieces[..=at]));
            if score > best.0 {
                best = (score, piece);
            }
        }
        best.1
    }
}

/// A piece that is neither revealed nor tried, uniformly at random.
fn untried(
    edges: &[Edge],
    n_pieces: usize,
    revealed: &[Piece],
    n_untried: usize,
    chosen: usize,
    stream: &mut SplitMix64,
) -> Piece {
    let is_open =
        |piece: Piece| !revealed.contains(&piece) && edges.iter().all(|edge| edge.piece != piece);
    if 2 * n_untried >= n_pieces {
        // Every other draw hits, at least.
        loop {
            let piece = stream.below(n_pieces) as Piece;
            if is_open(piece) {
                return piece;
            }
        }
    }
    (0..n_pieces as Piece)
        .filter(|piece| is_open(*piece))
        .nth(chosen)
        .unwrap_or_else(|| unreachable!("{n_untried} pieces are open"))
}

impl Player for Search {
    fn choose(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
        if revealed.len() + 1 == game.length(board.n_pieces()) {
            Self::last(board, game, revealed)
        } else {
            self.search(board, game, revealed)
        }
    }
}

/// A player that chooses uniformly at random.
#[derive(Debug, Clone)]
pub struct Chance(SplitMix64);

impl Chance {
    /// One whose luck comes from `seed`.
    pub fn new(seed: Seed) -> Self {
        Self(seed.stream())
    }
}

impl Player for Chance {
    fn choose(&mut self, board: &mut Board<'_>, _: &Game, revealed: &[Piece]) -> Piece {
        loop {
            let piece = self.0.below(board.n_pieces()) as Piece;
            if !revealed.contains(&piece) {
                return piece;
            }
        }
    }
}
