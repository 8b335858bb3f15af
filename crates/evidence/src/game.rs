//! The rules: two sides reveal pieces in turn, and the judge, who sees the set that was revealed, decides by its logits.
//!
//! Paper: Irving et al. 2018, section 3.1.
//!
//! ```text
//! margin = z[claim] − max over the rival's labels z[l]         z the judge's logits after k pieces
//! the claimant wins                 margin > 0
//! reward of the claimant            sign of the margin, or tanh(margin / 2)
//! ```
//!
//! In the reproduction the claimant is the honest player, who claims the truth, and the rival the liar. A rival that has
//! committed itself names one label before the first piece; one that has not wins with whatever label the judge likes best
//! in the end. `tanh(margin / 2)` is the difference of the two labels' probabilities, were they the only ones.
//! A margin of zero is the rival's: the claimant has not shown its case.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::board::{Board, MOST_REVEALED, Piece};

/// A side of a game.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Argues for the claim; the honest player, where the claim is the truth.
    Claimant,
    /// Argues against it.
    Rival,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Claimant => Self::Rival,
            Self::Rival => Self::Claimant,
        }
    }

    /// 1 for the claimant, whose reward it is, and −1 for the rival.
    pub(crate) fn sign(self) -> f32 {
        match self {
            Self::Claimant => 1.0,
            Self::Rival => -1.0,
        }
    }
}

/// What the rival claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RivalClaim {
    /// One label, named before the first piece.
    Label(usize),
    /// No label before the end: any but the claim will do.
    AnyOther,
}

/// What a finished game is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reward {
    /// 1 for a win, −1 for a loss.
    #[default]
    Sign,
    /// `tanh(margin / 2)`: more for a clearer win.
    Margin,
}

impl Reward {
    pub(crate) fn of(self, margin: f32) -> f32 {
        match self {
            Self::Sign if margin > 0.0 => 1.0,
            Self::Sign => -1.0,
            Self::Margin => (margin / 2.0).tanh(),
        }
    }
}

/// One game's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Game {
    /// The label that the claimant claims.
    pub claim: usize,
    /// What the rival claims.
    pub rival: RivalClaim,
    /// Pieces that are revealed by both together; all of them, on a board of fewer.
    pub pieces: usize,
    /// Who reveals the first.
    pub first: Side,
}

impl Game {
    /// Pieces that are revealed on a board of `n_pieces`.
    ///
    /// # Panics
    ///
    /// When they are more than [`MOST_REVEALED`].
    pub fn length(&self, n_pieces: usize) -> usize {
        assert!(self.pieces <= MOST_REVEALED, "{} pieces", self.pieces);
        self.pieces.min(n_pieces)
    }

    /// Whose turn it is after `n_revealed` pieces.
    pub fn mover(&self, n_revealed: usize) -> Side {
        if n_revealed.is_multiple_of(2) {
            self.first
        } else {
            self.first.other()
        }
    }

    /// By how much the judge prefers the claim.
    pub fn margin(&self, logits: &[f32]) -> f32 {
        let rival = match self.rival {
            RivalClaim::Label(label) => logits[label],
            RivalClaim::AnyOther => best_but(logits, self.claim).1,
        };
        logits[self.claim] - rival
    }
}

/// The likeliest label but one, and its logit.
fn best_but(logits: &[f32], not: usize) -> (usize, f32) {
    let others = logits
        .iter()
        .copied()
        .enumerate()
        .filter(|(label, _)| *label != not);
    others.fold((not, f32::NEG_INFINITY), |best, other| {
        if other.1 > best.1 { other } else { best }
    })
}

/// How a game went.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// What was revealed, in order.
    pub revealed: Vec<Piece>,
    /// By how much the judge preferred the claim in the end.
    pub margin: f32,
}

impl Played {
    /// Who won.
    pub fn winner(&self) -> Side {
        if self.margin > 0.0 {
            Side::Claimant
        } else {
            Side::Rival
        }
    }
}

/// Someone who chooses pieces.
pub trait Player {
    /// The piece that `side` reveals next; one that is not revealed yet.
    fn choose(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece;
}

/// Plays a game to its end.
pub fn play(
    board: &mut Board<'_>,
    game: &Game,
    claimant: &mut dyn Player,
    rival: &mut dyn Player,
) -> Played {
    let length = game.length(board.n_pieces());
    let mut revealed = Vec::with_capacity(length);
    while revealed.len() < length {
        let piece = match game.mover(revealed.len()) {
            Side::Claimant => claimant.choose(board, game, &revealed),
            Side::Rival => rival.choose(board, game, &revealed),
        };
        debug_assert!(!revealed.contains(&piece), "piece {piece} twice");
        revealed.push(piece);
    }
    let margin = game.margin(board.logits(&revealed));
    Played { revealed, margin }
}

/// As [`play`], where one player plays both sides.
pub fn play_alone(board: &mut Board<'_>, game: &Game, player: &mut dyn Player) -> Played {
    let length = game.length(board.n_pieces());
    let mut revealed = Vec::with_capacity(length);
    while revealed.len() < length {
        let piece = player.choose(board, game, &revealed);
        debug_assert!(!revealed.contains(&piece), "piece {piece} twice");
        revealed.push(piece);
    }
    let margin = game.margin(board.logits(&revealed));
    Played { revealed, margin }
}
