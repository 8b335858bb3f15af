//! Forecasts of series whose future is known: bands hold at their nominal rate, within what so many series let one tell.

use std::num::{NonZeroU32, NonZeroUsize};

use trimtab_core::{Seed, SplitMix64};
use trimtab_landscape::forecast::FAN;
use trimtab_landscape::{ForecastOptions, Observation, Series, Trend, backtest, forecast};

const N_YEARS: usize = 10;

fn options(seed: u64) -> ForecastOptions {
    ForecastOptions {
        n_resamples: NonZeroUsize::new(400).unwrap(),
        seed: Seed(seed),
        span_factor: 1.0,
    }
}

fn rows(ys: &[f64], n: Option<u32>) -> Vec<Observation> {
    (ys.iter().zip(0..))
        .map(|(y, i)| Observation {
            year: 2010.0 + f64::from(i),
            score: *y,
            n: n.and_then(NonZeroU32::new),
            family: String::new(),
            task: String::new(),
            run: String::new(),
        })
        .collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// How often bands of the fan hold the score three years on, over `n_series` series.
fn covered(
    n_series: u64,
    trend: Trend,
    n: Option<u32>,
    make: impl Fn(&mut SplitMix64) -> Vec<f64>,
) -> [f64; 3] {
    let mut counts = [0_u32; 3];
    for i in 0..n_series {
        let mut random = Seed(i).child("series").stream();
        let ys = make(&mut random);
        let seen = Series::new(rows(&ys[..N_YEARS], n)).unwrap();
        let (year, truth) = (2010.0 + (N_YEARS + 2) as f64, ys[N_YEARS + 2]);
        let ahead = forecast(&seen, trend, &[year], &options(i)).unwrap();
        for (count, [low, high]) in counts.iter_mut().zip(ahead.fan()[0].bands) {
            *count += u32::from((low..=high).contains(&truth));
        }
    }
    counts.map(|count| f64::from(count) / n_series as f64)
}

/// Four standard errors of a share of `n`, either way.
fn assert_nominal(covered: [f64; 3], n: u64) {
    for (share, level) in covered.into_iter().zip(FAN) {
        let reach = 4.0 * (level * (1.0 - level) / n as f64).sqrt();
        assert!((share - level).abs() < reach, "{covered:?}");
    }
}

const N_SERIES: u64 = 1000;

#[test]
fn a_log_linear_trend_with_normal_errors() {
    let shares = covered(N_SERIES, Trend::LogLinear, None, |random| {
        (0..N_YEARS + 3)
            .map(|t| (-1.5 + 0.06 * t as f64 + 0.05 * random.next_normal()).exp())
            .collect()
    });
    assert_nominal(shares, N_SERIES);
}

#[test]
fn a_logistic_trend_that_scatters_more_than_its_items() {
    let shares = covered(N_SERIES, Trend::Logistic, Some(400), |random| {
        (0..N_YEARS + 3)
            .map(|t| {
                let p = sigmoid(-1.2 + 0.2 * t as f64);
                let sd = (4.0 * p * (1.0 - p) / 400.0).sqrt();
                (p + sd * random.next_normal()).clamp(0.0, 1.0)
            })
            .collect()
    });
    assert_nominal(shares, N_SERIES);
}

#[test]
fn a_random_walk_with_drift() {
    let shares = covered(N_SERIES, Trend::Drift, None, |random| {
        let mut at = 0.3;
        (0..N_YEARS + 3)
            .map(|_| {
                at += 0.02 + 0.015 * random.next_normal();
                at
            })
            .collect()
    });
    assert_nominal(shares, N_SERIES);
}

/// Families and tasks with slopes of their own: the trend over all of them, three years on.
#[test]
fn families_and_tasks_drawn_again_hold_the_mean_trend() {
    let n_series = 150;
    let (n_families, n_tasks) = (10, 4);
    let (level, slope) = (-1.0, 0.15);
    let mut n_held = 0;
    for i in 0..n_series {
        let mut random = Seed(i).child("groups").stream();
        let mut all = Vec::new();
        for family in 0..n_families {
            let of_family = 0.3 * random.next_normal();
            for task in 0..n_tasks {
                let of_task = of_family + 0.2 * random.next_normal();
                for t in 0..6 {
                    let logit = level + of_task + slope * f64::from(t) + 0.1 * random.next_normal();
                    all.push(Observation {
                        year: 2015.0 + f64::from(t),
                        score: sigmoid(logit),
                        n: None,
                        family: format!("family {family}"),
                        task: format!("task {task}"),
                        run: String::new(),
                    });
                }
            }
        }
        // What many families come to: the mean over a normal of variance .3² + .2² + .1².
        let truth = {
            let mut draws = Seed(99).stream();
            let sd = (0.3_f64.powi(2) + 0.2_f64.powi(2) + 0.1_f64.powi(2)).sqrt();
            let n = 20_000;
            (0..n)
                .map(|_| sigmoid(level + slope * 8.0 + sd * draws.next_normal()))
                .sum::<f64>()
                / f64::from(n)
        };
        let series = Series::new(all).unwrap();
        let ahead = forecast(&series, Trend::Logistic, &[2023.0], &options(i)).unwrap();
        let mut values: Vec<f64> = ahead.trends().iter().map(|path| path[0]).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[10], values[389]);
        n_held += u32::from((low..=high).contains(&truth));
    }
    let share = f64::from(n_held) / n_series as f64;
    // Ten families: their spread comes out short by 9/10, and 95 % intervals hold the truth some 92 times in 100.
    assert!((0.86..=0.98).contains(&share), "{share}");
}

#[test]
fn a_backtest_tells_the_trend_that_made_the_series_from_the_naive_one() {
    let (mut better, mut covered, mut n) = (0, 0, 0);
    for i in 0..40_u64 {
        let mut random = Seed(i).child("backtest").stream();
        let ys: Vec<f64> = (0..12)
            .map(|t| sigmoid(-2.0 + 0.4 * f64::from(t) + 0.15 * random.next_normal()))
            .collect();
        let series = Series::new(rows(&ys, None)).unwrap();
        let test = backtest(&series, Trend::Logistic, 3.0, &options(i)).unwrap();
        assert_eq!((test.n_origins, test.n_forecasts), (9, 24));
        better += u32::from(test.against_drift.unwrap() < 1.0);
        covered += test.n_covered[1];
        n += test.n_forecasts;
    }
    assert!(better >= 32, "{better} of 40");
    let share = covered as f64 / n as f64;
    assert!((0.7..0.9).contains(&share), "{share}");
}
