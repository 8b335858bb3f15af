//! A small search over chess positions: material, forced captures, mates.
//!
//! ```text
//! v(p, 0) = q(p)                              v(p, d) = max over legal m of −v(p·m, d − 1)
//! q(p)    = max(material, max over captures and promotions m of −q(p·m));  in check: all moves, no stand-pat
//! ```
//!
//! Fail-soft alpha-beta. Scores are in centipawns for the side to move; a mate in `n` plies is
//! `MATE − n`, a stalemate 0. There is no hash table, no clock and no randomness: a position has one
//! score. It is what a strong model's features are made of, not a chess engine.

use cozy_chess::{Board, Color, GameStatus, Move, Piece};

/// The score of giving mate at once.
pub(crate) const MATE: i32 = 100_000;
/// Scores beyond this are mates.
pub(crate) const MATE_BOUND: i32 = MATE - 1000;
/// Plies of captures after the search proper.
const QUIET_PLIES: i32 = 8;

/// What a piece is worth, in centipawns.
pub(crate) fn worth(piece: Piece) -> i32 {
    match piece {
        Piece::Pawn => 100,
        Piece::Knight => 300,
        Piece::Bishop => 320,
        Piece::Rook => 500,
        Piece::Queen => 900,
        Piece::King => 0,
    }
}

/// Own material minus the other side's, in centipawns, for the side to move.
pub(crate) fn material(board: &Board) -> i32 {
    let of = |color: Color| -> i32 {
        let count = |&piece| worth(piece) * board.colored_pieces(color, piece).len().cast_signed();
        Piece::ALL.iter().map(count).sum()
    };
    let own = board.side_to_move();
    of(own) - of(!own)
}

/// Every legal move, in the order of the generator.
pub(crate) fn legal_moves(board: &Board) -> Vec<Move> {
    let mut moves = Vec::with_capacity(48);
    board.generate_moves(|of_piece| {
        moves.extend(of_piece);
        false
    });
    moves
}

/// The position after `mv`, which is legal.
pub(crate) fn after(board: &Board, mv: Move) -> Board {
    let mut next = board.clone();
    next.play_unchecked(mv);
    next
}

/// What `mv` takes. Castling is written as the king taking its own rook, and takes nothing.
pub(crate) fn captured(board: &Board, mv: Move) -> Option<Piece> {
    let own = board.side_to_move();
    let is_en_passant = board.piece_on(mv.from) == Some(Piece::Pawn)
        && mv.from.file() != mv.to.file()
        && board.color_on(mv.to).is_none();
    match board.color_on(mv.to) {
        Some(color) if color != own => board.piece_on(mv.to),
        None if is_en_passant => Some(Piece::Pawn),
        _ => None,
    }
}

/// The score of `board` for the side to move, `depth` plies deep, exact between `alpha` and `beta`.
pub(crate) fn score(board: &Board, depth: i32, alpha: i32, beta: i32) -> i32 {
    at_ply(board, depth, 0, alpha, beta)
}

fn at_ply(board: &Board, depth: i32, ply: i32, mut alpha: i32, beta: i32) -> i32 {
    match board.status() {
        GameStatus::Won => return ply - MATE,
        GameStatus::Drawn => return 0,
        GameStatus::Ongoing => {}
    }
    let in_check = !board.checkers().is_empty();
    let quiet = depth <= 0;
    let mut best = -MATE;
    if quiet {
        if depth <= -QUIET_PLIES || !in_check {
            best = material(board);
        }
        alpha = alpha.max(best);
        if best >= beta || depth <= -QUIET_PLIES {
            return best;
        }
    }
    let mut moves = legal_moves(board);
    if quiet && !in_check {
        moves.retain(|&mv| captured(board, mv).is_some() || mv.promotion == Some(Piece::Queen));
    }
    moves.sort_by_cached_key(|&mv| -gain(board, mv));
    for mv in moves {
        let value = -at_ply(&after(board, mv), depth - 1, ply + 1, -beta, -alpha);
        best = best.max(value);
        alpha = alpha.max(best);
        if alpha >= beta {
            break;
        }
    }
    best
}

/// What a move promises at first sight: most valuable victim, least valuable attacker.
fn gain(board: &Board, mv: Move) -> i32 {
    let victim = captured(board, mv).map_or(0, |piece| 10 * worth(piece));
    let attacker = board.piece_on(mv.from).map_or(0, worth);
    let promotion = mv.promotion.map_or(0, |piece| 10 * worth(piece));
    if victim + promotion > 0 {
        victim + promotion - attacker
    } else {
        -attacker / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(fen: &str) -> Board {
        Board::from_fen(fen, false).unwrap()
    }

    fn deep(fen: &str, depth: i32) -> i32 {
        score(&board(fen), depth, -MATE, MATE)
    }

    #[test]
    fn mates_and_stalemates_are_seen() {
        let back_rank = "6k1/5ppp/8/8/8/8/8/4R1K1 w - - 0 1";
        assert_eq!(deep(back_rank, 1), MATE - 1);
        // Every depth finds the same mate.
        assert_eq!(deep(back_rank, 3), MATE - 1);
        assert_eq!(deep("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", 2), 0);
    }

    #[test]
    fn a_defended_piece_is_not_won() {
        let hanging = "4k3/8/8/3r4/8/8/8/3QK3 w - - 0 1";
        assert_eq!(deep(hanging, 0), 900);
        let defended = "4k3/8/4p3/3r4/8/8/8/3QK3 w - - 0 1";
        assert_eq!(deep(defended, 0), 900 - 500 - 100);
    }

    /// The slow twin: no window, no order.
    fn minimax(board: &Board, depth: i32, ply: i32) -> i32 {
        match board.status() {
            GameStatus::Won => return ply - MATE,
            GameStatus::Drawn => return 0,
            GameStatus::Ongoing => {}
        }
        let in_check = !board.checkers().is_empty();
        let quiet = depth <= 0;
        let stand = quiet && (depth <= -QUIET_PLIES || !in_check);
        let mut best = if stand { material(board) } else { -MATE };
        if depth > -QUIET_PLIES {
            for mv in legal_moves(board) {
                let is_loud = captured(board, mv).is_some() || mv.promotion == Some(Piece::Queen);
                if !quiet || in_check || is_loud {
                    best = best.max(-minimax(&after(board, mv), depth - 1, ply + 1));
                }
            }
        }
        best
    }

    #[test]
    fn windows_change_nothing() {
        for fen in [
            "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
            "4k3/1P6/8/3r4/8/8/6p1/3QK3 w - - 0 1",
            "6k1/p1p2ppp/1p1p2r1/3q4/8/1P6/P1P2PPP/4RK2 w - - 0 23",
        ] {
            for depth in 0..3 {
                let slow = minimax(&board(fen), depth, 0);
                assert_eq!(deep(fen, depth), slow, "{fen} {depth}");
                for alpha in [slow - 1, slow] {
                    let above = score(&board(fen), depth, alpha, alpha + 1) > alpha;
                    assert_eq!(above, slow > alpha, "{fen} {depth} {alpha}");
                }
            }
        }
    }
}
