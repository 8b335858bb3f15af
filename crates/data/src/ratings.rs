//! Ratings: who said what of which item.
//!
//! From JSON Lines, one object a line, or CSV with a header, a rating a row:
//!
//! ```text
//! {"item": …, "rater": …, "rating": a text or a number, or null where nothing came of it,
//!  "gold": …, "kind": "human" or "model", "domain": …, "year": …, "round": …}
//! ```
//!
//! The last five may be missing; in CSV an empty cell is missing too. Gold label and domain are an item's, the kind a rater's:
//! they may stand on some of its rows, and must not differ. Without a kind a rater is a person.
//!
//! Categories are those declared, in that order, or else what ratings and gold labels say: numbers by size, texts by alphabet.
//! Numbers are one category however they are written (1, 1.0).
//!
//! A rating of nothing (a person who skipped, a model whose reply had no verdict) is a row without a category: it is kept and
//! counted, and in no panel.
//!
//! | built-in set | items | raters | gold |
//! |---|---|---|---|
//! | `builtin:pandalm` | 999 pairs of replies: first, second, tie | three people, GPT-3.5, PandaLM-7B | none |
//! | `builtin:bbq` | 2,154 questions with three answers | workers of eleven rounds, five an item | the answer |
//! | `builtin:nyu-debates` | 413 debates and consultancies that the paper counts | people, live and afterwards | the right answer |
//! | `builtin:llmbar` | 419 pairs of replies | a rule: the longer reply (no person's label is published) | right |
//! | `builtin:gsm8k-ladder` | 1,319 problems | four models of 2021 | right |

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use trimtab_core::{RaterKind, Rating, Scale};

use crate::builtin::Builtin;
use crate::config::DataConfig;
use crate::csv_file;
use crate::error::{DataError, Place};
use crate::nyu_debates::{self, Mode, Setting, Speakers, nyu_debates};
use crate::records::{each_line, finish, parse};
use crate::source::{Format, Locations, Source};
use crate::stream::Stream;

/// More than a rating can name.
const MOST_CATEGORIES: usize = u16::MAX as usize;

macro_rules! embedded {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../data/",
            $name,
            "/",
            $name,
            ".jsonl.gz"
        ))
    };
}

/// Files of this shape that are part of the program: their names in `data/`, and their bytes.
pub(crate) static FILES: [(&str, &[u8]); 3] = [
    ("pandalm-votes", embedded!("pandalm-votes")),
    ("bbq-votes", embedded!("bbq-votes")),
    ("gsm8k-ladder", embedded!("gsm8k-ladder")),
];

/// The built-in rating sets, as in `builtin:NAME`.
pub const RATING_SETS: [&str; 5] = ["pandalm", "bbq", "nyu-debates", "llmbar", "gsm8k-ladder"];

/// Which ratings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RatingsConfig {
    /// `builtin:NAME`, or a file of ratings (`.jsonl`, `.csv`, either with `.gz`).
    pub set: String,
    /// What the numbers of categories mean. Built-in sets have their own; files are nominal unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// The categories, from the lowest to the highest; left out, those that are found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl RatingsConfig {
    /// A set as it is.
    pub fn new(set: impl Into<String>) -> Self {
        Self {
            set: set.into(),
            scale: None,
            categories: Vec::new(),
        }
    }
}

/// Ratings, with what is known of items and raters.
#[derive(Debug, Clone, PartialEq)]
pub struct RatingSet {
    /// What it is called: the name of the built-in set, or of the file without its endings.
    pub name: String,
    /// The categories, in order: two at least.
    pub categories: Vec<String>,
    /// Their values, where all are numbers; rising on interval and ratio scales.
    pub values: Option<Vec<f64>>,
    /// What the values mean.
    pub scale: Scale,
    /// Items, in order of their first row.
    pub items: Vec<RatedItem>,
    /// Raters, in order of their first row.
    pub raters: Vec<Rater>,
    /// Ratings, in the file's order.
    pub rows: Vec<RatingRow>,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// What is known of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedItem {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub domain: Option<String>,
    /// The right category.
    pub gold: Option<u16>,
}

/// Who rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rater {
    /// Its name.
    pub name: String,
    /// A person or a model.
    pub kind: RaterKind,
}

