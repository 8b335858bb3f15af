//! Bradley and Terry's strengths from raters of whom some do not look: a reliability and a preference for one place each.
//!
//! Papers: Chen et al. 2013, "Pairwise ranking aggregation in a crowdsourced setting", WSDM; with a preference for one place Bugakova
//! et al. 2019, arXiv:1909.13075 (noisy Bradley–Terry).
//!
//! ```text
//! P(rater r chooses the first) = ρ_r σ(s_first − s_second) + (1 − ρ_r) b_r
//! goes by the order   b_r is fitted: who does not look takes the first so often
//! inverts             b_r = σ(s_second − s_first): who does not look says the opposite (Chen et al.)
//! ```
//!
//! with `ρ_r` the share of comparisons that rater r looks at. Fitted by expectation (did the rater look?) and maximisation, which
//! for strengths is [`crate::ratings`] of as many games as were looked at. `ρ_r` has a Beta(10, 2) prior, `b_r` a Beta(2, 2),
//! strengths a normal one: without them strengths and reliability trade off where raters are few. The objective, with priors, never
//! falls.
//!
//! In: votes. Out: Elo points, their mean at 0, and a reliability and a preference a rater.
//! Differs from the papers: priors at their mode instead of posterior means (Chen et al.) and of gradient ascent (Bugakova et al.).

use std::f64::consts::LN_10;

use serde::{Deserialize, Serialize};

use crate::dawid_skene::Search;
use crate::elo::win_rate;
use crate::ratings::{Game, PRIOR_SD, ratings};

/// What a rater said of two players.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// Who, from 0.
    pub rater: usize,
    /// The player that was shown first.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// Which was chosen.
    pub chose: Chose,
}

/// Which of two was chosen, by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chose {
    /// The one shown first.
    First,
    /// The other.
    Second,
}

/// What a rater does who does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreliable {
    /// Goes by the order.
    #[default]
    ByOrder,
    /// Says the opposite.
    Inverted,
}

/// Strengths of players and reliability of raters.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdBradleyTerry {
    /// Elo points, their mean at 0.
    pub strengths: Vec<f64>,
    /// The share of comparisons that each rater looks at; the prior's 0.9 of one who did not vote.
    pub reliability: Vec<f64>,
    /// How often each rater takes the first where it does not look; absent where those who do not look invert.
    pub takes_first: Option<Vec<f64>>,
    /// The objective after each step: it never falls.
    pub objective: Vec<f64>,
    /// Whether the search came to rest.
    pub search: Search,
}

/// Pseudo-votes of the priors, looked at and not; first and second.
const LOOKED: [f64; 2] = [9.0, 1.0];
const PLACES: [f64; 2] = [1.0, 1.0];
const MOST_STEPS: usize = 500;
const TOLERANCE: f64 = 1e-9;

impl CrowdBradleyTerry {
    /// Fits; a vote on a player against itself says something of the rater alone.
    ///
    /// # Panics
    ///
    /// When a vote names a player that is not there: a bug in the caller.
    pub fn fit(votes: &[Vote], n_players: usize, unreliable: Unreliable) -> Self {
        let n_raters = votes.iter().map(|vote| vote.rater + 1).max().unwrap_or(0);
        let prior = LOOKED[0] / (LOOKED[0] + LOOKED[1]);
        let mut fit = Self {
            strengths: vec![0.0; n_players],
            reliability: vec![prior; n_raters],
            takes_first: (unreliable == Unreliable::ByOrder).then(|| vec![0.5; n_raters]),
            objective: Vec::new(),
            search: Search::Stopped,
        };
        for _ in 0..MOST_STEPS {
            // How likely each vote was looked at.
            let looked: Vec<f64> = (votes.iter())
                .map(|vote| {
                    let [by_strength, otherwise] = fit.ways(vote);
                    by_strength / (by_strength + otherwise)
                })
                .collect();
            fit.maximise(votes, &looked, n_players);
            let objective = fit.value(votes);
            let before = fit.objective.last().copied();
            fit.objective.push(objective);
            let enough = TOLERANCE * votes.len().max(1) as f64;
            if before.is_some_and(|before| objective - before < enough) {
                fit.search = Search::Settled;
                break;
            }
        }
        fit
    }

