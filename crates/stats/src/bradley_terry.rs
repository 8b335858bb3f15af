//! Bradley and Terry's strengths with intervals, and without a prior: none where games do not say who is stronger than whom.
//!
//! Papers: Bradley and Terry 1952, Biometrika 39; that the maximum is finite only where everybody was beaten by somebody of every
//! other part, Ford 1957, American Mathematical Monthly 64(8); the variance Huber 1967, as it is used for Elo points of chat models
//! by Chiang et al. 2024, arXiv:2403.04132.
//!
//! ```text
//! P(i beats j) = σ(s_i − s_j),   Σ_i s_i = 0
//! V = H⁺ B H⁺        H = Σ n p (1 − p) x xᵀ,   B = Σ (won (1 − p)² + (n − won) p²) x xᵀ,   x = e_i − e_j
//! ```
//!
//! In: [`Game`]s, comparisons of two players, ties as half. Out: Elo points, their mean at 0, with normal intervals; of
//! differences too, which is what players are compared by. The variance holds where the model does not: strengths are then
//! those that fit best. Ties make it a little too large, for each counts as half a win and half a loss.
//! [`crate::ratings`] is the same with a prior, and without intervals: for players who won everything, or never met.
//! Parity: closed forms of two players, and of cycles, in the tests below.

use std::f64::consts::LN_10;

use crate::interval::normal_reach;
use crate::ratings::{inverse, ratings};
use crate::{Game, Interval, Level};

/// Elo points a logit.
const POINTS: f64 = 400.0 / LN_10;
/// A prior so wide that it says nothing, but keeps the search from wandering along the mean.
const NO_PRIOR: f64 = 1e7;

/// Strengths of players, with what is not known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct BradleyTerry {
    /// Elo points, their mean at 0.
    pub strengths: Vec<f64>,
    /// Variances and covariances, points².
    covariance: Vec<Vec<f64>>,
}

/// Why there are no strengths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BradleyTerryError {
    /// Nobody played.
    #[error("no game between two players")]
    NoGame,
    /// A player without a game.
    #[error("player {player} has no game")]
    DidNotPlay {
        /// Who.
        player: usize,
    },
    /// Players who never met, directly or through others.
    #[error("players {first} and {second} never met, nor did those that they met: {n_parts} parts")]
    Disconnected {
        /// Somebody of one part.
        first: usize,
        /// Somebody of another.
        second: usize,
        /// How many parts there are.
        n_parts: usize,
    },
    /// Some were never beaten by the others.
    #[error(
        "players {unbeaten:?} never lost to any other: how much stronger they are, games do not say"
    )]
    Unbeaten {
        /// Who.
        unbeaten: Vec<usize>,
    },
}

impl BradleyTerryError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoGame => "compare at least two players",
            Self::DidNotPlay { .. } => "let everybody play, or leave the player out",
            Self::Disconnected { .. } => {
                "let players of different parts meet, or rate each part alone"
            }
            Self::Unbeaten { .. } => "play more games, or use a prior (`ratings`)",
        }
    }
}

impl BradleyTerry {
    /// Fits strengths of `n_players`.
    ///
    /// # Errors
    ///
    /// [`BradleyTerryError`] where games do not say how strong everybody is beside everybody else.
    ///
    /// # Panics
    ///
    /// When a game names a player that is not there: a bug in the caller.
    pub fn fit(games: &[Game], n_players: usize) -> Result<Self, BradleyTerryError> {
        check(games, n_players)?;
        let strengths = ratings(games, n_players, NO_PRIOR);
        let n = n_players as f64;
        let mut bread = vec![vec![1.0 / n; n_players]; n_players];
        let mut meat = vec![vec![0.0; n_players]; n_players];
        for game in games.iter().filter(|game| game.first != game.second) {
            let (i, j) = (game.first, game.second);
            let p = 1.0 / (1.0 + (-(strengths[i] - strengths[j]) / POINTS).exp());
            let curvature = game.n * p * (1.0 - p);
            let square = game.won * (1.0 - p).powi(2) + (game.n - game.won) * p * p;
            for (matrix, value) in [(&mut bread, curvature), (&mut meat, square)] {
                matrix[i][i] += value;
                matrix[j][j] += value;
                matrix[i][j] -= value;
                matrix[j][i] -= value;
            }
        }
        // (H + J/n)⁻¹ is H⁺ + J/n, and B J is nothing.
        let bread = inverse(&bread);
        let covariance = product(&product(&bread, &meat), &bread);
        let scaled = |row: Vec<f64>| row.into_iter().map(|v| v * POINTS * POINTS).collect();
        Ok(Self {
            strengths,
            covariance: covariance.into_iter().map(scaled).collect(),
        })
    }