/// One rating.
#[derive(Debug, Clone, PartialEq)]
pub struct RatingRow {
    /// Position in [`RatingSet::items`].
    pub item: u32,
    /// Position in [`RatingSet::raters`].
    pub rater: u32,
    /// Position in [`RatingSet::categories`]; none where nothing came of it.
    pub category: Option<u16>,
    /// When.
    pub year: Option<f64>,
    /// On which occasion: `live`, say.
    pub round: Option<Arc<str>>,
    /// Where it stands in the file.
    pub place: Place,
}

impl RatingSet {
    /// Ratings that came to something, of the rows that are kept: what a panel is made of, numbered as items and raters are here.
    pub fn ratings(&self, keep: impl Fn(&RatingRow) -> bool) -> Vec<Rating> {
        (self.rows.iter())
            .filter(|row| keep(row))
            .filter_map(|row| {
                Some(Rating {
                    item: row.item,
                    rater: row.rater,
                    category: row.category?,
                })
            })
            .collect()
    }

    /// Ratings of nothing among the rows that are kept.
    pub fn n_failed(&self, keep: impl Fn(&RatingRow) -> bool) -> usize {
        let failed = self.rows.iter().filter(|row| row.category.is_none());
        failed.filter(|row| keep(row)).count()
    }

    /// The gold label of every item.
    pub fn gold(&self) -> Vec<Option<u16>> {
        self.items.iter().map(|item| item.gold).collect()
    }

    /// The kind of every rater.
    pub fn kinds(&self) -> Vec<RaterKind> {
        self.raters.iter().map(|rater| rater.kind).collect()
    }

