//! A domain whose people, and perhaps a model, rated the same items: accuracy, agreement, and the model among people.
//!
//! ```text
//! with gold labels:   a rating is right where it is the gold label
//! without:            a rating is right where it is what most of the other people say; of m answers with as many votes, 1/m each
//! a model, without:   the same, a mean over which of the people is left out, so that it is held against as many as each of them is
//! ```
//!
//! A rating of nothing is a failed judgement: it is counted, and not right.
//!
//! In: ratings as [`trimtab_data::ratings`](trimtab_data::load_ratings) reads them. Out: shares with intervals clustered by item, coefficients.

use serde::Serialize;
use trimtab_core::{RaterKind, Rating, Scale, Seed};
use trimtab_data::{Locations, RatingRow, RatingSet, RatingsConfig, load_ratings};
use trimtab_landscape::{Answered, Domain, Figure, Origin, paired_gap};
use trimtab_stats::{
    Categories, Clusters, Coefficient, DawidSkene, Estimate, Interval, Labelled, Level,
    MixedAgreement, Panel, PanelError, PredictionPowered, Resampler, Tuning, Undefined, Weights,
    clustered_fraction, prediction_powered_mean,
};

use super::LandscapeError;
use super::config::DomainConfig;

/// What was measured of a domain's raters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatedDomain {
    /// The domain.
    pub name: String,
    /// What a right rating is.
    pub reference: Reference,
    /// Items that anybody rated.
    pub n_items: usize,
    /// Ratings, of nothing too.
    pub n_ratings: usize,
    /// Ratings of nothing.
    pub n_failed: usize,
    /// How far people agree; each coefficient or why there is none.
    pub agreement: Vec<(Coefficient, Result<Estimate, Undefined>)>,
    /// Each rater.
    pub raters: Vec<RatedBy>,
    /// People and models, where there are models.
    pub mixed: Option<MixedAgreement>,
    /// What the model saves as a judge, where people and it judged the same items.
    pub saved: Option<SavedLabels>,
}

/// How many labels a model saves: the share of items whose right answer is one category, from labels of some items and the model's
/// judgement of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SavedLabels {
    /// The category.
    pub category: String,
    /// The share, with and without the model.
    pub mean: PredictionPowered,
}

/// What a right rating is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// A gold label.
    Gold,
    /// What most of the others say.
    Others,
}

/// One rater.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatedBy {
    /// Its name.
    pub name: String,
    /// A person or a model.
    pub kind: RaterKind,
    /// Ratings that something could be held against.
    pub n: usize,
    /// The share that is right.
    pub accuracy: Interval,
    /// What Dawid and Skene's model makes of it, from ratings alone; none where raters never met.
    pub dawid_skene: Option<Reliability>,
}

/// A rater by Dawid and Skene's model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reliability {
    /// How often it says what is true.
    pub accuracy: f64,
    /// How much of what is unknown it takes away: 0 for one whose answers do not depend on the item.
    pub weight: f64,
}

/// Reads and measures.
pub(super) fn rated(
    config: &DomainConfig,
    set: &str,
    locations: &Locations,
    resampler: Resampler,
    level: Level,
) -> Result<(Domain, RatedDomain, String), LandscapeError> {
    let read = RatingsConfig {
        set: set.to_owned(),
        scale: config.scale,
        categories: config.categories.clone(),
    };
    let ratings = load_ratings(&read, locations).map_err(|source| LandscapeError::Ratings {
        domain: config.name.clone(),
        source: Box::new(source),
    })?;
    let of = Rated::new(config, set, &ratings)?;
    let (domain, rated) = of.measure(resampler, level)?;
    Ok((domain, rated, ratings.sha256.clone()))
}

/// One item of so many has a label of people, where it is asked what a model saves.
const LABELLED_OF: usize = 4;

struct Rated<'a> {
    config: &'a DomainConfig,
    set: &'a str,
    ratings: &'a RatingSet,
    /// Rows that count.
    rows: Vec<&'a RatingRow>,
    /// By item: who said what.
    said: Vec<Vec<(usize, Option<u16>)>>,
    kinds: Vec<RaterKind>,
    /// The rater who stands for models.
    model: Option<usize>,
    reference: Reference,
}

