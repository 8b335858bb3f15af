//! Which method comes out best, and in which order plots show them.

use std::cmp::Ordering;

use crate::summary::{MethodSummary, VariantSummary};

/// The method with the highest test accuracy among those that use no ground truth.
///
/// It is chosen on the test split, so its figures are a little flattering; renderings say so.
pub(crate) fn best(variant: &VariantSummary) -> Option<&MethodSummary> {
    by_accuracy(variant)
        .into_iter()
        .find(|m| !m.uses_ground_truth)
}

/// All methods, highest test accuracy first, the order of the experiment file among equals.
pub(crate) fn by_accuracy(variant: &VariantSummary) -> Vec<&MethodSummary> {
    let mut methods: Vec<&MethodSummary> = variant.methods.iter().collect();
    methods.sort_by(|a, b| descending(a.student.accuracy.estimate, b.student.accuracy.estimate));
    methods
}

/// Higher first, what is not a number last.
pub(crate) fn descending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(&a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn ground_truth_does_not_win() {
        let mut variant = example::summary().variants.remove(1);
        assert_eq!(by_accuracy(&variant)[0].name, "early stop on ground truth");
        assert_eq!(
            best(&variant).map(|m| m.name.as_str()),
            Some("confidence (paper)")
        );
        variant.methods[5].student.accuracy.estimate = f64::NAN;
        assert_eq!(by_accuracy(&variant)[17].name, "confidence (paper)");
        variant.methods.clear();
        assert_eq!(best(&variant), None);
    }
}
