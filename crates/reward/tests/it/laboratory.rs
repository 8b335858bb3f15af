//! The acceptance of the over-optimisation laboratory (ten seeds of its synthetic world), and its negative control.

use std::num::NonZeroUsize;

use trimtab_core::Seed;
use trimtab_reward::{
    AgainstSingle, Arm, ArmVerdict, Combination, Course, Effect, GaoForm, Head, Mitigation,
    OveroptimisationConfig, OveroptimisationReport, StopAdvice, SyntheticWorld,
    SyntheticWorldConfig, Visibility, judge_arms, overoptimise,
};

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).expect("not zero")
}

/// Ten seeds with rewards of so many random features.
fn run(visibility: Visibility, n_features: usize) -> Judged {
    let config = OveroptimisationConfig {
        sizes: [1, 4, 16, 64, 256, 1024].map(count).to_vec(),
        head: Head::RandomFeatures {
            n_features: count(n_features),
        },
        ..OveroptimisationConfig::default()
    };
    let smaller = SyntheticWorldConfig {
        candidates: count(2048),
        prompts: count(2),
        visibility,
        ..SyntheticWorldConfig::default()
    };
    let world = SyntheticWorld::new(smaller).expect("settings in range");
    let curves = |seed| overoptimise(&world, &config, Seed(seed)).expect("curves");
    let points: Vec<_> = (0..10).flat_map(curves).collect();
    let judged = |form| judge_arms(&points, form, &config).expect("a report");
    Judged {
        best_of_n: judged(GaoForm::BestOfN),
        policy: judged(GaoForm::Reinforcement),
    }
}

/// Both ways of optimising.
struct Judged {
    best_of_n: OveroptimisationReport,
    policy: OveroptimisationReport,
}

fn verdict(report: &OveroptimisationReport, is_it: impl Fn(&Mitigation) -> bool) -> &ArmVerdict {
    let matches = |verdict: &&ArmVerdict| match verdict.arm {
        Arm::Mitigated { by } => is_it(&by),
        _ => false,
    };
    report.arms.iter().find(matches).expect("a mitigation")
}

fn against(verdict: &ArmVerdict) -> AgainstSingle {
    verdict.against_single.expect("not the single reward")
}

#[test]
fn pessimism_and_hard_limits_help_where_the_tail_is_seen() {
    let Judged {
        best_of_n: report,
        policy,
    } = run(Visibility::Visible, 256);
    policies_fall_and_are_held(&policy);
    assert_eq!(report.finding.single, Course::Falls);
    let ensemble = |wanted: Combination| {
        verdict(
            &report,
            move |by| matches!(by, Mitigation::Ensemble { combination } if *combination == wanted),
        )
    };
    let worst = ensemble(Combination::WorstCase {});
    assert_eq!(against(worst).effect, Effect::Helps);
    let weighted = verdict(&report, |by| {
        matches!(
            by,
            Mitigation::Ensemble {
                combination: Combination::UncertaintyWeighted(_)
            }
        )
    });
    assert_eq!(against(weighted).effect, Effect::Helps);
    // Members that share what they extrapolate share its fault.
    let mean = against(ensemble(Combination::Mean {}));
    assert!(mean.end.estimate.abs() < 0.3, "{mean:?}");
    let laplace = verdict(&report, |by| *by == Mitigation::Laplace { beta: 4.0 });
    assert!(laplace.fall.estimate < 0.05, "{:?}", laplace.fall);
    assert!(
        laplace.end.estimate > worst.end.estimate + 0.5,
        "{:?}",
        laplace.end
    );
    let limited = verdict(&report, |by| *by == Mitigation::HardLimit {});
    assert_eq!(limited.fall.estimate, 0.0);
    assert_eq!(against(limited).effect, Effect::Helps);
    // Hardly ever is every candidate forbidden, but for n = 1.
    assert!((limited.curve[0].refused - 0.12).abs() < 0.03);
    assert!(limited.curve[2].refused < 1e-6);
}

/// The same of policies: the single reward is climbed past its peak, which Gao's form foretells; bounds and limits hold.
fn policies_fall_and_are_held(report: &OveroptimisationReport) {
    assert_eq!(report.finding.single, Course::Falls);
    let single = &report.arms[0];
    let start = single.curve[0];
    assert!(start.kl < 1e-9 && single.peak.estimate > start.gold.estimate);
    let end = single.curve.last().expect("points").kl;
    let StopAdvice::StopAt { kl, .. } = single.gao.as_ref().expect("a fit").advice() else {
        panic!("{:?}", single.gao);
    };
    assert!(kl < 0.2 * end, "{kl} of {end}");
    let laplace = verdict(report, |by| *by == Mitigation::Laplace { beta: 4.0 });
    assert_eq!(against(laplace).effect, Effect::Helps);
    let limited = verdict(report, |by| *by == Mitigation::HardLimit {});
    assert_eq!(against(limited).effect, Effect::Helps);
    assert!((limited.curve[0].refused - 0.12).abs() < 0.03);
    assert!(limited.curve.last().expect("points").refused < 0.01);
}

#[test]
fn nothing_helps_where_the_tail_is_hidden() {
    let Judged {
        best_of_n: report,
        policy,
    } = run(Visibility::Hidden, 128);
    assert_eq!(policy.finding.helped, []);
    assert_eq!(report.finding.helped, []);
    assert!(
        report
            .finding
            .to_string()
            .ends_with("may not be in the features")
    );
    let limited = verdict(&report, |by| *by == Mitigation::HardLimit {});
    assert_eq!(against(limited).end.estimate, 0.0);
    // There is much to be had, all the same.
    let oracle = report
        .arms
        .iter()
        .find(|v| v.arm == Arm::Oracle {})
        .unwrap();
    assert!(against(oracle).end.low > 1.0);
}

#[test]
fn a_rule_that_reads_what_rewards_do_not_see_helps() {
    let judged = run(Visibility::HiddenFromRewards, 128);
    for report in [judged.best_of_n, judged.policy] {
        assert_eq!(report.finding.helped, [Mitigation::HardLimit {}]);
    }
}

#[test]
fn a_seed_decides_all() {
    let world = SyntheticWorld::new(SyntheticWorldConfig {
        candidates: count(128),
        ..SyntheticWorldConfig::default()
    })
    .unwrap();
    let config = OveroptimisationConfig {
        sizes: vec![count(1), count(64)],
        ..OveroptimisationConfig::default()
    };
    let curves = |seed| overoptimise(&world, &config, Seed(seed)).unwrap();
    assert_eq!(curves(1), curves(1));
    assert_ne!(curves(1), curves(2));
}