impl<'a> Rated<'a> {
    fn new(
        config: &'a DomainConfig,
        set: &'a str,
        ratings: &'a RatingSet,
    ) -> Result<Self, LandscapeError> {
        let rows: Vec<&RatingRow> = (ratings.rows.iter())
            .filter(|row| config.round.is_none() || row.round.as_deref() == config.round.as_deref())
            .filter(|row| {
                let of = ratings.items[row.item as usize].domain.as_deref();
                config.part.is_none() || of == config.part.as_deref()
            })
            .collect();
        let refuse = |key: &str, what: String, hint: String| LandscapeError::Panel {
            domain: config.name.clone(),
            set: set.to_owned(),
            place: None,
            what: format!("`{key}`: {what}"),
            hint,
        };
        if rows.is_empty() {
            let known = ratings.domains().join(", ");
            return Err(refuse(
                if config.part.is_some() {
                    "part"
                } else {
                    "round"
                },
                "no rating is left".into(),
                format!(
                    "parts of this set: {}",
                    if known.is_empty() { "none" } else { &known }
                ),
            ));
        }
        let mut said = vec![Vec::new(); ratings.items.len()];
        for row in &rows {
            said[row.item as usize].push((row.rater as usize, row.category));
        }
        let kinds = ratings.kinds();
        let models: Vec<usize> = (0..kinds.len())
            .filter(|&i| kinds[i] == RaterKind::Model)
            .collect();
        let names = || {
            let names: Vec<String> = models
                .iter()
                .map(|&i| format!("`{}`", ratings.raters[i].name))
                .collect();
            names.join(", ")
        };
        let model = match (&config.model, models.as_slice()) {
            (Some(name), _) => {
                let found = models.iter().find(|&&i| ratings.raters[i].name == *name);
                Some(*found.ok_or_else(|| {
                    refuse(
                        "model",
                        format!("no model `{name}` rates here"),
                        format!("models: {}", names()),
                    )
                })?)
            }
            (None, []) => None,
            (None, [one]) => Some(*one),
            (None, several) => {
                return Err(refuse(
                    "model",
                    format!("{} models rate here, and none is named", several.len()),
                    format!("say which is the domain's model: {}", names()),
                ));
            }
        };
        let has_gold = (rows.iter()).any(|row| ratings.items[row.item as usize].gold.is_some());
        Ok(Self {
            config,
            set,
            ratings,
            rows,
            said,
            kinds,
            model,
            reference: if has_gold {
                Reference::Gold
            } else {
                Reference::Others
            },
        })
    }

    fn refuse(&self, error: &PanelError) -> LandscapeError {
        let counted: Vec<&&RatingRow> = self
            .rows
            .iter()
            .filter(|row| row.category.is_some())
            .collect();
        let (place, what) = match *error {
            PanelError::RatedTwice { first, second, .. } => {
                let row = counted[second];
                (
                    Some(row.place),
                    format!(
                        "rater `{}` rates item `{}` a second time, after {}",
                        self.ratings.raters[row.rater as usize].name,
                        self.ratings.items[row.item as usize].name,
                        counted[first].place
                    ),
                )
            }
            PanelError::OneRater { rater, n_ratings } => (
                None,
                format!(
                    "all {n_ratings} ratings are by `{}`: without gold labels there must be others to hold them against",
                    self.ratings.raters[rater as usize].name
                ),
            ),
            _ => (None, error.to_string()),
        };
        let hint = match error {
            PanelError::OneRater { .. } => "add a second rater, or a column `gold`",
            PanelError::NoOverlap { .. } => {
                "let two people rate the same items, or add a column `gold`"
            }
            PanelError::RatedTwice { .. } => {
                "keep one of the two, or name their occasions in a column `round` and choose one: round = \"…\""
            }
            other => other.hint(),
        };
        LandscapeError::Panel {
            domain: self.config.name.clone(),
            set: self.set.to_owned(),
            place,
            what,
            hint: hint.into(),
        }
    }

    fn panel(&self, keep: impl Fn(usize) -> bool) -> Result<Panel, PanelError> {
        let categories = self.categories();
        let ratings: Vec<Rating> = (self.rows.iter())
            .filter(|row| keep(row.rater as usize))
            .filter_map(|row| {
                Some(Rating {
                    item: row.item,
                    rater: row.rater,
                    category: row.category?,
                })
            })
            .collect();
        Panel::with_any_overlap(categories, &ratings)
    }

    fn categories(&self) -> Categories {
        let names = || self.ratings.categories.iter().cloned();
        let values = self.ratings.values.clone();
        let made = match (self.ratings.scale, values) {
            (Scale::Interval, Some(values)) => Categories::interval(values),
            (Scale::Ratio, Some(values)) => Categories::ratio(values),
            (Scale::Ordinal, _) => Categories::ordinal(names()),
            _ => Categories::nominal(names()),
        };
        made.unwrap_or_else(|error| unreachable!("checked where ratings are read: {error}"))
    }

