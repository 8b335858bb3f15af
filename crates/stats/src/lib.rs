//! Numbers to numbers: metrics, intervals and tests. No I/O, no clock, no hidden randomness.
//!
//! | question | answer |
//! |---|---|
//! | how often right? | [`accuracy`] |
//! | are right answers ranked above wrong ones? | [`auroc`] |
//! | are probabilities close to the truth? | [`brier`] |
//! | is confidence what it says? | [`Reliability`] |
//! | does the student say what its supervisor says? | [`Agreement`] |
//! | who is right where? | [`Anatomy`] |
//! | how much of the gap is recovered? | [`pgr`], [`PgrEstimate`] |
//! | how rare is it at most? | [`upper_bound`], [`clopper_pearson`] |
//! | is this unlike what was seen? | [`ConformalScores`] |
//! | which of many findings hold? | [`benjamini_hochberg`] |
//! | how sure are we? | [`Resampler`], [`wilson`], [`mean_of_few`] |
//! | do two runs differ? | [`paired_test`] |
//! | does a judge go by the order? | [`OrderEffect`] |
//! | by length? | [`Verbosity`] |
//! | by who wrote it? | [`SelfPreference`] |
//! | does it say what people say? | [`HumanAgreement`] |
//! | do raters agree? | [`Panel`], [`Coefficient`] |
//! | do models agree with people as people do? | [`MixedAgreement`] |
//! | how does each rater err, and what is true? | [`DawidSkene`] |
//! | what do a judge's labels add to a few true ones? | [`prediction_powered_mean`] |
//! | how much too sure is it? | [`Temperature`] |
//! | how many comparisons are enough? | [`comparisons_for_half_width`], [`comparisons_for_difference`] |
//! | how many Elo points is that? | [`elo_difference`] |
//! | how strong is each player? | [`ratings`] |
//! | with what interval, and do games say so at all? | [`BradleyTerry`] |
//! | and where some raters do not look? | [`CrowdBradleyTerry`] |
//! | is strength flat at its ends? | [`Plateaus`] |
//! | do two shares differ? | [`two_shares`] |
//! | do supervisors err alike? | [`ErrorCorrelations`], [`capa`], [`error_consistency`] |
//! | how many independent votes are they? | [`effective_votes`], [`IndependentVotes`] |
//! | are some items hard for all? | [`Difficulty`], [`CoincidentFailures`] |
//! | is a panel wrong where it disagrees? | [`DisagreementAlarm`] |
//! | whom to choose? | [`diverse_panel`] |
//! | has a sequence left its course? | [`ControlChart`] |
//! | how much does a monitor catch at a budget? | [`RandomisedThreshold`] |
//! | and if one looks after every item? | [`SequentialShares`] |
//!
//! Accuracies and rates are fractions (0.62, not 62). A failed judgement, `None` here, is data: each
//! metric says what it makes of one, and none drops it unsaid. Where there is nothing to measure
//! (no item, no gap, one class only) the answer is an `Option` or an enum, never NaN. Slices of
//! different lengths are a bug in the caller and panic; shapes that data decide are a [`ShapeError`].
//!
//! ```
//! use std::num::NonZeroUsize;
//! use trimtab_core::Seed;
//! use trimtab_stats::{Accuracies, Correctness, Items, Level, PgrEstimate, Resampler};
//!
//! // One seed, 300 test items; each model is right on the first so many of them.
//! let model = |n_right| {
//!     let row: Vec<bool> = (0..300).map(|item| item < n_right).collect();
//!     Correctness::new(Items::Shared, &[row])
//! };
//! let (weak, student, ceiling) = (model(150)?, model(180)?, model(240)?);
//!
//! let resampler = Resampler { n_resamples: NonZeroUsize::new(2_000).unwrap(), seed: Seed(0) };
//! let replicates = resampler.accuracies(&[&weak, &student, &ceiling])?;
//! let [weak, weak_to_strong, ceiling] = &replicates[..] else { unreachable!() };
//!
//! let gain = weak_to_strong.minus(weak).interval(Level::default());
//! assert!(gain.low > 0.0);
//! match PgrEstimate::new(Accuracies { weak, weak_to_strong, ceiling }, Level::default()) {
//!     PgrEstimate::Recovered { interval } => assert!((interval.estimate - 1.0 / 3.0).abs() < 1e-9),
//!     PgrEstimate::NoGap { gap } => panic!("no gap to recover: {gap:?}"),
//! }
//! # Ok::<(), trimtab_stats::ShapeError>(())
//! ```

