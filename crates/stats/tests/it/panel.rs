//! Parity of agreement with irrCAC, statsmodels, fast-krippendorff and scikit-learn: `tests/golden/panel.json`, made by
//! `panel.py` beside it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Deserialize;
use trimtab_core::{Rating, Scale, Seed};
use trimtab_stats::{Categories, Coefficient, Level, Panel, Resampler, Undefined, Weights};

#[derive(Deserialize)]
struct Golden {
    tolerance: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    values: Vec<f64>,
    rows: Vec<Vec<Option<u16>>>,
    per_cent: f64,
    alpha: BTreeMap<String, f64>,
    gwet: BTreeMap<String, [f64; 2]>,
    mean_cohen: BTreeMap<String, f64>,
    fleiss: Option<[f64; 2]>,
    cohen_errors: Option<BTreeMap<String, f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/panel.json")).expect("as panel.py writes it")
}

impl Case {
    fn panel(&self) -> Panel {
        let rows = self.rows.iter().zip(0..);
        let ratings: Vec<Rating> = rows
            .flat_map(|(row, rater)| {
                row.iter().zip(0..).filter_map(move |(said, item)| {
                    said.map(|category| Rating {
                        item,
                        rater,
                        category,
                    })
                })
            })
            .collect();
        let categories = Categories::ratio(self.values.clone()).expect("values rise");
        Panel::new(categories, &ratings).expect("raters met")
    }
}

fn named<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(name.into()).expect("as panel.py calls it")
}

fn resampler(n_resamples: usize) -> Resampler {
    Resampler {
        n_resamples: NonZeroUsize::new(n_resamples).expect("not zero"),
        seed: Seed(0),
    }
}

#[test]
fn coefficients() {
    let golden = golden();
    for case in &golden.cases {
        let panel = case.panel();
        let check = |coefficient: Coefficient, expected: f64| {
            let got = panel.coefficient(coefficient).unwrap();
            let close = (got - expected).abs() <= golden.tolerance;
            assert!(
                close,
                "{}: {coefficient:?} {got}, expected {expected}",
                case.name
            );
        };
        check(Coefficient::PerCent, case.per_cent);
        for (scale, expected) in &case.alpha {
            check(Coefficient::Krippendorff(named(scale)), *expected);
        }
        for (weights, [expected, _]) in &case.gwet {
            check(Coefficient::Gwet(named(weights)), *expected);
        }
        for (weights, expected) in &case.mean_cohen {
            check(Coefficient::MeanCohen(named(weights)), *expected);
            if case.rows.len() == 2 {
                check(Coefficient::Cohen(named(weights)), *expected);
            }
        }
        if let Some([expected, _]) = case.fleiss {
            check(Coefficient::Fleiss, expected);
            if case.rows.len() == 2 {
                // Of two raters who rated all, Fleiss' is Scott's.
                check(Coefficient::Scott, expected);
            }
        }
    }
}

#[test]
fn standard_errors() {
    let golden = golden();
    for case in &golden.cases {
        let panel = case.panel();
        let check = |coefficient: Coefficient, expected: f64| {
            let found = panel.agreement(&[coefficient], &resampler(10), Level::default());
            let got = found[0].unwrap().standard_error.unwrap();
            let close = (got - expected).abs() <= golden.tolerance;
            assert!(
                close,
                "{}: {coefficient:?} ±{got}, expected {expected}",
                case.name
            );
        };
        for (weights, [_, expected]) in &case.gwet {
            check(Coefficient::Gwet(named(weights)), *expected);
        }
        if let Some([_, expected]) = case.fleiss {
            check(Coefficient::Fleiss, expected);
        }
        for (weights, expected) in case.cohen_errors.iter().flatten() {
            check(Coefficient::Cohen(named(weights)), *expected);
        }
    }
}

/// The figures that textbooks print.
#[test]
fn gold_vectors() {
    let golden = golden();
    let of = |name: &str, coefficient| {
        let case = golden.cases.iter().find(|case| case.name == name).unwrap();
        format!("{:.4}", case.panel().coefficient(coefficient).unwrap())
    };
    assert_eq!(of("fleiss1971", Coefficient::Fleiss), "0.2099");
    assert_eq!(of("fleiss1971", Coefficient::PerCent), "0.3780");
    let alpha = Coefficient::Krippendorff;
    assert_eq!(of("krippendorff", alpha(Scale::Nominal)), "0.6914");
    assert_eq!(of("krippendorff", alpha(Scale::Interval)), "0.8108");
}

#[test]
fn bootstrap_intervals_are_near_the_linearised_ones() {
    let golden = golden();
    for case in &golden.cases {
        let coefficients = [
            Coefficient::PerCent,
            Coefficient::Gwet(Weights::Identity),
            Coefficient::Fleiss,
        ];
        let found = case
            .panel()
            .agreement(&coefficients, &resampler(2_000), Level::default());
        for (coefficient, found) in coefficients.iter().zip(found) {
            let found = match found {
                Err(Undefined::Unbalanced { .. }) if case.fleiss.is_none() => continue,
                found => found.unwrap(),
            };
            // Twice 1.96 standard errors, but for skewness and (n − 1)/n of small samples.
            let normal = 2.0 * 1.96 * found.standard_error.unwrap();
            let width = found.interval.high - found.interval.low;
            assert!(
                (0.75..1.15).contains(&(width / normal)),
                "{}, {coefficient:?}: {width} beside {normal}",
                case.name
            );
            assert!(found.interval.low < found.interval.estimate);
            assert!(found.interval.estimate < found.interval.high);
        }
    }
}

#[test]
fn what_cannot_be_said_is_said_why() {
    let case = |name: &str| {
        let cases = golden().cases;
        cases
            .into_iter()
            .find(|case| case.name == name)
            .unwrap()
            .panel()
    };
    let missing = case("six raters, many missing");
    let reason = |panel: &Panel, coefficient| {
        let undefined = panel.coefficient(coefficient).unwrap_err();
        let found = panel.agreement(&[coefficient], &resampler(5), Level::default());
        assert_eq!(found, [Err(undefined)]);
        format!("{undefined}; {}", undefined.hint())
    };
    assert_eq!(
        reason(&missing, Coefficient::Fleiss),
        "unbalanced: items have from 1 to 6 ratings, Fleiss' kappa wants as many on each; use Krippendorff's alpha or Gwet's \
         coefficient, which take missing ratings"
    );
    assert_eq!(
        reason(&missing, Coefficient::Cohen(Weights::Identity)),
        "6 raters: this coefficient is of two; use the mean over pairs, Fleiss' kappa or Krippendorff's alpha"
    );
    let ratings: Vec<Rating> = (0..20)
        .map(|i| Rating {
            item: i / 2,
            rater: i % 2,
            category: 1,
        })
        .collect();
    let constant = Panel::new(Categories::interval([1.0, 2.0]).unwrap(), &ratings).unwrap();
    for coefficient in [
        Coefficient::Cohen(Weights::Quadratic),
        Coefficient::MeanCohen(Weights::Identity),
        Coefficient::Scott,
        Coefficient::Fleiss,
        Coefficient::Krippendorff(Scale::Interval),
        Coefficient::Krippendorff(Scale::Ordinal),
    ] {
        assert_eq!(constant.coefficient(coefficient), Err(Undefined::Constant));
    }
    assert_eq!(constant.coefficient(Coefficient::PerCent), Ok(1.0));
    assert_eq!(
        constant.coefficient(Coefficient::Gwet(Weights::Identity)),
        Ok(1.0)
    );
}
