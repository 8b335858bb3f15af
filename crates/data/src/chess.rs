//! Chess puzzles as questions: is this move the solution?
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390, section 3: chess puzzles of lichess.org.
//!
//! A puzzle is a position, the opponent's move in it, and the only good answer to that (the solution). It
//! becomes two questions, of the solution and of a *decoy*: another legal move, drawn by the puzzle's id
//! from those that are forcing (take something or give check) if and only if the solution is; from all,
//! where there is none of that kind. Other moves that mate at once are no decoys: Lichess accepts them.
//!
//! ```text
//! decoys drawn from         all legal moves    forcing moves    moves forcing as the solution is
//! shallow probe, accuracy               .87              .73                                 .72
//! look-ahead probe                      .94              .93                                 .93
//! ```
//!
//! (Mean of three thirds of the built-in set, trained on another third.) Among all moves, "it gives check"
//! nearly gives the solution away.
//!
//! In: FEN and moves in UCI. Out: positions, words, and three kinds of features: `chess-shallow` is what a
//! weak supervisor sees, `chess-search` what a search of three plies finds, `chess-look-ahead` both.
//! Differs from the paper: there a language model writes the move; here a model judges a given one, so
//! that every role of a run answers the same kind of question.

use std::sync::Arc;
use std::thread;

use cozy_chess::util::parse_uci_move;
use cozy_chess::{Board, Color, GameStatus, Move, Piece};
use half::f16;
use trimtab_core::{FeatureTable, NamedFeatures, SampleId};

use crate::dataset::drawn;

mod found;
mod search;
mod shallow;

use search::{after, captured, legal_moves};

/// What is seen at a glance.
const SHALLOW: &str = "chess-shallow";
/// What is found by a search.
pub(crate) const SEARCH: &str = "chess-search";
/// Both.
const LOOK_AHEAD: &str = "chess-look-ahead";
/// Features of a search, a move.
pub(crate) const SEARCH_DIM: usize = found::DIM;

/// Why a row is no puzzle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no position: {0:?} ({1})")]
    Position(String, String),
    #[error("{0:?} is not two moves or more")]
    TooFew(String),
    #[error("{0:?} is no legal move in {1}")]
    Illegal(String, String),
    #[error("there is no other move than the solution {0} in {1}, but mates")]
    Forced(String, String),
}

/// A position, and the move to find in it.
#[derive(Debug, Clone)]
pub(crate) struct Puzzle {
    pub(crate) position: Board,
    pub(crate) solution: Move,
}

impl Puzzle {
    /// Plays the opponent's move, and looks at the next one.
    pub(crate) fn parse(fen: &str, moves: &str) -> Result<Self, Fault> {
        let position = Board::from_fen(fen, false);
        let mut position =
            position.map_err(|error| Fault::Position(fen.to_owned(), error.to_string()))?;
        let mut moves_in_order = moves.split_ascii_whitespace();
        let (Some(theirs), Some(solution)) = (moves_in_order.next(), moves_in_order.next()) else {
            return Err(Fault::TooFew(moves.to_owned()));
        };
        position.play_unchecked(legal(&position, theirs)?);
        let solution = legal(&position, solution)?;
        Ok(Self { position, solution })
    }

    /// Another move, that could be taken for the solution at a glance.
    pub(crate) fn decoy(&self, id: &str) -> Result<Move, Fault> {
        let position = &self.position;
        let others: Vec<Move> = (legal_moves(position).into_iter())
            .filter(|&other| other != self.solution && !mates(position, other))
            .collect();
        let is_alike =
            |other: &&Move| is_forcing(position, **other) == is_forcing(position, self.solution);
        let alike: Vec<Move> = others.iter().filter(is_alike).copied().collect();
        let pool = if alike.is_empty() { others } else { alike };
        if pool.is_empty() {
            let solution = self.solution.to_string();
            return Err(Fault::Forced(solution, position.to_string()));
        }
        Ok(pool[drawn("decoy", id, pool.len())])
    }
}

/// The move that `uci` stands for. Only what the generator makes is legal: a promotion to a king is not.
fn legal(position: &Board, uci: &str) -> Result<Move, Fault> {
    let parsed = parse_uci_move(position, uci).ok();
    let found = parsed.filter(|parsed| legal_moves(position).contains(parsed));
    found.ok_or_else(|| Fault::Illegal(uci.to_owned(), position.to_string()))
}

fn mates(position: &Board, mv: Move) -> bool {
    after(position, mv).status() == GameStatus::Won
}

/// Whether a move takes something or gives check.
fn is_forcing(position: &Board, mv: Move) -> bool {
    captured(position, mv).is_some() || !after(position, mv).checkers().is_empty()
}

