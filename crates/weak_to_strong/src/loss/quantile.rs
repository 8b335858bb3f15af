//! Quantiles with PyTorch's arithmetic.
//!
//! ```text
//! rank = q (n - 1)     lo = ⌊rank⌋     w = rank - lo          all in f32
//! w < 1/2:  s_lo + w (s_hi - s_lo)      else  s_hi - (s_hi - s_lo)(1 - w)
//! ```
//!
//! Which rows lie at or above the threshold depends on the rounding of `rank` where it is close to a
//! whole number, so this rounds as `torch.quantile` does on f32 tensors.

/// The `q`-quantile, interpolated between neighbours. Reorders `values`.
///
/// NaN sorts last here, and PyTorch would return it: a batch with one has no finite loss anyway.
pub(super) fn quantile(values: &mut [f32], q: f32) -> f32 {
    let rank = q.clamp(0.0, 1.0) * (values.len() - 1) as f32;
    let below = rank.floor();
    let weight = rank - below;
    let (_, &mut low, above) = values.select_nth_unstable_by(below as usize, f32::total_cmp);
    let high = if weight > 0.0 {
        above.iter().copied().min_by(f32::total_cmp)
    } else {
        None
    };
    match high {
        None => low,
        Some(high) if weight < 0.5 => low + weight * (high - low),
        Some(high) => high - (high - low) * (1.0 - weight),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_between_neighbours() {
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.25), 1.75);
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.75), 3.25);
    }

    #[test]
    fn ends_and_whole_ranks_are_members() {
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.0), 1.0);
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 1.0), 3.0);
    }

    #[test]
    fn one_value_is_every_quantile() {
        assert_eq!(quantile(&mut [0.3], 0.8), 0.3);
    }

    #[test]
    fn ranks_round_in_f32() {
        // 0.4 · 5 is 2 in f32, and 2.0000000298 when the f32 is widened first.
        assert_eq!(quantile(&mut [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.4), 2.0);
    }
}
