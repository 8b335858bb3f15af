//! Fits against statsmodels: `tests/golden/landscape.py`.

use std::num::NonZeroU32;

use serde_json::Value;
use trimtab_landscape::{Observation, Trend};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/landscape.json")).unwrap()
}

fn rows(golden: &Value, with_items: bool) -> Vec<Observation> {
    let numbers = |key: &str| -> Vec<f64> {
        let array = golden[key].as_array().unwrap();
        array.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let (years, scores, items) = (numbers("years"), numbers("scores"), numbers("items"));
    (0..years.len())
        .map(|i| Observation {
            year: years[i],
            score: scores[i],
            n: NonZeroU32::new(items[i] as u32).filter(|_| with_items),
            family: String::new(),
            task: String::new(),
            run: String::new(),
        })
        .collect()
}

fn check(trend: Trend, with_items: bool, key: &str, (year, at): (f64, &str)) {
    let golden = golden();
    let rows = rows(&golden, with_items);
    let fit = trend.fit(&rows.iter().collect::<Vec<_>>()).unwrap();
    let expected = |what: &str| golden[key][what].as_f64().unwrap();
    assert!(
        (fit.slope() - expected("slope")).abs() < 1e-8,
        "{key}: {fit:?}"
    );
    assert!(
        (fit.at(year) - expected(at)).abs() < 1e-8,
        "{key}: {}",
        fit.at(year)
    );
}

#[test]
fn the_logistic_trend_is_a_quasi_binomial_regression() {
    check(Trend::Logistic, false, "logistic", (2027.0, "at-2027"));
    check(
        Trend::Logistic,
        true,
        "logistic-with-items",
        (2027.0, "at-2027"),
    );
}

#[test]
fn the_log_linear_trend_is_least_squares_of_logarithms() {
    check(Trend::LogLinear, false, "log-linear", (2025.0, "at-2025"));
}
