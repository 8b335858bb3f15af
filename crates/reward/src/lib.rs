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
//! | how good was each token, or each reply? | [`token_rewards`], [`Gae`], [`whiten`], [`GroupAdvantage`] |
//! | how wrong is a policy on replies it sampled? | [`PolicyObjective`], [`ValueClip`] |
//! | how far from the reference, and at what cost? | [`KlEstimator`], [`KlController`] |
//! | which reward do pairs of frozen features give? | [`fit_linear`], [`FeatureReward`] |
//! | how sure is it? | [`Laplace`], [`Caution`], [`Conformal`], [`retained_accuracy`], [`spearman`] |
//! | how often is it right, and does it know? | [`reward_accuracy`], [`reward_calibration`] |
//! | where does gold reward turn, and when should one stop? | [`fit_gao`], [`StopAdvice`] |
//! | what if annotators erred this often, on pairs or rankings? | [`Annotator`] |
//! | which policy is best, exactly, on a finite set, and what is passed on the way there? | [`FiniteProblem`], [`ExactPolicies`] |
//! | what if rules are hard limits, or costs have one? | [`Constraint`], [`choose`], [`best_of_n_filtered`], [`Lagrangian`] |
//! | which tokens may still come? | [`Automaton`], [`ConstrainedDecoder`] |
//! | does an optimiser reach what it should? | [`TabularTraining`] |
//! | what stops a proxy from being pushed too far? | [`overoptimise`], [`judge_arms`] |
//!
//! NaN and infinity are refused where they enter, by [`NonFinite`], which says where.

mod advantage;
mod aggregation;
mod annotator;
mod batch_loss;
mod best_of_n;
mod bradley_terry;
mod caution;
mod clipped;
mod conformal;
mod constrained_decoding;
mod constraint;
mod ensemble;
mod exact_ascent;
mod feature_map;
mod feature_members;
mod feature_reward;
mod features;
mod finite;
mod gao;
mod gram;
mod group_advantage;
mod iteration;
mod k_wise;
mod kl;
mod label_noise;
mod lagrangian;
mod laplace;
mod linear;
mod non_finite;
mod overoptimisation;
mod pair_bootstrap;
mod policy_config;
mod policy_loss;
mod preference_loss;
mod random_features;
mod ranking;
mod rating;
mod reward_accuracy;
mod reward_model;
mod selection;
mod tabular;
mod ties;
#[cfg(feature = "networks")]
pub mod training;
mod uncertainty_use;

pub use advantage::{
    AdvantageError, Advantages, Gae, MissingEnd, ReplyEnd, WhitenedMean, token_rewards, whiten,
};
pub use aggregation::Aggregation;
pub use annotator::{
    Annotator, AnnotatorError, Errors, LabelCorrectness, Named, SimulatedLabel, UnlabelledPair,
};
pub use batch_loss::{BatchLoss, PairLoss, Side};
pub use best_of_n::{BestOfNError, BestOfNPoint, Ranking, ScoredPrompt, best_of_n, kl_bound};
pub use bradley_terry::{BradleyTerry, LabelUse, RewardLossError, RewardPair};
pub use caution::{Caution, CautionError};
pub use clipped::{ClippedTerm, Clipping, RatioClip, ValueClip};
pub use conformal::{Conformal, ConformalError, RatingInterval, conformal_rank};
pub use constrained_decoding::{
    Automaton, AutomatonError, ConstrainedDecoder, NextToken, State, all_texts, conditional, masked,
};
pub use constraint::{
    Constraint, FilterOutcome, FilteredPoint, FilteredPrompt, Inspection, RuleId, RuleVerdict,
    ViolationShare, best_of_n_filtered, choose, violation_share,
};
pub use ensemble::{
    Combination, EnsembleError, Normaliser, Scale, Spread, VarianceDivisor, average_weights,
};
pub use exact_ascent::{ExactAscent, ExactPolicies};
pub use feature_reward::{
    FeatureReward, FeatureRewardConfig, Head, MemberWeights, Pessimism, RatedReplies, RewardError,
    RewardLesson, RewardScore,
};
pub use features::{PairBlock, PairError, PairLabel, PairSource, PairsInMemory, SourceError};
pub use finite::{
    ConstrainedOptimum, FiniteError, FiniteProblem, LimitState, divergence, expectation,
    total_variation,
};
pub use gao::{GaoCurve, GaoError, GaoFit, GaoForm, GaoPoint, Peak, StopAdvice, fit_gao};
pub use group_advantage::{
    Baseline, BaselineState, GroupAdvantage, GroupError, GrpoConfig, ReinforceConfig, RewardScale,
};
pub use iteration::Iteration;
pub use k_wise::{RankingLoss, k_wise};
pub use kl::{AdaptiveKl, FixedKl, KlControl, KlController, KlError, KlEstimator};
pub use label_noise::{
    AgreementEstimate, Alternation, Boundary, Ending, FlipRate, FlipRateError, FlipRateEstimate,
    NoiseAwareLoss, RepeatedLabels, alternate, estimate_flip_rate, flip_rate_from_repeats,
    noise_aware,
};
pub use lagrangian::{Lagrangian, LagrangianConfig, LagrangianError};
pub use laplace::Laplace;
pub use linear::{FitError, FitSummary, LinearFit, LinearReward, LinearRewardConfig, fit_linear};
pub use non_finite::{NonFinite, Place};
pub use overoptimisation::{
    AgainstSingle, Arm, ArmVerdict, Candidates, Course, CurvePoint, Effect, Finding, GivenReplies,
    GivenWorld, GivenWorldConfig, GivenWorldError, LabelledBy, MeanPoint, Mitigation,
    OveroptimisationConfig, OveroptimisationError, OveroptimisationReport, PolicyCourseConfig,
    Push, RatedSample, SyntheticWorld, SyntheticWorldConfig, Visibility, World, WorldSource,
    judge_arms, overoptimise,
};
pub use policy_config::{
    BestOfNConfig, DirectConfig, GrpoPolicyConfig, InTraining, OptimiserConfig, PolicyConfig,
    PolicyConfigError, PpoPolicyConfig, ReinforcePolicyConfig, RlooPolicyConfig, RolloutConfig,
};
pub use policy_loss::{
    KlPenalty, PolicyLoss, PolicyLossError, PolicyObjective, RatioLevel, ReplyAdvantage,
    ReplyValues, SampledReply, ValueLoss,
};
pub use preference_loss::{
    CompletionLogProbs, CpoConfig, DpoConfig, IpoConfig, KtoConfig, NoisyDpoConfig, OrpoConfig,
    PairLogProbs, PreferenceLoss, PreferenceLossError, PreferenceMetrics, SimpoConfig,
};
pub use random_features::{InputScale, RandomFeatures};
pub use ranking::UnrankedReplies;
pub use rating::UnratedReply;
pub use reward_accuracy::{
    AccuracyIntervals, AccuracyOfGroup, LengthBucket, RewardAccuracy, RewardCalibration,
    accuracy_by_group, accuracy_by_length, reward_accuracy, reward_calibration,
};
pub use reward_model::{LabelNoise, RewardModelConfig, RewardNetwork, RewardPooling};
pub use selection::select;
pub use tabular::{
    Distance, TabularAlgorithm, TabularError, TabularPolicy, TabularTraining, drawn_problem,
};
pub use ties::{Outcome, OutcomeProbabilities, TieFit, TieFitError, TieLoss, TieModel, fit_ties};
pub use trimtab_stats::moderated_probability;
pub use uncertainty_use::{retained_accuracy, spearman};
