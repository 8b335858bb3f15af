//! A board: one case as a judge sees its pieces, ready for many games.
//!
//! Every piece's contribution to the judge's first layer is computed once (`[n_pieces, width]`). The logits of a set of pieces
//! depend on the set alone, not on who revealed what, nor when, nor on what is claimed; so they are kept, by set, for all
//! games on the board: every lie, seed, order and search.

use crate::cases::Cases;
use crate::judge::{Aligned, Head, Judge};

/// A piece of a board, from 0.
pub type Piece = u16;

/// At most so many pieces can be revealed in a game: what fits a key.
pub const MOST_REVEALED: usize = 8;

/// Kept sets are `2^KEPT_BITS` at most.
const KEPT_BITS: u32 = 16;

/// Sets that are evaluated together at most.
const BATCH: usize = 32;

/// A set of pieces as one number: pieces plus one, ascending, 16 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct PieceSet(u128);

impl PieceSet {
    /// The set of different `pieces`, in any order.
    pub(crate) fn of(pieces: &[Piece]) -> Self {
        let sorted = ascending(pieces);
        let bits = sorted[..pieces.len()].iter().fold(0, |bits: u128, piece| {
            (bits << 16) | (u128::from(*piece) + 1)
        });
        Self(bits)
    }

    /// Its pieces, ascending.
    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    pub(crate) fn pieces(self) -> impl Iterator<Item = Piece> {
        let n_bits = 128 - self.0.leading_zeros();
        let ends = (0..n_bits.div_ceil(16)).rev();
        ends.map(move |end| (self.0 >> (16 * end)) as u16 - 1)
    }

