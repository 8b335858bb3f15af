//! A loaded data set: questions, and apart from them the answer key.

use std::path::{Path, PathBuf};

use trimtab_core::{
    AnswerIdx, AnswerKey, AnswerSet, FeatureError, FeatureTable, KeyError, Question, SampleId,
};

use crate::builtin::Builtin;
use crate::cache::{Cache, CacheUse, Found};
use crate::config::DataConfig;
use crate::error::DataError;
use crate::rows::{Part, Role, Rows, Schema};
use crate::source::{Format, Locations, Source, Stat, cache_name, rows_key};
use crate::stream::Stream;
use crate::{csv_file, jsonl, parquet_file};

/// A data set in memory. Rows are in file order.
#[derive(Debug)]
pub struct Dataset {
    /// What to call it: the built-in's name, the file's name without its ending, or `owner/name`.
    pub name: String,
    /// What is asked, row by row.
    pub questions: Vec<Question>,
    /// The right answers.
    pub key: AnswerKey,
    /// The answers that every question has.
    pub answers: AnswerSet,
    /// Frozen features of every row, if the data have them.
    pub features: Option<FeatureTable>,
    /// What the features are called.
    pub features_name: Option<String>,
    /// The part each row is declared to belong to, if the data say.
    pub declared_split: Option<Vec<Part>>,
    /// The group each row belongs to, numbered from 0, if the config names a column.
    pub groups: Option<Vec<u32>>,
    /// SHA-256 of the file as it lies on disk (packed, if it is packed); for a built-in set, of its
    /// rows' file followed by its features' file. In hexadecimal.
    pub sha256: String,
    /// What came of the feature cache.
    pub cache: CacheUse,
}

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What takes time in loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A file comes from the hub.
    Fetching,
    /// A file is read and parsed.
    Reading,
}

/// Loads a data set.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the data, and where.
pub fn load(config: &DataConfig, locations: &Locations) -> Result<Dataset, DataError> {
    load_with_progress(config, locations, &|_| {})
}

/// Loads a data set, and says how far it is: every few megabytes, from the calling thread.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the data, and where.
pub fn load_with_progress(
    config: &DataConfig,
    locations: &Locations,
    on_progress: &dyn Fn(Progress),
) -> Result<Dataset, DataError> {
    let (file, name) = match Source::resolve(config, locations)? {
        Source::Builtin(builtin) => return load_builtin(builtin, config),
        Source::File { file, name } => (file, name),
        Source::Hub { hub, name } => {
            let on_fetch = |done, total| {
                on_progress(Progress {
                    stage: Stage::Fetching,
                    done,
                    total,
                });
            };
            (name.fetch(&hub, &on_fetch)?, name.title().to_owned())
        }
    };
    load_file(
        &file,
        name,
        config,
        locations.cache_dir.as_deref(),
        on_progress,
    )
}

fn load_builtin(builtin: &Builtin, config: &DataConfig) -> Result<Dataset, DataError> {
    let file = PathBuf::from(format!("builtin:{}", builtin.name));
    let schema = Schema::new(config)?;
    let limit = config.limit.unwrap_or(usize::MAX);
    let (rows, _) = jsonl::read(&file, builtin.stream(), &schema, limit, &|_| {})?;
    let n_rows = rows.len();
    let mut dataset = assemble(&file, rows, config, builtin.sha256())?;
    let ids: Vec<SampleId> = dataset.questions.iter().map(|q| q.id.clone()).collect();
    let table = FeatureTable::from_f16(&ids, builtin.dim, builtin.features(n_rows));
    dataset.features = Some(table.unwrap_or_else(|error| unreachable!("built-in: {error}")));
    dataset.features_name = Some(builtin.features_name.into());
    builtin.name.clone_into(&mut dataset.name);
    Ok(dataset)
}

