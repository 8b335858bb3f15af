//! A loaded data set: questions, and apart from them the answer key.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use trimtab_core::{
    AnswerIdx, AnswerKey, AnswerSet, FeatureError, FeatureTable, KeyError, NamedFeatures, Question,
    SampleId,
};

use crate::builtin::Builtin;
use crate::cache::{Cache, CacheUse, Found};
use crate::chess;
use crate::config::DataConfig;
use crate::error::DataError;
use crate::rows::{Coded, Form, Part, Role, Rows, Schema};
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
    /// Frozen features of every question, of each kind that the data have.
    pub features: Vec<NamedFeatures>,
    /// The part each question is declared to belong to, if the data say.
    pub declared_split: Option<Vec<Part>>,
    /// The group each question belongs to, numbered from 0: what the config names a column for, a
    /// prompt, or a puzzle.
    pub groups: Option<Vec<u32>>,
    /// SHA-256 of the file as it lies on disk (packed, if it is packed); for a built-in set, of its
    /// rows' file followed by its features' file. In hexadecimal.
    pub sha256: String,
    /// What came of the feature cache.
    pub cache: CacheUse,
}

impl Dataset {
    /// How many texts a question offers as its answers; `None` where answers are names.
    pub fn n_candidates(&self) -> Option<usize> {
        self.questions
            .first()?
            .candidates
            .as_ref()
            .map(|texts| texts.len())
    }
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
    let mut config = config.clone();
    if config.columns.group.is_none() {
        config.columns.group = builtin.group.map(str::to_owned);
    }
    let schema = Schema::new(&config)?;
    let limit = config.limit.unwrap_or(usize::MAX);
    let (rows, _) = jsonl::read(&file, builtin.stream(), &schema, limit, &|_| {})?;
    let mut dataset = assemble(&file, rows, &config, builtin.sha256(), Some(builtin))?;
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
    let mut dataset = assemble(file, rows, config, sha256, None)?;
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
    stored: Option<&Builtin>,
) -> Result<Dataset, DataError> {
    if rows.len() == 0 {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    if rows.ids.is_empty() {
        let name = |row| SampleId::new(&format!("row-{row}"));
        rows.ids = (0..rows.len()).map(name).collect();
    }
    let Answered {
        questions,
        right,
        features,
    } = match rows.form() {
        Form::Labelled => labelled(file, &mut rows, config, stored)?,
        Form::Pair => pairs(&mut rows, config)?,
        Form::Puzzle => puzzles(file, &mut rows, config, stored)?,
    };
    let key = AnswerKey::new(questions.iter().map(|q| q.id.clone()).zip(right));
    let key = key.map_err(|error| match error {
        KeyError::Duplicate(id) | KeyError::Missing(id) => duplicate(file, &rows, &id),
    })?;
    if rows.groups.codes.is_empty() && questions.iter().all(|q| q.candidates.is_some()) {
        // Replies to one prompt are too alike to be learnt from here and tested on there.
        let prompts = questions.iter().filter(|q| !q.text.is_empty());
        let mut groups = Coded::default();
        prompts.for_each(|q| groups.push(&q.text));
        if groups.codes.len() == questions.len() {
            rows.groups = groups;
        }
    }
    Ok(Dataset {
        name: String::new(),
        answers: questions[0].answers.clone(),
        questions,
        key,
        features,
        declared_split: Some(rows.parts).filter(|parts| !parts.is_empty()),
        groups: Some(rows.groups.codes).filter(|groups| !groups.is_empty()),
        sha256,
        cache: CacheUse::None,
    })
}

/// Questions in row order, each with its answer apart from it.
struct Answered {
    questions: Vec<Question>,
    right: Vec<AnswerIdx>,
    features: Vec<NamedFeatures>,
}

/// Rows with labels.
fn labelled(
    file: &Path,
    rows: &mut Rows,
    config: &DataConfig,
    stored: Option<&Builtin>,
) -> Result<Answered, DataError> {
    let (answers, answer_of) = answers(file, rows, config)?;
    let right = (rows.labels.codes.iter())
        .map(|&code| answer_of[code as usize])
        .collect();
    let features = match stored {
        Some(builtin) if !builtin.features.is_empty() => builtin.features_of(&rows.ids),
        _ => in_file(file, rows, config)?,
    };
    for (row, candidates) in rows.candidates.iter().enumerate() {
        if candidates.len() != answers.len() {
            return Err(DataError::CandidateCount {
                file: file.to_owned(),
                place: rows.place(row),
                expected: answers.len(),
                got: candidates.len(),
            });
        }
    }
    let texts = std::mem::take(&mut rows.texts).into_iter();
    let candidates = std::mem::take(&mut rows.candidates).into_iter().map(Some);
    let questions = (rows.ids.iter())
        .zip(texts.chain(std::iter::repeat_with(Box::default)))
        .zip(candidates.chain(std::iter::repeat(None)))
        .map(|((id, text), candidates)| Question {
            id: id.clone(),
            text,
            answers: answers.clone(),
            candidates,
        })
        .collect();
    Ok(Answered {
        questions,
        right,
        features,
    })
}

/// Pairs of replies. Which is answer A is drawn by the id, so that the order says nothing.
fn pairs(rows: &mut Rows, config: &DataConfig) -> Result<Answered, DataError> {
    let answers = two_answers(config, ["A", "B"], "a pair of replies")?;
    let texts = std::mem::take(&mut rows.texts).into_iter();
    let replies = std::mem::take(&mut rows.chosen).into_iter();
    let replies = replies.zip(std::mem::take(&mut rows.rejected));
    let (questions, right) = (rows.ids.iter())
        .zip(texts.chain(std::iter::repeat_with(Box::default)))
        .zip(replies)
        .map(|((id, text), (chosen, rejected))| {
            let right = drawn("order", id.as_str(), 2);
            let candidates = if right == 0 {
                [chosen, rejected]
            } else {
                [rejected, chosen]
            };
            let question = Question {
                id: id.clone(),
                text,
                answers: answers.clone(),
                candidates: Some(candidates.into()),
            };
            (question, AnswerIdx(right))
        })
        .unzip();
    Ok(Answered {
        questions,
        right,
        features: Vec::new(),
    })
}

/// Chess puzzles. Each becomes two questions, of the solution and of a decoy, in an order that is drawn.
/// Columns that are not the puzzle's own grow with them.
fn puzzles(
    file: &Path,
    rows: &mut Rows,
    config: &DataConfig,
    stored: Option<&Builtin>,
) -> Result<Answered, DataError> {
    let mut ids = HashSet::with_capacity(rows.len());
    if let Some(id) = rows.ids.iter().find(|&id| !ids.insert(id)) {
        return Err(duplicate(file, rows, id));
    }
    let answers = two_answers(config, ["no", "yes"], "a chess question")?;
    let mut questions = Vec::with_capacity(2 * rows.len());
    let mut right = Vec::with_capacity(2 * rows.len());
    let mut tried = Vec::with_capacity(2 * rows.len());
    let positions = std::mem::take(&mut rows.fens).into_iter();
    let positions = positions.zip(std::mem::take(&mut rows.moves));
    for (row, (fen, moves)) in positions.enumerate() {
        let id = rows.ids[row].as_str();
        let wrong = |fault: chess::Fault| DataError::Puzzle {
            file: file.to_owned(),
            place: rows.place(row),
            reason: fault.to_string(),
        };
        let puzzle = chess::Puzzle::parse(&fen, &moves).map_err(wrong)?;
        let decoy = puzzle.decoy(id).map_err(wrong)?;
        let mut both = [(puzzle.solution, 1), (decoy, 0)];
        both.rotate_left(drawn("order", id, 2));
        for (nth, (tried_move, answer)) in both.into_iter().enumerate() {
            questions.push(Question {
                id: SampleId::new(&format!("{id}/{}", nth + 1)),
                text: chess::in_words(&puzzle.position, tried_move).into(),
                answers: answers.clone(),
                candidates: None,
            });
            right.push(AnswerIdx(answer));
            tried.push((puzzle.position.clone(), tried_move));
        }
    }
    if rows.groups.codes.is_empty() {
        rows.ids.iter().for_each(|id| rows.groups.push(id.as_str()));
    }
    rows.parts = twice(&rows.parts);
    rows.groups.codes = twice(&rows.groups.codes);
    let ids: Vec<SampleId> = questions.iter().map(|q| q.id.clone()).collect();
    let stored = stored.and_then(|builtin| builtin.features.first());
    let stored = stored.map(|stored| stored.values(ids.len()));
    let features = chess::features(&ids, &tried, stored);
    Ok(Answered {
        questions,
        right,
        features,
    })
}

fn twice<T: Clone>(items: &[T]) -> Vec<T> {
    let pairs = items.iter().map(|item| [item.clone(), item.clone()]);
    pairs.flatten().collect()
}

/// A number below `n`, drawn by an id: the same on every machine, in every run and for every seed.
pub(crate) fn drawn(what: &str, id: &str, n: usize) -> usize {
    let hash = Sha256::digest(format!("trimtab:{what}:{id}"));
    let first = hash
        .iter()
        .take(8)
        .fold(0, |n, &byte| n << 8 | u64::from(byte));
    (first % n as u64) as usize
}

/// The declared names of two answers, or the usual ones.
fn two_answers(
    config: &DataConfig,
    usual: [&str; 2],
    what: &'static str,
) -> Result<AnswerSet, DataError> {
    match &config.labels {
        None => AnswerSet::new(&usual).map_err(DataError::Labels),
        Some(labels) if labels.len() == 2 => AnswerSet::new(labels).map_err(DataError::Labels),
        Some(labels) => Err(DataError::NotTwoLabels {
            what,
            got: labels.len(),
        }),
    }
}

/// The features that stand in the file.
fn in_file(
    file: &Path,
    rows: &mut Rows,
    config: &DataConfig,
) -> Result<Vec<NamedFeatures>, DataError> {
    if rows.dim == 0 {
        return Ok(Vec::new());
    }
    let values = std::mem::take(&mut rows.features);
    let table =
        FeatureTable::from_f32(&rows.ids, rows.dim, values).map_err(|error| match error {
            FeatureError::NotFinite {
                row, column, value, ..
            } => DataError::NotFinite {
                file: file.to_owned(),
                place: rows.place(row),
                feature: column,
                value: value.to_string(),
            },
            FeatureError::Duplicate(id) => duplicate(file, rows, &id),
            other => unreachable!("the shape was checked: {other}"),
        })?;
    let column = config.columns.features.as_deref();
    let name = config.features_name.as_deref().or(column);
    Ok(vec![NamedFeatures {
        name: name.unwrap_or(Role::Features.name()).to_owned(),
        table: Arc::new(table),
    }])
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

fn duplicate(file: &Path, rows: &Rows, id: &SampleId) -> DataError {
    let mut places = (0..rows.ids.len())
        .filter(|&row| rows.ids[row] == *id)
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
            let [features] = &set.features[..] else {
                panic!("one kind of features");
            };
            assert_eq!(features.name, "all-MiniLM-L6-v2");
            let n = set.questions.len();
            assert_eq!((set.key.len(), features.table.n_rows()), (n, n));
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
            let rows = features.table.rows(&set.questions).unwrap();
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
            (set.questions.len(), set.features[0].table.n_rows()),
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
