//! `chess-shallow`: what can be seen of a move at a glance, without thinking ahead.
//!
//! The piece, what it takes, whether it gives check, where it goes and who attacks it there, and how much
//! material there is. Values are in pawns or shares, about 1 in size.

use cozy_chess::{
    BitBoard, Board, Color, Move, Piece, Square, get_bishop_moves, get_king_moves,
    get_knight_moves, get_pawn_attacks, get_rook_moves,
};

use super::search::{after, captured, material, worth};

/// Features a move.
pub(crate) const DIM: usize = 24;

/// The features of `mv`, which is legal on `board`.
pub(crate) fn features(board: &Board, mv: Move) -> [f32; DIM] {
    let own = board.side_to_move();
    let next = after(board, mv);
    let piece = board.piece_on(mv.from).unwrap_or(Piece::King);
    let pawns = |piece: Option<Piece>| piece.map_or(0.0, |piece| worth(piece) as f32 / 300.0);
    let taken = captured(board, mv);
    let is = |truth: bool| f32::from(u8::from(truth));
    let attacks = |square, by| attackers(&next, square, by).len() as f32;
    let was_attacked = !attackers(board, mv.from, !own).is_empty();
    let forward = |square: Square| square.rank().relative_to(own) as usize as f32;
    let enemy_king = next.king(!own);
    let mut out = [0.0; DIM];
    out[piece as usize] = 1.0;
    out[6..].copy_from_slice(&[
        is(taken.is_some()),
        pawns(taken),
        pawns(taken) - pawns(Some(piece)),
        is(!next.checkers().is_empty()),
        is(mv.promotion == Some(Piece::Queen)),
        is(board.color_on(mv.to) == Some(own)),
        centre(mv.from) / 3.0,
        centre(mv.to) / 3.0,
        (forward(mv.to) - forward(mv.from)) / 4.0,
        distance(mv.to, enemy_king) / 4.0,
        distance(mv.from, mv.to) / 4.0,
        attacks(mv.to, !own) / 2.0,
        attacks(mv.to, own) / 2.0,
        is(attacks(mv.to, !own) > 0.0) * pawns(Some(piece)),
        is(was_attacked) * pawns(Some(piece)),
        is(!board.checkers().is_empty()),
        (material(board) as f32 / 1000.0).clamp(-1.0, 1.0),
        board.occupied().len() as f32 / 32.0,
    ]);
    out
}

/// The pieces of `by` that attack `square`.
fn attackers(board: &Board, square: Square, by: Color) -> BitBoard {
    let occupied = board.occupied();
    let sliders = |a, b| board.pieces(a) | board.pieces(b);
    let all = get_knight_moves(square) & board.pieces(Piece::Knight)
        | get_king_moves(square) & board.pieces(Piece::King)
        | get_pawn_attacks(square, !by) & board.pieces(Piece::Pawn)
        | get_bishop_moves(square, occupied) & sliders(Piece::Bishop, Piece::Queen)
        | get_rook_moves(square, occupied) & sliders(Piece::Rook, Piece::Queen);
    all & board.colors(by)
}

/// Steps of a king between two squares.
fn distance(a: Square, b: Square) -> f32 {
    let files = (a.file() as usize).abs_diff(b.file() as usize);
    let ranks = (a.rank() as usize).abs_diff(b.rank() as usize);
    files.max(ranks) as f32
}

/// Steps of a king to the four central squares: 0 to 3.
fn centre(square: Square) -> f32 {
    let off = |i: usize| if i < 4 { 3 - i } else { i - 4 };
    off(square.file() as usize).max(off(square.rank() as usize)) as f32
}
