//! The margin that perfect play reaches.
//!
//! ```text
//! v(S) = margin(S)                                 where |S| = k
//! v(S) = max over pieces p ∉ S of v(S ∪ {p})       where the claimant moves
//! v(S) = min over pieces p ∉ S of v(S ∪ {p})       where the rival moves
//! ```
//!
//! By alpha–beta over orders of pieces, those first that are best for their mover alone. For a judge that is linear in the pieces
//! that order is the best one, so about the square root of all ends is looked at. [`crate::exact`] says who wins, for many
//! claims at once; this says by how much, for one.

use crate::board::{Board, MOST_REVEALED, Piece};
use crate::game::{Game, Side};

/// By how much the judge prefers the claim in the end, if both sides play perfectly.
pub fn value(board: &mut Board<'_>, game: &Game) -> f32 {
    let mut alone: Vec<(Piece, f32)> = (0..board.n_pieces() as Piece)
        .map(|piece| (piece, game.margin(board.logits(&[piece]))))
        .collect();
    alone.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best_first = alone.iter().map(|(piece, _)| *piece).collect();
    let worst_first = alone.iter().rev().map(|(piece, _)| *piece).collect();
    let mut search = AlphaBeta {
        game: *game,
        length: game.length(board.n_pieces()),
        orders: [best_first, worst_first],
        revealed: [0; MOST_REVEALED],
    };
    search.value(board, 0, f32::NEG_INFINITY, f32::INFINITY)
}

struct AlphaBeta {
    game: Game,
    length: usize,
    /// In what order the claimant and the rival try pieces.
    orders: [Vec<Piece>; 2],
    revealed: [Piece; MOST_REVEALED],
}

impl AlphaBeta {
    fn value(&mut self, board: &mut Board<'_>, at: usize, mut low: f32, mut high: f32) -> f32 {
        if at == self.length {
            return self.game.margin(board.logits(&self.revealed[..at]));
        }
        let mover = self.game.mover(at);
        let (order, mut best) = match mover {
            Side::Claimant => (0, f32::NEG_INFINITY),
            Side::Rival => (1, f32::INFINITY),
        };
        for place in 0..self.orders[order].len() {
            let piece = self.orders[order][place];
            if self.revealed[..at].contains(&piece) {
                continue;
            }
            self.revealed[at] = piece;
            let value = self.value(board, at + 1, low, high);
            match mover {
                Side::Claimant => {
                    best = best.max(value);
                    low = low.max(best);
                }
                Side::Rival => {
                    best = best.min(value);
                    high = high.min(best);
                }
            }
            if low >= high {
                break;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exact::Solver;
    use crate::game::RivalClaim;
    use crate::small;

    fn brute(board: &mut Board<'_>, game: &Game, revealed: &mut Vec<Piece>) -> f32 {
        if revealed.len() == game.length(board.n_pieces()) {
            return game.margin(board.logits(revealed));
        }
        let is_claimant = game.mover(revealed.len()) == Side::Claimant;
        let mut values = Vec::new();
        for piece in 0..board.n_pieces() as Piece {
            if !revealed.contains(&piece) {
                revealed.push(piece);
                values.push(brute(board, game, revealed));
                revealed.pop();
            }
        }
        let better = if is_claimant { f32::max } else { f32::min };
        values.into_iter().reduce(better).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn values_are_those_of_plain_minimax(
            case in 0..40_usize, claim in 0..3_usize, pieces in 1..5_usize, is_first: bool, any: bool,
        ) {
            let judge = small::judge(3, 1);
            let (cases, _) = small::blobs(40, 3);
            let mut board = Board::new(&judge, &cases, case);
            let first = if is_first { Side::Claimant } else { Side::Rival };
            let rival = if any { RivalClaim::AnyOther } else { RivalClaim::Label((claim + 1) % 3) };
            let game = Game { claim, rival, pieces, first };
            let value = value(&mut board, &game);
            prop_assert_eq!(value, brute(&mut board, &game, &mut Vec::new()));
            let mut solver = Solver::new(&mut board, &game);
            let bit = solver.bit(rival);
            // Sums in another order may differ in their last bits.
            if value.abs() > 1e-5 {
                prop_assert_eq!(solver.won(&mut board, &[], bit) == bit, value > 0.0);
            }
        }
    }
}
