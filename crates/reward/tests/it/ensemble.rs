//! Section `ensemble`.

use trimtab_reward::{Combination, Spread, VarianceDivisor};

use crate::golden::{check_all, read};

#[test]
fn every_combination_is_as_in_the_reference() {
    let scores: Vec<Vec<f64>> = read("/ensemble/scores_members_by_answers");
    let lambda: f64 = read("/ensemble/lambda");
    let spread = |divisor| Spread { lambda, divisor };
    let (over_k, over_fewer) = (
        spread(VarianceDivisor::Count),
        spread(VarianceDivisor::CountLessOne),
    );
    for (name, combination) in [
        ("mean", Combination::Mean {}),
        ("wco", Combination::WorstCase {}),
        ("median", Combination::Median {}),
        ("uwo_var_ddof0", Combination::UncertaintyWeighted(over_k)),
        (
            "uwo_var_ddof1",
            Combination::UncertaintyWeighted(over_fewer),
        ),
        ("lcb_std_ddof1", Combination::LowerConfidence(over_fewer)),
    ] {
        let expected: Vec<f64> = read(&format!("/ensemble/{name}"));
        let got = combination.combine_all(&scores).unwrap();
        check_all(name, &got, &expected);
        let best = (0..got.len()).max_by(|&a, &b| got[a].total_cmp(&got[b]));
        let key = match name {
            "uwo_var_ddof0" => "uwo0",
            "uwo_var_ddof1" => "uwo1",
            "mean" | "wco" => name,
            _ => continue,
        };
        let expected: usize = read(&format!("/ensemble/argmax/{key}"));
        assert_eq!(best, Some(expected), "{name}");
    }
}
