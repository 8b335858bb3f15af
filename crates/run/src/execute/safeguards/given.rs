//! What approaches are tried on: loaded once, and handed to each trial.

use std::collections::BTreeMap;

use nalgebra::DMatrix;
use trimtab_combine::Calibration;
use trimtab_core::{AnswerIdx, KeyError, Question, Seed};
use trimtab_data::Activations;
use trimtab_data::{
    Dataset, Locations, RatingsConfig, Records, Splits, load, load_ratings, load_records,
};
use trimtab_probe::ngrams::Ngrams;
use trimtab_safeguard::deception::activations::{ActivationsInput, Baseline, Layer};
use trimtab_safeguard::deception::{activations, behaviour, interpretability};
use trimtab_safeguard::extrapolation::cascade::JudgeRecords;
use trimtab_safeguard::extrapolation::principles::PrinciplesInput;
use trimtab_safeguard::extrapolation::querying::FeaturesInput;
use trimtab_safeguard::extrapolation::{
    attainable_utility, cascade, divdis, pessimism, principles, quantilizer, querying, selective,
};
use trimtab_safeguard::independence::{self, Registered, VotesInput};
use trimtab_safeguard::monitoring::traces::{self, TraceRecord, TracesInput};
use trimtab_safeguard::monitoring::{self, Record, ScoresInput};
use trimtab_safeguard::{Trial, columns, verification};
use trimtab_stats::{Ballot, Ballots};

use super::judged::{Judged, judged};
use super::{SafeguardError, people};
use crate::experiment::Experiment;
use crate::folder::sha256_of_file;
use crate::safeguard::{JudgeRow, PrincipleRow, Safeguard, SafeguardConfig, Source, SureRow};

/// Hashed words of texts that come without features.
const WORDS: Ngrams = Ngrams {
    max_words: 1,
    bits: 8,
    first_words: usize::MAX,
};

/// What an approach is tried on, and what identifies the files that it was read from.
pub(super) struct Given {
    input: Input,
    sha256: Option<String>,
}

enum Input {
    /// A world of its own.
    Nothing,
    Activations(Box<Activations>),
    Features {
        set: Box<Dataset>,
        of: Option<String>,
    },
    Votes {
        ballots: Ballots,
        supervisors: Vec<Registered>,
    },
    Runs(Vec<Record>),
    Sure(Vec<Calibration>),
    Judges {
        names: Vec<String>,
        prices: Vec<f64>,
        records: Vec<Vec<Calibration>>,
    },
    Pairs(Box<Pairs>),
    Traces {
        baseline: Vec<TraceRecord>,
        watched: Vec<TraceRecord>,
    },
}

/// Pairs of replies, and what was said of them under principles.
pub(super) struct Pairs {
    differences: DMatrix<f64>,
    truth: Vec<bool>,
    domains: Vec<usize>,
    unguided: Vec<Option<bool>>,
    general: Vec<Option<bool>>,
    names: Vec<String>,
    specific: Vec<Vec<Option<bool>>>,
}

impl Given {
    pub(super) fn load(
        config: &SafeguardConfig,
        experiment: &Experiment,
        locations: &Locations,
    ) -> Result<Self, SafeguardError> {
        let Some(source) = &config.on else {
            return Ok(Self {
                input: Input::Nothing,
                sha256: None,
            });
        };
        match source {
            Source::Activations { path } => {
                let folder = locations.base_dir.join(path);
                let [tensors, spans] = Activations::files(&folder);
                let read = Activations::open(&tensors, &spans)?;
                let sums = [sha256_of_file(&tensors)?, sha256_of_file(&spans)?];
                Ok(Self::read(
                    Input::Activations(Box::new(read)),
                    sums.join(" "),
                ))
            }
            Source::Features { of, .. } => {
                let set = load(&experiment.data, locations)?;
                if set.answers.len() != 2 {
                    return Err(SafeguardError::NotTwoAnswers {
                        set: set.name,
                        n: set.answers.len(),
                    });
                }
                if config.annotation().is_some() {
                    people::can_be_read(&set, experiment)?;
                }
                let (sha256, of) = (set.sha256.clone(), of.clone());
                let set = Box::new(set);
                Ok(Self::read(Input::Features { set, of }, sha256))
            }
            Source::Ratings {
                set,
                domain,
                registry,
            } => Self::votes(set, domain.as_deref(), registry, locations),
            Source::Judgements {
                run,
                variant,
                seed,
                registry,
            } => {
                let run = locations.base_dir.join(run);
                let Judged {
                    ballots,
                    supervisors,
                    identity,
                } = judged(&run, variant.as_deref(), *seed, registry)?;
                let input = Input::Votes {
                    ballots,
                    supervisors,
                };
                Ok(Self::read(input, identity))
            }
            Source::Records { path } => match config.approach {
                Safeguard::Monitoring(_) => {
                    let Records { rows, sha256, .. } = load_records(path, locations)?;
                    Ok(Self::read(Input::Runs(rows), sha256))
                }
                Safeguard::Selective(_) => {
                    let Records { rows, sha256, .. } = load_records::<SureRow>(path, locations)?;
                    let records = rows.iter().map(|row| Calibration {
                        confidence: row.confidence,
                        right: row.right,
                    });
                    Ok(Self::read(Input::Sure(records.collect()), sha256))
                }
                Safeguard::Principles(_) => Self::pairs(path, locations),
                // A source that does not fit was refused when the file was checked.
                _ => Self::judges(path, locations),
            },
            Source::Traces { baseline, watched } => {
                let baseline = load_records(baseline, locations)?;
                let watched = load_records(watched, locations)?;
                let sha256 = format!("{} {}", baseline.sha256, watched.sha256);
                let input = Input::Traces {
                    baseline: baseline.rows,
                    watched: watched.rows,
                };
                Ok(Self::read(input, sha256))
            }
        }
    }

