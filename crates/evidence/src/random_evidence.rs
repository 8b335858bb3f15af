//! Evidence that nobody chose: pieces drawn uniformly at random.

use trimtab_core::SplitMix64;

/// Fills `pieces` with `n` different numbers below `n_pieces`, uniformly at random; with all of them where there are no more.
pub(crate) fn draw(n_pieces: usize, n: usize, stream: &mut SplitMix64, pieces: &mut Vec<usize>) {
    pieces.clear();
    if n_pieces <= n {
        pieces.extend(0..n_pieces);
        return;
    }
    // Floyd's way: as many draws as pieces, without a list of the rest.
    for last in n_pieces - n..n_pieces {
        let piece = stream.below(last + 1);
        let piece = if pieces.contains(&piece) { last } else { piece };
        pieces.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::draw;

    proptest! {
        #[test]
        fn pieces_are_different_and_as_many_as_there_are(n_pieces in 0..40_usize, n in 0..9_usize, seed: u64) {
            let mut pieces = vec![7; 3];
            draw(n_pieces, n, &mut Seed(seed).stream(), &mut pieces);
            prop_assert_eq!(pieces.len(), n.min(n_pieces));
            pieces.sort_unstable();
            pieces.dedup();
            prop_assert_eq!(pieces.len(), n.min(n_pieces));
            prop_assert!(pieces.iter().all(|piece| *piece < n_pieces));
        }
    }

    #[test]
    fn every_pair_is_as_likely() {
        let (mut stream, mut pieces) = (Seed(3).stream(), Vec::new());
        let mut counts = [[0; 5]; 5];
        for _ in 0..10_000 {
            draw(5, 2, &mut stream, &mut pieces);
            counts[pieces[0].min(pieces[1])][pieces[0].max(pieces[1])] += 1;
        }
        // 1,000 expected of each; a standard deviation is 30.
        for (low, counts) in counts.iter().enumerate() {
            for count in &counts[low + 1..] {
                assert!((880..1_120).contains(count), "{count}");
            }
        }
    }
}
