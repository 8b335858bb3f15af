//! Items that look alike are one pattern that stands several times: what is computed of an item is computed once a pattern, and
//! the bootstrap draws how often each pattern comes.

use super::Panel;

/// Keys of patterns, one after the other, with how many items have each.
#[derive(Debug)]
pub(super) struct Patterns<K> {
    offsets: Vec<usize>,
    keys: Vec<K>,
    /// How many items have each pattern.
    pub(super) counts: Vec<u32>,
}

impl<K: Ord + Copy> Patterns<K> {
    /// Groups items by `key`, which appends an item's key to what it is given; items with none are left out.
    pub(super) fn new(panel: &Panel, mut key: impl FnMut(usize, &mut Vec<K>)) -> Self {
        let (mut keys, mut offsets) = (Vec::with_capacity(panel.n_ratings()), vec![0]);
        for item in 0..panel.n_items() {
            let before = keys.len();
            key(item, &mut keys);
            if keys.len() > before {
                offsets.push(keys.len());
            }
        }
        let of = |item: &u32| &keys[offsets[*item as usize]..offsets[*item as usize + 1]];
        let mut order: Vec<u32> = (0..offsets.len() as u32 - 1).collect();
        order.sort_unstable_by(|a, b| of(a).cmp(of(b)));
        let mut patterns = Self {
            offsets: vec![0],
            keys: Vec::new(),
            counts: Vec::new(),
        };
        for same in order.chunk_by(|a, b| of(a) == of(b)) {
            patterns.keys.extend_from_slice(of(&same[0]));
            patterns.offsets.push(patterns.keys.len());
            patterns.counts.push(same.len() as u32);
        }
        patterns
    }

    /// How many patterns there are.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The key of a pattern.
    pub(super) fn key(&self, pattern: usize) -> &[K] {
        &self.keys[self.offsets[pattern]..self.offsets[pattern + 1]]
    }

    /// All keys, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[K]> {
        (0..self.len()).map(|pattern| self.key(pattern))
    }
}

/// By how often each category was chosen: categories of an item in order, each as often as it was.
pub(super) fn by_counts(panel: &Panel) -> Patterns<u16> {
    Patterns::new(panel, |item, key| {
        let before = key.len();
        key.extend(panel.item(item).map(|(_, category)| category as u16));
        key[before..].sort_unstable();
    })
}

/// By who chose what: raters of an item in order, with their categories.
pub(super) fn by_raters(panel: &Panel) -> Patterns<(u32, u16)> {
    Patterns::new(panel, |item, key| {
        let rated = panel.item(item);
        key.extend(rated.map(|(rater, category)| (rater as u32, category as u16)));
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::Scale;

    use crate::panel::tests::{by_rater, categories};

    #[test]
    fn alike_is_by_counts_or_by_who() {
        let panel = by_rater(
            categories(3, Scale::Nominal),
            &[
                &[Some(0), Some(1), Some(0), None, None],
                &[Some(1), Some(0), Some(1), Some(2), None],
            ],
        );
        let counts = by_counts(&panel);
        let keys: Vec<&[u16]> = counts.iter().collect();
        assert_eq!(keys, [&[0, 1][..], &[2]]);
        assert_eq!(counts.counts, [3, 1]);
        let raters = by_raters(&panel);
        assert_eq!(raters.counts, [2, 1, 1]);
        assert_eq!(raters.key(0), [(0, 0), (1, 1)]);
    }
}
