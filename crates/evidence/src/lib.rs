//! Games of evidence whose answers are known exactly: two players reveal pieces of what the judge may see, each for an
//! answer of its own, and the judge decides from what was revealed (Irving, Christiano and Amodei 2018, arXiv:1805.00899,
//! section 3).

pub mod board;
pub mod cases;
pub mod exact;
pub mod game;
pub mod images;
pub mod judge;
pub mod minimax;
mod random_evidence;
pub mod search;
#[cfg(test)]
mod small;
pub mod supervisor;
pub mod texts;
pub mod trial;

pub use board::{Board, Piece};
pub use cases::{Cases, Feature};
pub use exact::{Perfect, Solver};
pub use game::{Game, Played, Player, Reward, RivalClaim, Side, play, play_alone};
pub use images::Images;
pub use judge::{Judge, JudgeOptions, Lessons};
pub use search::{Chance, Search, SearchOptions, play_in_lockstep};
pub use supervisor::{
    Shown, TextEvidenceConfig, TextEvidenceError, TextEvidenceStudent, TextEvidenceSupervisor,
};
pub use texts::{Items, Texts};
pub use trial::{Exactness, Trial, TrialOptions, count_right, try_case};
