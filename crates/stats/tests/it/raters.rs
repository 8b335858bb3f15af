//! Parity of raters' reliability with crowd-kit, and of prediction-powered means with ppi-python: `tests/golden/raters.json`, made
//! by `raters.py` beside it.

use serde::Deserialize;
use trimtab_core::Rating;
use trimtab_stats::{
    Categories, DawidSkene, Labelled, Level, Panel, Tuning, prediction_powered_mean,
};

#[derive(Deserialize)]
struct Golden {
    dawid_skene: Vec<Fitted>,
    prediction_powered: Vec<Powered>,
}

#[derive(Deserialize)]
struct Fitted {
    rows: Vec<(u32, u32, u16)>,
    n_categories: usize,
    prevalence: Vec<f64>,
    posterior: Vec<Option<Vec<f64>>>,
    confusions: Vec<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Powered {
    truth: Vec<f64>,
    judged: Vec<f64>,
    others: Vec<f64>,
    level: f64,
    /// Estimate, low, high.
    full: [f64; 3],
    tuned: [f64; 3],
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/raters.json")).expect("as raters.py writes it")
}

#[test]
fn dawid_and_skene() {
    for case in golden().dawid_skene {
        let rows = case.rows.iter();
        let ratings: Vec<Rating> = rows
            .map(|(item, rater, category)| Rating {
                item: *item,
                rater: *rater,
                category: *category,
            })
            .collect();
        let names = (0..case.n_categories).map(|k| k.to_string());
        let panel = Panel::new(Categories::nominal(names).unwrap(), &ratings).unwrap();
        // crowd-kit has no smoothing.
        let model = DawidSkene {
            smoothing: 1e-9,
            most_steps: 20_000,
            tolerance: 1e-15,
            ..DawidSkene::default()
        };
        let fit = model.fit(&panel, &[]).unwrap();
        // Both stop a little before the maximum, each by its own rule.
        let check =
            |got: f64, expected: f64| assert!((got - expected).abs() < 1e-4, "{got} {expected}");
        for (got, expected) in fit.prevalence.iter().zip(&case.prevalence) {
            check(*got, *expected);
        }
        for (item, expected) in case.posterior.iter().enumerate() {
            for (got, expected) in fit.posterior(item).iter().zip(expected.iter().flatten()) {
                check(*got, *expected);
            }
        }
        for (rater, confusions) in case.confusions.iter().enumerate() {
            for (truth, row) in confusions.iter().enumerate() {
                for (said, expected) in row.iter().enumerate() {
                    check(fit.confusion(rater, truth, said), *expected);
                }
            }
        }
    }
}

#[test]
fn prediction_powered_means() {
    for case in golden().prediction_powered {
        let labelled: Vec<Labelled> = (case.truth.iter().zip(&case.judged))
            .map(|(truth, judged)| Labelled {
                truth: *truth,
                judged: *judged,
            })
            .collect();
        let n = labelled.len() as f64;
        for (tuning, [estimate, low, high]) in
            [(Tuning::Full, case.full), (Tuning::Tuned, case.tuned)]
        {
            let level = Level::new(case.level).unwrap();
            let got = prediction_powered_mean(&labelled, &case.others, tuning, level).unwrap();
            // Theirs divides squares by n where ours does by n − 1: widths are 1/(2n) apart, and λ is 1/n.
            let width = high - low;
            let apart = match tuning {
                Tuning::Full => 1e-12,
                Tuning::Tuned => width / n,
            };
            assert!((got.interval.estimate - estimate).abs() <= apart, "{got:?}");
            let wider = (got.interval.high - got.interval.low) / width;
            assert!((1.0..1.0 + 1.0 / n).contains(&wider), "{wider}");
        }
    }
}