    fn read(input: Input, sha256: String) -> Self {
        Self {
            input,
            sha256: Some(sha256),
        }
    }

    /// Ballots on items whose truth is known.
    fn votes(
        set: &str,
        domain: Option<&str>,
        registry: &[Registered],
        locations: &Locations,
    ) -> Result<Self, SafeguardError> {
        let ratings = load_ratings(&RatingsConfig::new(set), locations)?;
        let kept: Vec<(usize, AnswerIdx)> = (ratings.items.iter().enumerate())
            .filter(|(_, item)| domain.is_none() || item.domain.as_deref() == domain)
            .filter_map(|(at, item)| Some((at, AnswerIdx(usize::from(item.gold?)))))
            .collect();
        if kept.is_empty() {
            return Err(SafeguardError::NoTruth {
                set: set.into(),
                domain: domain.map(str::to_owned),
            });
        }
        let mut places = vec![None; ratings.items.len()];
        for (to, (from, _)) in kept.iter().enumerate() {
            places[*from] = Some(to);
        }
        let mut rows = vec![vec![Ballot::Unasked; kept.len()]; ratings.raters.len()];
        for row in &ratings.rows {
            if let Some(at) = places[row.item as usize] {
                rows[row.rater as usize][at] = row.category.map_or(Ballot::Failed, |category| {
                    Ballot::Answer(AnswerIdx(usize::from(category)))
                });
            }
        }
        let (mut supervisors, mut voting) = (Vec::new(), Vec::new());
        for (row, rater) in rows.into_iter().zip(&ratings.raters) {
            if row.iter().any(|ballot| *ballot != Ballot::Unasked) {
                let declared = registry.iter().find(|known| known.name == rater.name);
                voting.push(row);
                supervisors.push(
                    (declared.cloned()).unwrap_or_else(|| Registered::new(rater.name.as_str())),
                );
            }
        }
        let truth = kept.into_iter().map(|(_, truth)| truth).collect();
        let input = Input::Votes {
            ballots: Ballots::new(ratings.categories.len(), truth, voting)?,
            supervisors,
        };
        Ok(Self::read(input, ratings.sha256))
    }

    /// Records judge by judge, in the order in which judges and items first occur.
    fn judges(path: &str, locations: &Locations) -> Result<Self, SafeguardError> {
        let read = load_records::<JudgeRow>(path, locations)?;
        let (mut names, mut items): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let (mut judge_at, mut item_at) = (BTreeMap::new(), BTreeMap::new());
        let mut said: BTreeMap<(usize, usize), &JudgeRow> = BTreeMap::new();
        for row in &read.rows {
            let judge = *judge_at.entry(&row.judge).or_insert_with(|| {
                names.push(row.judge.clone());
                names.len() - 1
            });
            let item = *item_at.entry(&row.item).or_insert_with(|| {
                items.push(row.item.clone());
                items.len() - 1
            });
            said.insert((judge, item), row);
        }
        let (mut records, mut prices) = (Vec::new(), Vec::new());
        for (judge, name) in names.iter().enumerate() {
            let (mut of_judge, mut price) = (Vec::new(), 0.0);
            for (item, id) in items.iter().enumerate() {
                let row = said
                    .get(&(judge, item))
                    .ok_or_else(|| SafeguardError::Unjudged {
                        file: read.file.display().to_string(),
                        judge: name.clone(),
                        item: id.clone(),
                    })?;
                of_judge.push(Calibration {
                    confidence: row.confidence,
                    right: row.right,
                });
                price += row.price;
            }
            records.push(of_judge);
            prices.push(price / items.len() as f64);
        }
        let input = Input::Judges {
            names,
            prices,
            records,
        };
        Ok(Self::read(input, read.sha256))
    }

