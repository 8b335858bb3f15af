//! Cases: what players know in full and a judge sees in pieces.
//!
//! A case is a list of pieces (the lit pixels of an image, the words of a text), and a piece is a few features with values.
//! What a judge is shown is a set of pieces, without order and without who showed them, so all that it can go by is the
//! sum of its pieces' features.

/// One feature of a piece: which, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Which, below [`Cases::n_features`].
    pub index: u32,
    /// How much.
    pub value: f32,
}

/// Cases of one kind.
pub trait Cases: Sync {
    /// How many.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many different features there are.
    fn n_features(&self) -> usize;

    /// How many pieces case `case` has.
    fn n_pieces(&self, case: usize) -> usize;

    /// Adds the features of one piece of a case to `features`.
    fn piece(&self, case: usize, piece: usize, features: &mut Vec<Feature>);
}
