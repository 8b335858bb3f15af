//! Optimisers beside optima in closed form, on all texts of 3 tokens out of 4. Distances are printed (`--nocapture`).

use trimtab_core::Seed;
use trimtab_reward::{
    FiniteProblem, Lagrangian, LagrangianConfig, LimitState, TabularAlgorithm, TabularPolicy,
    TabularTraining, drawn_problem, expectation, total_variation,
};

const N_TOKENS: usize = 4;
const LENGTH: usize = 3;

fn problem() -> FiniteProblem {
    drawn_problem(N_TOKENS, LENGTH, 0.5, Seed(1)).expect("beta above 0")
}

#[test]
fn ppo_grpo_and_rloo_reach_the_optimum_and_published_grpo_another() {
    let problem = problem();
    let optimum = problem.optimum();
    let start = TabularPolicy::of_distribution(N_TOKENS, LENGTH, problem.reference()).unwrap();
    assert!(start.distance(&problem, &optimum).total_variation > 0.5);
    for (algorithm, expected) in [
        (TabularAlgorithm::Ppo, 0.0..0.005),
        (TabularAlgorithm::Grpo, 0.0..0.005),
        (TabularAlgorithm::Rloo, 0.0..0.005),
        (TabularAlgorithm::GrpoPublished, 0.1..0.3),
    ] {
        let policy = TabularTraining::new(algorithm).run(N_TOKENS, LENGTH, &problem);
        let distance = policy.unwrap().distance(&problem, &optimum);
        println!("{algorithm:?}: {distance:?}");
        assert!(
            expected.contains(&distance.total_variation),
            "{algorithm:?}: {distance:?}"
        );
        // The gap in value is β times the divergence.
        assert!((distance.value_gap - 0.5 * distance.divergence).abs() < 1e-9);
    }
}

#[test]
fn the_multiplier_keeps_its_limit_and_slackness_complements() {
    let problem = problem();
    let mut random = Seed(8).stream();
    // Costs that go with rewards, so that the limit binds.
    let cost = |reward: &f64| 0.7 * reward + 0.7 * random.next_normal();
    let costs: Vec<f64> = problem.rewards().iter().map(cost).collect();
    for (limit, state) in [(0.2, LimitState::Binding), (3.0, LimitState::Slack)] {
        let best = problem.constrained(&costs, limit).unwrap();
        assert_eq!(best.limit, state);
        let config = LagrangianConfig {
            limit,
            ..LagrangianConfig::default()
        };
        let mut lagrangian = Lagrangian::new(config).unwrap();
        let training = TabularTraining {
            n_steps: 3000,
            ..TabularTraining::new(TabularAlgorithm::Rloo)
        };
        let policy = training
            .run_constrained(N_TOKENS, LENGTH, &problem, &costs, &mut lagrangian)
            .unwrap();
        let own = policy.distribution();
        let expected_cost = expectation(&own, &costs);
        let multiplier = lagrangian.multiplier();
        let apart = total_variation(&own, &best.log_probs);
        println!(
            "limit {limit}: cost {expected_cost:.4}, λ {multiplier:.4} (exact {:.4}), total variation {apart:.4}",
            best.multiplier
        );
        assert!(expected_cost < limit + 0.02);
        assert!((multiplier * (expected_cost - limit)).abs() < 0.02);
        assert!((multiplier - best.multiplier).abs() < 0.05);
        assert!(apart < 0.02, "{apart}");
        // The guarantee is of an expectation: dearer texts still come.
        let dear = costs
            .iter()
            .map(|&cost| if cost > limit { 1.0 } else { 0.0 });
        let share = expectation(&own, &dear.collect::<Vec<f64>>());
        if state == LimitState::Binding {
            assert!(share > 0.1, "{share}");
        }
    }
}