/// A position and a move, for models that read: `… w - - 0 1 : rook e1 takes queen e8, check`.
pub(crate) fn in_words(position: &Board, mv: Move) -> String {
    let name = |piece: Piece| match piece {
        Piece::Pawn => "pawn",
        Piece::Knight => "knight",
        Piece::Bishop => "bishop",
        Piece::Rook => "rook",
        Piece::Queen => "queen",
        Piece::King => "king",
    };
    let side = match position.side_to_move() {
        Color::White => "white",
        Color::Black => "black",
    };
    let piece = position.piece_on(mv.from).map_or("piece", name);
    let mut words = format!("{position} : {side} {piece} {} ", mv.from);
    if position.color_on(mv.to) == Some(position.side_to_move()) {
        words += "castles with ";
    } else if let Some(taken) = captured(position, mv) {
        words += "takes ";
        words += name(taken);
        words += " ";
    } else {
        words += "to ";
    }
    words += &mv.to.to_string();
    if let Some(piece) = mv.promotion {
        words += ", becomes ";
        words += name(piece);
    }
    if !after(position, mv).checkers().is_empty() {
        words += ", check";
    }
    words
}

/// The features of every move. Those of a search take a millisecond or three a move, on every core, where
/// they are not `stored`.
pub(crate) fn features(
    ids: &[SampleId],
    tried: &[(Board, Move)],
    stored: Option<Vec<f16>>,
) -> Vec<NamedFeatures> {
    let glance = each(tried, shallow::features);
    let found = stored.unwrap_or_else(|| each(tried, found::features));
    let rows = glance.chunks(shallow::DIM).zip(found.chunks(found::DIM));
    let both = rows.flat_map(|(glance, found)| [glance, found].concat());
    let both = (LOOK_AHEAD, shallow::DIM + found::DIM, both.collect());
    let kinds = [
        (SHALLOW, shallow::DIM, glance),
        (SEARCH, found::DIM, found),
        both,
    ];
    let named = kinds.into_iter().map(|(name, dim, values)| {
        let table = FeatureTable::from_f16(ids, dim, values);
        let table = table.unwrap_or_else(|error| unreachable!("{name}: {error}"));
        NamedFeatures {
            name: name.to_owned(),
            table: Arc::new(table),
        }
    });
    named.collect()
}

/// The features of every move, on every core. Half floats hold them exactly enough.
fn each<const DIM: usize>(
    tried: &[(Board, Move)],
    features: fn(&Board, Move) -> [f32; DIM],
) -> Vec<f16> {
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let share = tried.len().div_ceil(n_threads).max(1);
    let of_share = |tried: &[(Board, Move)]| -> Vec<f16> {
        let rows = tried.iter().flat_map(|(board, mv)| features(board, *mv));
        rows.map(f16::from_f32).collect()
    };
    thread::scope(|scope| {
        let shares: Vec<_> = tried
            .chunks(share)
            .map(|tried| scope.spawn(move || of_share(tried)))
            .collect();
        let joined = shares.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .flat_map(|share| share.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_is_another_legal_move_of_the_same_kind() {
        let (fen, moves) = (
            "8/1b4kp/p3r1p1/Qp6/2PP1pPq/1P6/P2R4/5RK1 w - - 2 36",
            "a5c7 e6e7",
        );
        let puzzle = Puzzle::parse(fen, moves).unwrap();
        let decoys: Vec<Move> = (0..50)
            .map(|i| puzzle.decoy(&i.to_string()).unwrap())
            .collect();
        for &decoy in &decoys {
            assert_ne!(decoy, puzzle.solution);
            assert!(legal_moves(&puzzle.position).contains(&decoy));
            assert!(!mates(&puzzle.position, decoy));
            assert!(!is_forcing(&puzzle.position, decoy));
        }
        assert!(
            decoys.iter().any(|&decoy| decoy != decoys[0]),
            "it is drawn"
        );
    }

    #[test]
    fn words_name_every_kind_of_move() {
        let words = |fen: &str, uci: &str| {
            let position = Board::from_fen(fen, false).unwrap();
            let words = in_words(&position, legal(&position, uci).unwrap());
            words.split_once(" : ").unwrap().1.to_owned()
        };
        let castling = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1";
        assert_eq!(words(castling, "e1g1"), "white king e1 castles with h1");
        assert_eq!(
            words(castling, "a1a8"),
            "white rook a1 takes rook a8, check"
        );
        let pawns = "4k3/6P1/8/3pP3/8/8/8/4K3 w - d6 0 1";
        assert_eq!(words(pawns, "e5d6"), "white pawn e5 takes pawn d6");
        assert_eq!(
            words(pawns, "g7g8q"),
            "white pawn g7 to g8, becomes queen, check"
        );
    }
}
