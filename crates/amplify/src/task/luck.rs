//! Luck at a place in a tree: the same place has the same luck, whoever asks first.

use trimtab_core::Seed;

/// The seed of a number under another.
fn numbered(seed: Seed, number: u64) -> Seed {
    Seed(
        Seed(seed.0 ^ number.wrapping_mul(0xa076_1d64_78bd_642f))
            .stream()
            .next_u64(),
    )
}

/// The seed of a question in a tree.
pub(crate) fn at(seed: Seed, tree: usize, path: &[u32]) -> Seed {
    let tree = numbered(seed, tree as u64);
    (path.iter()).fold(tree, |seed, &child| numbered(seed, u64::from(child)))
}

/// The seed of a step at a question.
pub(super) fn at_step(seed: Seed, tree: usize, path: &[u32], step: u32) -> Seed {
    numbered(at(seed.child("step"), tree, path), u64::from(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn places_have_their_own_luck() {
        let seed = Seed(7);
        let mut all = BTreeSet::new();
        let mut n = 0;
        for tree in 0..20 {
            all.insert(at(seed, tree, &[]));
            n += 1;
            for a in 0..9 {
                all.insert(at(seed, tree, &[a]));
                all.insert(at_step(seed, tree, &[], a));
                n += 2;
                for b in 0..9 {
                    all.insert(at(seed, tree, &[a, b]));
                    n += 1;
                }
            }
        }
        assert_eq!(all.len(), n);
        assert_eq!(at(seed, 3, &[1, 2]), at(Seed(7), 3, &[1, 2]));
    }
}
