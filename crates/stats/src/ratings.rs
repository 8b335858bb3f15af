//! Ratings of players from games: how strong must each be for the wins to be likely?
//!
//! Papers: Zermelo 1929, Mathematische Zeitschrift 29, and Bradley and Terry 1952, Biometrika 39, for the model; Elo 1978, *The
//! Rating of Chessplayers*, for its scale; [`least_squares`] is the aggregate rating of Khan et al. 2024, arXiv:2402.06782.
//!
//! ```text
//! P(i beats j) = 1 / (1 + 10^((r_j − r_i)/400))
//! maximise Σ_games won ln P(i beats j) + (n − won) ln P(j beats i) − Σ_i r_i² / 2τ²
//! ```
//!
//! The last term, a normal prior of standard deviation τ about 0, keeps a player who won everything finite, and players who
//! never met comparable. The sum is concave with one maximum; Newton's method finds it.
//!
//! In: games, each of so many comparisons of two players, ties as half. Out: ratings in Elo points, their mean at 0 ([`anchored`]
//! moves them).
//! Differs from Khan et al.: likelihood, not squares; every comparison counts, however many a match has; a prior. Their way is
//! beside it, for comparison: squares of win rates, one a match, no prior; a match that was all won then has no finite rating,
//! and the search ends at [`FURTHEST`].
//! Parity: hand-made games with exact ratings, in the tests below.

use std::f64::consts::LN_10;

use crate::elo::win_rate;
use crate::sigmoid::log_sigmoid;

/// Ratings are looked for within so many points of 0, where squares say no more.
pub const FURTHEST: f64 = 4_000.0;

/// The prior's standard deviation unless another is asked for, in points.
pub const PRIOR_SD: f64 = 400.0;

/// Comparisons of two players.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Game {
    /// One player, from 0.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How many comparisons `first` won, ties as half.
    pub won: f64,
    /// Out of how many.
    pub n: f64,
}

const LOGIT: f64 = LN_10 / 400.0;
const MOST_STEPS: usize = 200;

/// The most likely ratings of `n_players` players under a prior of standard deviation `prior_sd` (points). A game of a player
/// against itself says nothing. All 0 where there is no game.
///
/// # Panics
///
/// When a game names a player that is not there, or `prior_sd` is not positive: a bug in the caller.
pub fn ratings(games: &[Game], n_players: usize, prior_sd: f64) -> Vec<f64> {
    assert!(prior_sd > 0.0, "a prior of standard deviation {prior_sd}");
    let precision = 1.0 / (prior_sd * LOGIT).powi(2);
    let mut skills = vec![0.0_f64; n_players];
    let posterior = |skills: &[f64]| -> f64 {
        let likelihood: f64 = (games.iter())
            .map(|game| {
                let d = skills[game.first] - skills[game.second];
                game.won * log_sigmoid(d) + (game.n - game.won) * log_sigmoid(-d)
            })
            .sum();
        likelihood - precision / 2.0 * skills.iter().map(|s| s * s).sum::<f64>()
    };
    let mut value = posterior(&skills);
    for _ in 0..MOST_STEPS {
        let mut gradient: Vec<f64> = skills.iter().map(|s| -precision * s).collect();
        let mut hessian = vec![vec![0.0; n_players]; n_players];
        for (i, row) in hessian.iter_mut().enumerate() {
            row[i] = precision;
        }
        for game in games.iter().filter(|game| game.first != game.second) {
            let p = win_rate((skills[game.first] - skills[game.second]) / LOGIT);
            let (i, j) = (game.first, game.second);
            let surprise = game.won - game.n * p;
            gradient[i] += surprise;
            gradient[j] -= surprise;
            let curvature = game.n * p * (1.0 - p);
            hessian[i][i] += curvature;
            hessian[j][j] += curvature;
            hessian[i][j] -= curvature;
            hessian[j][i] -= curvature;
        }
        let step = solve(hessian, gradient);
        let mut scale = 1.0;
        let (next, next_value) = loop {
            let next: Vec<f64> = skills
                .iter()
                .zip(&step)
                .map(|(s, d)| s + scale * d)
                .collect();
            let next_value = posterior(&next);
            if next_value >= value - 1e-12 * value.abs() || scale < 1e-6 {
                break (next, next_value);
            }
            scale /= 2.0;
        };
        let moved = skills
            .iter()
            .zip(&next)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        (skills, value) = (next, next_value);
        if moved < 1e-10 {
            break;
        }
    }
    centred(skills.into_iter().map(|skill| skill / LOGIT).collect())
}