    fn pairs(path: &str, locations: &Locations) -> Result<Self, SafeguardError> {
        let read = load_records::<PrincipleRow>(path, locations)?;
        let dim = read.rows[0].difference.len();
        let mut differences = Vec::with_capacity(dim * read.rows.len());
        let mut domain_at: BTreeMap<&str, usize> = BTreeMap::new();
        let mut domains = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (at, row) in read.rows.iter().enumerate() {
            if row.difference.len() != dim {
                return Err(SafeguardError::Width {
                    file: read.file.display().to_string(),
                    record: at + 1,
                    got: row.difference.len(),
                    expected: dim,
                });
            }
            differences.extend(&row.difference);
            let next = domain_at.len();
            domains.push(*domain_at.entry(&row.domain).or_insert(next));
            for name in row.specific.keys() {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let specific = (names.iter())
            .map(|name| {
                (read.rows.iter())
                    .map(|row| row.specific.get(name).copied().flatten())
                    .collect()
            })
            .collect();
        let pairs = Pairs {
            differences: DMatrix::from_vec(dim, read.rows.len(), differences),
            truth: read.rows.iter().map(|row| row.truth).collect(),
            domains,
            unguided: read.rows.iter().map(|row| row.unguided).collect(),
            general: read.rows.iter().map(|row| row.general).collect(),
            names,
            specific,
        };
        Ok(Self::read(Input::Pairs(Box::new(pairs)), read.sha256))
    }

    /// What identifies the files that were read; nothing where there are none.
    pub(super) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// The data that people are asked about; none where it is something else.
    pub(super) fn data(&self) -> Option<(&Dataset, Option<&str>)> {
        match &self.input {
            Input::Features { set, of } => Some((set, of.as_deref())),
            _ => None,
        }
    }

    /// What comes of an approach under one seed.
    pub(super) fn trial(
        &self,
        approach: &Safeguard,
        experiment: &Experiment,
        seed: Seed,
    ) -> Result<Trial, SafeguardError> {
        Ok(match (approach, &self.input) {
            (Safeguard::Probes(config), Input::Activations(read)) => {
                let layers: Vec<Layer<'_>> = (read.layers.iter())
                    .map(|layer| Layer {
                        name: &layer.name,
                        rows: layer,
                    })
                    .collect();
                let input = ActivationsInput {
                    layers: &layers,
                    spans: &read.spans,
                    baseline: Baseline::Texts,
                };
                activations::trial_on(config, &input, seed)?
            }
            (Safeguard::Querying(config), Input::Features { set, of }) => {
                let drawn = Drawn::new(set, of.as_deref(), experiment, seed)?;
                querying::trial_on(config, &drawn.input(), seed)?
            }
            (
                Safeguard::Independence(config),
                Input::Votes {
                    ballots,
                    supervisors,
                },
            ) => {
                let input = VotesInput {
                    ballots,
                    supervisors,
                };
                independence::trial_on(config, &input, seed)?
            }
            (Safeguard::Monitoring(config), Input::Runs(records)) => {
                monitoring::trial_on(config, &ScoresInput { records }, seed)?
            }
            (Safeguard::Selective(config), Input::Sure(records)) => {
                selective::trial_on(config, records, seed)?
            }
            (
                Safeguard::Cascade(config),
                Input::Judges {
                    names,
                    prices,
                    records,
                },
            ) => {
                let input = JudgeRecords {
                    names,
                    prices,
                    records,
                };
                cascade::trial_on(config, &input, seed)?
            }
            (Safeguard::Principles(config), Input::Pairs(pairs)) => {
                principles::trial_on(config, &pairs.input(), seed)?
            }
            (Safeguard::Traces(config), Input::Traces { baseline, watched }) => {
                traces::trial_on(config, &TracesInput { baseline, watched }, seed)?
            }
            (approach, _) => in_its_world(approach, seed)?,
        })
    }
}

impl Pairs {
    fn input(&self) -> PrinciplesInput<'_> {
        PrinciplesInput {
            differences: &self.differences,
            unguided: &self.unguided,
            specific: &self.specific,
            names: &self.names,
            general: &self.general,
            truth: &self.truth,
            domains: &self.domains,
            held_out: None,
        }
    }
}

fn in_its_world(approach: &Safeguard, seed: Seed) -> Result<Trial, SafeguardError> {
    Ok(match approach {
        Safeguard::Interpretability(config) => interpretability::trial(config, seed)?,
        // Without activations there is nothing to probe, and the check of the file has said so.
        Safeguard::Probes(_) => Trial::default(),
        Safeguard::Behaviour(config) => behaviour::trial(config, seed)?,
        Safeguard::Monitoring(config) => monitoring::trial(config, seed)?,
        Safeguard::Traces(config) => traces::trial(config, seed)?,
        Safeguard::DisagreeingHeads(config) => divdis::trial(config, seed)?,
        Safeguard::Principles(config) => principles::trial(config, seed)?,
        Safeguard::Querying(config) => querying::trial(config, seed)?,
        Safeguard::Selective(config) => selective::trial(config, seed)?,
        Safeguard::Cascade(config) => cascade::trial(config, seed)?,
        Safeguard::Quantilizer(config) => quantilizer::trial(config, seed)?,
        Safeguard::Pessimism(config) => pessimism::trial(config, seed)?,
        Safeguard::AttainableUtility(config) => attainable_utility::trial(config, seed)?,
        Safeguard::Verification(config) => verification::trial(config, seed)?,
        Safeguard::Independence(config) => independence::trial(config, seed)?,
    })
}

/// Features of the data under one seed: of what may be asked about, whatever is not in the test split, and of the test split.
pub(super) struct Drawn {
    pub(super) pool: Vec<Question>,
    features: DMatrix<f64>,
    labels: Vec<bool>,
    groups: Vec<usize>,
    test_features: DMatrix<f64>,
    test_labels: Vec<bool>,
    test_groups: Vec<usize>,
}

impl Drawn {
    pub(super) fn new(
        set: &Dataset,
        of: Option<&str>,
        experiment: &Experiment,
        seed: Seed,
    ) -> Result<Self, SafeguardError> {
        let splits = Splits::new(set, &experiment.data, seed)?;
        let pool: Vec<usize> = [splits.weak_train, splits.student_train].concat();
        let [pool, test] = [pool, splits.test].map(|rows| -> Vec<Question> {
            rows.into_iter()
                .map(|row| set.questions[row].clone())
                .collect()
        });
        let (mut features_of_pool, mut test_features) =
            (features(set, of, &pool)?, features(set, of, &test)?);
        // Unit mean square in the pool, so that one ridge fits all.
        let square = features_of_pool.norm_squared().max(f64::MIN_POSITIVE);
        let scale = (features_of_pool.len() as f64 / square).sqrt();
        features_of_pool *= scale;
        test_features *= scale;
        let labels = |questions: &[Question]| -> Result<Vec<bool>, KeyError> {
            (questions.iter())
                .map(|question| Ok(set.key.answer(&question.id)?.0 == 1))
                .collect()
        };
        Ok(Self {
            labels: labels(&pool)?,
            groups: vec![0; pool.len()],
            features: features_of_pool,
            test_labels: labels(&test)?,
            test_groups: vec![0; test.len()],
            test_features,
            pool,
        })
    }