fn load_file(
    file: &Path,
    name: String,
    config: &DataConfig,
    cache_dir: Option<&Path>,
    on_progress: &dyn Fn(Progress),
) -> Result<Dataset, DataError> {
    let format = Format::of(file);
    let format = format.ok_or_else(|| DataError::UnknownFormat {
        file: file.to_owned(),
    })?;
    let schema = Schema::new(config)?;
    let stat = Stat::of(file)?;
    let cache = cache_dir
        .map(|folder| Cache::new(folder, &cache_name(&stat, config), rows_key(&stat, config)));
    let found = cache.as_ref().map_or(Found::Nothing, Cache::read);
    let (rows, sha256, cache_use) = match found {
        Found::Rows(rows, sha256) => (*rows, sha256, CacheUse::Hit),
        Found::Nothing | Found::Damaged(_) => {
            let on_read = |done| {
                on_progress(Progress {
                    stage: Stage::Reading,
                    done,
                    total: stat.len,
                });
            };
            let (rows, sha256) = parse(file, format, &schema, config, &on_read)?;
            let cache_use = match (&cache, found) {
                (Some(cache), found) if rows.dim > 0 => {
                    match (cache.write(&rows, &sha256), found) {
                        (Err(error), _) => CacheUse::NotWritten {
                            reason: error.to_string(),
                        },
                        (Ok(()), Found::Damaged(reason)) => CacheUse::Rebuilt { reason },
                        (Ok(()), _) => CacheUse::Written,
                    }
                }
                _ => CacheUse::None,
            };
            (rows, sha256, cache_use)
        }
    };
    let mut dataset = assemble(file, rows, config, sha256)?;
    dataset.name = name;
    dataset.cache = cache_use;
    Ok(dataset)
}

fn parse(
    file: &Path,
    format: Format,
    schema: &Schema,
    config: &DataConfig,
    on_read: &dyn Fn(u64),
) -> Result<(Rows, String), DataError> {
    let limit = config.limit.unwrap_or(usize::MAX);
    match format {
        Format::Jsonl { gzip } => {
            jsonl::read(file, Stream::open(file, gzip)?, schema, limit, on_read)
        }
        Format::Csv { gzip } => {
            csv_file::read(file, Stream::open(file, gzip)?, schema, limit, on_read)
        }
        Format::Parquet => parquet_file::read(file, schema, limit, on_read),
    }
}

/// Rows become questions, a key and features.
fn assemble(
    file: &Path,
    mut rows: Rows,
    config: &DataConfig,
    sha256: String,
) -> Result<Dataset, DataError> {
    if rows.len() == 0 {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    let (answers, answer_of) = answers(file, &rows, config)?;
    let mut ids = std::mem::take(&mut rows.ids);
    if ids.is_empty() {
        ids = (0..rows.len())
            .map(|row| SampleId::new(&format!("row-{row}")))
            .collect();
    }
    let right = rows
        .labels
        .codes
        .iter()
        .map(|&code| answer_of[code as usize]);
    let key = AnswerKey::new(ids.iter().cloned().zip(right)).map_err(|error| match error {
        KeyError::Duplicate(id) | KeyError::Missing(id) => duplicate(file, &rows, &ids, &id),
    })?;
    let features = if rows.dim == 0 {
        None
    } else {
        let values = std::mem::take(&mut rows.features);
        let table =
            FeatureTable::from_f32(&ids, rows.dim, values).map_err(|error| match error {
                FeatureError::NotFinite {
                    row, column, value, ..
                } => DataError::NotFinite {
                    file: file.to_owned(),
                    place: rows.place(row),
                    feature: column,
                    value: value.to_string(),
                },
                other => unreachable!("rows and ids were checked: {other}"),
            })?;
        Some(table)
    };
    let features_name = features.as_ref().map(|_| {
        let column = config
            .columns
            .features
            .as_deref()
            .unwrap_or(Role::Features.name());
        config
            .features_name
            .clone()
            .unwrap_or_else(|| column.to_owned())
    });
    let texts = std::mem::take(&mut rows.texts);
    let texts = texts
        .into_iter()
        .chain(std::iter::repeat_with(Box::default));
    let questions = ids
        .into_iter()
        .zip(texts)
        .map(|(id, text)| Question {
            id,
            text,
            answers: answers.clone(),
        })
        .collect();
    Ok(Dataset {
        name: String::new(),
        questions,
        key,
        answers,
        features,
        features_name,
        declared_split: Some(rows.parts).filter(|parts| !parts.is_empty()),
        groups: Some(rows.groups.codes).filter(|groups| !groups.is_empty()),
        sha256,
        cache: CacheUse::None,
    })
}

/// The answer set, and the answer that each label code stands for.
fn answers(
    file: &Path,
    rows: &Rows,
    config: &DataConfig,
) -> Result<(AnswerSet, Vec<AnswerIdx>), DataError> {
    let names = &rows.labels.names;
    let declared = match &config.labels {
        Some(labels) => Some(AnswerSet::new(labels).map_err(DataError::Labels)?),
        None => None,
    };
    if let [label] = &names[..] {
        return Err(DataError::OneClass {
            file: file.to_owned(),
            label: label.clone(),
            n_rows: rows.len(),
        });
    }
    let answers = match declared {
        Some(answers) => answers,
        None => AnswerSet::new(&sorted(names)).map_err(DataError::Labels)?,
    };
    let answer_of = names
        .iter()
        .zip(&rows.labels.first_row)
        .map(|(label, &row)| {
            answers
                .index_of(label)
                .ok_or_else(|| DataError::UnknownLabel {
                    file: file.to_owned(),
                    place: rows.place(row),
                    label: label.clone(),
                    labels: answers.names().map(str::to_owned).collect(),
                })
        })
        .collect::<Result<_, _>>()?;
    Ok((answers, answer_of))
}

/// Names in order: of their values, if all are numbers, else of their characters.
fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    let number = |name: &String| name.parse::<f64>().ok().filter(|value| value.is_finite());
    if names.iter().all(|name| number(name).is_some()) {
        names.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(a.cmp(b)));
    }
    names
}

