//! Who wins if both sides play perfectly: the value of a game, for all lies at once.
//!
//! ```text
//! won(S) = bits { l : z_S[claim] > z_S[l] }, and one more bit for "above all others"     where |S| = k
//! won(S) = OR  over pieces p ∉ S of won(S ∪ {p})                                         where the claimant moves
//! won(S) = AND over pieces p ∉ S of won(S ∪ {p})                                         where the rival moves
//! ```
//!
//! The judge sees a set, so a state is a set and whose turn it is follows from its size. All rivals' claims are solved in one
//! search: bits that are decided are not looked at again (as in alpha–beta, but for each bit), pieces that decided a bit are
//! tried first the next time, and sets that were solved are kept by their key. What is kept is bounded, and a set that was
//! pushed out is solved again.
//!
//! This values the protocol and the judge, not the search: what honest play loses here no search can win
//! against a perfect liar.

use crate::board::{Board, MOST_REVEALED, Piece, PieceSet};
use crate::game::{Game, Player, RivalClaim, Side};

/// Kept sets are `2^KEPT_BITS` at most.
const KEPT_BITS: u32 = 20;

/// Rivals' claims as bits: bit `l` for label `l`, and the one after the last for any other label.
pub type Claims = u16;

/// What is known of a set.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    key: PieceSet,
    won: Claims,
    lost: Claims,
}

/// Solves games on one board, for one claim and one order.
#[derive(Debug)]
pub struct Solver {
    claim: usize,
    pieces: usize,
    first: Side,
    kept: Vec<Kept>,
    /// Pieces in the order in which they are tried, by ply and lowest undecided bit.
    orders: Vec<Vec<Piece>>,
    n_bits: usize,
    /// Sums over the revealed pieces, by ply.
    sums: Vec<Vec<f32>>,
    n_leaves: u64,
}

impl Solver {
    /// A solver for games in which `claim` is claimed; the rival's claim does not matter.
    ///
    /// # Panics
    ///
    /// When there are more than 15 labels, or no piece is revealed.
    pub fn new(board: &mut Board<'_>, game: &Game) -> Self {
        let n_bits = board.n_labels() + 1;
        assert!(n_bits <= 16, "{} labels", n_bits - 1);
        let length = game.length(board.n_pieces());
        assert!(length > 0, "no piece is revealed");
        let mut solver = Self {
            claim: game.claim,
            pieces: length,
            first: game.first,
            kept: vec![Kept::default(); 1 << KEPT_BITS],
            orders: Vec::new(),
            n_bits,
            sums: vec![Vec::new(); length],
            n_leaves: 0,
        };
        solver.first_orders(board);
        solver
    }

    /// Pieces by what the judge makes of each alone: the first guess of what each side tries.
    fn first_orders(&mut self, board: &mut Board<'_>) {
        let n_labels = board.n_labels();
        let alone: Vec<Vec<f32>> = (0..board.n_pieces() as Piece)
            .map(|piece| board.logits(&[piece]).to_vec())
            .collect();
        for ply in 0..self.pieces {
            for bit in 0..self.n_bits {
                let game = self.game(if bit < n_labels {
                    RivalClaim::Label(bit)
                } else {
                    RivalClaim::AnyOther
                });
                let sign = game.mover(ply).sign();
                let mut order: Vec<Piece> = (0..board.n_pieces() as Piece).collect();
                let margin = |piece: &Piece| sign * game.margin(&alone[usize::from(*piece)]);
                order.sort_by(|a, b| margin(b).total_cmp(&margin(a)));
                self.orders.push(order);
            }
        }
    }

    fn game(&self, rival: RivalClaim) -> Game {
        Game {
            claim: self.claim,
            rival,
            pieces: self.pieces,
            first: self.first,
        }
    }

    /// The bit of a rival's claim.
    pub fn bit(&self, rival: RivalClaim) -> Claims {
        match rival {
            RivalClaim::Label(label) => 1 << label,
            RivalClaim::AnyOther => 1 << (self.n_bits - 1),
        }
    }

    /// Every rival's claim but the claim itself.
    pub fn all(&self) -> Claims {
        ((1_u32 << self.n_bits) - 1) as Claims & !(1 << self.claim)
    }

