//! NumPy's and CPython's draws, digit for digit.

use serde_json::Value;
use trimtab_data::{NumpyRng, PythonRng};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/w2s_rng.json")).unwrap()
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn numpy_permutations_are_numpys() {
    for case in golden()["numpy_permutation"].as_array().unwrap() {
        let (seed, n) = (case["seed"].as_u64().unwrap(), case["n"].as_u64().unwrap());
        let expected: Vec<usize> = numbers(&case["perm"]);
        assert_eq!(
            NumpyRng::new(seed).permutation(n as usize),
            expected,
            "seed {seed}, n {n}"
        );
    }
}

#[test]
fn numpy_uniforms_are_numpys() {
    for case in golden()["numpy_random"].as_array().unwrap() {
        let mut rng = NumpyRng::new(case["seed"].as_u64().unwrap());
        let expected: Vec<f64> = numbers(&case["first8"]);
        assert_eq!((0..8).map(|_| rng.random()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn python_uniforms_are_pythons() {
    for case in golden()["cpython_random"].as_array().unwrap() {
        let mut rng = PythonRng::new(case["seed"].as_u64().unwrap());
        let expected: Vec<f64> = numbers(&case["random"]);
        assert_eq!(
            expected.iter().map(|_| rng.random()).collect::<Vec<_>>(),
            expected
        );
    }
}

#[test]
fn python_coins_and_choices_are_pythons() {
    for case in golden()["cpython_sciq_formatter_pattern"]
        .as_array()
        .unwrap()
    {
        let mut rng = PythonRng::new(case["seed"].as_u64().unwrap());
        let expected: Vec<(u32, Option<u32>)> = numbers(&case["sciq_pattern"]);
        let draw = |_| {
            if rng.random() < 0.5 {
                (1, None)
            } else {
                (0, Some(rng.choice(3)))
            }
        };
        assert_eq!((0..expected.len()).map(draw).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn python_takes_wide_seeds() {
    // CPython 3.11.7: random.Random(2**40 + 5).random()
    assert_eq!(PythonRng::new((1 << 40) + 5).random(), WIDE_SEED);
}

const WIDE_SEED: f64 = 0.5043802970418443;