    /// The domains that items have, in order of their first item.
    pub fn domains(&self) -> Vec<&str> {
        let mut domains = Vec::new();
        for domain in self.items.iter().filter_map(|item| item.domain.as_deref()) {
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }
}

/// Loads ratings.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the data, and where.
pub fn load_ratings(config: &RatingsConfig, locations: &Locations) -> Result<RatingSet, DataError> {
    let plain = DataConfig::new(config.set.as_str());
    if let Some(name) = config.set.strip_prefix("builtin:") {
        return builtin(name, config);
    }
    match Source::resolve(&plain, locations)? {
        Source::File { file, name } => {
            let mut found = Found::default();
            let sha256 = match Format::of(&file) {
                Some(Format::Jsonl { gzip }) => {
                    read_jsonl(&file, Stream::open(&file, gzip)?, &mut found)?
                }
                Some(Format::Csv { gzip }) => {
                    read_csv(&file, Stream::open(&file, gzip)?, &mut found)?
                }
                _ => return Err(DataError::UnknownFormat { file }),
            };
            found.finish(&file, name, Scale::Nominal, config, sha256)
        }
        Source::Builtin(_) | Source::Hub { .. } => Err(DataError::UnknownFormat {
            file: config.set.clone().into(),
        }),
    }
}

fn builtin(name: &str, config: &RatingsConfig) -> Result<RatingSet, DataError> {
    let file = Path::new(&config.set);
    let mut found = Found::default();
    let sha256 = match name {
        "pandalm" => read_jsonl(file, Stream::new(FILES[0].1, true), &mut found)?,
        "bbq" => read_jsonl(file, Stream::new(FILES[1].1, true), &mut found)?,
        "gsm8k-ladder" => read_jsonl(file, Stream::new(FILES[2].1, true), &mut found)?,
        "nyu-debates" => {
            push_nyu(file, &mut found)?;
            nyu_debates::sha256()
        }
        "llmbar" => push_llmbar(file, &mut found)?,
        _ => {
            return Err(DataError::UnknownBuiltin {
                name: name.to_owned(),
                known: RATING_SETS.map(str::to_owned).to_vec(),
            });
        }
    };
    found.finish(file, name.to_owned(), Scale::Nominal, config, sha256)
}

/// Judgements that were decided, of debates that the paper counts; a judge who stayed at one half decided nothing.
fn push_nyu(file: &Path, found: &mut Found) -> Result<(), DataError> {
    for (row, debate) in (0..).zip(nyu_debates()) {
        let domain = match (debate.setting, debate.speakers) {
            (Setting::Debate, Speakers::People) => "debate",
            (Setting::Consultancy, Speakers::People) => "consultancy",
            (Setting::Debate, Speakers::Model) => "debate-by-gpt-4",
            (Setting::Consultancy, Speakers::Model) => "consultancy-by-gpt-4",
        };
        let name = |answer: usize| ["first", "second"][answer.min(1)].to_owned();
        for judgement in debate
            .judgements
            .iter()
            .filter(|judgement| judgement.decided)
        {
            if !debate.in_paper {
                continue;
            }
            let said = match judgement.beliefs.last() {
                Some((_, per_cent)) if *per_cent > 50 => Some(name(0)),
                Some((_, per_cent)) if *per_cent < 50 => Some(name(1)),
                _ => None,
            };
            let raw = Raw {
                item: debate.id.clone(),
                rater: judgement.judge.clone(),
                rating: said,
                gold: Some(name(debate.right)),
                domain: Some(domain.to_owned()),
                round: Some(match judgement.mode {
                    Mode::Live => "live".to_owned(),
                    Mode::OfflineStepped => "offline-stepped".to_owned(),
                    Mode::OfflineTimed => "offline-timed".to_owned(),
                }),
                ..Raw::default()
            };
            found.push(file, Place::Row(row), raw)?;
        }
    }
    Ok(())
}

/// What preferring the longer reply comes to: right, wrong, or nothing where both have as many words.
fn push_llmbar(file: &Path, found: &mut Found) -> Result<String, DataError> {
    #[derive(Deserialize)]
    struct Pair {
        id: String,
        chosen: String,
        rejected: String,
        subset: String,
    }
    let set = Builtin::find("llmbar")?;
    each_line(file, set.stream(), |line, text| {
        let pair: Pair = parse(file, line, text)?;
        let words = |reply: &str| reply.split_whitespace().count();
        let said = match words(&pair.chosen).cmp(&words(&pair.rejected)) {
            std::cmp::Ordering::Greater => Some("right".to_owned()),
            std::cmp::Ordering::Less => Some("wrong".to_owned()),
            std::cmp::Ordering::Equal => None,
        };
        let raw = Raw {
            item: pair.id,
            rater: "longer-reply".to_owned(),
            rating: said,
            gold: Some("right".to_owned()),
            kind: Some(RaterKind::Model),
            domain: Some(pair.subset),
            ..Raw::default()
        };
        found.push(file, Place::Line(line), raw)
    })
}

/// A row as it stands.
#[derive(Debug, Default, Deserialize)]
struct Raw {
    #[serde(deserialize_with = "name")]
    item: String,
    #[serde(deserialize_with = "name")]
    rater: String,
    #[serde(deserialize_with = "cell")]
    rating: Option<String>,
    #[serde(default, deserialize_with = "cell")]
    gold: Option<String>,
    #[serde(default)]
    kind: Option<RaterKind>,
    #[serde(default, deserialize_with = "cell")]
    domain: Option<String>,
    #[serde(default)]
    year: Option<f64>,
    #[serde(default, deserialize_with = "cell")]
    round: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, true or false")]
enum Cell {
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
}

impl Cell {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Cell::deserialize(from).map(Cell::text)
}

fn cell<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let cell = Option::<Cell>::deserialize(from)?.map(Cell::text);
    Ok(cell.filter(|text| !text.trim().is_empty()))
}

fn read_jsonl(file: &Path, stream: Stream, found: &mut Found) -> Result<String, DataError> {
    each_line(file, stream, |line, text| {
        found.push(file, Place::Line(line), parse(file, line, text)?)
    })
}

fn read_csv(file: &Path, stream: Stream, found: &mut Found) -> Result<String, DataError> {
    let mut reader = csv::Reader::from_reader(stream);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(csv_file::explain(file, reader.get_ref(), error)),
    };
    let at = |column: &str| header.iter().position(|name| name.trim() == column);
    let needed = |column: &'static str| {
        at(column).ok_or_else(|| DataError::MissingColumn {
            file: file.to_owned(),
            place: Place::Line(1),
            column: column.to_owned(),
            role: column,
            available: header.iter().map(str::to_owned).collect(),
        })
    };
    let (item, rater, rating) = (needed("item")?, needed("rater")?, needed("rating")?);
    let [gold, kind, domain, year, round] = ["gold", "kind", "domain", "year", "round"].map(at);
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(csv_file::explain(file, reader.get_ref(), error)),
        }
        let place = Place::Line(record.position().map_or(0, csv::Position::line));
        let cell = |column: Option<usize>| {
            let cell = record.get(column?)?.trim();
            (!cell.is_empty()).then(|| cell.to_owned())
        };
        let wrong = |column: &str, expected, got| DataError::WrongType {
            file: file.to_owned(),
            place,
            column: column.to_owned(),
            expected,
            got,
        };
        let kind = match cell(kind).as_deref() {
            None => None,
            Some("human") => Some(RaterKind::Human),
            Some("model") => Some(RaterKind::Model),
            Some(other) => return Err(wrong("kind", "human or model", format!("{other:?}"))),
        };
        let year = match cell(year) {
            None => None,
            Some(text) => match text.parse::<f64>() {
                Ok(year) => Some(year),
                Err(_) => return Err(wrong("year", "a number", format!("{text:?}"))),
            },
        };
        let raw = Raw {
            item: cell(Some(item)).unwrap_or_default(),
            rater: cell(Some(rater)).unwrap_or_default(),
            rating: cell(Some(rating)),
            gold: cell(gold),
            kind,
            domain: cell(domain),
            year,
            round: cell(round),
        };
        found.push(file, place, raw)?;
    }
    finish(file, reader.into_inner())
}

