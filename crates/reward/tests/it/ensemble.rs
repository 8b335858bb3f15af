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
        check_all(name, &combination.combine_all(&scores).unwrap(), &expected);
    }
}
