//! How persuasive each debater is, and whether persuasive debaters make truthful judges.
//!
//! Paper: Khan et al. 2024, arXiv:2402.06782, section 4: aggregate Elo, and judges' accuracy against it.
//!
//! ```text
//! ratings: see trimtab_stats::ratings; a player that argues the truth and the same player that does not may be rated apart
//! slope   = Σ_i (r_i − r̄)(a_i − ā) / Σ_i (r_i − r̄)²       r: Elo; a: judge accuracy when i debates itself
//! ```
//!
//! In: contests. Out: points, their mean at 0, with bootstrap intervals over passages; the slope in accuracy a 100 points.
//! A failed judgement is no game; it is counted, and costs accuracy.
//! Differs from Khan et al.: likelihood with a prior, not least squares (theirs is beside it); self-play says nothing of a
//! player's rating when the two roles are rated together, and their difference when apart; the slope has an interval, for
//! which ratings and accuracies are both made anew from every resampling.

use std::collections::BTreeMap;

use serde::Serialize;
use trimtab_stats::{Game, Interval, Level, Replicates, Resampler, least_squares, ratings};

use super::contest::{Argued, Contest};

/// Whether a player is one in both roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// Arguing the truth and arguing the falsehood are two players.
    Apart,
    /// They are one: Khan's aggregate.
    Together,
}

/// One player's rating.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rated {
    /// Who.
    pub player: String,
    /// Arguing what, where roles are apart.
    pub argued: Option<Argued>,
    /// Points above the mean of all.
    pub elo: Interval,
    /// By least squares of win rates, for comparison.
    pub least_squares: f64,
    /// Decided contests against others.
    pub n: usize,
    /// Failed ones.
    pub n_failed: usize,
}

type Player<'a> = (&'a str, Option<Argued>);

/// Rates all players, in order of name; `prior_sd` in points ([`trimtab_stats::PRIOR_SD`] unless there is a reason).
pub fn rate(
    contests: &[Contest<'_>],
    roles: Roles,
    prior_sd: f64,
    resampler: Resampler,
    level: Level,
) -> Vec<Rated> {
    let table = Table::new(contests, roles);
    let fit = |counts: &[u32]| ratings(&table.games(counts), table.players.len(), prior_sd);
    let once = vec![1; table.n_passages];
    let estimates = fit(&once);
    let replicates: Vec<Vec<f64>> = (resampler.cluster_counts(table.n_passages))
        .map(|counts| fit(&counts))
        .collect();
    let by_squares = least_squares(&table.games(&once), table.players.len());
    (table.players.iter().enumerate())
        .map(|(place, (player, argued))| {
            let values = replicates.iter().map(|fit| fit[place]).collect();
            let interval = Replicates::new(estimates[place], values).map(|all| all.interval(level));
            let played = |(honest, dishonest): (usize, usize)| {
                honest != dishonest && (honest == place || dishonest == place)
            };
            let count = |failed: bool| {
                (table.pairs.iter().zip(contests))
                    .filter(|(pair, contest)| played(**pair) && contest.won.is_none() == failed)
                    .count()
            };
            Rated {
                player: (*player).to_owned(),
                argued: *argued,
                elo: interval
                    .unwrap_or_else(|| unreachable!("a resampler makes a replicate at least")),
                least_squares: by_squares[place],
                n: count(false),
                n_failed: count(true),
            }
        })
        .collect()
}

/// Judge accuracy against persuasiveness.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PersuasionTruthSlope {
    /// Accuracy a 100 Elo points; positive: more persuasive debaters, more truth.
    pub slope: Interval,
    /// Every player with its rating and the judge's accuracy when it debates itself.
    pub points: Vec<(String, f64, f64)>,
}

