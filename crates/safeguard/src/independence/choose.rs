//! Panels, chosen on one half of the items and counted on the other.

use trimtab_core::Seed;
use trimtab_stats::{Ballots, ErrorCorrelations, diverse_panel};

use super::lineage::{self, Registered};
use super::{IndependenceConfig, IndependenceError, VotesInput};

/// How a panel is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// For diversity, among those who are accurate enough, few of one origin.
    Diverse,
    /// For diversity and nothing else.
    DiverseAlone,
    /// The most accurate.
    Accurate,
}

/// Items in halves.
pub(super) struct Halves<'a> {
    pub(super) first: Ballots,
    pub(super) second: Ballots,
    registry: &'a [Registered],
    correlations: ErrorCorrelations,
}

impl<'a> Halves<'a> {
    pub(super) fn new(input: &VotesInput<'a>, seed: Seed) -> Result<Self, IndependenceError> {
        let ballots = input.ballots;
        let n = ballots.n_supervisors();
        if input.supervisors.len() != n {
            return Err(IndependenceError::Registry {
                registered: input.supervisors.len(),
                voting: n,
            });
        }
        if n < 2 {
            return Err(IndependenceError::TooFewSupervisors(n));
        }
        if ballots.n_items() < 4 {
            return Err(IndependenceError::TooFewItems(ballots.n_items()));
        }
        let mut items: Vec<usize> = (0..ballots.n_items()).collect();
        seed.child("halves").stream().shuffle(&mut items);
        let (first, second) = items.split_at(items.len() / 2);
        let first = ballots.of_items(first);
        Ok(Self {
            correlations: ErrorCorrelations::new(&first),
            first,
            second: ballots.of_items(second),
            registry: input.supervisors,
        })
    }

    /// Who was asked often enough, in both halves.
    pub(super) fn candidates(&self, config: &IndependenceConfig) -> Vec<usize> {
        let is_asked = |half: &Ballots, j| {
            let (_, asked) = half.errors(j);
            asked > 0 && asked as f64 >= config.least_asked * half.n_items() as f64
        };
        (0..self.first.n_supervisors())
            .filter(|&j| is_asked(&self.first, j) && is_asked(&self.second, j))
            .collect()
    }

    /// A panel chosen on the first half; `None` where there are too few to choose from.
    pub(super) fn choose(&self, config: &IndependenceConfig, choice: Choice) -> Option<Vec<usize>> {
        let accuracy = |j: usize| self.first.accuracy(j).unwrap_or(0.0);
        let mut ranked = self.candidates(config);
        ranked.sort_by(|&a, &b| accuracy(b).total_cmp(&accuracy(a)).then(a.cmp(&b)));
        if ranked.len() < config.panel_size {
            return None;
        }
        if choice == Choice::Accurate {
            ranked.truncate(config.panel_size);
            return Some(ranked);
        }
        let median = accuracy(ranked[ranked.len() / 2]);
        let may_join = |panel: &[usize], j: usize| match choice {
            Choice::DiverseAlone | Choice::Accurate => ranked.contains(&j),
            Choice::Diverse => {
                ranked.contains(&j)
                    && accuracy(j) >= median - config.accuracy_slack
                    && lineage::may_join(self.registry, panel, j, config.most_sharing)
            }
        };
        diverse_panel(&self.correlations, config.panel_size, may_join)
    }

    /// Panels drawn at random from the candidates; none where there are too few.
    pub(super) fn random_panels(&self, config: &IndependenceConfig, seed: Seed) -> Vec<Vec<usize>> {
        let mut candidates = self.candidates(config);
        if candidates.len() < config.panel_size {
            return Vec::new();
        }
        let mut stream = seed.child("random panels").stream();
        (0..config.random_panels)
            .map(|_| {
                stream.shuffle(&mut candidates);
                candidates[..config.panel_size].to_vec()
            })
            .collect()
    }

    /// A panel's error on the second half, each vote counting alike.
    pub(super) fn error(&self, panel: &[usize]) -> Option<f64> {
        self.second.of_supervisors(panel).plurality_error()
    }
}

/// The mean over panels; `None` where there is none.
pub(super) fn mean_error(halves: &Halves<'_>, panels: &[Vec<usize>]) -> Option<f64> {
    mean(panels.iter().map(|panel| halves.error(panel)))
}

/// The mean of the values there are; `None` where there is none.
pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_u32);
    for value in values.flatten() {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::super::{JudgesConfig, judges};
    use super::*;

    #[test]
    fn the_halves_share_no_item_and_the_choice_does_not_see_the_second() {
        let config = IndependenceConfig {
            judges: JudgesConfig {
                items: 401,
                ..JudgesConfig::default()
            },
            ..IndependenceConfig::default()
        };
        let (ballots, registry) = judges(&config.judges, Seed(1)).unwrap();
        let of = |ballots: &Ballots| {
            let input = VotesInput {
                ballots,
                supervisors: &registry,
            };
            let halves = Halves::new(&input, Seed(2)).unwrap();
            assert_eq!(halves.first.n_items() + halves.second.n_items(), 401);
            halves.choose(&config, Choice::Diverse).unwrap()
        };
        let panel = of(&ballots);
        assert_eq!(panel.len(), 5);
        // Items of the second half changed beyond recognition: all of them now as the first of the others.
        let mut items: Vec<usize> = (0..401).collect();
        Seed(2).child("halves").stream().shuffle(&mut items);
        let mut changed: Vec<usize> = (0..401).collect();
        for &item in &items[200..] {
            changed[item] = items[200];
        }
        assert_eq!(of(&ballots.of_items(&changed)), panel);
    }
}
