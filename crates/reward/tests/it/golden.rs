//! The fixture, and the one tolerance.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Greatest difference from a golden number.
pub(crate) const TOLERANCE: f64 = 1e-9;

/// What stands at `path` (`/dpo/inputs`) of the fixture.
#[track_caller]
pub(crate) fn read<T: DeserializeOwned>(path: &str) -> T {
    let golden: Value =
        serde_json::from_str(include_str!("../golden/pref_reference.json")).expect("JSON");
    let value = golden.pointer(path).unwrap_or_else(|| panic!("no {path}"));
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Asserts that a number is as in the fixture.
#[track_caller]
pub(crate) fn check(what: &str, got: f64, expected: f64) {
    let scale = expected.abs().max(1.0);
    assert!(
        (got - expected).abs() <= TOLERANCE * scale,
        "{what}: got {got}, expected {expected}"
    );
}

/// Asserts that numbers are as in the fixture.
#[track_caller]
pub(crate) fn check_all(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        check(&format!("{what} {index}"), got, expected);
    }
}