    /// How likely the vote is by strength, and otherwise.
    fn ways(&self, vote: &Vote) -> [f64; 2] {
        let first = win_rate(self.strengths[vote.first] - self.strengths[vote.second]);
        let without = (self.takes_first.as_ref()).map_or(1.0 - first, |first| first[vote.rater]);
        let of = |first: f64| match vote.chose {
            Chose::First => first,
            Chose::Second => 1.0 - first,
        };
        let reliability = self.reliability[vote.rater];
        [reliability * of(first), (1.0 - reliability) * of(without)]
    }

    fn maximise(&mut self, votes: &[Vote], looked: &[f64], n_players: usize) {
        let n_raters = self.reliability.len();
        let mut of_rater = vec![LOOKED; n_raters];
        let mut places = vec![PLACES; n_raters];
        let mut games = vec![
            Game {
                first: 0,
                second: 0,
                won: 0.0,
                n: 0.0
            };
            n_players * n_players
        ];
        for (vote, looked) in votes.iter().zip(looked) {
            of_rater[vote.rater][0] += looked;
            of_rater[vote.rater][1] += 1.0 - looked;
            let (won, place) = match vote.chose {
                Chose::First => (1.0, 0),
                Chose::Second => (0.0, 1),
            };
            places[vote.rater][place] += 1.0 - looked;
            let game = &mut games[vote.first * n_players + vote.second];
            (game.first, game.second) = (vote.first, vote.second);
            game.n += looked;
            game.won += looked * won;
            if self.takes_first.is_none() {
                // Who inverts says of the other place what is true of this one.
                game.n += 1.0 - looked;
                game.won += (1.0 - looked) * (1.0 - won);
            }
        }
        let share = |[one, other]: [f64; 2]| one / (one + other);
        self.reliability = of_rater.into_iter().map(share).collect();
        if let Some(takes_first) = &mut self.takes_first {
            *takes_first = places.into_iter().map(share).collect();
        }
        games.retain(|game| game.n > 0.0);
        self.strengths = ratings(&games, n_players, PRIOR_SD);
    }