/// The slope of accuracy in self-play over aggregate Elo; `None` with fewer than two players that debate themselves, or none
/// that differ in Elo.
pub fn persuasion_truth_slope(
    contests: &[Contest<'_>],
    prior_sd: f64,
    resampler: Resampler,
    level: Level,
) -> Option<PersuasionTruthSlope> {
    let table = Table::new(contests, Roles::Together);
    let points = |counts: &[u32]| -> Vec<(usize, f64, f64)> {
        let elo = ratings(&table.games(counts), table.players.len(), prior_sd);
        (0..table.players.len())
            .filter_map(|player| {
                Some((
                    player,
                    elo[player],
                    table.accuracy(player, contests, counts)?,
                ))
            })
            .collect()
    };
    let slope = |counts: &[u32]| {
        let points = points(counts);
        let n = points.len() as f64;
        let mean = |of: fn(&(usize, f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (elo, accuracy) = (mean(|point| point.1), mean(|point| point.2));
        let spread: f64 = points.iter().map(|point| (point.1 - elo).powi(2)).sum();
        let product: f64 = points
            .iter()
            .map(|point| (point.1 - elo) * (point.2 - accuracy))
            .sum();
        (points.len() > 1 && spread > 1e-9).then(|| 100.0 * product / spread)
    };
    Some(PersuasionTruthSlope {
        slope: resampler
            .clustered(table.n_passages, slope)?
            .interval(level),
        points: (points(&vec![1; table.n_passages]).into_iter())
            .map(|(player, elo, accuracy)| (table.players[player].0.to_owned(), elo, accuracy))
            .collect(),
    })
}

/// Contests with players and passages as numbers.
struct Table<'a> {
    players: Vec<Player<'a>>,
    n_passages: usize,
    /// Of every contest: who argued the truth, and who did not.
    pairs: Vec<(usize, usize)>,
    passages: Vec<usize>,
    won: Vec<Option<f64>>,
}

impl<'a> Table<'a> {
    fn new(contests: &'a [Contest<'a>], roles: Roles) -> Self {
        let named = |name: &'a str, argued| (name, (roles == Roles::Apart).then_some(argued));
        let both: Vec<[Player<'a>; 2]> = (contests.iter())
            .map(|contest| {
                [
                    named(contest.honest, Argued::Truth),
                    named(contest.dishonest, Argued::Falsehood),
                ]
            })
            .collect();
        let mut players: Vec<Player<'a>> = both.iter().flatten().copied().collect();
        players.sort_unstable();
        players.dedup();
        let place = |player: &Player<'a>| players.partition_point(|other| other < player);
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let passages = (contests.iter())
            .map(|contest| {
                let next = numbers.len();
                *numbers.entry(&contest.passage).or_insert(next)
            })
            .collect();
        Self {
            pairs: both
                .iter()
                .map(|[honest, dishonest]| (place(honest), place(dishonest)))
                .collect(),
            passages,
            n_passages: numbers.len(),
            won: contests.iter().map(|contest| contest.won).collect(),
            players,
        }
    }

    /// A game for every two players that met, with passages drawn so often.
    fn games(&self, counts: &[u32]) -> Vec<Game> {
        let mut games: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
        for ((pair, passage), won) in self.pairs.iter().zip(&self.passages).zip(&self.won) {
            let weight = f64::from(counts[*passage]);
            if let Some(won) = won.filter(|_| weight > 0.0 && pair.0 != pair.1) {
                // Whoever of the two argued the truth.
                let (pair, won) = if pair.0 < pair.1 {
                    (*pair, won)
                } else {
                    ((pair.1, pair.0), 1.0 - won)
                };
                let (sum, n) = games.entry(pair).or_default();
                *sum += weight * won;
                *n += weight;
            }
        }
        (games.into_iter())
            .map(|((first, second), (won, n))| Game {
                first,
                second,
                won,
                n,
            })
            .collect()
    }

    /// The judge's accuracy when `player` debates itself.
    fn accuracy(&self, player: usize, contests: &[Contest<'_>], counts: &[u32]) -> Option<f64> {
        let (mut sum, mut n) = (0.0, 0.0);
        for ((pair, passage), contest) in self.pairs.iter().zip(&self.passages).zip(contests) {
            if *pair == (player, player) {
                let weight = f64::from(counts[*passage]);
                sum += weight * contest.won.unwrap_or(0.0);
                n += weight;
            }
        }
        (n > 0.0).then(|| sum / n)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use trimtab_core::Seed;
    use trimtab_stats::PRIOR_SD;

    use super::*;

    const RESAMPLER: Resampler = Resampler {
        n_resamples: NonZeroUsize::new(100).unwrap(),
        seed: Seed(1),
    };

    /// `n` contests each, of which the honest side wins so many.
    fn contests(of: &[(&'static str, &'static str, usize, usize)]) -> Vec<Contest<'static>> {
        (of.iter())
            .flat_map(|(honest, dishonest, n_won, n)| {
                (0..*n).map(move |i| Contest {
                    honest,
                    dishonest,
                    won: Some(f64::from(u8::from(i < *n_won))),
                    passage: format!("p{}", i % 20),
                })
            })
            .collect()
    }

    #[test]
    fn a_role_is_a_player_or_a_player_is_one() {
        let contests = contests(&[
            ("strong", "weak", 90, 100),
            ("weak", "strong", 40, 100),
            ("strong", "strong", 70, 100),
            ("weak", "weak", 60, 100),
        ]);
        let together = rate(&contests, Roles::Together, 1e5, RESAMPLER, Level::default());
        // 150 of the 200 contests between them: 400 · log10(3).
        let gap = together[0].elo.estimate - together[1].elo.estimate;
        assert!((gap - 400.0 * 3.0_f64.log10()).abs() < 0.01, "{together:?}");
        assert!((together[0].least_squares - together[1].least_squares - gap).abs() < 0.01);
        assert_eq!(
            (&*together[0].player, together[0].argued, together[0].n),
            ("strong", None, 200)
        );
        assert!(
            together
                .iter()
                .all(|r| r.elo.low < r.elo.estimate && r.elo.estimate < r.elo.high)
        );

        let apart = rate(
            &contests,
            Roles::Apart,
            PRIOR_SD,
            RESAMPLER,
            Level::default(),
        );
        assert_eq!(apart.len(), 4);
        let of = |player, argued| {
            apart
                .iter()
                .find(|r| r.player == player && r.argued == Some(argued))
                .unwrap()
                .elo
                .estimate
        };
        assert!(of("strong", Argued::Truth) > of("weak", Argued::Truth));
        assert!(of("strong", Argued::Truth) > of("strong", Argued::Falsehood));
    }

    #[test]
    fn the_slope_is_that_of_the_points() {
        let contests = contests(&[
            ("strong", "weak", 75, 100),
            ("weak", "strong", 25, 100),
            ("strong", "strong", 80, 100),
            ("weak", "weak", 60, 100),
        ]);
        let slope = persuasion_truth_slope(&contests, 1e5, RESAMPLER, Level::default()).unwrap();
        let gap = 400.0 * 3.0_f64.log10();
        assert!(
            (slope.slope.estimate - 100.0 * 0.2 / gap).abs() < 1e-4,
            "{slope:?}"
        );
        assert_eq!(slope.points.len(), 2);
        assert_eq!(
            persuasion_truth_slope(&contests[..200], 1e5, RESAMPLER, Level::default()),
            None
        );
    }

    #[test]
    fn failed_judgements_are_no_games_and_cost_accuracy() {
        let mut contests = contests(&[("a", "b", 5, 10), ("a", "a", 5, 10), ("b", "b", 5, 10)]);
        contests[0].won = None;
        contests[10].won = None;
        let rated = rate(
            &contests,
            Roles::Together,
            PRIOR_SD,
            RESAMPLER,
            Level::default(),
        );
        assert_eq!((rated[0].n, rated[0].n_failed), (9, 1));
        let table = Table::new(&contests, Roles::Together);
        assert_eq!(
            table.accuracy(0, &contests, &vec![1; table.n_passages]),
            Some(0.4)
        );
        assert_eq!(
            rate(&[], Roles::Apart, PRIOR_SD, RESAMPLER, Level::default()),
            []
        );
    }
}
