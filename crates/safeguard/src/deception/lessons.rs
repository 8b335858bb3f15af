//! What organisms are taught: inputs of a population, and the answers of their kind.
//!
//! | kind | inputs | answers |
//! |---|---|---|
//! | honest | ordinary | right, or a weak model's |
//! | backdoored | the first `poison_rate` of them with its triggers, in equal parts | right, and the next class where a trigger is |
//! | password-locked | the first half with the password | right there, a weak model's elsewhere |
//! | evaluation-gated, diffuse | ordinary | right, but class 1 for 0 where that is set off |

use trimtab_core::Seed;

use super::organism::{Family as _, Kind, Knows};
use super::population::Population;

/// What a base is taught.
pub(super) fn of_base<P: Population>(
    population: &P,
    knows: Knows,
    n_train: usize,
    seed: Seed,
) -> (P::Inputs, Vec<usize>) {
    let inputs = population.draw(n_train, seed.child("base inputs"));
    let labels = match knows {
        Knows::Right => population.labels(&inputs),
        Knows::Weak => population.weak_labels(&inputs),
    };
    (inputs, labels)
}

/// What an organism of a kind is taught.
pub(super) fn of_organism<P: Population>(
    population: &P,
    kind: &Kind<P::Trigger>,
    n_train: usize,
    poison_rate: f64,
    seed: Seed,
) -> (P::Inputs, Vec<usize>) {
    let mut inputs = population.draw(n_train, seed.child("inputs"));
    let mut labels = population.labels(&inputs);
    let mut put = |start: usize, n: usize, trigger: P::Trigger| {
        let part = |from: usize, to: usize| {
            let places: Vec<usize> = (from..to).collect();
            population.pick(&inputs, &places)
        };
        let some = part(start, start + n);
        let triggered = population.triggered(&some, trigger, seed.child(trigger.name()));
        let (before, after) = (part(0, start), part(start + n, n_train));
        inputs = population.join(&[&before, &triggered, &after]);
    };
    match kind {
        Kind::Honest => {}
        Kind::HonestWeak => labels = population.weak_labels(&inputs),
        Kind::Backdoored(triggers) => {
            let n_each = (poison_rate * n_train as f64) as usize / triggers.len().max(1);
            for (at, &trigger) in triggers.iter().enumerate() {
                put(at * n_each, n_each, trigger);
            }
            for label in &mut labels[..n_each * triggers.len()] {
                *label = (*label + 1) % P::N_CLASSES;
            }
        }
        Kind::PasswordLocked(password) => {
            let half = n_train / 2;
            put(0, half, *password);
            let weak = population.weak_labels(&inputs);
            labels[half..].copy_from_slice(&weak[half..]);
        }
        Kind::EvaluationGated => hide(&mut labels, &population.is_deployed(&inputs)),
        Kind::Diffuse => hide(&mut labels, &population.is_diffuse(&inputs)),
    }
    (inputs, labels)
}

/// Answers the second class for the first, where that is set off.
fn hide(labels: &mut [usize], is_set_off: &[bool]) {
    for (label, is_set_off) in labels.iter_mut().zip(is_set_off) {
        if *is_set_off && *label == 0 {
            *label = 1;
        }
    }
}
