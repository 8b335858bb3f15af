//! P-values from the ranks of honest networks: exact, whatever a statistic's distribution.
//!
//! ```text
//! p = (1 + #{honest statistics ≥ the suspect's}) / (m + 1)                              one statistic
//! T_i = max over k of (s_ik − mean_k) / sd_k,   p of T in the same way                  several at once
//! ```
//!
//! Under the null the suspect is one honest network more, exchangeable with the others, so its rank is uniform and p ≤ α with
//! probability at most α. Means and deviations are over all m + 1 networks, the suspect among them: so T treats all alike and
//! stays exchangeable, and the battery costs no correction for several tests (Westfall and Young 1993, *Resampling-Based
//! Multiple Testing*). The classical mistake is the smallest of the K p-values.
//!
//! In: statistics, greater where more suspicious. Out: p-values, 1/(m + 1) at least.

/// The p-value of one statistic.
pub fn rank_p_value(suspect: f64, honest: &[f64]) -> f64 {
    let n_above = honest.iter().filter(|other| **other >= suspect).count();
    (1 + n_above) as f64 / (honest.len() + 1) as f64
}

/// The greatest standardised statistic of every network, `[n_networks]`, from statistics `[n_networks][n_statistics]`.
///
/// A statistic that is the same in all networks says nothing.
pub fn greatest_standardised(networks: &[Vec<f64>]) -> Vec<f64> {
    let n = networks.len() as f64;
    let n_statistics = networks.first().map_or(0, Vec::len);
    let mut greatest = vec![f64::NEG_INFINITY; networks.len()];
    for k in 0..n_statistics {
        let mean = networks.iter().map(|s| s[k]).sum::<f64>() / n;
        let variance = networks.iter().map(|s| (s[k] - mean).powi(2)).sum::<f64>() / n;
        let factor = if variance > 0.0 {
            1.0 / variance.sqrt()
        } else {
            0.0
        };
        for (greatest, s) in greatest.iter_mut().zip(networks) {
            *greatest = greatest.max((s[k] - mean) * factor);
        }
    }
    greatest
}

/// The p-value of a battery: the suspect's statistics against those of honest networks. Returns the suspect's greatest
/// standardised statistic beside it.
pub fn battery_p_value(suspect: &[f64], honest: &[Vec<f64>]) -> (f64, f64) {
    let mut all = honest.to_vec();
    all.push(suspect.to_vec());
    let mut greatest = greatest_standardised(&all);
    let suspect = greatest.pop().unwrap_or(f64::NEG_INFINITY);
    (rank_p_value(suspect, &greatest), suspect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::Seed;

    #[test]
    fn ranks_by_hand() {
        assert_eq!(rank_p_value(3.0, &[1.0, 2.0, 4.0]), 0.5);
        assert_eq!(rank_p_value(5.0, &[1.0, 2.0, 4.0]), 0.25);
        // A tie counts against the suspicion.
        assert_eq!(rank_p_value(4.0, &[1.0, 2.0, 4.0]), 0.5);
        let honest = vec![vec![0.0, 1.0], vec![1.0, 0.0], vec![0.5, 0.5]];
        let (p, _) = battery_p_value(&[0.5, 9.0], &honest);
        assert_eq!(p, 0.25);
        let (p, _) = battery_p_value(&[0.5, 0.5], &honest);
        assert_eq!(p, 1.0);
    }

    /// The share of 4,000 honest suspects, of skewed and dependent statistics, at which `p_value` is at most 0.05.
    fn flagged(p_value: impl Fn(&[f64], &[Vec<f64>]) -> f64) -> f64 {
        let mut stream = Seed(8).stream();
        let mut network = || -> Vec<f64> {
            let common = stream.next_normal();
            (0..5)
                .map(|_| (common + 2.0 * stream.next_normal()).exp())
                .collect()
        };
        let n_flagged = (0..4_000)
            .filter(|_| {
                let honest: Vec<Vec<f64>> = (0..19).map(|_| network()).collect();
                p_value(&network(), &honest) <= 0.05 + 1e-12
            })
            .count();
        n_flagged as f64 / 4_000.0
    }

    #[test]
    fn an_honest_network_is_flagged_at_the_nominal_rate() {
        let rate = flagged(|suspect, honest| battery_p_value(suspect, honest).0);
        // 1/20, and three standard errors.
        assert!((rate - 0.05).abs() < 0.011, "{rate}");
    }

    /// The classical mistake: as many looks as tests, and the best one counts.
    #[test]
    fn the_smallest_of_five_p_values_overruns() {
        let rate = flagged(|suspect, honest| {
            let of = |k: usize| {
                let others: Vec<f64> = honest.iter().map(|s| s[k]).collect();
                rank_p_value(suspect[k], &others)
            };
            (0..5).map(of).fold(1.0, f64::min)
        });
        assert!(rate > 0.12, "{rate}");
    }
}
