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
