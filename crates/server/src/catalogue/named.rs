//! What is found by a name that says nothing of it, and keeps the order of the run.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::secrets::hex;

/// Things in order, each with a name.
#[derive(Debug)]
pub(super) struct Named<H> {
    all: Vec<H>,
    places: HashMap<String, usize>,
}

impl<H> Default for Named<H> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<H> Named<H> {
    /// All of them.
    pub(super) fn all(&self) -> &[H] {
        &self.all
    }

    pub(super) fn get(&self, name: &str) -> Option<&H> {
        self.all.get(*self.places.get(name)?)
    }

    /// Puts `what` at the end, unless there is something of this name: that is returned.
    pub(super) fn add(&mut self, name: &str, what: H) -> Option<&mut H> {
        if let Some(place) = self.places.get(name) {
            return self.all.get_mut(*place);
        }
        self.places.insert(name.to_owned(), self.all.len());
        self.all.push(what);
        None
    }
}

/// A name for addresses that says nothing of what it names, and is the same for as long as all of this is.
pub(super) fn public<'p>(
    parts: impl IntoIterator<Item = &'p str>,
    numbers: impl IntoIterator<Item = u32>,
) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    for number in numbers {
        hasher.update(number.to_le_bytes());
    }
    hex(&hasher.finalize()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_stays_in_its_place() {
        let mut named = Named::default();
        assert_eq!(named.add("b", 1), None);
        assert_eq!(named.add("a", 2), None);
        if let Some(there) = named.add("b", 3) {
            *there += 10;
        }
        assert_eq!(named.all(), [11, 2]);
        assert_eq!((named.get("b"), named.get("c")), (Some(&11), None));
    }

    #[test]
    fn names_differ_where_parts_or_numbers_do() {
        let names = [
            public(["ab", "c"], [1]),
            public(["a", "bc"], [1]),
            public(["ab", "c"], [2]),
            public(["ab", "c"], [1, 2]),
        ];
        let different: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert!(names.iter().all(|name| name.len() == 24));
    }
}
