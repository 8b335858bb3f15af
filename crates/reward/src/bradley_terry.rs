//! The Bradley–Terry loss of a reward model: hard or soft labels, margins, centred rewards.
//!
//! Papers: Bradley and Terry 1952, Biometrika 39(3/4); margins, Touvron et al. 2023, arXiv:2307.09288, section 3.2.2; soft labels, Bai et al. 2022,
//! arXiv:2212.08073, section 4.1; centring, Eisenstein et al. 2024, arXiv:2312.09244, equation 2.
//!
//! ```text
//! u    = r_w − r_l − m
//! loss = mean(−p log σ(u) − (1 − p) log σ(−u) + η (r_w + r_l)²)        with ties (`ties.rs`): −log P(tie) at u, where p = 1/2
//! ∂/∂r_w = (σ(u) − p + 2η (r_w + r_l)) / n        ∂/∂r_l = (p − σ(u) + 2η (r_w + r_l)) / n
//! ```
//!
//! In: for each pair both rewards, how probable it is that the chosen reply is the better one (p), and by how much it should win (m, 0 where nothing is
//! known). Out: nats, and slopes by both rewards.
//! Differs from the papers: none of them has soft labels and margins at once; here the margin shifts the difference, whichever way the label goes.
//! Parity: `tests/golden/pref_reference.json`, `reward_model`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batch_loss::{BatchLoss, PairLoss};
use crate::non_finite::{NonFinite, Place, finite};
use crate::ties::{Outcome, TieModel};
use trimtab_stats::{log_sigmoid, sigmoid};

/// The loss of a reward model on pairs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BradleyTerry {
    /// Whether labels keep their probability.
    pub labels: LabelUse,
    /// Weight of the squared sum of a pair's rewards, which keeps rewards around 0 (0.01 in the paper).
    pub centring: f64,
    /// How a label of one half exactly is taken: as a tie under this model. Left out, it is half a preference either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ties: Option<TieModel>,
}

/// What is made of a label's probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelUse {
    /// It is the target.
    #[default]
    Soft,
    /// The likelier side is; at one half exactly the target stays one half.
    Hard,
}

impl LabelUse {
    /// The target for a label of probability `p`.
    pub fn target(self, p: f64) -> f64 {
        match self {
            Self::Hard if p > 0.5 => 1.0,
            Self::Hard if p < 0.5 => 0.0,
            Self::Hard | Self::Soft => p,
        }
    }
}

/// The rewards of one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardPair {
    /// Reward of the chosen reply.
    pub chosen: f64,
    /// Reward of the rejected reply.
    pub rejected: f64,
    /// How probable it is that the chosen reply is the better one.
    pub p_chosen: f64,
    /// By how much the chosen reply should win.
    pub margin: f64,
}