    pub(super) fn input(&self) -> FeaturesInput<'_> {
        FeaturesInput {
            features: &self.features,
            labels: &self.labels,
            groups: &self.groups,
            test_features: &self.test_features,
            test_labels: &self.test_labels,
            test_groups: &self.test_groups,
            novel: None,
        }
    }
}

/// `[dim, n]`: frozen features, or hashed words; of pairs of texts, those of the second less those of the first.
fn features(
    set: &Dataset,
    of: Option<&str>,
    questions: &[Question],
) -> Result<DMatrix<f64>, SafeguardError> {
    let there = || {
        set.features
            .iter()
            .map(|named| named.name.clone())
            .collect()
    };
    let named = match of {
        Some(name) => Some(
            set.features
                .iter()
                .find(|named| named.name == name)
                .ok_or_else(|| SafeguardError::NoFeatures {
                    set: set.name.clone(),
                    name: name.into(),
                    there: there(),
                })?,
        ),
        None => set.features.first(),
    };
    if let Some(named) = named {
        return Ok(columns(named, questions)?);
    }
    let words = |side: Option<usize>| -> Vec<f32> {
        let texts = questions
            .iter()
            .map(|question| match (side, &question.candidates) {
                (Some(side), Some(candidates)) => candidates.get(side).map_or("", |text| &**text),
                _ => &*question.text,
            });
        WORDS.dense(texts.collect::<Vec<&str>>())
    };
    let has_candidates = questions
        .iter()
        .any(|question| question.candidates.is_some());
    let values: Vec<f64> = if has_candidates {
        let (first, second) = (words(Some(0)), words(Some(1)));
        (first.iter().zip(&second))
            .map(|(a, b)| f64::from(b - a))
            .collect()
    } else {
        words(None).into_iter().map(f64::from).collect()
    };
    Ok(DMatrix::from_vec(
        WORDS.n_features(),
        questions.len(),
        values,
    ))
}