/// Rows so far.
#[derive(Default)]
struct Found {
    items: Named<ItemSoFar>,
    raters: Named<RaterSoFar>,
    /// What was said, in order of first mention, and where.
    said: Named<Place>,
    rounds: HashMap<String, Arc<str>>,
    rows: Vec<RatingRow>,
    /// Raters and items that met, and where.
    met: HashMap<(u32, u32), Place>,
}

#[derive(Default)]
struct ItemSoFar {
    domain: Option<(String, Place)>,
    gold: Option<(u32, Place)>,
}

#[derive(Default)]
struct RaterSoFar {
    kind: Option<(RaterKind, Place)>,
}

/// Things with names, numbered in order of their first mention.
struct Named<T> {
    numbers: HashMap<String, u32>,
    all: Vec<(String, T)>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            all: Vec::new(),
        }
    }
}

impl<T> Named<T> {
    fn number(&mut self, name: String, new: impl FnOnce() -> T) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.numbers.insert(name.clone(), number);
        self.all.push((name, new()));
        number
    }
}

impl Found {
    fn push(&mut self, file: &Path, place: Place, raw: Raw) -> Result<(), DataError> {
        for (column, value) in [("item", &raw.item), ("rater", &raw.rater)] {
            if value.trim().is_empty() {
                return Err(DataError::MissingValue {
                    file: file.to_owned(),
                    place,
                    column: column.to_owned(),
                });
            }
        }
        if let Some(year) = raw.year.filter(|year| !year.is_finite()) {
            return Err(DataError::WrongType {
                file: file.to_owned(),
                place,
                column: "year".to_owned(),
                expected: "a number",
                got: year.to_string(),
            });
        }
        let category = raw
            .rating
            .map(|said| self.said.number(canonical(said), || place));
        let gold = raw
            .gold
            .map(|gold| self.said.number(canonical(gold), || place));
        let item = self.items.number(raw.item, ItemSoFar::default);
        let rater = self.raters.number(raw.rater, RaterSoFar::default);
        let (item_name, of_item) = &mut self.items.all[item as usize];
        let (rater_name, of_rater) = &mut self.raters.all[rater as usize];
        let differs = |what, name: &str, column, first| DataError::Contradiction {
            file: file.to_owned(),
            what,
            name: name.into(),
            column,
            first,
            second: place,
        };
        same(&mut of_item.gold, gold, place)
            .map_err(|first| differs("item", item_name, "gold", first))?;
        same(&mut of_item.domain, raw.domain, place)
            .map_err(|first| differs("item", item_name, "domain", first))?;
        same(&mut of_rater.kind, raw.kind, place)
            .map_err(|first| differs("rater", rater_name, "kind", first))?;
        if let Some(first) = self.met.insert((item, rater), place) {
            return Err(DataError::RatedTwice {
                file: file.to_owned(),
                item: item_name.clone(),
                rater: rater_name.clone(),
                first,
                second: place,
            });
        }
        let round = raw.round.map(|round| {
            let known = self.rounds.entry(round.clone());
            known.or_insert_with(|| round.into()).clone()
        });
        self.rows.push(RatingRow {
            item,
            rater,
            // In order of first mention, until all are known.
            category: category.map(|category| category as u16),
            year: raw.year,
            round,
            place,
        });
        if self.said.all.len() > MOST_CATEGORIES {
            return Err(DataError::TooManyLabels {
                file: file.to_owned(),
                column: "rating".to_owned(),
                most: MOST_CATEGORIES,
            });
        }
        Ok(())
    }