    /// Every piece, those first that decided something at this ply before.
    fn likely(&self, ply: usize, claim: Claims) -> Vec<Piece> {
        let of = |bit: usize| &self.orders[ply * self.n_bits + bit];
        let own = of(claim.trailing_zeros() as usize);
        let mut pieces = vec![own[0]];
        let fronts = (0..self.n_bits).map(|bit| of(bit)[0]);
        for piece in fronts.chain(own.iter().copied()) {
            if !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
        pieces
    }

    /// Ends of games that were looked at.
    pub fn n_leaves(&self) -> u64 {
        self.n_leaves
    }

    /// Which of the rival's `claims` the claimant beats from here, if both sides play perfectly.
    pub fn won(&mut self, board: &mut Board<'_>, revealed: &[Piece], claims: Claims) -> Claims {
        let mut pieces = [0; MOST_REVEALED];
        let at = revealed.len();
        pieces[..at].copy_from_slice(revealed);
        if at == self.pieces {
            let logits = board.logits(revealed);
            return decided(logits, self.claim) & claims;
        }
        let mut sum = std::mem::take(&mut self.sums[at]);
        board.sum(revealed, &mut sum);
        self.sums[at] = sum;
        self.solve(board, &mut pieces, at, claims)
    }

    fn solve(
        &mut self,
        board: &mut Board<'_>,
        pieces: &mut [Piece; MOST_REVEALED],
        at: usize,
        claims: Claims,
    ) -> Claims {
        let is_last = at + 1 == self.pieces;
        let key = PieceSet::of(&pieces[..at]);
        let slot = key.slot(KEPT_BITS);
        let (mut known_won, mut known_lost) = (0, 0);
        if at > 0 && self.kept[slot].key == key {
            let kept = self.kept[slot];
            (known_won, known_lost) = (kept.won, kept.lost);
        }
        let mut open = claims & !(known_won | known_lost);
        if open == 0 {
            return known_won & claims;
        }
        let asked = open;
        let mover = self.game(RivalClaim::AnyOther).mover(at);
        let first_bit = open.trailing_zeros() as usize;
        let order_at = at * self.n_bits + first_bit;
        let n = self.orders[order_at].len();
        let mut useful = None;
        for place in 0..n {
            let piece = self.orders[order_at][place];
            if pieces[..at].contains(&piece) {
                continue;
            }
            let won = if is_last {
                self.n_leaves += 1;
                decided(board.fresh_logits(&self.sums[at], piece), self.claim)
            } else {
                pieces[at] = piece;
                board.add_to(&mut self.sums, at, piece);
                self.solve(board, pieces, at + 1, open)
            };
            // Bits that this piece decides for its mover.
            let settled = match mover {
                Side::Claimant => won & open,
                Side::Rival => open & !won,
            };
            if settled != 0 {
                useful = Some(place);
                open &= !settled;
                if open == 0 {
                    break;
                }
            }
        }
        if let Some(place) = useful {
            self.orders[order_at][..=place].rotate_right(1);
        }
        let (won, lost) = match mover {
            Side::Claimant => (asked & !open, open),
            Side::Rival => (open, asked & !open),
        };
        let (won, lost) = (won | known_won, lost | known_lost);
        self.kept[slot] = Kept { key, won, lost };
        won & claims
    }
}

/// Which rivals' claims these logits decide for the claimant.
fn decided(logits: &[f32], claim: usize) -> Claims {
    let own = logits[claim];
    let above = logits
        .iter()
        .enumerate()
        .fold(0, |bits: Claims, (label, z)| {
            bits | (Claims::from(own > *z) << label)
        });
    let others = ((1_u32 << logits.len()) - 1) as Claims & !(1 << claim);
    above | (Claims::from(above & others == others) << logits.len())
}

/// A player that wins whenever the game is won, and otherwise does as another player does.
#[derive(Debug)]
pub struct Perfect<'s, P> {
    /// Solves the games.
    pub solver: &'s mut Solver,
    /// Chooses where nothing wins: it may hope for an opponent that errs.
    pub otherwise: P,
}

