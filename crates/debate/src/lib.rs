//! Debate, consultancy, and their judges.
//!
//! Papers: Irving, Christiano and Amodei 2018, arXiv:1805.00899; Michael et al. 2023, arXiv:2311.08702; Khan et al. 2024,
//! arXiv:2402.06782; Kenton et al. 2024, arXiv:2407.04622.
//!
//! A question has two answers ([`question`]). Who argues what, and in which order the answers are shown, is an
//! [`transcript::Arm`]. What is said is a [`transcript::Transcript`]: positions `A` and `B`, never "right" and "wrong". What a
//! role may see of it is decided in [`visibility`] alone, and handed over as a view ([`view`]). What a judge says of it is a
//! [`record::JudgeRecord`], whether the judge is a model or a person.

pub mod concession;
pub mod config;
mod debater;
pub mod hold;
pub mod judge;
pub mod measure;
pub mod metamorphic;
mod nobody;
pub mod person;
mod preferences;
pub mod prompts;
pub mod protocol;
pub mod question;
pub mod quotes;
pub mod record;
pub mod side;
pub mod simulated;
pub mod speech;
mod supervisor;
pub mod tournament;
pub mod trained;
pub mod transcript;
pub mod tree;
pub mod view;
pub mod visibility;

pub use config::{DebateConfig, JudgeConfig, SpeechConfig};
pub use hold::{Held, Participant, Participants, hold, hold_with_people};
pub use judge::judge;
pub use nobody::Nobody;
pub use person::{PEOPLE, PersonTurn};
pub use preferences::preferences;
pub use prompts::Prompts;
pub use protocol::{Protocol, ProtocolName, next_turns};
pub use question::{DebateQuestion, NotTwoAnswers, Passage};
pub use record::{Belief, JudgeRecord};
pub use side::{Order, Side};
pub use speech::{Candidate, QuoteStatus, Segment, Speech};
pub use supervisor::DebateSupervisor;
pub use transcript::{Arm, Event, EventKind, Transcript};
pub use view::{JudgeView, ShownEvent};
pub use visibility::Viewer;
