//! How alike two supervisors answer, beyond what their accuracies explain: CAPA, and error consistency.
//!
//! Papers: Goel et al. 2025, arXiv:2502.04313 (CAPA, κ_p); Geirhos et al. 2020, arXiv:2006.16736 (error consistency).
//!
//! ```text
//! κ     = (c_obs − c_exp) / (1 − c_exp)
//! CAPA:   c_obs = mean_x Σ_k p_A(k|x) p_B(k|x)
//!         c_exp = p̂_A p̂_B + (1 − p̂_A)(1 − p̂_B) · mean_x 1/(K_x − 1)         p̂ = mean probability of the true answer
//! discrete:  the same with all mass on the answer given
//! error consistency:   c_obs = share of items on which both are right or both wrong
//!                      c_exp = p̂_A p̂_B + (1 − p̂_A)(1 − p̂_B)
//! ```
//!
//! In: probabilities an item, or answers, with the truth. Out: κ, 0 for two whose errors fall as chance has it, 1 for copies.
//! A failed judgement has no mass on any answer: it is wrong, and agrees with nothing, which makes CAPA an understatement; in error
//! consistency it is an error like others. Items that either was not asked about are left out.
//! Unlike φ, CAPA tells two judges with the same wrong answer from two with different ones.
//! Parity: vectors by hand in the tests; the formulas are those of the authors' package `lm-sim`.

use trimtab_core::{AnswerIdx, Distribution};

use crate::ballots::{Ballot, Ballots, Outcome};

/// Agreement beside what accuracies alone would make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Agreement, from 0 to 1.
    pub observed: f64,
    /// What it would be, did errors fall by chance.
    pub expected: f64,
    /// Items that both were asked about.
    pub n_items: usize,
}

impl Similarity {
    /// Agreement beyond chance as a share of what there could be; `None` where chance leaves nothing.
    pub fn kappa(&self) -> Option<f64> {
        let room = 1.0 - self.expected;
        (room > 0.0).then(|| (self.observed - self.expected) / room)
    }
}

/// CAPA of probabilities: `None` stands for a failed judgement. `None` in answer where there is no item.
///
/// # Panics
///
/// When lengths differ, or answers of one item do: a bug in the caller.
pub fn capa(
    a: &[Option<Distribution>],
    b: &[Option<Distribution>],
    n_answers: &[usize],
    truth: &[AnswerIdx],
) -> Option<Similarity> {
    let n = truth.len();
    assert!(
        a.len() == n && b.len() == n && n_answers.len() == n,
        "judgements and truths"
    );
    let mass = |judgement: &Option<Distribution>, answer: AnswerIdx| {
        (judgement.as_ref()).map_or(0.0, |given| given.probabilities()[answer.0])
    };
    let (mut observed, mut p_a, mut p_b, mut others) = (0.0, 0.0, 0.0, 0.0);
    for (((a, b), k), truth) in a.iter().zip(b).zip(n_answers).zip(truth) {
        if let (Some(a), Some(b)) = (a, b) {
            assert!(
                a.n_answers() == *k && b.n_answers() == *k,
                "answers of one item"
            );
            let products = a.probabilities().iter().zip(b.probabilities());
            observed += products.map(|(a, b)| a * b).sum::<f64>();
        }
        p_a += mass(a, *truth);
        p_b += mass(b, *truth);
        others += 1.0 / (*k as f64 - 1.0);
    }
    let n_items = n;
    let n = n as f64;
    let (p_a, p_b) = (p_a / n, p_b / n);
    (n_items > 0).then(|| Similarity {
        observed: observed / n,
        expected: p_a * p_b + (1.0 - p_a) * (1.0 - p_b) * others / n,
        n_items,
    })
}

/// CAPA of the answers that two supervisors gave; `None` where they were asked about nothing in common.
pub fn capa_of_answers(ballots: &Ballots, j: usize, k: usize) -> Option<Similarity> {
    let common = common(ballots, j, k);
    let certain = |supervisor: usize| -> Vec<Option<Distribution>> {
        (common.iter())
            .map(|&item| match ballots.row(supervisor)[item] {
                Ballot::Answer(answer) => Some(Distribution::certain(answer, ballots.n_answers())),
                Ballot::Failed | Ballot::Unasked => None,
            })
            .collect()
    };
    let truth: Vec<AnswerIdx> = common.iter().map(|&item| ballots.truth()[item]).collect();
    let n_answers = vec![ballots.n_answers(); truth.len()];
    capa(&certain(j), &certain(k), &n_answers, &truth)
}

/// Error consistency of two supervisors; `None` where they were asked about nothing in common.
pub fn error_consistency(ballots: &Ballots, j: usize, k: usize) -> Option<Similarity> {
    let common = common(ballots, j, k);
    let right = |supervisor: usize| -> Vec<bool> {
        (common.iter())
            .map(|&item| ballots.outcome(supervisor, item) == Outcome::Right)
            .collect()
    };
    let (a, b) = (right(j), right(k));
    let n = common.len() as f64;
    let share = |right: &[bool]| right.iter().filter(|right| **right).count() as f64 / n;
    let same = a.iter().zip(&b).filter(|(a, b)| a == b).count() as f64;
    let (p_a, p_b) = (share(&a), share(&b));
    (!common.is_empty()).then(|| Similarity {
        observed: same / n,
        expected: p_a * p_b + (1.0 - p_a) * (1.0 - p_b),
        n_items: common.len(),
    })
}