/// Why there is no loss.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RewardLossError {
    /// No pairs.
    #[error("a loss of no pairs")]
    Empty,
    /// A probability outside 0 to 1.
    #[error("label of pair {pair} is {p}, which is no probability")]
    Label {
        /// The pair, from 0.
        pair: usize,
        /// What it says.
        p: f64,
    },
    /// A weight below 0.
    #[error("{name} of {value} is out of range")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// A parameter that was left out, to be fitted, and is not yet.
    #[error("{name} is not known")]
    Unknown {
        /// Which.
        name: &'static str,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl RewardLossError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "give at least one pair".into(),
            Self::Label { .. } => {
                "labels are probabilities that the chosen reply is the better one, from 0 to 1"
                    .into()
            }
            Self::Setting { name, .. } => format!("give `{name}` a number of 0 or more"),
            Self::Unknown { name } => format!("give `{name}` a number, or fit it first"),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

impl BradleyTerry {
    /// The mean loss, and its slopes by every reward.
    ///
    /// # Errors
    ///
    /// [`RewardLossError`], naming the pair.
    pub fn evaluate(&self, pairs: &[RewardPair]) -> Result<BatchLoss, RewardLossError> {
        if pairs.is_empty() {
            return Err(RewardLossError::Empty);
        }
        finite("centring", Place::Setting, self.centring)?;
        if self.centring < 0.0 {
            return Err(RewardLossError::Setting {
                name: "centring",
                value: self.centring,
            });
        }
        if let Some(ties) = self.ties {
            ties.check()?;
        }
        let losses = pairs.iter().enumerate().map(|(index, pair)| {
            let place = Place::Pair(index);
            finite("chosen reward", place, pair.chosen)?;
            finite("rejected reward", place, pair.rejected)?;
            finite("margin", place, pair.margin)?;
            let p = check_label(index, pair.p_chosen)?;
            Ok(self.of_pair(pair, self.labels.target(p)))
        });
        Ok(BatchLoss::mean_of(
            losses.collect::<Result<_, RewardLossError>>()?,
        ))
    }

    fn of_pair(&self, pair: &RewardPair, target: f64) -> PairLoss {
        let u = pair.chosen - pair.rejected - pair.margin;
        let sum = pair.chosen + pair.rejected;
        let (likelihood, slope) = match self.ties {
            None => of_preference(u, target),
            Some(ties) => of_preference_or_tie(ties, u, target),
        };
        let centring = 2.0 * self.centring * sum;
        PairLoss {
            loss: likelihood + self.centring * sum * sum,
            d_chosen: slope + centring,
            d_rejected: centring - slope,
        }
    }
}

/// −log P of a preference of this probability, and its slope by the difference.
fn of_preference(u: f64, target: f64) -> (f64, f64) {
    // A side without weight adds nothing, not 0 × 800.
    let side = |weight: f64, log_p: f64| if weight > 0.0 { -weight * log_p } else { 0.0 };
    (
        side(target, log_sigmoid(u)) + side(1.0 - target, log_sigmoid(-u)),
        target * -sigmoid(-u) + (1.0 - target) * sigmoid(u),
    )
}

/// The same where one half is a tie.
fn of_preference_or_tie(ties: TieModel, u: f64, target: f64) -> (f64, f64) {
    let outcomes = if target == 0.5 {
        [(1.0, Outcome::Tie), (0.0, Outcome::Tie)]
    } else {
        [(target, Outcome::First), (1.0 - target, Outcome::Second)]
    };
    let weighted = outcomes.into_iter().filter(|(weight, _)| *weight > 0.0);
    weighted.fold((0.0, 0.0), |(loss, slope), (weight, outcome)| {
        let at = ties.at(u, outcome);
        (loss + weight * at.loss, slope + weight * at.d_first)
    })
}

/// Passes a probability, refuses any other number.
pub(crate) fn check_label(pair: usize, p: f64) -> Result<f64, RewardLossError> {
    if (0.0..=1.0).contains(&p) {
        Ok(p)
    } else {
        Err(RewardLossError::Label { pair, p })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(chosen: f64, rejected: f64, p_chosen: f64, margin: f64) -> RewardPair {
        RewardPair {
            chosen,
            rejected,
            p_chosen,
            margin,
        }
    }

    #[test]
    fn refusals_name_the_pair() {
        let check = |bad: RewardPair, message: &str| {
            let batch = [pair(0.0, 0.0, 1.0, 0.0), bad];
            let error = BradleyTerry::default().evaluate(&batch).unwrap_err();
            assert_eq!(error.to_string(), message);
        };
        check(
            pair(f64::NAN, 0.0, 1.0, 0.0),
            "chosen reward of pair 1 is NaN",
        );
        check(
            pair(0.0, 0.0, 1.2, 0.0),
            "label of pair 1 is 1.2, which is no probability",
        );
        assert_eq!(
            BradleyTerry::default().evaluate(&[]),
            Err(RewardLossError::Empty)
        );
    }

    #[test]
    fn one_half_is_a_tie_where_there_is_a_model_of_ties() {
        let with = |ties| BradleyTerry {
            ties: Some(ties),
            ..BradleyTerry::default()
        };
        for model in [
            TieModel::Davidson { nu: Some(1.0) },
            TieModel::RaoKupper { theta: Some(1.5) },
        ] {
            // A tie draws rewards together, and is likeliest where they are equal.
            let at = |d: f64| with(model).evaluate(&[pair(d, 0.0, 0.5, 0.0)]).unwrap();
            assert!(at(0.0).loss < at(2.0).loss && at(2.0).pairs[0].d_chosen > 0.0);
            assert_eq!(
                at(0.0).loss,
                model.loss(0.0, 0.0, Outcome::Tie).unwrap().loss
            );
            // A preference, however soft, is none.
            let soft = with(model).evaluate(&[pair(1.0, 0.0, 0.75, 0.0)]).unwrap();
            let [first, second] = [Outcome::First, Outcome::Second]
                .map(|outcome| model.loss(1.0, 0.0, outcome).unwrap().loss);
            assert!((soft.loss - (0.75 * first + 0.25 * second)).abs() < 1e-12);
        }
        let wrong =
            with(TieModel::RaoKupper { theta: Some(0.5) }).evaluate(&[pair(1.0, 0.0, 1.0, 0.0)]);
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "theta of 0.5 is out of range"
        );
    }

    #[test]
    fn hard_labels_round() {
        let hard = LabelUse::Hard;
        assert_eq!([0.3, 0.5, 0.51].map(|p| hard.target(p)), [0.0, 0.5, 1.0]);
    }

    proptest! {
        #[test]
        fn slopes_are_finite_differences(
            chosen in -5.0..5.0_f64, rejected in -5.0..5.0_f64, p in 0.0..=1.0_f64,
            margin in 0.0..2.0_f64, centring in 0.0..0.5_f64,
        ) {
            let loss = BradleyTerry { centring, ..BradleyTerry::default() };
            let other = pair(0.3, -0.2, 0.8, 0.1);
            let at = |c, r| loss.evaluate(&[pair(c, r, p, margin), other]).unwrap();
            let step = 1e-5;
            let slopes = at(chosen, rejected).pairs[0];
            let by_chosen = (at(chosen + step, rejected).loss - at(chosen - step, rejected).loss) / (2.0 * step);
            let by_rejected = (at(chosen, rejected + step).loss - at(chosen, rejected - step).loss) / (2.0 * step);
            prop_assert!((slopes.d_chosen - by_chosen).abs() < 1e-8);
            prop_assert!((slopes.d_rejected - by_rejected).abs() < 1e-8);
        }

        #[test]
        fn without_centring_only_the_difference_counts(
            chosen in -5.0..5.0_f64, rejected in -5.0..5.0_f64, p in 0.0..=1.0_f64, shift in -5.0..5.0_f64,
        ) {
            let loss = |shift| BradleyTerry::default().evaluate(&[pair(chosen + shift, rejected + shift, p, 0.0)]).unwrap().loss;
            prop_assert!((loss(0.0) - loss(shift)).abs() < 1e-9);
        }

        #[test]
        fn swapping_sides_and_label_changes_nothing(
            chosen in -900.0..900.0_f64, rejected in -900.0..900.0_f64, p in 0.0..=1.0_f64,
        ) {
            let loss = BradleyTerry::default();
            let a = loss.evaluate(&[pair(chosen, rejected, p, 0.0)]).unwrap();
            let b = loss.evaluate(&[pair(rejected, chosen, 1.0 - p, 0.0)]).unwrap();
            prop_assert!((a.loss - b.loss).abs() < 1e-9 && a.loss.is_finite());
            prop_assert!((a.pairs[0].d_chosen - b.pairs[0].d_rejected).abs() < 1e-12);
        }
    }
}
