//! Reward models, preference losses, policy optimisation, and how far a proxy can be pushed.
//!
//! Numbers in, numbers out: no networks, no files, no clock. Where slopes are returned, a trainer of any kind can use them.
//!
//! | question | answer |
//! |---|---|
//! | how wrong is a reward model on pairs, rankings, ties, flipped labels? | [`BradleyTerry`], [`k_wise`], [`TieModel`], [`noise_aware`] |
//! | how wrong is a policy on pairs? | [`PreferenceLoss`] |
//! | how often are labels flipped? | [`estimate_flip_rate`], [`alternate`], [`flip_rate_from_repeats`] |
//! | what is the best of n worth, by proxy and in truth? | [`best_of_n`] |
//! | one score out of an ensemble's? | [`Combination`], [`Normaliser`] |
//! | which reward do pairs of frozen features give? | [`fit_linear`], [`FeatureReward`] |
//! | how sure is it? | [`Laplace`], [`Caution`], [`Conformal`], [`retained_accuracy`], [`spearman`] |
//! | how often is it right, and does it know? | [`reward_accuracy`], [`reward_calibration`] |
//!
//! NaN and infinity are refused where they enter, by [`NonFinite`], which says where.

mod batch_loss;
mod best_of_n;
mod bradley_terry;
mod caution;
mod conformal;
mod ensemble;
mod feature_map;
mod feature_members;
mod feature_reward;
mod features;
mod gram;
mod k_wise;
mod label_noise;
mod laplace;
mod linear;
mod logistic;
mod non_finite;
mod overoptimisation;
mod pair_bootstrap;
mod preference_loss;
mod random_features;
mod reward_accuracy;
mod ties;
mod uncertainty_use;

pub use batch_loss::{BatchLoss, PairLoss, Side};
pub use best_of_n::{BestOfNError, BestOfNPoint, Ranking, ScoredPrompt, best_of_n, kl_bound};
pub use bradley_terry::{BradleyTerry, LabelUse, RewardLossError, RewardPair};
pub use caution::{Caution, CautionError};
pub use conformal::{Conformal, ConformalError, RatingInterval, conformal_rank};
pub use ensemble::{Combination, EnsembleError, Normaliser, Scale, Spread, VarianceDivisor};
pub use feature_reward::{
    FeatureReward, FeatureRewardConfig, Head, Pessimism, RatedReplies, RewardError, RewardLesson,
    RewardScore,
};
pub use features::{PairBlock, PairError, PairLabel, PairSource, PairsInMemory, SourceError};
pub use k_wise::{RankingLoss, k_wise};
pub use label_noise::{
    AgreementEstimate, Alternation, Boundary, Ending, FlipRate, FlipRateError, FlipRateEstimate,
    NoiseAwareLoss, RepeatedLabels, alternate, estimate_flip_rate, flip_rate_from_repeats,
    noise_aware,
};
pub use laplace::{Laplace, moderated_probability};
pub use linear::{FitError, FitSummary, LinearFit, LinearReward, LinearRewardConfig, fit_linear};
pub use non_finite::{NonFinite, Place};
pub use overoptimisation::{
    AgainstSingle, Arm, ArmVerdict, Candidates, Course, CurvePoint, Effect, Finding, GivenReplies,
    GivenWorld, GivenWorldConfig, GivenWorldError, LabelledBy, MeanPoint, Mitigation,
    OveroptimisationConfig, OveroptimisationError, OveroptimisationReport, RatedSample,
    SyntheticWorld, SyntheticWorldConfig, Visibility, World, WorldSource, judge_arms, overoptimise,
};
pub use preference_loss::{
    CompletionLogProbs, CpoConfig, DpoConfig, IpoConfig, KtoConfig, NoisyDpoConfig, OrpoConfig,
    PairLogProbs, PreferenceLoss, PreferenceLossError, PreferenceMetrics, SimpoConfig,
};
pub use random_features::{InputScale, RandomFeatures};
pub use reward_accuracy::{
    AccuracyIntervals, AccuracyOfGroup, LengthBucket, RewardAccuracy, RewardCalibration,
    accuracy_by_group, accuracy_by_length, reward_accuracy, reward_calibration,
};
pub use ties::{Outcome, OutcomeProbabilities, TieLoss, TieModel};
pub use uncertainty_use::{retained_accuracy, spearman};