/// Khan's aggregate ratings: the least squares of predicted and observed win rates, every match the same weight. Their mean is
/// at 0. By Gauss and Newton with damping (Levenberg 1944).
///
/// # Panics
///
/// When a game names a player that is not there: a bug in the caller.
pub fn least_squares(games: &[Game], n_players: usize) -> Vec<f64> {
    let loss = |ratings: &[f64]| -> f64 {
        (games.iter())
            .map(|game| {
                let predicted = win_rate(ratings[game.first] - ratings[game.second]);
                (predicted - game.won / game.n).powi(2)
            })
            .sum()
    };
    let mut ratings = vec![0.0_f64; n_players];
    let (mut value, mut damping) = (loss(&ratings), 1e-9);
    for _ in 0..MOST_STEPS * 10 {
        let mut gradient = vec![0.0; n_players];
        let mut squares = vec![vec![0.0; n_players]; n_players];
        for game in games.iter().filter(|game| game.first != game.second) {
            let (i, j) = (game.first, game.second);
            let p = win_rate(ratings[i] - ratings[j]);
            let slope = p * (1.0 - p) * LOGIT;
            let residual = game.won / game.n - p;
            gradient[i] += residual * slope;
            gradient[j] -= residual * slope;
            let square = slope * slope;
            squares[i][i] += square;
            squares[j][j] += square;
            squares[i][j] -= square;
            squares[j][i] -= square;
        }
        for (i, row) in squares.iter_mut().enumerate() {
            row[i] += damping;
        }
        let step = solve(squares, gradient);
        let next: Vec<f64> = (ratings.iter().zip(&step))
            .map(|(r, d)| (r + d).clamp(-FURTHEST, FURTHEST))
            .collect();
        let next_value = loss(&next);
        if next_value > value {
            damping *= 10.0;
            if damping > 1e6 {
                break;
            }
            continue;
        }
        let moved = ratings
            .iter()
            .zip(&next)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        (ratings, value) = (next, next_value);
        damping = (damping / 10.0).max(1e-12);
        if moved < 1e-9 {
            break;
        }
    }
    centred(ratings)
}

/// The same ratings, moved so that `player` is at `to`.
///
/// # Panics
///
/// When there is no such player: a bug in the caller.
pub fn anchored(mut ratings: Vec<f64>, player: usize, to: f64) -> Vec<f64> {
    let by = to - ratings[player];
    for rating in &mut ratings {
        *rating += by;
    }
    ratings
}

fn centred(mut ratings: Vec<f64>) -> Vec<f64> {
    let mean = ratings.iter().sum::<f64>() / ratings.len().max(1) as f64;
    for rating in &mut ratings {
        *rating -= mean;
    }
    ratings
}

/// The inverse of a positive definite matrix, column by column.
pub(crate) fn inverse(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let column = |at: usize| {
        let unit = (0..matrix.len()).map(|i| f64::from(u8::from(i == at)));
        solve(matrix.to_vec(), unit.collect())
    };
    // Symmetric: columns are rows.
    (0..matrix.len()).map(column).collect()
}

