//! Nested scalable oversight: how likely a chain of overseers is to hold, each watching the next stronger.
//!
//! Paper: Engels, Baek, Kantamneni and Tegmark 2025, arXiv:2504.18530.
//!
//! ```text
//! G(e), H(e)    strength in this game of a guard (overseer), and of a Houdini (who tries to escape), of general strength e
//! e_i           = e_0 + i · gap / n,   i = 0 … n
//! P_n           = Π_{i=0}^{n−1} 1 / (1 + 10^((H(e_{i+1}) − G(e_i)) / 400))
//! ```
//!
//! [`OversightGame::fit`] finds G and H: a rating of every guard and Houdini from their games ([`trimtab_stats::ratings`]), moved
//! together so that their mean is the mean of the general ratings, then a line with plateaus of each over general strength
//! ([`trimtab_stats::Plateaus`]).
//!
//! In: games of guards and Houdinis with general ratings, in Elo points. Out: probabilities.
//! Differs from the paper's code: ratings have a prior; the shape of least AIC is kept, not of highest.

use trimtab_stats::{Game, Plateaus, ratings, win_rate};

/// How strength in one game goes with general strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OversightGame {
    /// Of guards.
    pub guard: Plateaus,
    /// Of Houdinis.
    pub houdini: Plateaus,
}

/// What one guard and one Houdini did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watched {
    /// Which guard, from 0.
    pub guard: usize,
    /// Which Houdini, from 0.
    pub houdini: usize,
    /// How often the guard won, ties as half.
    pub won: f64,
    /// Out of how often.
    pub n: f64,
}

impl OversightGame {
    /// Fits both lines; `None` with fewer than four guards or Houdinis, or where all have one general rating.
    ///
    /// # Panics
    ///
    /// When a game names a guard or Houdini without a general rating: a bug in the caller.
    pub fn fit(games: &[Watched], guards: &[f64], houdinis: &[f64], prior_sd: f64) -> Option<Self> {
        let general: Vec<f64> = guards.iter().chain(houdinis).copied().collect();
        let games: Vec<Game> = (games.iter())
            .map(|game| Game {
                first: game.guard,
                second: guards.len() + game.houdini,
                won: game.won,
                n: game.n,
            })
            .collect();
        let mean = general.iter().sum::<f64>() / general.len().max(1) as f64;
        let domain: Vec<f64> = (ratings(&games, general.len(), prior_sd).into_iter())
            .map(|rating| rating + mean)
            .collect();
        let (of_guards, of_houdinis) = domain.split_at(guards.len());
        Some(Self {
            guard: Plateaus::fit(guards, of_guards)?,
            houdini: Plateaus::fit(houdinis, of_houdinis)?,
        })
    }

    /// The chance that `n_steps` guards from general strength `weakest` hold what is `gap` points above it.
    ///
    /// # Panics
    ///
    /// When there is no step: a bug in the caller.
    pub fn success(&self, weakest: f64, gap: f64, n_steps: u32) -> f64 {
        assert!(n_steps > 0, "oversight in no step");
        let strength = |i: u32| weakest + gap * f64::from(i) / f64::from(n_steps);
        (0..n_steps)
            .map(|i| win_rate(self.guard.at(strength(i)) - self.houdini.at(strength(i + 1))))
            .product()
    }

    /// The number of steps, up to `most`, that is likeliest to hold, and that chance; of equals the fewest.
    ///
    /// # Panics
    ///
    /// When `most` is 0: a bug in the caller.
    pub fn best_steps(&self, weakest: f64, gap: f64, most: u32) -> (u32, f64) {
        let mut best = (1, self.success(weakest, gap, 1));
        for n in 2..=most {
            let chance = self.success(weakest, gap, n);
            if chance > best.1 {
                best = (n, chance);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(base: f64, slope: f64) -> Plateaus {
        Plateaus {
            base,
            slope,
            lower: None,
            upper: None,
            aic: 0.0,
        }
    }

    #[test]
    fn by_hand() {
        // Both as strong as in general; 400 points in one step: 1/11; in two: (1 / (1 + √10))².
        let even = OversightGame {
            guard: line(0.0, 1.0),
            houdini: line(0.0, 1.0),
        };
        assert!((even.success(1000.0, 400.0, 1) - 1.0 / 11.0).abs() < 1e-12);
        assert!((even.success(1000.0, 400.0, 2) - (1.0 + 10.0_f64.sqrt()).powi(-2)).abs() < 1e-12);
        // A step more halves the chance at best: one is enough.
        assert_eq!(even.best_steps(1000.0, 400.0, 8).0, 1);
        // A guard 400 points better than its general strength: 1/2 in one step; two are (1 / (1 + 10^-0.5))² = 0.577.
        let strong = OversightGame {
            guard: line(400.0, 1.0),
            houdini: line(0.0, 1.0),
        };
        let (n, chance) = strong.best_steps(1000.0, 400.0, 8);
        assert!(
            n > 1 && chance > strong.success(1000.0, 400.0, 1),
            "{n} {chance}"
        );
    }

    #[test]
    fn lines_that_made_the_games_are_found() {
        let general: Vec<f64> = (0..8).map(|i| 800.0 + 100.0 * f64::from(i)).collect();
        let (guard, houdini) = (line(300.0, 0.8), line(-100.0, 1.0));
        let games: Vec<Watched> = (0..8)
            .flat_map(|g| (0..8).map(move |h| (g, h)))
            .map(|(g, h)| Watched {
                guard: g,
                houdini: h,
                won: 1e4 * win_rate(guard.at(general[g]) - houdini.at(general[h])),
                n: 1e4,
            })
            .collect();
        let fit = OversightGame::fit(&games, &general, &general, 1e6).unwrap();
        assert!(
            (fit.guard.slope - 0.8).abs() < 0.01 && (fit.houdini.slope - 1.0).abs() < 0.01,
            "{fit:?}"
        );
        let expected = OversightGame { guard, houdini }.success(900.0, 300.0, 3);
        assert!((fit.success(900.0, 300.0, 3) - expected).abs() < 0.01);
        assert_eq!(
            OversightGame::fit(&games, &general, &[1000.0; 8], 1e6),
            None
        );
    }

    proptest! {
        #[test]
        fn a_wider_gap_is_harder_to_hold(slope in 0.1..2.0_f64, gap in 0.0..800.0_f64, more in 1.0..400.0_f64, n in 1..6u32) {
            // A guard as strong at every step as at the first, so that only the Houdini grows.
            let domain = OversightGame { guard: line(1000.0, 0.0), houdini: line(0.0, slope) };
            prop_assert!(domain.success(1000.0, gap + more, n) < domain.success(1000.0, gap, n));
        }
    }
}
