//! Votes that count as much as their voter is good.
//!
//! Paper: Nitzan and Paroush 1982, International Economic Review 23(2): with independent voters of known accuracy the weights are
//! log-odds.
//!
//! ```text
//! a_j = (right_j + s ā) / (n_j + s)          w_j = ln(a_j (K − 1) / (1 − a_j))
//! ```
//!
//! with `ā` the accuracy of all, `s` pseudo-items, and K answers, among which wrong votes spread evenly. Shrinkage keeps the weight
//! of a voter who was right on all of few items finite, and of one who was hardly asked near the others'. A weight below 0 is kept: who
//! is wrong more often than a guess speaks for the other side.
//! Answers must be answers: where items are coded `right` and `wrong`, one answer is true of all, and a vote against a poor judge
//! reads the key.
//! With errors that are not independent these are no longer the best weights: five copies of one judge still count five times.
//!
//! In: [`Ballots`]. Out: a weight a supervisor, in nats.

use trimtab_stats::Ballots;

/// Log-odds of each supervisor's accuracy, shrunk by `shrinkage` pseudo-items, and held within those of one error, or one right
/// answer, in a hundred thousand.
pub fn log_odds_weights(ballots: &Ballots, shrinkage: f64) -> Vec<f64> {
    let (errors, asked) = (0..ballots.n_supervisors())
        .map(|j| ballots.errors(j))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let mean = if asked == 0 {
        1.0 / ballots.n_answers() as f64
    } else {
        1.0 - errors as f64 / asked as f64
    };
    (0..ballots.n_supervisors())
        .map(|j| {
            let (errors, asked) = ballots.errors(j);
            let items = asked as f64 + shrinkage;
            let right = (asked - errors) as f64 + shrinkage * mean;
            let accuracy = if items > 0.0 { right / items } else { mean };
            let accuracy = accuracy.clamp(1e-5, 1.0 - 1e-5);
            (accuracy * (ballots.n_answers() as f64 - 1.0) / (1.0 - accuracy)).ln()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use trimtab_core::AnswerIdx;
    use trimtab_stats::Ballot;

    use super::*;

    fn ballots(rows: &[&[usize]]) -> Ballots {
        let rows: Vec<Vec<Ballot>> = (rows.iter())
            .map(|row| row.iter().map(|&a| Ballot::Answer(AnswerIdx(a))).collect())
            .collect();
        Ballots::new(2, vec![AnswerIdx(0); rows[0].len()], rows).unwrap()
    }

    #[test]
    fn log_odds_and_their_shrinkage() {
        let table = ballots(&[&[0, 0, 0, 1], &[0, 1, 0, 1], &[0, 0, 0, 0]]);
        let plain = log_odds_weights(&table, 0.0);
        assert!((plain[0] - 3.0_f64.ln()).abs() < 1e-12);
        assert_eq!(plain[1], 0.0);
        assert!((plain[2] - (1e5_f64 - 1.0).ln()).abs() < 1e-6);
        // Mean .75: right 4 + 4 · .75 of 8 = 7/8.
        let shrunk = log_odds_weights(&table, 4.0);
        assert!((shrunk[2] - 7.0_f64.ln()).abs() < 1e-12);
        assert!((shrunk[0] - 3.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn one_good_voter_outweighs_two_who_guess_and_equal_votes_do_not_see_it() {
        let good = [0, 0, 0, 0, 0, 0, 0, 1];
        let (one, other) = ([0, 1, 0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0, 0, 1]);
        let table = ballots(&[&good, &one, &other]);
        let weighted = table.vote_error(&log_odds_weights(&table, 1.0)).unwrap();
        let equal = table.plurality_error().unwrap();
        assert!(
            (weighted - 0.125).abs() < 1e-12 && equal > weighted,
            "{weighted} {equal}"
        );
    }
}
