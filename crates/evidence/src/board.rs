//! A board: one case as a judge sees its pieces, ready for many games.
//!
//! Every piece's contribution to the judge's first layer is computed once (`[n_pieces, width]`). The logits of a set of pieces
//! depend on the set alone, not on who revealed what, nor when, nor on what is claimed; so they are kept, by set, for all
//! games on the board: every lie, seed, order and search.

use crate::cases::Cases;
use crate::judge::{Head, Judge};

/// A piece of a board, from 0.
pub type Piece = u16;

/// At most so many pieces can be revealed in a game: what fits a key.
pub const MOST_REVEALED: usize = 8;

/// Kept sets are `2^KEPT_BITS` at most.
const KEPT_BITS: u32 = 16;

/// A set of pieces as one number: pieces plus one, ascending, 16 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct SetKey(u128);

impl SetKey {
    /// The key of `pieces`, which are different and ascending.
    fn new(pieces: &[Piece]) -> Self {
        let bits = pieces.iter().fold(0, |bits: u128, piece| {
            (bits << 16) | (u128::from(*piece) + 1)
        });
        Self(bits)
    }

    /// The key of different `pieces`, in any order.
    pub(crate) fn of_any_order(pieces: &[Piece]) -> Self {
        Self::new(&ascending(pieces)[..pieces.len()])
    }