fn duplicate(file: &Path, rows: &Rows, ids: &[SampleId], id: &SampleId) -> DataError {
    let mut places = (0..ids.len())
        .filter(|&row| ids[row] == *id)
        .map(|row| rows.place(row));
    match (places.next(), places.next()) {
        (Some(first), Some(second)) => DataError::DuplicateId {
            file: file.to_owned(),
            id: id.to_string(),
            first,
            second,
        },
        _ => unreachable!("id {id} stands twice"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let sort =
            |names: &[&str]| sorted(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        assert_eq!(sort(&["10", "9", "-1"]), ["-1", "9", "10"]);
        assert_eq!(sort(&["b", "10", "9"]), ["10", "9", "b"]);
    }

    #[test]
    fn builtin_sets_load() {
        for (name, n_test, answers) in [
            ("rotten-tomatoes", 2000, ["negative", "positive"]),
            ("subjectivity", 1666, ["objective", "subjective"]),
        ] {
            let config = DataConfig::new(&format!("builtin:{name}"));
            let set = load(&config, &Locations::new(".")).unwrap();
            assert_eq!(set.name, name);
            assert_eq!(set.answers.names().collect::<Vec<_>>(), answers);
            assert_eq!(set.features_name.as_deref(), Some("all-MiniLM-L6-v2"));
            let n = set.questions.len();
            assert_eq!(
                (set.key.len(), set.features.as_ref().unwrap().n_rows()),
                (n, n)
            );
            let parts = set.declared_split.unwrap();
            assert_eq!(
                parts.iter().filter(|&&part| part == Part::Test).count(),
                n_test
            );
            let right = |q: &Question| set.key.answer(&q.id).unwrap().0;
            assert_eq!(set.questions.iter().map(right).sum::<usize>(), n / 2);
            let mut texts: Vec<_> = set.questions.iter().map(|q| &q.text).collect();
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), n);
            let rows = set.features.as_ref().unwrap().rows(&set.questions).unwrap();
            let mut values = vec![0.0; 384];
            for row in [0, n - 1] {
                rows.read(row..row + 1, rows.dim(), &mut values);
                let norm: f32 = values.iter().map(|x| x * x).sum();
                assert!((norm - 1.0).abs() < 1e-2, "{norm}");
            }
        }
    }

    #[test]
    fn a_limit_takes_the_first_rows_of_a_builtin_set() {
        let mut config = DataConfig::new("builtin:subjectivity");
        config.limit = Some(60);
        let set = load(&config, &Locations::new(".")).unwrap();
        assert_eq!(
            (set.questions.len(), set.features.unwrap().n_rows()),
            (60, 60)
        );
        let tests = set
            .declared_split
            .unwrap()
            .iter()
            .filter(|&&part| part == Part::Test)
            .count();
        assert_eq!(tests, 20);
    }
}