    fn finish(
        self,
        file: &Path,
        name: String,
        scale: Scale,
        config: &RatingsConfig,
        sha256: String,
    ) -> Result<RatingSet, DataError> {
        if self.rows.is_empty() {
            return Err(DataError::Empty {
                file: file.to_owned(),
            });
        }
        let scale = config.scale.unwrap_or(scale);
        let categories: Vec<String> = if config.categories.is_empty() {
            in_order(&self.said.all)
        } else {
            config.categories.iter().cloned().map(canonical).collect()
        };
        let positions: HashMap<&str, u16> =
            categories.iter().map(String::as_str).zip(0..).collect();
        let mut position = Vec::with_capacity(self.said.all.len());
        for (said, place) in &self.said.all {
            match positions.get(said.as_str()) {
                Some(at) => position.push(*at),
                None => {
                    return Err(DataError::OutsideScale {
                        file: file.to_owned(),
                        place: *place,
                        rating: said.clone(),
                        categories,
                    });
                }
            }
        }
        if categories.len() < 2 {
            return Err(DataError::OneCategory {
                file: file.to_owned(),
                rating: categories.first().cloned().unwrap_or_default(),
            });
        }
        let numbers = categories.iter().map(|category| number(category));
        let values: Option<Vec<f64>> = numbers.collect();
        if values.is_none() && matches!(scale, Scale::Interval | Scale::Ratio) {
            let text = categories
                .iter()
                .find(|category| number(category).is_none());
            let text = text.cloned().unwrap_or_default();
            let place = (self.said.all.iter()).find(|(said, _)| *said == text);
            return Err(DataError::WrongType {
                file: file.to_owned(),
                place: place.map_or(Place::Line(1), |(_, place)| *place),
                column: "rating".to_owned(),
                expected: "a number, as the scale has it",
                got: format!("{text:?}"),
            });
        }
        let items = (self.items.all.into_iter())
            .map(|(name, so_far)| RatedItem {
                name,
                domain: so_far.domain.map(|(domain, _)| domain),
                gold: so_far.gold.map(|(gold, _)| position[gold as usize]),
            })
            .collect();
        let raters = (self.raters.all.into_iter())
            .map(|(name, so_far)| Rater {
                name,
                kind: so_far.kind.map_or(RaterKind::Human, |(kind, _)| kind),
            })
            .collect();
        let mut rows = self.rows;
        for row in &mut rows {
            row.category = row.category.map(|said| position[usize::from(said)]);
        }
        Ok(RatingSet {
            name,
            categories,
            values,
            scale,
            items,
            raters,
            rows,
            sha256,
        })
    }
}