    /// A place among `2^bits`.
    pub(crate) fn slot(self, bits: u32) -> usize {
        let low = (self.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let high = ((self.0 >> 64) as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let mixed = (low ^ (low >> 29) ^ high.rotate_left(31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> (64 - bits)) as usize
    }
}

/// Different pieces in ascending order, and zeros.
fn ascending(pieces: &[Piece]) -> [Piece; MOST_REVEALED] {
    let mut sorted = [0; MOST_REVEALED];
    for (n, &piece) in pieces.iter().enumerate() {
        // Insertion: there are few.
        let mut at = n;
        while at > 0 && sorted[at - 1] > piece {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = piece;
    }
    sorted
}

/// One case before one judge.
#[derive(Debug, Clone)]
pub struct Board<'a> {
    head: Head<'a>,
    /// The sum over no pieces.
    bias: &'a [f32],
    /// `[n_pieces, width]`.
    rows: Vec<f32>,
    n_pieces: usize,
    n_labels: usize,
    keys: Vec<SetKey>,
    /// `[2^KEPT_BITS, n_labels]`.
    kept: Vec<f32>,
    n_asked: u64,
    n_evaluated: u64,
}

impl<'a> Board<'a> {
    /// The board of a case.
    ///
    /// # Panics
    ///
    /// When the case has 65,535 pieces or more.
    pub fn new(judge: &'a Judge, cases: &dyn Cases, case: usize) -> Self {
        let n_pieces = cases.n_pieces(case);
        assert!(n_pieces < usize::from(Piece::MAX), "{n_pieces} pieces");
        let width = judge.width();
        let mut rows = vec![0.0; n_pieces * width];
        let mut features = Vec::new();
        for (piece, row) in rows.chunks_exact_mut(width).enumerate() {
            features.clear();
            cases.piece(case, piece, &mut features);
            judge.add(&features, row);
        }
        let n_kept = 1 << KEPT_BITS;
        Self {
            head: Head::new(judge),
            bias: judge.bias(),
            rows,
            n_pieces,
            n_labels: judge.n_labels(),
            keys: vec![SetKey::default(); n_kept],
            kept: vec![0.0; n_kept * judge.n_labels()],
            n_asked: 0,
            n_evaluated: 0,
        }
    }

    /// How many pieces there are to reveal.
    pub fn n_pieces(&self) -> usize {
        self.n_pieces
    }

    /// How many labels the judge chooses from.
    pub fn n_labels(&self) -> usize {
        self.n_labels
    }

    /// How often logits were asked for, and how often they had to be computed.
    pub fn evaluations(&self) -> [u64; 2] {
        [self.n_asked, self.n_evaluated]
    }

    /// The judge's logits after a set of pieces, kept for the next who asks.
    pub fn logits(&mut self, pieces: &[Piece]) -> &[f32] {
        self.n_asked += 1;
        let pieces = &ascending(pieces)[..pieces.len()];
        let key = SetKey::new(pieces);
        let slot = key.slot(KEPT_BITS);
        let at = slot * self.n_labels..(slot + 1) * self.n_labels;
        // The empty set's key is that of an empty slot.
        if self.keys[slot] != key || pieces.is_empty() {
            self.n_evaluated += 1;
            self.keys[slot] = key;
            let logits = self.head.logits(self.bias, &self.rows, pieces);
            self.kept[at.clone()].copy_from_slice(logits);
        }
        &self.kept[at]
    }

    /// The logits of a set without a look at what is kept, for those who ask for each set once.
    pub(crate) fn fresh_logits(&mut self, sum: &[f32], piece: Piece) -> &[f32] {
        self.n_asked += 1;
        self.n_evaluated += 1;
        self.head.logits(sum, &self.rows, &[piece])
    }

    /// The sum over a set of pieces.
    pub(crate) fn sum(&self, pieces: &[Piece], sum: &mut Vec<f32>) {
        sum.clear();
        sum.extend_from_slice(self.bias);
        let width = sum.len();
        for &piece in pieces {
            let row = &self.rows[usize::from(piece) * width..][..width];
            for (sum, x) in sum.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }

    /// Fills the sum after `sums[at]` with that and one more piece.
    pub(crate) fn add_to(&self, sums: &mut [Vec<f32>], at: usize, piece: Piece) {
        let (below, above) = sums.split_at_mut(at + 1);
        let (below, above) = (&below[at], &mut above[0]);
        above.resize(below.len(), 0.0);
        let row = &self.rows[usize::from(piece) * below.len()..][..below.len()];
        for ((above, x), y) in above.iter_mut().zip(below).zip(row) {
            *above = x + y;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cases::Cases as _;
    use crate::small;

    proptest! {
        #[test]
        fn keys_are_those_of_sets(mut pieces in proptest::collection::hash_set(0..2_000_u16, 0..=MOST_REVEALED)
            .prop_map(|set| set.into_iter().collect::<Vec<_>>()), other in 0..2_000_u16) {
            let key = SetKey::of_any_order(&pieces);
            pieces.reverse();
            prop_assert_eq!(SetKey::of_any_order(&pieces), key);
            prop_assert!(key.slot(5) < 32);
            if !pieces.is_empty() && !pieces.contains(&other) {
                pieces[0] = other;
                prop_assert_ne!(SetKey::of_any_order(&pieces), key);
            }
        }
    }

    #[test]
    fn logits_are_the_judges_whatever_the_order_and_what_is_kept() {
        let judge = small::judge(3, 4);
        let (cases, _) = small::blobs(9, 3);
        for case in 0..cases.len() {
            let mut board = Board::new(&judge, &cases, case);
            assert_eq!(board.n_pieces(), cases.n_pieces(case));
            let n = board.n_pieces() as Piece;
            for _ in 0..2 {
                for (a, b) in (0..n).flat_map(|a| (0..n).map(move |b| (a, b))) {
                    if a != b {
                        let one = board.logits(&[a, b]).to_vec();
                        assert_eq!(one, board.logits(&[b, a]));
                        let plain = judge.logits(&cases, case, &[a.into(), b.into()]);
                        for (x, y) in one.iter().zip(plain) {
                            assert!((x - y).abs() < 1e-5, "{x} {y}");
                        }
                    }
                }
            }
            let n = u64::from(n);
            let [asked, evaluated] = board.evaluations();
            assert_eq!(asked, 4 * n * (n - 1));
            assert!(evaluated <= n * (n - 1), "{evaluated} of {n} pieces");
        }
    }
}
