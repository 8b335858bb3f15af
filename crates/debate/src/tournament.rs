//! Who debates whom: self-play, round robin, Swiss; and which variants are compared at equal cost.
//!
//! Papers: Khan et al. 2024, arXiv:2402.06782, for Swiss tournaments of debaters; the circle of a round robin is Kirkman's
//! (1850); Dutch pairing is FIDE's.
//!
//! A pairing says who is at the first place and who at the second. Which of them argues the truth is not in it: every pairing is
//! debated with both assignments, or as its caller draws.
//!
//! In: numbers of players, from 0. Out: rounds of pairings. Nothing is drawn: the same input has the same rounds.
//! Differs from Khan et al.: ⌈log₂ n⌉ Swiss rounds are played, all of them (their code stops after three).

use serde::Serialize;

/// Two players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Pairing {
    /// At the first place.
    pub first: usize,
    /// At the second.
    pub second: usize,
}

/// One round: every player in one pairing at most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Round {
    /// Who meets whom.
    pub pairings: Vec<Pairing>,
    /// Who does not play, where players are odd in number.
    pub bye: Option<usize>,
}

/// Every player against itself.
pub fn self_play(n_players: usize) -> Vec<Pairing> {
    (0..n_players)
        .map(|player| Pairing {
            first: player,
            second: player,
        })
        .collect()
}

/// Everyone meets everyone once, in as few rounds as there can be; each is as often at the first place as at the second, to one.
pub fn round_robin(n_players: usize) -> Vec<Round> {
    // An empty chair makes the number even; who meets it does not play.
    let n = n_players + n_players % 2;
    if n_players < 2 {
        return Vec::new();
    }
    (0..n - 1)
        .map(|turn| {
            // The last sits still, the others turn around it.
            let seat = |i: usize| (turn + i) % (n - 1);
            let mut round = Round::default();
            let opposite = (1..n / 2).map(|i| (seat(i), seat(n - 1 - i)));
            for (one, other) in std::iter::once((seat(0), n - 1)).chain(opposite) {
                match (one < n_players, other < n_players) {
                    (true, true) => round.pairings.push(placed(one, other, n_players)),
                    (true, false) => round.bye = Some(one),
                    (false, true) => round.bye = Some(other),
                    (false, false) => {}
                }
            }
            round.pairings.sort_unstable();
            round
        })
        .collect()
}

/// Who of two is at the first place in a round robin: whoever is followed by the other within half a turn of all players.
fn placed(one: usize, other: usize, n_players: usize) -> Pairing {
    let ahead = (other + n_players - one) % n_players;
    let is_first = 2 * ahead < n_players || (2 * ahead == n_players && one < other);
    if is_first {
        Pairing {
            first: one,
            second: other,
        }
    } else {
        Pairing {
            first: other,
            second: one,
        }
    }
}

/// How many Swiss rounds find one winner: ⌈log₂ n⌉.
pub fn swiss_rounds(n_players: usize) -> u32 {
    n_players.next_power_of_two().trailing_zeros()
}

