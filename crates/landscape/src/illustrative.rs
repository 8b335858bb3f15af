//! The founding post's eight domains, as an illustration.
//!
//! The post states these figures and measures none of them; they are never mixed with measured ones without their label
//! ([`Origin::Illustrative`]).
//!
//! Out: accuracies as fractions, in the post's order.

use crate::{Domain, Figure, Origin};

/// Domain, human accuracy, model capability.
const DOMAINS: [(&str, f64, f64); 8] = [
    ("basic question answering", 0.95, 0.92),
    ("summarisation", 0.85, 0.88),
    ("code review, simple", 0.80, 0.85),
    ("mathematical proof", 0.65, 0.78),
    ("scientific reasoning", 0.60, 0.75),
    ("code review, complex", 0.55, 0.80),
    ("long-horizon planning", 0.50, 0.70),
    ("novel research", 0.45, 0.65),
];

/// The eight domains.
pub fn domains() -> Vec<Domain> {
    (DOMAINS.iter())
        .map(|&(name, human, model)| {
            Domain::unpaired(
                name,
                Origin::Illustrative,
                Some(Figure::stated(human)),
                Some(Figure::stated(model)),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Supervisable, domain::THRESHOLD};

    #[test]
    fn gaps_and_verdicts_are_the_posts() {
        let gaps = [-0.03, 0.03, 0.05, 0.13, 0.15, 0.25, 0.20, 0.20];
        for (domain, expected) in domains().iter().zip(gaps) {
            let gap = domain.gap.unwrap().estimate();
            assert!((gap - expected).abs() < 1e-12, "{}: {gap}", domain.name);
        }
        let n_supervisable = (domains().iter())
            .filter(|domain| domain.supervisable(THRESHOLD) == Some(Supervisable::Yes))
            .count();
        assert_eq!(n_supervisable, 3);
    }
}