    fn is_human(&self, rater: usize) -> bool {
        self.kinds[rater] == RaterKind::Human
    }

    /// How right it is that `rater` says `category` of `item`: from 0 to 1; `None` where nothing can be held against it.
    fn credit(&self, item: usize, rater: usize, category: Option<u16>) -> Option<f64> {
        match self.reference {
            Reference::Gold => {
                let gold = self.ratings.items[item].gold?;
                Some(f64::from(u8::from(category == Some(gold))))
            }
            Reference::Others if self.is_human(rater) => self.against_others(item, rater, category),
            Reference::Others => {
                let people = self.said[item]
                    .iter()
                    .filter(|(other, _)| self.is_human(*other));
                let credits: Vec<f64> = people
                    .filter_map(|&(left_out, _)| self.against_others(item, left_out, category))
                    .collect();
                (!credits.is_empty()).then(|| credits.iter().sum::<f64>() / credits.len() as f64)
            }
        }
    }

    /// Against most of the people but one.
    fn against_others(&self, item: usize, left_out: usize, category: Option<u16>) -> Option<f64> {
        let mut votes = vec![0_usize; self.ratings.categories.len()];
        for &(other, said) in &self.said[item] {
            if let Some(said) = said.filter(|_| other != left_out && self.is_human(other)) {
                votes[usize::from(said)] += 1;
            }
        }
        let most = votes.iter().copied().max().filter(|most| *most > 0)?;
        let n_tied = votes.iter().filter(|votes| **votes == most).count();
        let is_among = category.is_some_and(|category| votes[usize::from(category)] == most);
        Some(if is_among { 1.0 / n_tied as f64 } else { 0.0 })
    }

    fn measure(
        &self,
        resampler: Resampler,
        level: Level,
    ) -> Result<(Domain, RatedDomain), LandscapeError> {
        let panel = self.panel(|_| true).map_err(|error| self.refuse(&error))?;
        let people = self.panel(|rater| self.is_human(rater));
        if self.reference == Reference::Others {
            let met = people
                .as_ref()
                .map_err(Clone::clone)
                .and_then(Panel::overlap);
            met.map_err(|error| self.refuse(&error))?;
        }
        let part = |name: &str| Resampler {
            seed: resampler.seed.child(name),
            ..resampler
        };
        let mixed = (self.kinds.contains(&RaterKind::Model)
            && self.kinds.contains(&RaterKind::Human))
        .then(|| {
            MixedAgreement::new(
                &panel,
                &self.kinds[..panel.n_raters()],
                &part("mixed"),
                level,
            )
        });
        let rated = RatedDomain {
            name: self.config.name.clone(),
            reference: self.reference,
            n_items: self.said.iter().filter(|said| !said.is_empty()).count(),
            n_ratings: self.rows.len(),
            n_failed: self
                .rows
                .iter()
                .filter(|row| row.category.is_none())
                .count(),
            agreement: people.map_or_else(
                |_| Vec::new(),
                |people| self.agreement(&people, &part("agreement"), level),
            ),
            raters: self.raters(&panel, level),
            mixed,
            saved: self.saved(resampler.seed.child("labels"), level),
        };
        Ok((self.domain(&part("gap"), level), rated))
    }

    fn agreement(
        &self,
        people: &Panel,
        resampler: &Resampler,
        level: Level,
    ) -> Vec<(Coefficient, Result<Estimate, Undefined>)> {
        let scale = self.ratings.scale;
        let mut asked = vec![
            Coefficient::PerCent,
            Coefficient::MeanCohen(Weights::Identity),
            Coefficient::Fleiss,
            Coefficient::Krippendorff(Scale::Nominal),
            Coefficient::Gwet(Weights::Identity),
        ];
        if scale != Scale::Nominal {
            asked.extend([
                Coefficient::MeanCohen(Weights::of(scale)),
                Coefficient::Krippendorff(scale),
                Coefficient::Gwet(Weights::of(scale)),
            ]);
        }
        let found = people.agreement(&asked, resampler, level);
        asked.into_iter().zip(found).collect()
    }

    /// Credits of the raters that count, with the items that they are for.
    fn credits(&self, counts: impl Fn(usize) -> bool) -> (Vec<f64>, Vec<usize>) {
        let (mut credits, mut items) = (Vec::new(), Vec::new());
        for (item, said) in self.said.iter().enumerate() {
            for &(rater, category) in said.iter().filter(|(rater, _)| counts(*rater)) {
                if let Some(credit) = self.credit(item, rater, category) {
                    credits.push(credit);
                    items.push(item);
                }
            }
        }
        (credits, items)
    }