/// The `x` with `matrix · x = right`, by elimination; the matrix is positive definite, so pivots are on the diagonal.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        let (above, below) = matrix.split_at_mut(pivot + 1);
        let row = &above[pivot];
        for (i, other) in below.iter_mut().enumerate() {
            let factor = other[pivot] / row[pivot];
            if factor != 0.0 {
                for k in pivot..n {
                    other[k] -= factor * row[k];
                }
                right[pivot + 1 + i] -= factor * right[pivot];
            }
        }
    }
    for pivot in (0..n).rev() {
        let known: f64 = (pivot + 1..n).map(|k| matrix[pivot][k] * right[k]).sum();
        right[pivot] = (right[pivot] - known) / matrix[pivot][pivot];
    }
    right
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn game(first: usize, second: usize, won: f64, n: f64) -> Game {
        Game {
            first,
            second,
            won,
            n,
        }
    }

    #[track_caller]
    fn check(got: &[f64], expected: &[f64], tolerance: f64) {
        let close = got
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < tolerance);
        assert!(
            close && got.len() == expected.len(),
            "{got:?}, not {expected:?}"
        );
    }

    #[test]
    fn consistent_games_have_exact_ratings() {
        // 10/11 is 400 points, 1/2 none: players at 400, 0, 0.
        let games = [
            game(0, 1, 1000.0, 1100.0),
            game(1, 2, 500.0, 1000.0),
            game(0, 2, 2000.0, 2200.0),
        ];
        let mean = 400.0 / 3.0;
        let expected = [400.0 - mean, -mean, -mean];
        check(&ratings(&games, 3, 1e6), &expected, 1e-3);
        check(&least_squares(&games, 3), &expected, 1e-6);
        check(
            &anchored(ratings(&games, 3, 1e6), 1, 1500.0),
            &[1900.0, 1500.0, 1500.0],
            1e-3,
        );
    }

    #[test]
    fn likelihood_counts_comparisons_and_squares_count_matches() {
        // The same two players, 10 of 11 in one large match and 1 of 2 in a small one.
        let games = [game(0, 1, 1000.0, 1100.0), game(0, 1, 1.0, 2.0)];
        let gap = |r: Vec<f64>| r[0] - r[1];
        let pooled = 400.0 * (1001.0_f64 / 101.0).log10();
        assert!((gap(ratings(&games, 2, 1e6)) - pooled).abs() < 1e-3);
        let mean = 400.0 * (31.0_f64 / 13.0).log10(); // win rates 10/11 and 1/2: their mean is 31/44
        assert!((gap(least_squares(&games, 2)) - mean).abs() < 1e-6);
    }

    #[test]
    fn who_won_everything_is_finite_and_who_did_not_play_is_average() {
        let ratings = ratings(&[game(0, 1, 20.0, 20.0)], 3, PRIOR_SD);
        assert!(ratings[0] > 100.0 && ratings[0] < 1000.0, "{ratings:?}");
        assert!(ratings[2].abs() < 1e-9, "{ratings:?}");
        check(&super::ratings(&[], 2, PRIOR_SD), &[0.0, 0.0], 1e-12);
    }

    fn games() -> impl Strategy<Value = Vec<Game>> {
        let one = (0..5usize, 1..5usize, 0..=20u32, 20..40u32).prop_map(|(first, by, won, n)| {
            game(first, (first + by) % 5, f64::from(won), f64::from(n))
        });
        prop::collection::vec(one, 1..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_slope_of_the_posterior_is_nothing_at_the_ratings(games in games()) {
            let fit = ratings(&games, 5, PRIOR_SD);
            // The mean of the prior's maximum is 0, so centring moves nothing.
            for player in 0..5 {
                let surprise: f64 = games.iter().map(|game| {
                    let expected = game.n * win_rate(fit[game.first] - fit[game.second]);
                    if game.first == player { game.won - expected } else if game.second == player { expected - game.won } else { 0.0 }
                }).sum();
                let slope = surprise - fit[player] * LOGIT / (PRIOR_SD * LOGIT).powi(2);
                prop_assert!(slope.abs() < 1e-6, "{slope}");
            }
        }

        #[test]
        fn who_is_named_first_does_not_matter(games in games()) {
            let turned: Vec<Game> = games.iter().map(|g| game(g.second, g.first, g.n - g.won, g.n)).collect();
            let (one, other) = (ratings(&games, 5, PRIOR_SD), ratings(&turned, 5, PRIOR_SD));
            prop_assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}
