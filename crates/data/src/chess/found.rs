//! `chess-search`: what a small search finds behind a move.
//!
//! For depths of 1 to 3 plies, the move itself being the first: the material it wins or loses after best
//! play and forced captures, how it compares with the best of the other moves, and which share of them is
//! better. Besides, whether it mates or lets itself be mated, and the choice of moves it leaves to either
//! side.

use cozy_chess::{Board, Move};

use super::search::{MATE, MATE_BOUND, after, legal_moves, material, score};

/// Plies that are looked ahead.
const MAX_DEPTH: i32 = 3;
/// Features of one depth.
const A_DEPTH: usize = 5;
/// Features a move.
pub(crate) const DIM: usize = MAX_DEPTH as usize * A_DEPTH + 4;

/// The features of `mv`, which is legal on `board`.
pub(crate) fn features(board: &Board, mv: Move) -> [f32; DIM] {
    let mut out = [0.0; DIM];
    let now = material(board);
    let next = after(board, mv);
    let moves = legal_moves(board);
    let others: Vec<Board> = (moves.iter().filter(|&&other| other != mv))
        .map(|&other| after(board, other))
        .collect();
    let mut at = 0;
    let mut last = 0;
    for depth in 0..MAX_DEPTH {
        let value = -score(&next, depth, -MATE, MATE);
        // Whether another move is better is all that is asked of it: a search with a null window.
        let is_better = |other: &&Board| -score(other, depth, -value - 1, -value) > value;
        let better = others.iter().filter(is_better).count() as f32;
        let share = better / others.len().max(1) as f32;
        out[at..at + A_DEPTH].copy_from_slice(&[
            squash(value - now),
            ((value - now) as f32 / 300.0).clamp(-1.0, 1.0),
            share,
            f32::from(u8::from(better == 0.0)),
            f32::from(u8::from(better <= 2.0)),
        ]);
        at += A_DEPTH;
        last = value;
    }
    let is = |truth: bool| f32::from(u8::from(truth));
    let choice = |board: &Board| legal_moves(board).len() as f32 / 30.0;
    out[at..].copy_from_slice(&[
        is(last > MATE_BOUND),
        is(last < -MATE_BOUND),
        choice(&next),
        choice(board),
    ]);
    out
}

/// Centipawns as a number between −1 and 1, with no function that differs between machines: 9 pawns are .6.
fn squash(centipawns: i32) -> f32 {
    let swing = centipawns as f32 / 600.0;
    swing / (1.0 + swing.abs())
}