impl<P: Player> Player for Perfect<'_, P> {
    fn choose(&mut self, board: &mut Board<'_>, game: &Game, revealed: &[Piece]) -> Piece {
        let bit = self.solver.bit(game.rival);
        let side = game.mover(revealed.len());
        let wins = |won: Claims| (won == bit) == (side == Side::Claimant);
        if !wins(self.solver.won(board, revealed, bit)) {
            return self.otherwise.choose(board, game, revealed);
        }
        let mut pieces = revealed.to_vec();
        for piece in self.solver.likely(revealed.len(), bit) {
            if revealed.contains(&piece) {
                continue;
            }
            pieces.truncate(revealed.len());
            pieces.push(piece);
            if wins(self.solver.won(board, &pieces, bit)) {
                return piece;
            }
        }
        unreachable!("a game that is won has a piece that wins it")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;
    use crate::cases::Cases as _;
    use crate::game::{play, play_alone};
    use crate::search::{Chance, Search, SearchOptions};
    use crate::small;

    /// Plain minimax, one claim at a time, over orders of pieces.
    fn brute(board: &mut Board<'_>, game: &Game, revealed: &mut Vec<Piece>) -> bool {
        if revealed.len() == game.length(board.n_pieces()) {
            return game.margin(board.logits(revealed)) > 0.0;
        }
        let is_claimant = game.mover(revealed.len()) == Side::Claimant;
        let mut won = !is_claimant;
        for piece in 0..board.n_pieces() as Piece {
            if !revealed.contains(&piece) {
                revealed.push(piece);
                let child = brute(board, game, revealed);
                revealed.pop();
                won = if is_claimant {
                    won | child
                } else {
                    won & child
                };
            }
        }
        won
    }

    fn rivals(n_labels: usize, claim: usize) -> Vec<RivalClaim> {
        let lies = (0..n_labels).filter(|l| *l != claim);
        lies.map(RivalClaim::Label)
            .chain([RivalClaim::AnyOther])
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn values_are_those_of_plain_minimax(
            case in 0..40_usize, claim in 0..3_usize, pieces in 1..5_usize, is_first: bool, seed in 0..3_u64,
        ) {
            let judge = small::judge(3, seed);
            let (cases, _) = small::blobs(40, 3);
            let mut board = Board::new(&judge, &cases, case);
            let first = if is_first { Side::Claimant } else { Side::Rival };
            let game = Game { claim, rival: RivalClaim::AnyOther, pieces, first };
            let mut solver = Solver::new(&mut board, &game);
            let all = solver.all();
            let won = solver.won(&mut board, &[], all);
            for rival in rivals(3, claim) {
                let game = Game { rival, ..game };
                let brute = brute(&mut board, &game, &mut Vec::new());
                let bit = solver.bit(rival);
                prop_assert_eq!(won & bit != 0, brute);
                // Alone, and from what is kept, it is the same.
                prop_assert_eq!(solver.won(&mut board, &[], bit) != 0, brute);
            }
        }

        #[test]
        fn perfect_play_keeps_what_is_won(case in 0..40_usize, is_first: bool, seed: u64) {
            let judge = small::judge(3, 1);
            let (cases, _) = small::blobs(40, 3);
            let mut board = Board::new(&judge, &cases, case);
            let first = if is_first { Side::Claimant } else { Side::Rival };
            let game = Game { claim: case % 3, rival: RivalClaim::AnyOther, pieces: 4, first };
            for rival in rivals(3, game.claim) {
                let game = Game { rival, ..game };
                let mut solver = Solver::new(&mut board, &game);
                let bit = solver.bit(rival);
                let is_won = solver.won(&mut board, &[], bit) == bit;
                let mut perfect = Perfect { solver: &mut solver, otherwise: Chance::new(Seed(seed)) };
                let mut chance = Chance::new(Seed(seed).child("other"));
                let played = if is_won {
                    play(&mut board, &game, &mut perfect, &mut chance)
                } else {
                    play(&mut board, &game, &mut chance, &mut perfect)
                };
                prop_assert_eq!(played.winner() == Side::Claimant, is_won);
            }
        }
    }

    #[test]
    fn search_finds_the_exact_winner_of_small_games() {
        let judge = small::judge(3, 2);
        let (cases, _) = small::blobs(30, 3);
        let options = SearchOptions {
            rollouts: 3_000,
            ..SearchOptions::default()
        };
        let mut n_won = [0; 2];
        for case in (0..30).filter(|case| cases.n_pieces(*case) >= 5) {
            for first in [Side::Claimant, Side::Rival] {
                let game = Game {
                    claim: case % 3,
                    rival: RivalClaim::Label((case + 1) % 3),
                    pieces: 3,
                    first,
                };
                let mut board = Board::new(&judge, &cases, case);
                let mut solver = Solver::new(&mut board, &game);
                let bit = solver.bit(game.rival);
                let exact = solver.won(&mut board, &[], bit) == bit;
                let mut search = Search::new(options, Seed(case as u64));
                let searched = play_alone(&mut board, &game, &mut search).winner();
                assert_eq!(searched == Side::Claimant, exact, "{case}, {first:?} first");
                n_won[usize::from(exact)] += 1;
            }
        }
        assert!(n_won[0] > 5 && n_won[1] > 5, "{n_won:?}");
    }
}