/// Keeps what was said first; where it was said, if this is another.
fn same<T: PartialEq>(
    known: &mut Option<(T, Place)>,
    new: Option<T>,
    place: Place,
) -> Result<(), Place> {
    match (known.as_ref(), new) {
        (_, None) => Ok(()),
        (None, Some(new)) => {
            *known = Some((new, place));
            Ok(())
        }
        (Some((old, first)), Some(new)) => {
            if *old == new {
                Ok(())
            } else {
                Err(*first)
            }
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Blanks around it dropped; a number as it is written shortest.
fn canonical(text: String) -> String {
    let trimmed = text.trim();
    match number(trimmed) {
        Some(value) => value.to_string(),
        None if trimmed.len() < text.len() => trimmed.to_owned(),
        None => text,
    }
}

/// Numbers by size if all are, else texts by alphabet.
fn in_order(said: &[(String, Place)]) -> Vec<String> {
    let mut names: Vec<String> = said.iter().map(|(name, _)| name.clone()).collect();
    if names.iter().all(|name| number(name).is_some()) {
        names.sort_by(|a, b| f64::total_cmp(&number(a).unwrap_or(0.0), &number(b).unwrap_or(0.0)));
    } else {
        names.sort();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builtin(name: &str) -> RatingSet {
        let config = RatingsConfig::new(format!("builtin:{name}"));
        load_ratings(&config, &Locations::new(".")).unwrap()
    }

    fn load_text(file: &str, text: &str, config: RatingsConfig) -> Result<RatingSet, DataError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), text).unwrap();
        let config = RatingsConfig {
            set: file.to_owned(),
            ..config
        };
        load_ratings(&config, &Locations::new(folder.path()))
    }

    /// What is said without the folder's name.
    fn refusal(file: &str, text: &str, config: &RatingsConfig) -> String {
        let error = load_text(file, text, config.clone()).unwrap_err();
        let said = error.to_string();
        let from = said.find(file).unwrap_or(0);
        match error.hint() {
            Some(hint) => format!("{}\n  {hint}", &said[from..]),
            None => said[from..].to_owned(),
        }
    }

    /// How often raters said what is right, of so many.
    fn right(set: &RatingSet, keep: impl Fn(&RatingRow) -> bool) -> (usize, usize) {
        let rows = || set.rows.iter().filter(|row| keep(row));
        let right = |row: &&RatingRow| {
            row.category.is_some() && row.category == set.items[row.item as usize].gold
        };
        (rows().filter(right).count(), rows().count())
    }

    fn share((right, n): (usize, usize)) -> String {
        format!("{:.3}", right as f64 / n as f64)
    }

    /// Cohen's kappa of two raters who rated every item.
    fn kappa(set: &RatingSet, one: u32, other: u32) -> f64 {
        let said = |rater: u32| {
            let rows = set.rows.iter().filter(move |row| row.rater == rater);
            rows.map(|row| row.category.unwrap()).collect::<Vec<_>>()
        };
        let (one, other) = (said(one), said(other));
        let n = one.len() as f64;
        let share =
            |said: &[u16], k: u16| said.iter().filter(|said| **said == k).count() as f64 / n;
        let observed = one.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / n;
        let expected: f64 = (0..set.categories.len() as u16)
            .map(|k| share(&one, k) * share(&other, k))
            .sum();
        (observed - expected) / (1.0 - expected)
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let json = "{\"item\": \"a\", \"rater\": 1, \"rating\": 2.0, \"gold\": 2, \"year\": 2021}\n\
                    {\"item\": \"a\", \"rater\": \"m\", \"rating\": null, \"kind\": \"model\", \"domain\": \"x\"}\n\
                    \n\
                    {\"item\": \"b\", \"rater\": 1, \"rating\": \"10\", \"round\": \"second\", \"more\": 1}\n";
        let csv = "rating,item,rater,gold,kind,domain,year,round\n\
                   2,a,1,2,,,2021,\n\
                   ,a,m,,model,x,,\n\
                   10.0,b,1,,,,,second\n";
        let config = RatingsConfig {
            scale: Some(Scale::Interval),
            ..RatingsConfig::new("")
        };
        let json = load_text("r.jsonl", json, config.clone()).unwrap();
        let mut csv = load_text("r.csv", csv, config).unwrap();
        assert_eq!(json.rows[2].place, Place::Line(4));
        csv.rows[2].place = Place::Line(4);
        for row in &mut csv.rows[..2] {
            let Place::Line(line) = &mut row.place else {
                unreachable!()
            };
            *line -= 1;
        }
        csv.sha256.clone_from(&json.sha256);
        assert_eq!(json, csv);
        assert_eq!(json.categories, ["2", "10"]);
        assert_eq!(json.values, Some(vec![2.0, 10.0]));
        assert_eq!(json.raters[1].kind, RaterKind::Model);
        assert_eq!(json.gold(), [Some(0), None]);
        assert_eq!(json.domains(), ["x"]);
        assert_eq!(
            (json.n_failed(|_| true), json.ratings(|_| true).len()),
            (1, 2)
        );
        assert_eq!(json.rows[2].round.as_deref(), Some("second"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let plain = RatingsConfig::new("");
        let declared = RatingsConfig {
            categories: vec!["yes".into(), "no".into()],
            ..plain.clone()
        };
        let interval = RatingsConfig {
            scale: Some(Scale::Interval),
            ..plain.clone()
        };
        let row = |item: &str, rater: &str, rest: &str| {
            format!("{{\"item\": \"{item}\", \"rater\": \"{rater}\", {rest}}}\n")
        };
        let two = |first: &str, second: &str| row("a", "r", first) + &row("a", "s", second);
        let said = [
            refusal(
                "r.jsonl",
                &two("\"rating\": \"yes\"", "\"rating\": \"yess\""),
                &declared,
            ),
            refusal(
                "r.jsonl",
                &two("\"rating\": 1", "\"rating\": \"good\""),
                &interval,
            ),
            refusal(
                "r.jsonl",
                &(row("a", "r", "\"rating\": 1") + &row("a", "r", "\"rating\": 2")),
                &plain,
            ),
            refusal(
                "r.jsonl",
                &two("\"rating\": 1, \"gold\": 1", "\"rating\": 2, \"gold\": 2"),
                &plain,
            ),
            refusal("r.jsonl", &two("\"rating\": 1", "\"ratings\": 2"), &plain),
            refusal("r.jsonl", &two("\"rating\": 1", "\"rating\": [2]"), &plain),
            refusal("r.jsonl", &two("\"rating\": 1", "\"rating\": 1"), &plain),
            refusal("r.jsonl", &row("", "r", "\"rating\": 1"), &plain),
            refusal("r.jsonl", "", &plain),
            refusal("r.csv", "item,rater,score\na,r,1\n", &plain),
            refusal("r.csv", "item,rater,rating,kind\na,r,1,person\n", &plain),
            refusal("r.csv", "item,rater,rating,year\na,r,1,MMXX\n", &plain),
            refusal("r.csv", "item,rater,rating,year\na,r,1,inf\n", &plain),
            refusal("r.parquet", "", &plain),
        ];
        insta::assert_snapshot!(said.join("\n"));
        let unknown = load_ratings(&RatingsConfig::new("builtin:panda"), &Locations::new("."));
        insta::assert_snapshot!(unknown.unwrap_err().hint().unwrap());
    }

    #[test]
    fn built_in_ratings_have_the_figures_of_their_papers() {
        let pandalm = builtin("pandalm");
        assert_eq!((pandalm.items.len(), pandalm.raters.len()), (999, 5));
        assert_eq!(pandalm.categories, ["first", "second", "tie"]);
        // GPT-3.5 gave no verdict 25 times.
        assert_eq!(pandalm.n_failed(|_| true), 25);
        assert_eq!(
            pandalm.n_failed(|row| pandalm.raters[row.rater as usize].name == "gpt-3.5-turbo"),
            25
        );

        let kappas = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| kappa(&pandalm, one, other));
        assert_eq!(
            kappas.map(|kappa| format!("{kappa:.2}")),
            ["0.85", "0.88", "0.86"]
        );

        let bbq = builtin("bbq");
        assert_eq!((bbq.items.len(), bbq.rows.len()), (2_154, 10_770));
        assert_eq!(
            (right(&bbq, |_| true), bbq.n_failed(|_| true)),
            ((9_951, 10_770), 0)
        );
        assert_eq!(bbq.domains().len(), 11);

        let ladder = builtin("gsm8k-ladder");
        let solved: Vec<String> = (0..4)
            .map(|rater| share(right(&ladder, |row| row.rater == rater)))
            .collect();
        assert_eq!(solved, ["0.217", "0.390", "0.347", "0.563"]);
        assert_eq!(ladder.raters[3].name, "175b-verification");
        assert!(ladder.rows.iter().all(|row| row.year == Some(2021.0)));

        let nyu = builtin("nyu-debates");
        let live = |domain: &str| {
            right(&nyu, |row| {
                let item = &nyu.items[row.item as usize];
                row.round.as_deref() == Some("live") && item.domain.as_deref() == Some(domain)
            })
        };
        assert_eq!(
            (share(live("debate")), live("debate").1),
            ("0.844".into(), 154)
        );
        assert_eq!(
            (share(live("consultancy")), live("consultancy").1),
            ("0.740".into(), 96)
        );
        assert_eq!(share(live("debate-by-gpt-4")), "0.782");
        assert_eq!(share(live("consultancy-by-gpt-4")), "0.803");
        assert_eq!(nyu.n_failed(|_| true), 2);
        assert_eq!((nyu.items.len(), nyu.rows.len()), (413, 531));

        let llmbar = builtin("llmbar");
        assert_eq!(
            (
                llmbar.items.len(),
                llmbar.raters.len(),
                llmbar.domains().len()
            ),
            (419, 1, 5)
        );
    }
}