    /// A player's strength, in points above the mean of all.
    ///
    /// # Panics
    ///
    /// When there is no such player: a bug in the caller.
    pub fn strength(&self, player: usize, level: Level) -> Interval {
        around(
            self.strengths[player],
            self.covariance[player][player],
            level,
        )
    }

    /// How many points `player` is above `other`.
    ///
    /// # Panics
    ///
    /// When there is no such player: a bug in the caller.
    pub fn difference(&self, player: usize, other: usize, level: Level) -> Interval {
        let v = &self.covariance;
        let variance = v[player][player] + v[other][other] - 2.0 * v[player][other];
        around(
            self.strengths[player] - self.strengths[other],
            variance,
            level,
        )
    }
}

fn around(estimate: f64, variance: f64, level: Level) -> Interval {
    let reach = normal_reach(level) * variance.max(0.0).sqrt();
    Interval {
        estimate,
        low: estimate - reach,
        high: estimate + reach,
    }
}

fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f64>| -> Vec<f64> {
        let column = |j: usize| row.iter().zip(b).map(|(x, other)| x * other[j]).sum();
        (0..b.len()).map(column).collect()
    };
    a.iter().map(row).collect()
}

/// Whether the maximum is finite: from every player a chain of losses leads to every other.
fn check(games: &[Game], n_players: usize) -> Result<(), BradleyTerryError> {
    let played = |game: &&Game| game.first != game.second && game.n > 0.0;
    let (mut met, mut beaten_by) = (vec![Vec::new(); n_players], vec![Vec::new(); n_players]);
    let mut beat = vec![Vec::new(); n_players];
    for game in games.iter().filter(played) {
        let (i, j) = (game.first, game.second);
        met[i].push(j);
        met[j].push(i);
        let (won, lost) = (game.won > 0.0, game.won < game.n);
        for (winner, loser, so) in [(i, j, won), (j, i, lost)] {
            if so {
                beaten_by[loser].push(winner);
                beat[winner].push(loser);
            }
        }
    }
    if met.iter().all(Vec::is_empty) {
        return Err(BradleyTerryError::NoGame);
    }
    if let Some(player) = met.iter().position(Vec::is_empty) {
        return Err(BradleyTerryError::DidNotPlay { player });
    }
    let part = reached(&met, 0);
    if let Some(second) = part.iter().position(|in_it| !in_it) {
        let mut seen = vec![false; n_players];
        let mut n_parts = 0;
        for player in 0..n_players {
            if !seen[player] {
                n_parts += 1;
                for (seen, in_it) in seen.iter_mut().zip(reached(&met, player)) {
                    *seen |= in_it;
                }
            }
        }
        return Err(BradleyTerryError::Disconnected {
            first: 0,
            second,
            n_parts,
        });
    }
    // Those whom nobody else beats, directly or not, are a part that was never beaten.
    let above = reached(&beaten_by, 0);
    let below = reached(&beat, 0);
    let listed = |is: &[bool], wanted: bool| {
        let players = is.iter().enumerate().filter(|(_, is)| **is == wanted);
        players.map(|(player, _)| player).collect()
    };
    if above.contains(&false) {
        // The chain of who beat whom from player 0 upwards ends here: nobody outside beats anybody inside.
        return Err(BradleyTerryError::Unbeaten {
            unbeaten: listed(&above, true),
        });
    }
    if below.contains(&false) {
        // Player 0 beats nobody of these, even through others: they lost to none of the rest.
        return Err(BradleyTerryError::Unbeaten {
            unbeaten: listed(&below, false),
        });
    }
    Ok(())
}