    /// The log-likelihood with the priors.
    fn value(&self, votes: &[Vote]) -> f64 {
        let likelihood: f64 = votes
            .iter()
            .map(|vote| self.ways(vote).iter().sum::<f64>().ln())
            .sum();
        let beta = |p: f64, [one, other]: [f64; 2]| one * p.ln() + other * (1.0 - p).ln();
        let reliability: f64 = self.reliability.iter().map(|p| beta(*p, LOOKED)).sum();
        let places = self.takes_first.iter().flatten().map(|p| beta(*p, PLACES));
        let logit = LN_10 / 400.0;
        let normal: f64 = self.strengths.iter().map(|s| (s * logit).powi(2)).sum();
        likelihood + reliability + places.sum::<f64>() - normal / (2.0 * (PRIOR_SD * logit).powi(2))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;

    const TRUTH: [f64; 6] = [300.0, 150.0, 50.0, -50.0, -150.0, -300.0];

    /// Votes by raters who look so often; when they do not, they take the first so often, or invert.
    fn votes(raters: &[(f64, Option<f64>)], n: usize, seed: u64) -> Vec<Vote> {
        let mut random = Seed(seed).stream();
        let mut votes = Vec::new();
        for (rater, (reliability, takes_first)) in raters.iter().enumerate() {
            for _ in 0..n {
                let first = random.below(6);
                let second = (first + 1 + random.below(5)) % 6;
                let p = win_rate(TRUTH[first] - TRUTH[second]);
                let looks = random.next_f64() < *reliability;
                let p = if looks {
                    p
                } else {
                    takes_first.unwrap_or(1.0 - p)
                };
                let chose = if random.next_f64() < p {
                    Chose::First
                } else {
                    Chose::Second
                };
                votes.push(Vote {
                    rater,
                    first,
                    second,
                    chose,
                });
            }
        }
        votes
    }

    fn worst(strengths: &[f64]) -> f64 {
        let apart = strengths
            .iter()
            .zip(TRUTH)
            .map(|(got, truth)| (got - truth).abs());
        apart.fold(0.0, f64::max)
    }

    #[test]
    fn raters_who_go_by_the_order_are_found_and_strengths_with_them() {
        let raters = [
            (1.0, Some(0.5)),
            (0.9, Some(0.5)),
            (0.5, Some(0.9)),
            (0.05, Some(0.95)),
            (0.05, Some(0.1)),
        ];
        let votes = votes(&raters, 2_000, 0);
        let fit = CrowdBradleyTerry::fit(&votes, 6, Unreliable::ByOrder);
        assert_eq!(fit.search, Search::Settled);
        for (rater, (reliability, takes_first)) in raters.iter().enumerate() {
            let got = fit.reliability[rater];
            assert!(
                (got - reliability).abs() < 0.1,
                "{rater}: {got}, not {reliability}"
            );
            if *reliability < 0.6 {
                let got = fit.takes_first.as_ref().unwrap()[rater];
                assert!((got - takes_first.unwrap()).abs() < 0.1, "{rater}: {got}");
            }
        }
        // Plain Bradley and Terry takes all votes for strengths, and pulls them together.
        let games: Vec<Game> = (votes.iter())
            .map(|vote| Game {
                first: vote.first,
                second: vote.second,
                won: f64::from(u8::from(vote.chose == Chose::First)),
                n: 1.0,
            })
            .collect();
        let plain = worst(&ratings(&games, 6, PRIOR_SD));
        assert!(
            worst(&fit.strengths) < 40.0 && plain > 80.0,
            "{:?} {plain}",
            fit.strengths
        );
    }

    #[test]
    fn raters_who_invert_are_turned_round() {
        let raters = [(1.0, None), (0.95, None), (0.9, None), (0.1, None)];
        let votes = votes(&raters, 1_500, 1);
        let fit = CrowdBradleyTerry::fit(&votes, 6, Unreliable::Inverted);
        assert_eq!(fit.takes_first, None);
        for (rater, (reliability, _)) in raters.iter().enumerate() {
            let got = fit.reliability[rater];
            assert!(
                (got - reliability).abs() < 0.1,
                "{rater}: {got}, not {reliability}"
            );
        }
        assert!(worst(&fit.strengths) < 40.0, "{:?}", fit.strengths);
    }

    #[test]
    fn no_vote_is_the_prior() {
        let fit = CrowdBradleyTerry::fit(&[], 2, Unreliable::ByOrder);
        assert_eq!((fit.strengths, fit.reliability), (vec![0.0; 2], vec![]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_objective_never_falls(
            votes in prop::collection::vec((0..3_usize, 0..4_usize, 0..4_usize, any::<bool>()), 1..60),
            by_order: bool,
        ) {
            let votes: Vec<Vote> = votes.into_iter().map(|(rater, first, second, chose)| Vote {
                rater, first, second,
                chose: if chose { Chose::First } else { Chose::Second },
            }).collect();
            let unreliable = if by_order { Unreliable::ByOrder } else { Unreliable::Inverted };
            let fit = CrowdBradleyTerry::fit(&votes, 4, unreliable);
            for two in fit.objective.windows(2) {
                prop_assert!(two[1] >= two[0] - 1e-8, "{:?}", fit.objective);
            }
            prop_assert!(fit.reliability.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!(fit.strengths.iter().all(|points| points.is_finite()));
        }
    }
}
