//! Reward models, preference losses, policy optimisation, and how far a proxy can be pushed.
//!
//! Numbers in, numbers out: no networks, no files, no clock. Where slopes are returned, a trainer of any kind can use them.
//!
//! | question | answer |
//! |---|---|
//! | what is the best of n worth, by proxy and in truth? | [`best_of_n`] |
//! | one score out of an ensemble's? | [`Combination`], [`Normaliser`] |
//!
//! NaN and infinity are refused where they enter, by [`NonFinite`], which says where.

mod best_of_n;
mod caution;
mod conformal;
mod ensemble;
mod feature_map;
mod feature_members;
mod feature_reward;
mod features;
mod gram;
mod laplace;
mod linear;
mod non_finite;
mod pair_bootstrap;
mod random_features;
mod reward_accuracy;
mod uncertainty_use;

pub use best_of_n::{BestOfNError, BestOfNPoint, Ranking, ScoredPrompt, best_of_n, kl_bound};
pub use caution::{Caution, CautionError};
pub use conformal::{Conformal, ConformalError, RatingInterval, conformal_rank};
pub use ensemble::{Combination, EnsembleError, Normaliser, Scale, Spread, VarianceDivisor};
pub use feature_reward::{
    FeatureReward, FeatureRewardConfig, Head, Pessimism, RatedReplies, RewardError, RewardLesson,
    RewardScore,
};
pub use features::{PairBlock, PairError, PairLabel, PairSource, PairsInMemory, Side, SourceError};
pub use laplace::{Laplace, moderated_probability};
pub use linear::{FitError, FitSummary, LinearFit, LinearReward, LinearRewardConfig, fit_linear};
pub use non_finite::{NonFinite, Place};
pub use random_features::{InputScale, RandomFeatures};
pub use reward_accuracy::{
    AccuracyIntervals, AccuracyOfGroup, LengthBucket, RewardAccuracy, RewardCalibration,
    accuracy_by_group, accuracy_by_length, reward_accuracy, reward_calibration,
};
pub use uncertainty_use::{retained_accuracy, spearman};
