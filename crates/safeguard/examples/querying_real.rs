//! Active querying on built-in data: film reviews (embeddings), and pairs of replies of which one is less harmful (differences of hashed
//! n-grams); what is new to a model of film reviews, on sentences from plots and reviews of the other set.
//!
//! ```text
//! cargo run --release -p trimtab-safeguard --example querying_real -- [SEEDS] [PART]
//! ```
//!
//! `PART` is a word of the headings that are wanted: `tomatoes`, `hh`, `new`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use nalgebra::DMatrix;
use trimtab_core::{Question, Seed};
use trimtab_data::{DataConfig, Dataset, Locations, load};
use trimtab_probe::ngrams::Ngrams;
use trimtab_safeguard::extrapolation::querying::{FeaturesInput, QueryingConfig, trial_on};
use trimtab_stats::{Level, mean_of_few};

/// Items that may be asked about, and test items.
const SIZES: [usize; 2] = [1500, 1500];

/// What questions look like to a model.
type Features<'a> = dyn Fn(&[Question]) -> Result<DMatrix<f64>, Box<dyn Error>> + 'a;

/// A table's cell: table, row, column.
type Cell = (String, String, String);

struct Items {
    features: DMatrix<f64>,
    labels: Vec<bool>,
}

/// So many items from `from` on, in the order of `order`.
fn items(set: &Dataset, order: &[usize], features: &Features<'_>) -> Result<Items, Box<dyn Error>> {
    let questions: Vec<Question> = order.iter().map(|&at| set.questions[at].clone()).collect();
    let labels = questions
        .iter()
        .map(|q| Ok(set.key.answer(&q.id)?.0 == 1))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let mut features = features(&questions)?;
    // Unit mean square, so that one ridge fits all.
    let scale = (features.len() as f64 / features.norm_squared()).sqrt();
    features *= scale;
    Ok(Items { features, labels })
}

fn embeddings(set: &Dataset, questions: &[Question]) -> Result<DMatrix<f64>, Box<dyn Error>> {
    let rows = set.features[0].table.rows(questions)?;
    let mut values = vec![0.0_f32; rows.len() * rows.dim()];
    rows.read(0..rows.len(), rows.dim(), &mut values);
    Ok(DMatrix::from_iterator(
        rows.dim(),
        rows.len(),
        values.into_iter().map(f64::from),
    ))
}

fn differences(questions: &[Question]) -> Result<DMatrix<f64>, Box<dyn Error>> {
    let ngrams = Ngrams {
        max_words: 1,
        bits: 8,
        first_words: usize::MAX,
    };
    let of = |side: usize| -> Result<Vec<f32>, Box<dyn Error>> {
        let texts = questions
            .iter()
            .map(|q| Some(&*q.candidates.as_ref()?[side]))
            .collect::<Option<Vec<&str>>>();
        Ok(ngrams.dense(texts.ok_or("a question without replies")?))
    };
    let [first, second] = [of(0)?, of(1)?];
    let values = first.iter().zip(&second).map(|(a, b)| f64::from(b - a));
    Ok(DMatrix::from_iterator(
        ngrams.n_features(),
        questions.len(),
        values,
    ))
}

fn order(n: usize, seed: Seed) -> [Vec<usize>; 2] {
    let mut all: Vec<usize> = (0..n).collect();
    seed.child("items").stream().shuffle(&mut all);
    let [pool, test] = SIZES;
    [all[..pool].to_vec(), all[pool..pool + test].to_vec()]
}

fn main() -> Result<(), Box<dyn Error>> {
    let n_seeds: u64 = std::env::args().nth(1).map_or(Ok(5), |n| n.parse())?;
    let part = std::env::args().nth(2).unwrap_or_default();
    let load = |name: &str| load(&DataConfig::new(name), &Locations::new("."));
    let reviews = load("builtin:rotten-tomatoes")?;
    let plots = load("builtin:subjectivity")?;
    let replies = load("builtin:hh-harmless")?;
    let config = QueryingConfig {
        batch: 20,
        start: 20,
        budget: 300,
        target: 0.8,
        ridge: 100.0,
        ..QueryingConfig::default()
    };
    for name in [
        "rotten-tomatoes",
        "hh-harmless",
        "rotten-tomatoes, new: subjectivity",
    ] {
        if !name.contains(&part) {
            continue;
        }
        let mut cells: Vec<(Cell, Vec<Option<f64>>)> = Vec::new();
        for seed in (0..n_seeds).map(Seed) {
            let set = if name == "hh-harmless" {
                &replies
            } else {
                &reviews
            };
            let of = |set: &Dataset, order: &[usize]| {
                items(set, order, &|questions| {
                    if name == "hh-harmless" {
                        differences(questions)
                    } else {
                        embeddings(set, questions)
                    }
                })
            };
            let [pool, test] = order(set.questions.len(), seed);
            let (pool, mut test) = (of(set, &pool)?, of(set, &test)?);
            let mut test_groups = vec![0; test.labels.len()];
            let is_new = name.ends_with("subjectivity");
            if is_new {
                let [_, other] = order(plots.questions.len(), seed);
                let other = of(&plots, &other)?;
                let n = test.labels.len();
                test.features =
                    DMatrix::from_fn(test.features.nrows(), n + other.labels.len(), |row, at| {
                        if at < n {
                            test.features[(row, at)]
                        } else {
                            other.features[(row, at - n)]
                        }
                    });
                test.labels.extend(&other.labels);
                test_groups.extend(vec![1; other.labels.len()]);
            }
            let input = FeaturesInput {
                features: &pool.features,
                labels: &pool.labels,
                groups: &vec![0; pool.labels.len()],
                test_features: &test.features,
                test_labels: &test.labels,
                test_groups: &test_groups,
                novel: is_new.then_some(1),
            };
            let config = if is_new {
                QueryingConfig {
                    budget: config.start,
                    ..config
                }
            } else {
                config
            };
            for cell in trial_on(&config, &input, seed)?.measures {
                if is_new == cell.table.starts_with("label efficiency") {
                    continue;
                }
                let key = (cell.table, cell.row, cell.column);
                match cells.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, values)) => values.push(cell.value),
                    None => cells.push((key, vec![cell.value])),
                }
            }
        }
        println!("\n== {name}, {n_seeds} seeds ==");
        for ((table, row, column), values) in cells {
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let text = match mean_of_few(&known, Level::default()) {
                Some(mean) => format!("{:.3} [{:.3}, {:.3}]", mean.estimate, mean.low, mean.high),
                None => format!("{known:?}"),
            };
            println!(
                "  | {table} | {row} | {column} | {text}, of {} seeds",
                known.len()
            );
        }
    }
    Ok(())
}