    fn share(&self, counts: impl Fn(usize) -> bool, level: Level) -> Option<(Interval, usize)> {
        let (credits, items) = self.credits(counts);
        let n = credits.len();
        Some((
            clustered_fraction(&credits, &Clusters::new(items), level)?,
            n,
        ))
    }

    fn raters(&self, panel: &Panel, level: Level) -> Vec<RatedBy> {
        // Models alone are no judges: what they have in common is what is easy for them, not what is true.
        let has_people = (0..panel.n_raters()).any(|rater| self.is_human(rater));
        let fit = (panel.overlap().ok().filter(|()| has_people))
            .and_then(|()| DawidSkene::default().fit(panel, &[]).ok())
            .filter(|fit| fit.swapped().is_empty());
        let rater = |rater: usize| {
            let (accuracy, n) = self.share(|other| other == rater, level)?;
            Some(RatedBy {
                name: self.ratings.raters[rater].name.clone(),
                kind: self.kinds[rater],
                n,
                accuracy,
                dawid_skene: fit.as_ref().map(|fit| Reliability {
                    accuracy: fit.accuracy(rater),
                    weight: fit.weight(rater),
                }),
            })
        };
        (0..panel.n_raters()).filter_map(rater).collect()
    }

    /// What is true of an item, as a share: whether the category is its gold label, or what most people say.
    fn truth(&self, item: usize, category: u16) -> Option<f64> {
        match self.reference {
            Reference::Gold => Some(f64::from(u8::from(
                self.ratings.items[item].gold? == category,
            ))),
            // Nobody is left out.
            Reference::Others => self.against_others(item, usize::MAX, Some(category)),
        }
    }

    fn saved(&self, seed: Seed, level: Level) -> Option<SavedLabels> {
        let model = self.model?;
        let mut both: Vec<Labelled> = (self.said.iter().enumerate())
            .filter_map(|(item, said)| {
                let (_, judged) = said.iter().find(|(rater, _)| *rater == model)?;
                Some(Labelled {
                    truth: self.truth(item, 0)?,
                    judged: f64::from(u8::from(*judged == Some(0))),
                })
            })
            .collect();
        seed.stream().shuffle(&mut both);
        let (labelled, others) = both.split_at(both.len() / LABELLED_OF);
        let judged: Vec<f64> = others.iter().map(|of| of.judged).collect();
        let mean = prediction_powered_mean(labelled, &judged, Tuning::Tuned, level).ok()?;
        mean.correlation?;
        Some(SavedLabels {
            category: self.ratings.categories[0].clone(),
            mean,
        })
    }

    fn domain(&self, resampler: &Resampler, level: Level) -> Domain {
        let figure = |of: Option<(Interval, usize)>| {
            of.map(|(interval, n)| Figure::Measured { interval, n })
        };
        let human = figure(self.share(|rater| self.is_human(rater), level));
        let model = figure(self.share(|rater| Some(rater) == self.model, level));
        let against = match self.reference {
            Reference::Gold => "gold labels",
            Reference::Others => "what most others say",
        };
        let model_name = self.model.map_or_else(String::new, |model| {
            format!("; model {}", self.ratings.raters[model].name)
        });
        let origin = Origin::Measured {
            source: format!("{}, against {against}{model_name}", self.set),
        };
        let name = &self.config.name;
        match (human, model, paired_gap(&self.answered(), resampler, level)) {
            (Some(human), Some(model), Some(gap)) => {
                Domain::paired(name, origin, human, model, gap)
            }
            _ => Domain::unpaired(name, origin, human, model),
        }
    }

    fn answered(&self) -> Vec<Answered> {
        let item = |(item, said): (usize, &Vec<(usize, Option<u16>)>)| {
            let mut answered = Answered::default();
            for &(rater, category) in said {
                let Some(credit) = self.credit(item, rater, category) else {
                    continue;
                };
                if self.is_human(rater) {
                    answered.human += 1.0;
                    answered.human_right += credit;
                } else if Some(rater) == self.model {
                    answered.model += 1.0;
                    answered.model_right += credit;
                }
            }
            answered
        };
        (self.said.iter().enumerate())
            .map(item)
            .filter(|answered| answered.human + answered.model > 0.0)
            .collect()
    }
}

/// The seed of a domain's draws.
pub(super) fn seed(seed: u64, domain: &str) -> Seed {
    Seed(seed).child("domain").child(domain)
}
