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
//! A search ends early where no rollout that is left could change which piece is the most visited: the piece is the one that
//! all rollouts would choose.
//!
//! Games that do not depend on each other are searched in lockstep ([`play_in_lockstep`]): a rollout in each, whose ends are put to
//! the judge as one batch. What is chosen is the same, to the bit, as in games played one after the other.

mod tree;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use crate::board::{Board, MOST_REVEALED, Piece, PieceSet};
use crate::game::{Game, Played, Player, Reward};
use tree::{Rules, Tree};

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

/// Rollouts between looks at whether the rest can change anything.
const LOOK_EVERY: u32 = 16;

/// A player that searches.
#[derive(Debug, Clone)]
pub struct Search {
    options: SearchOptions,
    stream: SplitMix64,
    tree: Tree,
    /// Rollouts of the search that is under way.
    n_done: u32,
}

impl Search {
    /// A player whose luck comes from `seed`.
    pub fn new(options: SearchOptions, seed: Seed) -> Self {
        Self {
            options,
            stream: seed.stream(),
            tree: Tree::new(),
            n_done: 0,
        }
    }

    /// The same player with another luck; its memory is used again.
    pub fn reseed(&mut self, seed: Seed) {
        self.stream = seed.stream();
    }

    fn begin(&mut self) {
        self.tree.clear();
        self.n_done = 0;
    }

    /// The end of the next rollout.
    fn roll_out(&mut self, n_pieces: usize, game: &Game, revealed: &[Piece]) -> PieceSet {
        let length = game.length(n_pieces);
        let rules = Rules {
            n_pieces,
            length,
            exploration: self.options.exploration,
        };
        let pieces = self.tree.descend(&rules, revealed, &mut self.stream);
        PieceSet::of(&pieces[..length])
    }

    /// Learns what the judge made of it; the piece to reveal, when enough was learnt.
    fn learn(&mut self, game: &Game, revealed: &[Piece], margin: f32) -> Option<Piece> {
        let reward = self.options.reward.of(margin);
        self.tree.learn(game.mover(revealed.len()).sign() * reward);
        self.n_done += 1;
        let n_left = self.options.rollouts.max(1) - self.n_done;
        let is_over =
            n_left == 0 || (self.n_done.is_multiple_of(LOOK_EVERY) && self.tree.is_settled(n_left));
        is_over.then(|| self.tree.most_visited(&mut self.stream))
    }

    fn search(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
        self.begin();
        loop {
            let end = self.roll_out(board.n_pieces(), game, revealed);
            let margin = game.margin(board.logits_of(end));
            if let Some(piece) = self.learn(game, revealed, margin) {
                return piece;
            }
        }
    }
}

/// The last piece: the best of all, and the margin that it leads to.
fn last(board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
    let sign = game.mover(revealed.len()).sign();
    let mut pieces = [0; MOST_REVEALED];
    let at = revealed.len();
    pieces[..at].copy_from_slice(revealed);
    let mut left = Vec::with_capacity(board.n_pieces());
    let mut ends = Vec::with_capacity(board.n_pieces());
    for piece in (0..board.n_pieces() as Piece).filter(|piece| !revealed.contains(piece)) {
        pieces[at] = piece;
        left.push(piece);
        ends.push(PieceSet::of(&pieces[..=at]));
    }
    let mut scores = vec![0.0; ends.len()];
    board.logits_of_each(&ends, |end, logits| {
        scores[end] = sign * game.margin(logits);
    });
    let mut best = (f32::NEG_INFINITY, 0);
    for (score, piece) in scores.into_iter().zip(left) {
        if score > best.0 {
            best = (score, piece);
        }
    }
    best.1
}

impl Player for Search {
    fn choose(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
        if revealed.len() + 1 == game.length(board.n_pieces()) {
            last(board, game, revealed)
        } else {
            self.search(board, game, revealed)
        }
    }
}

