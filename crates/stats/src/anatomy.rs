//! Anatomy: who is right where, among supervisor, student and ceiling.
//!
//! The eight cells of a 2 × 2 × 2 table. They say what one accuracy hides: whether a student gained
//! by correcting its supervisor's errors or lost by making its own, and whether the ceiling could
//! have done better.
//!
//! In: which answers are right, on the same items under the same seeds. Out: counts of (seed, item)
//! pairs, pooled; they add up to all of them.

use serde::Serialize;

use crate::{Correctness, ShapeError};

/// Counts of (seed, item) pairs by who is right: supervisor, student, ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Anatomy {
    /// All three right.
    pub all_right: usize,
    /// Only the ceiling wrong.
    pub ceiling_wrong: usize,
    /// Supervisor right, student wrong, ceiling right: a loss the student made itself.
    pub student_wrong: usize,
    /// Supervisor right, student and ceiling wrong.
    pub supervisor_only: usize,
    /// Supervisor wrong, student and ceiling right: an error corrected.
    pub corrected: usize,
    /// Supervisor wrong, student right, ceiling wrong: corrected beyond the ceiling.
    pub student_only: usize,
    /// Supervisor and student wrong, ceiling right: an error inherited.
    pub inherited: usize,
    /// All three wrong.
    pub all_wrong: usize,
}

impl Anatomy {
    /// Counts the cells.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] when the three were not measured on the same items and seeds.
    pub fn new(
        supervisor: &Correctness,
        student: &Correctness,
        ceiling: &Correctness,
    ) -> Result<Self, ShapeError> {
        supervisor.same_shape(student)?;
        supervisor.same_shape(ceiling)?;
        let mut anatomy = Self::default();
        let pairs = supervisor.pairs().zip(student.pairs()).zip(ceiling.pairs());
        for ((supervisor, student), ceiling) in pairs {
            *anatomy.cell(supervisor, student, ceiling) += 1;
        }
        Ok(anatomy)
    }

    fn cell(&mut self, supervisor: bool, student: bool, ceiling: bool) -> &mut usize {
        match (supervisor, student, ceiling) {
            (true, true, true) => &mut self.all_right,
            (true, true, false) => &mut self.ceiling_wrong,
            (true, false, true) => &mut self.student_wrong,
            (true, false, false) => &mut self.supervisor_only,
            (false, true, true) => &mut self.corrected,
            (false, true, false) => &mut self.student_only,
            (false, false, true) => &mut self.inherited,
            (false, false, false) => &mut self.all_wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use proptest::prelude::*;

    fn correctness(right: Vec<bool>) -> Correctness {
        Correctness::new(Items::Shared, &[right]).unwrap()
    }

    #[test]
    fn each_cell_has_its_name() {
        let bit = |bit: usize| correctness((0..8_usize).map(|i| i >> bit & 1 == 1).collect());
        let anatomy = Anatomy::new(&bit(2), &bit(1), &bit(0)).unwrap();
        let once = Anatomy {
            all_right: 1,
            ceiling_wrong: 1,
            student_wrong: 1,
            supervisor_only: 1,
            corrected: 1,
            student_only: 1,
            inherited: 1,
            all_wrong: 1,
        };
        assert_eq!(anatomy, once);
    }

    #[test]
    fn different_items_are_refused() {
        let (short, long) = (correctness(vec![true]), correctness(vec![true; 2]));
        assert!(Anatomy::new(&short, &short, &long).is_err());
    }

    proptest! {
        #[test]
        fn the_cells_add_up(items in prop::collection::vec(any::<[bool; 3]>(), 1..60)) {
            let of = |who: usize| correctness(items.iter().map(|item| item[who]).collect());
            let Anatomy {
                all_right, ceiling_wrong, student_wrong, supervisor_only,
                corrected, student_only, inherited, all_wrong,
            } = Anatomy::new(&of(0), &of(1), &of(2)).unwrap();
            let supervisor = all_right + ceiling_wrong + student_wrong + supervisor_only;
            let student = all_right + ceiling_wrong + corrected + student_only;
            let ceiling = all_right + student_wrong + corrected + inherited;
            let right = |who: usize| items.iter().filter(|item| item[who]).count();
            prop_assert_eq!([supervisor, student, ceiling], [right(0), right(1), right(2)]);
            let rest = corrected + student_only + inherited + all_wrong;
            prop_assert_eq!(supervisor + rest, items.len());
        }
    }
}
