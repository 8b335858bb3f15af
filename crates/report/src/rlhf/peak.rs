//! Where a curve has its peak, and how far it falls from there, by numbers that had no say in where the peak is.
//!
//! ```text
//! fall_u = y_u(k) − y_u(last),   k = argmax of the mean over units outside u's fold
//! ```
//!
//! The highest of many noisy means is higher than what it is the mean of, so that a fall from it, measured on the same numbers,
//! is above 0 even where nothing falls. Measured on a unit (a seed, a prompt) from the peak that other units choose, it is not,
//! and can be below 0.

use std::collections::BTreeMap;

/// Values as means of `window` around them, of fewer at the ends.
pub(super) fn smoothed(values: &[f64], window: usize) -> Vec<f64> {
    let half = window / 2;
    (0..values.len())
        .map(|i| {
            let own = &values[i.saturating_sub(half)..(i + half + 1).min(values.len())];
            own.iter().sum::<f64>() / own.len() as f64
        })
        .collect()
}

/// The mean curve, as far as all go.
pub(super) fn mean_curve<'a>(curves: impl IntoIterator<Item = &'a [f64]>) -> Vec<f64> {
    let curves: Vec<&[f64]> = curves.into_iter().collect();
    let n = curves.len() as f64;
    let len = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
    (0..len)
        .map(|i| curves.iter().map(|curve| curve[i]).sum::<f64>() / n)
        .collect()
}

/// The first of the highest; `None` of nothing.
pub(super) fn peak(curve: &[f64]) -> Option<usize> {
    (0..curve.len())
        .rev()
        .max_by(|&a, &b| curve[a].total_cmp(&curve[b]))
}

/// How far each curve falls from the peak that the curves of other folds choose; `None` where there is but one fold.
pub(super) fn falls(curves: &[&[f64]], folds: &[usize]) -> Option<Vec<f64>> {
    let mut peaks: BTreeMap<usize, usize> = BTreeMap::new();
    for fold in folds {
        if !peaks.contains_key(fold) {
            let others = curves.iter().zip(folds).filter(|(_, other)| *other != fold);
            peaks.insert(*fold, peak(&mean_curve(others.map(|(other, _)| *other)))?);
        }
    }
    (curves.iter().zip(folds))
        .map(|(curve, fold)| {
            // One that ended sooner than the others' peak has fallen nowhere.
            let at_peak = curve.get(peaks[fold]).or(curve.last())?;
            Some(at_peak - curve.last()?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_fewer_at_the_ends() {
        assert_eq!(smoothed(&[0.0, 3.0, 6.0, 0.0], 3), [1.5, 3.0, 3.0, 3.0]);
        assert_eq!(smoothed(&[1.0, 2.0], 1), [1.0, 2.0]);
        assert_eq!(smoothed(&[], 5), [0.0; 0]);
    }

    #[test]
    fn the_first_of_equal_peaks_is_it() {
        assert_eq!(peak(&[0.0, 2.0, 1.0, 2.0]), Some(1));
        assert_eq!(peak(&[]), None);
    }

    #[test]
    fn a_fall_is_measured_from_the_peak_of_others() {
        let curves: [&[f64]; 2] = [&[0.0, 1.0, 0.5], &[0.0, 0.2, 0.4]];
        assert_eq!(falls(&curves, &[0, 1]), Some(vec![0.0, -0.2]));
        assert_eq!(falls(&curves, &[0, 0]), None);
    }

    #[test]
    fn noise_alone_does_not_fall() {
        let mut random = trimtab_core::Seed(3).stream();
        let mut mean_fall = 0.0;
        for _ in 0..2000 {
            let curves: Vec<Vec<f64>> = (0..3)
                .map(|_| (0..30).map(|_| random.next_normal()).collect())
                .collect();
            let curves: Vec<&[f64]> = curves.iter().map(Vec::as_slice).collect();
            mean_fall += falls(&curves, &[0, 1, 2]).unwrap().iter().sum::<f64>() / 6000.0;
        }
        assert!(mean_fall.abs() < 0.06, "{mean_fall}");
    }
}