mod accuracy;
mod agreement;
mod anatomy;
mod auroc;
mod ballots;
mod benjamini_hochberg;
mod best_part;
mod bootstrap;
mod bradley_terry;
mod brier;
mod calibration;
mod capa;
mod clopper_pearson;
mod clusters;
mod coincident_failures;
mod conformal_p_value;
mod control_chart;
mod correctness;
mod crowd_bradley_terry;
mod dawid_skene;
mod difficulty;
mod disagreement;
mod diverse_panel;
mod elo;
mod error_correlation;
mod independent_votes;
mod interval;
mod kappa;
mod logistic;
mod order_effect;
mod paired_test;
mod panel;
mod pareto;
mod pgr;
mod plateaus;
mod prediction_powered;
mod randomised_threshold;
mod ratings;
mod sample_size;
mod self_preference;
mod sequential_shares;
mod sigmoid;
mod student_t;
mod temperature;
mod two_shares;
mod verbosity;

pub use accuracy::{accuracy, right};
pub use agreement::Agreement;
pub use anatomy::Anatomy;
pub use auroc::auroc;
pub use ballots::{Ballot, Ballots, BallotsError, Outcome};
pub use benjamini_hochberg::benjamini_hochberg;
pub use best_part::best_part;
pub use bootstrap::{Replicates, Resampler};
pub use bradley_terry::{BradleyTerry, BradleyTerryError};
pub use brier::{Brier, brier};
pub use calibration::{Binning, CalibrationBin, Reliability};
pub use capa::{Similarity, capa, capa_of_answers, error_consistency};
pub use clopper_pearson::{clopper_pearson, upper_bound};
pub use clusters::{Clusters, clustered_fraction, clustered_share};
pub use coincident_failures::CoincidentFailures;
pub use conformal_p_value::ConformalScores;
pub use control_chart::{Chart, ControlChart, FalseAlarms};
pub use correctness::{Correctness, Items, ShapeError};
pub use crowd_bradley_terry::{Chose, CrowdBradleyTerry, Unreliable, Vote};
pub use dawid_skene::{Confusions, DawidSkene, DawidSkeneError, DawidSkeneFit, Search};
pub use difficulty::Difficulty;
pub use disagreement::{DisagreementAlarm, PanelOutcome};
pub use diverse_panel::diverse_panel;
pub use elo::{elo_difference, win_rate};
pub use error_correlation::{ErrorCorrelations, effective_votes};
pub use independent_votes::{IndependentVotes, independent_majority, poisson_binomial};
pub use interval::{Interval, Level, LevelError, wilson, wilson_of_share};
pub use kappa::HumanAgreement;
pub use order_effect::{BothOrders, Consistency, OrderEffect, Said, Winner};
pub use paired_test::{PairedTest, paired_test, sign_flip_p_value};
pub use panel::{
    Categories, CategoriesError, Coefficient, Estimate, GoldAccuracy, MixedAgreement,
    PairAgreement, Panel, PanelError, RaterAccuracy, Undefined, Weights,
};
pub use pareto::pareto_front;
pub use pgr::{Accuracies, PgrError, PgrEstimate, pgr};
pub use plateaus::Plateaus;
pub use prediction_powered::{
    Labelled, MOST_OF_A_WEAKER_JUDGE, PredictionPowered, PredictionPoweredError, Tuning,
    gain_ceiling, judge_ceiling, prediction_powered_mean,
};
pub use randomised_threshold::RandomisedThreshold;
pub use ratings::{FURTHEST, Game, PRIOR_SD, anchored, least_squares, ratings};
pub use sample_size::{SampleSizeError, comparisons_for_difference, comparisons_for_half_width};
pub use self_preference::{Prefers, SelfPreference};
pub use sequential_shares::SequentialShares;
pub use sigmoid::{log_sigmoid, moderated_probability, sigmoid};
pub use student_t::mean_of_few;
pub use temperature::Temperature;
pub use two_shares::{TwoShares, two_shares};
pub use verbosity::{Lengths, Preferred, Slope, Verbosity};