/// Plays games to their ends, in each of which one player plays both sides: as [`crate::play_alone`] does with each, but faster.
pub fn play_in_lockstep(
    board: &mut Board<'_>,
    games: &[Game],
    players: &mut [Search],
) -> Vec<Played> {
    let n_pieces = board.n_pieces();
    let mut revealed: Vec<Vec<Piece>> = vec![Vec::new(); games.len()];
    // Games of one piece, or of none, are not searched.
    let is_searched = |game: &Game, revealed: &[Piece]| revealed.len() + 1 < game.length(n_pieces);
    let mut open: Vec<usize> = (0..games.len())
        .filter(|at| is_searched(&games[*at], &[]))
        .collect();
    for &at in &open {
        players[at].begin();
    }
    let mut ends = Vec::with_capacity(games.len());
    let mut margins = Vec::with_capacity(games.len());
    while !open.is_empty() {
        ends.clear();
        for &at in &open {
            ends.push(players[at].roll_out(n_pieces, &games[at], &revealed[at]));
        }
        margins.resize(ends.len(), 0.0);
        board.logits_of_each(&ends, |end, logits| {
            margins[end] = games[open[end]].margin(logits);
        });
        let mut margins = margins.iter();
        open.retain(|&at| {
            let (game, revealed) = (&games[at], &mut revealed[at]);
            let margin = margins.next().copied().unwrap_or_default();
            let Some(piece) = players[at].learn(game, revealed, margin) else {
                return true;
            };
            revealed.push(piece);
            players[at].begin();
            is_searched(game, revealed)
        });
    }
    let ended = games.iter().zip(revealed).map(|(game, mut revealed)| {
        if revealed.len() < game.length(n_pieces) {
            revealed.push(last(board, game, &revealed));
        }
        let margin = game.margin(board.logits(&revealed));
        Played { revealed, margin }
    });
    ended.collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::game::{RivalClaim, Side, play_alone};
    use crate::small;

    /// The same search with a node for everything, in the plainest way.
    struct Plain {
        options: SearchOptions,
        stream: SplitMix64,
    }

    #[derive(Default)]
    struct PlainNode {
        visits: u32,
        edges: Vec<PlainEdge>,
    }

    struct PlainEdge {
        piece: Piece,
        visits: u32,
        value: f32,
        node: PlainNode,
    }

    impl Plain {
        /// The edge to descend by.
        fn edge(&mut self, node: &mut PlainNode, n_pieces: usize, revealed: &[Piece]) -> usize {
            let n_left = n_pieces - revealed.len();
            let pull = self.options.exploration / n_left as f32 * (node.visits as f32).sqrt();
            let tried: Vec<Piece> = node.edges.iter().map(|edge| edge.piece).collect();
            let is_open = |piece: &Piece| !revealed.contains(piece) && !tried.contains(piece);
            let open: Vec<Piece> = (0..n_pieces as Piece).filter(is_open).collect();
            let score = |edge: &PlainEdge| edge.value + pull * (1.0 / (1.0 + edge.visits as f32));
            let scores: Vec<f32> = node.edges.iter().map(score).collect();
            let unless_all = if open.is_empty() {
                f32::NEG_INFINITY
            } else {
                pull
            };
            let best = scores.iter().copied().fold(unless_all, f32::max);
            let ties: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] == best).collect();
            let n_open = if pull == best { open.len() } else { 0 };
            let chosen = match n_open + ties.len() {
                1 => 0,
                n => self.stream.below(n),
            };
            if chosen >= n_open {
                return ties[chosen - n_open];
            }
            let mut piece = open[chosen];
            if 2 * open.len() >= n_pieces {
                loop {
                    piece = self.stream.below(n_pieces) as Piece;
                    if is_open(&piece) {
                        break;
                    }
                }
            }
            node.edges.push(PlainEdge {
                piece,
                visits: 0,
                value: 0.0,
                node: PlainNode::default(),
            });
            node.edges.len() - 1
        }

        /// The claimant's reward.
        fn roll_out(
            &mut self,
            board: &mut Board<'_>,
            game: &Game,
            node: &mut PlainNode,
            revealed: &mut Vec<Piece>,
        ) -> f32 {
            if revealed.len() == game.length(board.n_pieces()) {
                return self.options.reward.of(game.margin(board.logits(revealed)));
            }
            let own = game.mover(revealed.len()).sign();
            let edge = self.edge(node, board.n_pieces(), revealed);
            node.visits += 1;
            let edge = &mut node.edges[edge];
            revealed.push(edge.piece);
            let reward = self.roll_out(board, game, &mut edge.node, revealed);
            revealed.pop();
            edge.visits += 1;
            edge.value += (own * reward - edge.value) / edge.visits as f32;
            reward
        }
    }

    impl Player for Plain {
        fn choose(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
            if revealed.len() + 1 == game.length(board.n_pieces()) {
                return last(board, game, revealed);
            }
            let mut root = PlainNode::default();
            for n_left in (0..self.options.rollouts).rev() {
                self.roll_out(board, game, &mut root, &mut revealed.to_vec());
                let mut visits: Vec<u32> = root.edges.iter().map(|edge| edge.visits).collect();
                visits.sort_unstable_by(|a, b| b.cmp(a));
                let second = visits.get(1).copied().unwrap_or(0);
                let n_done = self.options.rollouts - n_left;
                if n_done.is_multiple_of(LOOK_EVERY) && visits[0] > second + n_left {
                    break;
                }
            }
            let most = root.edges.iter().map(|edge| edge.visits).max().unwrap();
            let best: Vec<&PlainEdge> = root.edges.iter().filter(|e| e.visits == most).collect();
            best[self.stream.below(best.len())].piece
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn games_in_lockstep_are_those_of_a_plain_search_one_by_one(
            case in 0..40_usize, pieces in 0..7_usize, is_first: bool, seed: u64,
            rollouts in 1..300_u32, is_margin: bool,
        ) {
            let judge = small::judge(3, 1);
            let (cases, _) = small::blobs(40, 3);
            let mut board = Board::new(&judge, &cases, case);
            let reward = if is_margin { Reward::Margin } else { Reward::Sign };
            let options = SearchOptions { rollouts, exploration: 2.0, reward };
            let first = if is_first { Side::Claimant } else { Side::Rival };
            let rivals = [RivalClaim::Label(1), RivalClaim::Label(2), RivalClaim::AnyOther];
            let games = rivals.map(|rival| Game { claim: 0, rival, pieces, first });
            let luck = |at: usize| Seed(seed).child(&at.to_string());
            let mut players: Vec<Search> =
                (0..3).map(|at| Search::new(options, luck(at))).collect();
            let together = play_in_lockstep(&mut board, &games, &mut players);
            for (at, game) in games.iter().enumerate() {
                // Memory of a search before changes nothing.
                players[at].reseed(luck(at));
                let alone = play_alone(&mut board, game, &mut players[at]);
                prop_assert_eq!(&alone, &together[at]);
                let mut plain = Plain { options, stream: luck(at).stream() };
                let plain = play_alone(&mut board, game, &mut plain);
                prop_assert_eq!(&plain, &together[at]);
            }
        }
    }
}
