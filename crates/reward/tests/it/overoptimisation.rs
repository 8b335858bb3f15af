//! Section `overopt`.

use std::num::NonZeroUsize;

use trimtab_core::Seed;
use trimtab_reward::{GaoCurve, GaoForm, GaoPoint, Peak, fit_gao};
use trimtab_stats::{Level, Resampler};

use crate::golden::{check, check_all, read};

#[test]
fn both_forms_and_their_fits_are_as_in_the_reference() {
    let distances: Vec<f64> = read("/overopt/d_is_sqrt_kl");
    let resampler = Resampler {
        n_resamples: NonZeroUsize::new(10).unwrap(),
        seed: Seed(0),
    };
    for (name, form) in [("bon", GaoForm::BestOfN), ("rl", GaoForm::Reinforcement)] {
        let at = |key: &str| format!("/overopt/{name}/{key}");
        let curve = GaoCurve {
            form,
            alpha: read(&at("alpha")),
            beta: read(&at("beta")),
        };
        let gains: Vec<f64> = distances.iter().map(|&d| curve.at(d)).collect();
        check_all(name, &gains, &read::<Vec<f64>>(&at("R")));
        let Peak::At {
            distance,
            kl,
            gold_gain,
        } = curve.peak()
        else {
            panic!("{:?}", curve.peak());
        };
        check("peak", distance, read(&at("d_peak")));
        check("peak", kl, read::<f64>(&at("d_peak")).powi(2));
        check("peak", gold_gain, read(&at("R_peak")));
        check("zero", curve.zero().unwrap(), read(&at("d_zero")));

        let gains: Vec<f64> = read(&format!("/overopt/noisy_fit/{name}_y"));
        let point = |(&distance, &gold_gain)| GaoPoint {
            distance,
            gold_gain,
        };
        let points: Vec<GaoPoint> = distances.iter().zip(&gains).map(point).collect();
        let fit = fit_gao(form, &[points], &resampler, Level::default()).unwrap();
        let expected: Vec<f64> = read(&format!("/overopt/noisy_fit/{name}_alpha_beta"));
        check_all(name, &[fit.curve.alpha, fit.curve.beta], &expected);
    }
}