/// Who can be reached from `start`.
fn reached(edges: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut seen = vec![false; edges.len()];
    seen[start] = true;
    let mut waiting = vec![start];
    while let Some(player) = waiting.pop() {
        for next in &edges[player] {
            if !std::mem::replace(&mut seen[*next], true) {
                waiting.push(*next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;

    use super::*;

    const fn game(first: usize, second: usize, won: f64, n: f64) -> Game {
        Game {
            first,
            second,
            won,
            n,
        }
    }

    #[test]
    fn two_players_have_the_logit_and_its_variance() {
        let fit = BradleyTerry::fit(&[game(0, 1, 75.0, 100.0)], 2).unwrap();
        let difference = fit.difference(0, 1, Level::default());
        let reach = 1.959963984540054 * (1.0 / (100.0 * 0.75 * 0.25_f64)).sqrt() * POINTS;
        assert!((difference.estimate - 3.0_f64.ln() * POINTS).abs() < 1e-4);
        assert!((difference.high - difference.estimate - reach).abs() < 1e-3);
        // Each is half the difference from the mean.
        let one = fit.strength(0, Level::default());
        assert!((one.high - one.low - reach).abs() < 1e-3);
    }

    #[test]
    fn a_cycle_that_the_model_cannot_fit_has_even_strengths() {
        // Each beats the next 9 times in 10: p is 1/2 throughout. H = 25 (3I − J), B the same: V = H⁺ = (3I − J)/225.
        let games = [
            game(0, 1, 90.0, 100.0),
            game(1, 2, 90.0, 100.0),
            game(2, 0, 90.0, 100.0),
        ];
        let fit = BradleyTerry::fit(&games, 3).unwrap();
        assert!(fit.strengths.iter().all(|points| points.abs() < 1e-6));
        let difference = fit.difference(0, 1, Level::default());
        let reach = 1.959963984540054 * (6.0_f64 / 225.0).sqrt() * POINTS;
        assert!(
            (difference.high - reach).abs() < 1e-4,
            "{difference:?} {reach}"
        );
    }

    #[test]
    fn what_games_do_not_say_is_said() {
        let refusal = |games: &[Game], n| {
            let error = BradleyTerry::fit(games, n).unwrap_err();
            assert!(!error.hint().is_empty());
            error.to_string()
        };
        let even = |i, j| game(i, j, 1.0, 2.0);
        assert_eq!(refusal(&[even(0, 0)], 2), "no game between two players");
        assert_eq!(refusal(&[even(0, 2)], 3), "player 1 has no game");
        assert_eq!(
            refusal(&[even(0, 2), even(1, 3), even(4, 5)], 6),
            "players 0 and 1 never met, nor did those that they met: 3 parts"
        );
        let strong =
            "players [1, 2] never lost to any other: how much stronger they are, games do not say";
        assert_eq!(refusal(&[even(1, 2), game(1, 0, 5.0, 5.0)], 3), strong);
        assert_eq!(
            refusal(&[even(0, 2), game(0, 1, 5.0, 5.0)], 3),
            strong.replace("[1, 2]", "[0, 2]")
        );
    }

    #[test]
    fn intervals_hold_simulated_strengths_at_their_level() {
        let truth = [120.0, 40.0, -10.0, -150.0];
        let (mut held, mut n) = (0, 0);
        for seed in 0..300 {
            let mut random = Seed(seed).stream();
            let mut games = Vec::new();
            for i in 0..4 {
                for j in 0..i {
                    let p = crate::win_rate(truth[i] - truth[j]);
                    let won = (0..60).filter(|_| random.next_f64() < p).count();
                    games.push(game(i, j, won as f64, 60.0));
                }
            }
            let fit = BradleyTerry::fit(&games, 4).unwrap();
            for (player, other) in [(0, 1), (2, 3), (0, 3)] {
                let got = fit.difference(player, other, Level::default());
                let wanted = truth[player] - truth[other];
                held += usize::from(got.low <= wanted && wanted <= got.high);
                n += 1;
            }
        }
        // 855 of 900 within four standard deviations of a binomial, for those of one fit go together.
        assert!((829..=881).contains(&held), "{held} of {n}");
    }
}