    /// A place among `2^bits`.
    pub(crate) fn slot(self, bits: u32) -> usize {
        let low = (self.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let high = ((self.0 >> 64) as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let mixed = (low ^ (low >> 29) ^ high.rotate_left(31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> (64 - bits)) as usize
    }
}

/// Pieces in ascending order, and then the largest number, by a network of 19 comparisons (Batcher's odd–even merge sort). No branch
/// depends on them.
fn ascending(pieces: &[Piece]) -> [Piece; MOST_REVEALED] {
    let mut sorted = [Piece::MAX; MOST_REVEALED];
    for (place, piece) in sorted.iter_mut().zip(pieces) {
        *place = *piece;
    }
    let [a, b, c, d, e, f, g, h] = sorted;
    let order = |a: Piece, b: Piece| (a.min(b), a.max(b));
    let ((a, b), (c, d), (e, f), (g, h)) = (order(a, b), order(c, d), order(e, f), order(g, h));
    let ((a, c), (b, d), (e, g), (f, h)) = (order(a, c), order(b, d), order(e, g), order(f, h));
    let ((b, c), (f, g)) = (order(b, c), order(f, g));
    let ((a, e), (b, f), (c, g), (d, h)) = (order(a, e), order(b, f), order(c, g), order(d, h));
    let ((c, e), (d, f)) = (order(c, e), order(d, f));
    let ((b, c), (d, e), (f, g)) = (order(b, c), order(d, e), order(f, g));
    [a, b, c, d, e, f, g, h]
}

/// One case before one judge.
#[derive(Debug, Clone)]
pub struct Board<'a> {
    head: Head<'a>,
    /// The sum over no pieces.
    bias: &'a [f32],
    /// `[n_pieces, width]`.
    rows: Aligned,
    n_pieces: usize,
    n_labels: usize,
    /// Sets by their slots, as numbers: fresh memory is zero and costs nothing.
    keys: Vec<u128>,
    /// `[2^KEPT_BITS, n_labels]`.
    kept: Vec<f32>,
    /// The slots of a batch, and whether its sets are kept.
    slots: Vec<(usize, bool)>,
    /// Sets that are not kept, and their places in the batch.
    missing: Vec<PieceSet>,
    missing_at: Vec<usize>,
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
        let mut rows = Aligned::zeros(n_pieces * width);
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
            keys: vec![0; n_kept],
            kept: vec![0.0; n_kept * judge.n_labels()],
            slots: Vec::with_capacity(BATCH),
            missing: Vec::with_capacity(BATCH),
            missing_at: Vec::with_capacity(BATCH),
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

    /// The judge's logits after different pieces, kept for the next who asks.
    pub fn logits(&mut self, pieces: &[Piece]) -> &[f32] {
        self.logits_of(PieceSet::of(pieces))
    }

    /// The judge's logits after a set of pieces.
    pub(crate) fn logits_of(&mut self, set: PieceSet) -> &[f32] {
        self.logits_of_each(&[set], |_, _| {});
        // Whether they were there or were computed now.
        self.kept_at(set.slot(KEPT_BITS))
    }

    fn kept_at(&self, slot: usize) -> &[f32] {
        &self.kept[slot * self.n_labels..][..self.n_labels]
    }

    /// Tells the judge's logits after each of `sets`, by their places; in any order.
    pub(crate) fn logits_of_each(
        &mut self,
        sets: &[PieceSet],
        mut tell: impl FnMut(usize, &[f32]),
    ) {
        for (batch, sets) in sets.chunks(BATCH).enumerate() {
            self.tell_batch(sets, |at, logits| tell(BATCH * batch + at, logits));
        }
    }

    fn tell_batch(&mut self, sets: &[PieceSet], mut tell: impl FnMut(usize, &[f32])) {
        self.n_asked += sets.len() as u64;
        self.missing.clear();
        self.missing_at.clear();
        // First all slots, which do not wait for one another.
        self.slots.clear();
        for &set in sets {
            let slot = set.slot(KEPT_BITS);
            // The empty set is that of an empty slot.
            let is_kept = (self.keys[slot] == set.0) & (set != PieceSet::default());
            self.slots.push((slot, is_kept));
        }
        for (at, (&set, &(slot, is_kept))) in sets.iter().zip(&self.slots).enumerate() {
            if is_kept {
                tell(at, self.kept_at(slot));
            } else {
                self.missing.push(set);
                self.missing_at.push(at);
            }
        }
        self.n_evaluated += self.missing.len() as u64;
        let logits = self.head.logits(self.bias, &self.rows, &self.missing);
        for ((&set, &at), logits) in self.missing.iter().zip(&self.missing_at).zip(logits) {
            let (slot, _) = self.slots[at];
            self.keys[slot] = set.0;
            let kept = &mut self.kept[slot * self.n_labels..][..self.n_labels];
            for (kept, logit) in kept.iter_mut().zip(logits) {
                *kept = *logit;
            }
            tell(at, logits);
        }
    }

    /// The logits of a set without a look at what is kept, for those who ask for each set once.
    pub(crate) fn fresh_logits(&mut self, sum: &[f32], piece: Piece) -> &[f32] {
        self.n_asked += 1;
        self.n_evaluated += 1;
        let set = PieceSet::of(&[piece]);
        let mut logits = self.head.logits(sum, &self.rows, &[set]);
        logits.next().unwrap_or_else(|| unreachable!("of one set"))
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
    use crate::small;

    proptest! {
        #[test]
        fn sets_are_numbers(mut pieces in proptest::collection::hash_set(0..2_000_u16, 0..=MOST_REVEALED)
            .prop_map(|set| set.into_iter().collect::<Vec<_>>()), other in 0..2_000_u16) {
            let set = PieceSet::of(&pieces);
            pieces.reverse();
            prop_assert_eq!(PieceSet::of(&pieces), set);
            prop_assert!(set.slot(5) < 32);
            let mut sorted = pieces.clone();
            sorted.sort_unstable();
            prop_assert_eq!(set.pieces().collect::<Vec<_>>(), sorted);
            if !pieces.is_empty() && !pieces.contains(&other) {
                pieces[0] = other;
                prop_assert_ne!(PieceSet::of(&pieces), set);
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