/// The next Swiss round: players of like score meet, nobody twice where that can be avoided, nobody twice without a game, and
/// whoever was less often at the first place is there.
///
/// `scores`: of every player so far, more is better; `played`: all rounds before.
///
/// # Panics
///
/// When a round names a player without a score: a bug in the caller.
pub fn swiss_round(scores: &[f64], played: &[Round]) -> Round {
    let n = scores.len();
    let mut met = vec![vec![false; n]; n];
    let mut firsts = vec![0_i64; n];
    for pairing in played.iter().flat_map(|round| &round.pairings) {
        let Pairing { first, second } = *pairing;
        met[first][second] = true;
        met[second][first] = true;
        firsts[first] += 1;
        firsts[second] -= 1;
    }
    let mut ranked: Vec<usize> = (0..n).collect();
    ranked.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));

    let n_byes = |player: usize| {
        played
            .iter()
            .filter(|round| round.bye == Some(player))
            .count()
    };
    // The lowest of those who sat out least often; if without it nobody new can be met, the next lowest.
    let mut byes: Vec<Option<usize>> = vec![None];
    if n % 2 == 1 {
        let mut lowest = ranked.clone();
        lowest.reverse();
        lowest.sort_by_key(|player| n_byes(*player));
        byes = lowest.into_iter().map(Some).collect();
    }
    let without = |bye: Option<usize>| -> Vec<usize> {
        ranked
            .iter()
            .copied()
            .filter(|player| Some(*player) != bye)
            .collect()
    };
    let fewest = byes[0].map(n_byes);
    let found = (byes.iter())
        .take_while(|bye| bye.map(n_byes) == fewest)
        .find_map(|bye| Some((*bye, pair_up(&without(*bye), &met)?)));
    // Where nothing else is left they meet again.
    let (bye, pairs) = found.unwrap_or_else(|| {
        let players = without(byes[0]);
        (
            byes[0],
            players
                .chunks_exact(2)
                .map(|pair| (pair[0], pair[1]))
                .collect(),
        )
    });
    Round {
        pairings: (pairs.into_iter())
            .map(|(one, other)| {
                if firsts[other] < firsts[one] {
                    Pairing {
                        first: other,
                        second: one,
                    }
                } else {
                    Pairing {
                        first: one,
                        second: other,
                    }
                }
            })
            .collect(),
        bye,
    }
}

/// How many tries a pairing may take before it counts as impossible: far more than any tournament of ⌈log₂ n⌉ rounds needs.
const MOST_TRIES: usize = 200_000;

/// Pairs of players who have not met, the best first, each with the nearest in rank that leaves the others a pairing.
fn pair_up(players: &[usize], met: &[Vec<bool>]) -> Option<Vec<(usize, usize)>> {
    fn search(
        left: &[usize],
        met: &[Vec<bool>],
        pairs: &mut Vec<(usize, usize)>,
        tries: &mut usize,
    ) -> bool {
        let Some((best, others)) = left.split_first() else {
            return true;
        };
        for (at, other) in others.iter().enumerate() {
            *tries += 1;
            if met[*best][*other] || *tries > MOST_TRIES {
                continue;
            }
            let mut rest = others.to_vec();
            rest.remove(at);
            pairs.push((*best, *other));
            if search(&rest, met, pairs, tries) {
                return true;
            }
            pairs.pop();
        }
        false
    }
    let mut pairs = Vec::new();
    search(players, met, &mut pairs, &mut 0).then_some(pairs)
}

/// One variant of every protocol, as near in cost as they can be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matched {
    /// Of every protocol, which variant.
    pub chosen: Vec<usize>,
    /// The largest cost among them over the smallest; 1 is a perfect match.
    pub ratio: f64,
}

