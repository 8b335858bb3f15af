//! The four processes at the smallest scale: what each arm learns, and that an interruption changes nothing.

use trimtab_amplify::iterate::{
    Arm, Evaluation, Scale, Snapshot, TaskKind, Training, TrainingConfig,
};
use trimtab_core::Seed;

fn nobody(_: trimtab_amplify::iterate::Part) {}

fn trained(arm: Arm, config: &TrainingConfig, seed: u64) -> Evaluation {
    let mut training = Training::new(arm, config.clone(), Seed(seed)).unwrap();
    while !training.is_done() {
        training.step(&nobody);
    }
    training.evaluate(&nobody)
}

/// The learner's accuracy at a depth.
fn learner(evaluation: &Evaluation, depth: u32) -> f64 {
    let counted = evaluation
        .depths
        .iter()
        .find(|counted| counted.depth == depth)
        .unwrap();
    f64::from(counted.learner) / f64::from(counted.n)
}

#[test]
fn amplification_teaches_what_the_expert_alone_cannot_answer() {
    let config = Scale::Tiny.training(TaskKind::PermutationPowering);
    let [supervised, expert, predicted, unamplified] = [
        Arm::Supervised,
        Arm::AmplifiedExpert,
        Arm::AmplifiedPredictor,
        Arm::Unamplified,
    ]
    .map(|arm| trained(arm, &config, 0));
    let ceiling = learner(&supervised, 1);
    assert!(ceiling > 0.9, "supervised: {ceiling}");
    for evaluation in [&expert, &predicted] {
        let reached = learner(evaluation, 1);
        assert!(
            reached >= 0.9 * ceiling,
            "{reached} of {ceiling}: {evaluation:?}"
        );
    }
    // Of four elements a guess is right one time in four; powers are not uniform, and the identity is likelier than that.
    let floor = learner(&unamplified, 1);
    assert!(floor < 0.6, "not amplified: {floor}");
    assert!(
        learner(&unamplified, 0) > 0.95,
        "facts are learnt in any case"
    );

    assert_eq!(supervised.bought.expert_questions, 0);
    assert_eq!(unamplified.bought.expert_questions, 0);
    assert!(predicted.bought.expert_questions < expert.bought.expert_questions / 10);
    assert!(predicted.predictor_loss.unwrap() < 0.1);
}

#[test]
fn every_task_is_learnt_from_somewhere() {
    for kind in [
        TaskKind::SequentialAssignments,
        TaskKind::WildcardSum,
        TaskKind::ShortestPath,
        TaskKind::UnionFind,
    ] {
        let config = TrainingConfig {
            steps: 100,
            held_out_contexts: 100,
            ..Scale::Tiny.training(kind)
        };
        let mut training = Training::new(Arm::AmplifiedPredictor, config.clone(), Seed(1)).unwrap();
        let first = training.step(&nobody).loss.unwrap();
        let mut last = first;
        while !training.is_done() {
            last = training.step(&nobody).loss.unwrap_or(last);
        }
        assert!(last < 0.9 * first, "{kind:?}: from {first} to {last} nats");
        let evaluation = training.evaluate(&nobody);
        assert!(evaluation.bought.expert_questions >= u64::from(config.labels.first));
        assert!(evaluation.bought.expert_steps > evaluation.bought.expert_questions);
    }
}

#[test]
fn a_training_that_goes_on_from_a_snapshot_ends_in_the_same_bits() {
    let config = TrainingConfig {
        steps: 30,
        held_out_contexts: 50,
        ..Scale::Tiny.training(TaskKind::PermutationPowering)
    };
    for arm in [Arm::AmplifiedPredictor, Arm::AmplifiedExpert] {
        let mut whole = Training::new(arm, config.clone(), Seed(3)).unwrap();
        let mut bytes = Vec::new();
        while !whole.is_done() {
            if whole.n_steps() == 11 {
                bytes = whole.snapshot().to_bytes().unwrap();
                // Measuring changes nothing.
                whole.evaluate(&nobody);
            }
            whole.step(&nobody);
        }
        let snapshot = Snapshot::from_bytes(&bytes).unwrap();
        let mut resumed = Training::resume(arm, config.clone(), Seed(3), snapshot).unwrap();
        assert_eq!(resumed.n_steps(), 11);
        while !resumed.is_done() {
            resumed.step(&nobody);
        }
        assert_eq!(resumed.snapshot(), whole.snapshot());
        assert_eq!(resumed.evaluate(&nobody), whole.evaluate(&nobody));
    }
}

#[test]
fn a_snapshot_of_something_else_is_refused() {
    let config = Scale::Tiny.training(TaskKind::PermutationPowering);
    let training = Training::new(Arm::Supervised, config.clone(), Seed(0)).unwrap();
    let snapshot = training.snapshot();
    let refused = |arm, config: TrainingConfig| {
        let resumed = Training::resume(arm, config, Seed(0), snapshot.clone());
        resumed.err().map(|error| error.to_string())
    };
    assert_eq!(
        refused(Arm::AmplifiedPredictor, config.clone()).unwrap(),
        "the snapshot has no predictor"
    );
    let mut wider = config;
    wider.learner.width = 64;
    assert!(
        refused(Arm::Supervised, wider)
            .unwrap()
            .contains("parameters")
    );
    let error = Snapshot::from_bytes(b"nothing").unwrap_err();
    assert!(error.to_string().starts_with("not a snapshot"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let wrong = |change: fn(&mut TrainingConfig)| {
        let mut config = Scale::Tiny.training(TaskKind::PermutationPowering);
        change(&mut config);
        config.check().unwrap_err().key
    };
    assert_eq!(wrong(|c| c.contexts = 0), "contexts");
    assert_eq!(wrong(|c| c.expert_error = 1.5), "expert-error");
    assert_eq!(wrong(|c| c.learner.heads = 5), "learner.heads");
    assert_eq!(
        wrong(|c| c.predictor.adam.learning_rate = 0.0),
        "predictor.adam.learning-rate"
    );
    assert_eq!(
        wrong(|c| c.curriculum.threshold = 1.0),
        "curriculum.threshold"
    );
    assert_eq!(wrong(|c| c.labels.first = 0), "labels.first");
    assert_eq!(wrong(|c| c.deepest = Some(0)), "deepest");
    let Ok(()) = Scale::Full.training(TaskKind::UnionFind).check() else {
        panic!("the scales make sense");
    };
}
