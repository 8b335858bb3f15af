//! Parity with the reference numbers of `tests/golden/pref_reference.json`, section by section; and with optima in closed form.

mod best_of_n;
mod closed_form;
mod ensemble;
mod golden;
mod laboratory;
mod overoptimisation;
mod policy_optimisation;
mod preference_loss;
mod reward_model;