fn common(ballots: &Ballots, j: usize, k: usize) -> Vec<usize> {
    let is_asked = |supervisor, item| ballots.outcome(supervisor, item) != Outcome::Unasked;
    (0..ballots.n_items())
        .filter(|&item| is_asked(j, item) && is_asked(k, item))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ballots::tests::ballots;

    fn four(rows: &[&[usize]]) -> Ballots {
        let rows: Vec<Vec<Ballot>> = (rows.iter())
            .map(|row| row.iter().map(|&a| Ballot::Answer(AnswerIdx(a))).collect())
            .collect();
        Ballots::new(4, vec![AnswerIdx(0); rows[0].len()], rows).unwrap()
    }

    #[test]
    fn by_hand() {
        // Both half right, of four answers: c_exp = ¼ + ¼ · ⅓ = ⅓.
        let same_errors = four(&[&[0, 0, 1, 2], &[0, 0, 1, 2]]);
        assert_eq!(
            capa_of_answers(&same_errors, 0, 1).unwrap().kappa(),
            Some(1.0)
        );
        // Wrong on the same items, with different answers: c_obs = ½, κ = (½ − ⅓)/(⅔) = ¼; error consistency cannot tell.
        let other_errors = four(&[&[0, 0, 1, 2], &[0, 0, 2, 3]]);
        let kappa = capa_of_answers(&other_errors, 0, 1).unwrap().kappa();
        assert!((kappa.unwrap() - 0.25).abs() < 1e-12);
        let consistency = |table| error_consistency(table, 0, 1).unwrap().kappa();
        assert_eq!(
            (consistency(&same_errors), consistency(&other_errors)),
            (Some(1.0), Some(1.0))
        );
    }

    #[test]
    fn of_probabilities() {
        // One item of two answers: c_obs = .8·.6 + .2·.4 = .56 = c_exp. With one item, chance explains everything.
        let p = |p: f64| vec![Some(Distribution::new(&[p, 1.0 - p]).unwrap())];
        let got = capa(&p(0.8), &p(0.6), &[2], &[AnswerIdx(0)]).unwrap();
        assert!((got.observed - 0.56).abs() < 1e-12 && (got.expected - 0.56).abs() < 1e-12);
        assert_eq!(capa(&[], &[], &[], &[]), None);
        // Always right: there is no room for anything.
        let sure = four(&[&[0, 0], &[0, 0]]);
        assert_eq!(capa_of_answers(&sure, 0, 1).unwrap().kappa(), None);
    }

    #[test]
    fn failed_agrees_with_nothing_and_unasked_is_left_out() {
        let table = ballots(&["..ff-", "..ffx"]);
        let capa = capa_of_answers(&table, 0, 1).unwrap();
        assert_eq!((capa.observed, capa.n_items), (0.5, 4));
        assert_eq!(error_consistency(&table, 0, 1).unwrap().observed, 1.0);
    }

    /// The mistake: Cohen's expectation, from how often each answer is given, in which two accurate judges of a skewed set agree by
    /// chance, or not, as the truth is skewed.
    fn by_marginals(ballots: &Ballots) -> f64 {
        let n = ballots.n_items() as f64;
        let share = |supervisor: usize, answer: usize| {
            let row = ballots.row(supervisor).iter();
            row.filter(|b| **b == Ballot::Answer(AnswerIdx(answer)))
                .count() as f64
                / n
        };
        (0..ballots.n_answers())
            .map(|a| share(0, a) * share(1, a))
            .sum()
    }

    #[test]
    fn independent_errors_have_no_similarity_however_accurate() {
        // Right nine times of ten with errors that meet as chance has it, the truth evenly split.
        let truth: Vec<AnswerIdx> = (0..100).map(|i| AnswerIdx(i / 5 % 2)).collect();
        let row = |wrong: std::ops::Range<usize>| -> Vec<Ballot> {
            (0..100)
                .map(|i| {
                    let said = if wrong.contains(&i) {
                        1 - truth[i].0
                    } else {
                        truth[i].0
                    };
                    Ballot::Answer(AnswerIdx(said))
                })
                .collect()
        };
        let rows = vec![row(0..10), row(9..19)];
        let table = Ballots::new(2, truth.clone(), rows).unwrap();
        let got = capa_of_answers(&table, 0, 1).unwrap();
        assert!(got.kappa().unwrap().abs() < 1e-12);
        let cohen = (got.observed - by_marginals(&table)) / (1.0 - by_marginals(&table));
        assert!(cohen > 0.6, "{cohen}");
    }

    proptest! {
        #[test]
        fn with_two_answers_capa_is_error_consistency(cells in prop::collection::vec((any::<bool>(), any::<bool>()), 1..40)) {
            let row = |of: fn(&(bool, bool)) -> bool| -> String {
                cells.iter().map(|cell| if of(cell) { 'x' } else { '.' }).collect()
            };
            let table = ballots(&[&row(|c| c.0), &row(|c| c.1)]);
            let (capa, errors) = (capa_of_answers(&table, 0, 1).unwrap(), error_consistency(&table, 0, 1).unwrap());
            prop_assert!((capa.observed - errors.observed).abs() < 1e-12);
            prop_assert!((capa.expected - errors.expected).abs() < 1e-12);
        }
    }
}
