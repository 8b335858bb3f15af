//! Where a student learns: who hears of its steps, where its state is kept while it does, and where what it has become is put.
//!
//! A training that lasts may be killed. One that has a folder writes its state there now and then, and goes
//! on from it when it is taught the same lesson in the same place again. Short trainings need neither.

use std::fmt;
use std::path::{Path, PathBuf};

/// What one optimiser step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingStep {
    /// Which, from 0.
    pub step: usize,
    /// Of how many.
    pub n_steps: usize,
    /// The mean loss of the batch, before the step, in nats.
    pub loss: f64,
    /// The step size.
    pub learning_rate: f64,
    /// The norm of all gradients before clipping; `None` where they are not clipped.
    pub gradient_norm: Option<f64>,
}

/// Where a student learns.
#[derive(Clone)]
pub struct Workplace<'a> {
    on_step: &'a OnStep<'a>,
    /// What is being trained: `confidence/student`.
    name: String,
    folders: Option<Folders>,
}

/// Where a training may write. Folders need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The state of a training that lasts; of no use once it is over.
    pub state: PathBuf,
    /// What has been learnt, where it is to be saved.
    pub models: PathBuf,
}

/// Hears of every step of the training that is called so.
pub type OnStep<'a> = dyn Fn(&str, &TrainingStep) + Sync + 'a;

impl fmt::Debug for Workplace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workplace")
            .field("name", &self.name)
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}

impl Workplace<'static> {
    /// Nobody listens, and nothing is kept.
    pub fn none() -> &'static Self {
        static NONE: Workplace<'static> = Workplace {
            on_step: &|_, _| {},
            name: String::new(),
            folders: None,
        };
        &NONE
    }
}

impl<'a> Workplace<'a> {
    /// `on_step` hears of every step; what is written is written to `folders`, if at all.
    pub fn new(on_step: &'a OnStep<'a>, folders: Option<Folders>) -> Self {
        Self {
            on_step,
            name: String::new(),
            folders,
        }
    }

    /// The place of one training among several: names that differ give folders that differ.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        let slash = if self.name.is_empty() { "" } else { "/" };
        Self {
            on_step: self.on_step,
            name: format!("{}{slash}{name}", self.name),
            folders: self.folders.as_ref().map(|folders| Folders {
                state: folders.state.join(component(name)),
                models: folders.models.join(component(name)),
            }),
        }
    }

    /// Tells of a step.
    pub fn tell(&self, step: &TrainingStep) {
        (self.on_step)(&self.name, step);
    }

    /// Where state is kept.
    pub fn state(&self) -> Option<&Path> {
        self.folders.as_ref().map(|folders| &*folders.state)
    }

    /// Where what has been learnt is saved.
    pub fn models(&self) -> Option<&Path> {
        self.folders.as_ref().map(|folders| &*folders.models)
    }
}

/// `name` as one part of a path: letters, digits and `-` stay, other bytes become `_` and two digits.
fn component(name: &str) -> String {
    let mut component = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            component.push(byte.into());
        } else {
            let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
            component.extend(['_', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_of_their_own() {
        let folders = Folders {
            state: "state".into(),
            models: "models".into(),
        };
        let place = Workplace::new(&|_, _| {}, Some(folders));
        let at = |name: &str| place.within(name).state().map(Path::to_owned);
        assert_eq!(at("via 0"), Some("state/via_200".into()));
        assert_eq!(at("../x"), Some("state/_2e_2e_2fx".into()));
        assert_ne!(at("a b"), at("a_b"));
        assert_eq!(Workplace::none().within("x").state(), None);
    }
}