/// Chooses a variant of every protocol so that costs (tokens a question, say) are as nearly equal as they can be; of equal
/// matches the costliest. `None` where there is no protocol, or one without a variant of positive cost.
pub fn compute_matched(costs: &[Vec<f64>]) -> Option<Matched> {
    // For every cost as the largest of a choice: the costliest variant of every protocol that does not exceed it.
    let mut best: Option<(Matched, f64)> = None;
    let largest = costs
        .iter()
        .flatten()
        .copied()
        .filter(|cost| *cost > 0.0 && cost.is_finite());
    for most in largest {
        let choice: Option<Vec<usize>> = (costs.iter())
            .map(|variants| {
                (variants.iter().enumerate())
                    .filter(|(_, cost)| **cost > 0.0 && **cost <= most)
                    .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))
                    .map(|(variant, _)| variant)
            })
            .collect();
        let Some(chosen) = choice else {
            continue;
        };
        let of = chosen
            .iter()
            .zip(costs)
            .map(|(variant, costs)| costs[*variant]);
        let (low, high) = of.fold((f64::INFINITY, 0.0_f64), |(low, high), cost| {
            (low.min(cost), high.max(cost))
        });
        let ratio = high / low;
        let better = (best.as_ref()).is_none_or(|(so_far, cost)| {
            ratio < so_far.ratio || ratio == so_far.ratio && high > *cost
        });
        if better {
            best = Some((Matched { chosen, ratio }, high));
        }
    }
    best.map(|(matched, _)| matched)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn names(pairing: Pairing) -> [usize; 2] {
        [
            pairing.first.min(pairing.second),
            pairing.first.max(pairing.second),
        ]
    }

    fn once_a_round(round: &Round, n: usize) {
        let mut seen: Vec<usize> = round
            .pairings
            .iter()
            .flat_map(|p| [p.first, p.second])
            .chain(round.bye)
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..n).collect::<Vec<_>>());
    }

    #[test]
    fn rounds_of_swiss() {
        let got: Vec<u32> = [1, 2, 3, 4, 5, 8, 9, 16, 17].map(swiss_rounds).to_vec();
        assert_eq!(got, [0, 1, 2, 2, 3, 3, 4, 4, 5]);
    }

    #[test]
    fn likes_meet_likes() {
        let round = swiss_round(&[1.0, 0.0, 1.0, 0.0], &[]);
        let pairs: Vec<_> = round.pairings.iter().map(|p| names(*p)).collect();
        assert_eq!(pairs, [[0, 2], [1, 3]]);
    }

    #[test]
    fn when_all_have_met_they_meet_again() {
        let mut played = Vec::new();
        for _ in 0..4 {
            let round = swiss_round(&[0.0; 4], &played);
            once_a_round(&round, 4);
            played.push(round);
        }
        let met: HashSet<_> = played[..3]
            .iter()
            .flat_map(|r| &r.pairings)
            .map(|p| names(*p))
            .collect();
        assert_eq!(met.len(), 6);
    }

    #[test]
    fn costs_are_matched() {
        let matched = compute_matched(&[
            vec![100.0, 210.0, 400.0],
            vec![200.0, 1000.0],
            vec![50.0, 190.0],
        ])
        .unwrap();
        assert_eq!(matched.chosen, [1, 0, 1]);
        assert!((matched.ratio - 210.0 / 190.0).abs() < 1e-12);
        assert_eq!(
            compute_matched(&[vec![1.0, 2.0], vec![1.0, 2.0]])
                .unwrap()
                .chosen,
            [1, 1]
        );
        assert_eq!(
            (
                compute_matched(&[]),
                compute_matched(&[vec![1.0], vec![0.0]])
            ),
            (None, None)
        );
    }

    proptest! {
        #[test]
        fn everyone_meets_everyone_once(n in 0..40usize) {
            let rounds = round_robin(n);
            let mut seen = HashSet::new();
            let mut balance = vec![0_i64; n];
            for round in &rounds {
                once_a_round(round, n);
                for pairing in &round.pairings {
                    prop_assert!(seen.insert(names(*pairing)));
                    balance[pairing.first] += 1;
                    balance[pairing.second] -= 1;
                }
            }
            prop_assert_eq!(seen.len(), n * n.saturating_sub(1) / 2);
            prop_assert_eq!(rounds.len(), if n < 2 { 0 } else { n - 1 + n % 2 });
            prop_assert!(balance.iter().all(|b| b.abs() <= 1));
        }

        #[test]
        fn nobody_meets_twice_in_a_swiss_tournament(n in 4..40usize, seed: u64) {
            let mut random = trimtab_core::Seed(seed).stream();
            let (mut scores, mut played, mut seen) = (vec![0.0; n], Vec::new(), HashSet::new());
            for _ in 0..swiss_rounds(n) {
                let round = swiss_round(&scores, &played);
                once_a_round(&round, n);
                for pairing in &round.pairings {
                    prop_assert!(seen.insert(names(*pairing)), "{pairing:?} again");
                    let won = random.next_f64();
                    scores[pairing.first] += won;
                    scores[pairing.second] += 1.0 - won;
                }
                if let Some(bye) = round.bye {
                    prop_assert!(played.iter().all(|r: &Round| r.bye != Some(bye)), "{bye} sits out again");
                    scores[bye] += 1.0;
                }
                played.push(round);
            }
        }
    }
}
