//! What is measured of debates: records of judges beside an answer key, which nobody who debates or judges has.
//!
//! | question | answer |
//! |---|---|
//! | how often does the judge find the truth? | [`accuracy`] |
//! | does one protocol beat another? | [`compare`] on the same questions, [`compare_passages`] on the same passages |
//! | how good are its probabilities? | [`scores`] |
//! | is it talked out of the truth? | [`persuasion`]: the persuasive-wrong rate |
//! | who wins, arguing what? | [`contest`], [`win_rates`], [`rating`] |
//! | do more persuasive debaters make a more truthful judge? | [`rating::persuasion_truth_slope`] |
//! | does a protocol reward the truth? | [`agent_score`]: agent score difference, judge score expected |
//! | does where an answer stands matter? | [`order`] |
//! | how much of the passage is shown, and is it there? | [`evidence`] |
//!
//! A failed judgement is data: every measure says what it makes of one, and none drops it unsaid. Means over questions are of
//! means within a question, so that a question judged four times counts once; intervals take passages as clusters, since
//! questions on one passage are not independent.

mod accuracy;
pub mod agent_score;
pub mod contest;
pub mod evidence;
pub mod judged;
pub mod order;
pub mod persuasion;
pub mod rating;
pub mod scores;
pub mod win_rates;

pub use accuracy::{Compared, JudgeAccuracy, accuracy, compare, compare_passages};
pub use judged::{Judged, JudgedQuestion, Ties};
