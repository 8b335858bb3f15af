//! Bags of words as reward models of pairs, and models that cannot choose between texts.

use proptest::prelude::*;
use trimtab_core::{
    AnswerIdx, AnswerKey, AnswerSet, FeatureTable, Lesson, NamedFeatures, Provenance, Question,
    SampleId, Seed, Supervisor, TrainingLabels, Workplace,
};
use trimtab_weak_to_strong::model::{Materials, ModelError};
use trimtab_weak_to_strong::{LossConfig, ModelConfig, build};

fn pair(id: usize, candidates: [&str; 2]) -> Question {
    Question {
        id: SampleId::new(&id.to_string()),
        text: "a prompt".into(),
        answers: AnswerSet::new(&["A", "B"]).unwrap(),
        candidates: Some(candidates.map(Into::into).into()),
    }
}

fn pairs() -> Materials {
    Materials {
        n_candidates: Some(2),
        ..Materials::default()
    }
}

fn model(json: &str) -> ModelConfig {
    serde_json::from_str(json).unwrap()
}

const WORDS: &str = r#""bag-of-words""#;

/// People prefer politeness, whichever reply has it.
fn taught(json: &str) -> Box<dyn Supervisor> {
    let questions: Vec<Question> = (0..60)
        .map(|i| {
            let (rude, polite) = (format!("no {i}"), format!("sorry {i}"));
            if i % 3 == 0 {
                pair(i, [&polite, &rude])
            } else {
                pair(i, [&rude, &polite])
            }
        })
        .collect();
    let right = |i: usize| AnswerIdx(usize::from(!i.is_multiple_of(3)));
    let key = questions.iter().enumerate();
    let key = AnswerKey::new(key.map(|(i, q)| (q.id.clone(), right(i)))).unwrap();
    let labels = TrainingLabels::from_key(&questions, &key).unwrap();
    assert_eq!(labels.provenance(), Provenance::GroundTruth);
    let student = build(&model(json), &LossConfig::default(), &pairs()).unwrap();
    let lesson = Lesson {
        questions: &questions,
        labels: &labels,
        validation: None,
        seed: Seed(0),
        workplace: Workplace::none(),
    };
    student.as_student().learn(&lesson).unwrap().student
}

/// The probability of answer B.
fn of_second(supervisor: &dyn Supervisor, candidates: [&str; 2]) -> f64 {
    let judged = supervisor.judge(&[pair(0, candidates)]).unwrap();
    judged[0].verdict.decided().unwrap().probabilities()[1]
}

#[test]
fn one_reward_scores_either_reply() {
    let supervisor = taught(WORDS);
    assert!(of_second(&*supervisor, ["no way", "sorry friend"]) > 0.9);
    assert!(of_second(&*supervisor, ["sorry friend", "no way"]) < 0.1);
    // Two thirds of the answers were B, but there is no bias to learn that by.
    assert!((of_second(&*supervisor, ["same", "same"]) - 0.5).abs() < 1e-12);
}

/// A transformer of one output is a reward model too.
#[cfg(feature = "networks")]
#[test]
fn a_transformer_scores_either_reply() {
    let small = r#"{"kind": "transformer", "layers": 1, "width": 16, "heads": 2, "vocabulary": 512,
        "train": {"epochs": 12, "learning-rate": 1e-2, "batch-size": 8, "micro-batch-size": 4}}"#;
    let supervisor = taught(small);
    let there = of_second(&*supervisor, ["no 7", "sorry 8"]);
    assert!(there > 0.9, "{there}");
    let back = of_second(&*supervisor, ["sorry 8", "no 7"]);
    assert!((there + back - 1.0).abs() < 1e-6, "{there} {back}");
    assert!((of_second(&*supervisor, ["same", "same"]) - 0.5).abs() < 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn turning_a_pair_round_turns_its_probability_round(a in "[a-z ]{0,30}", b in "(sorry|no)[ a-z]{0,20}") {
        let supervisor = taught(WORDS);
        let (there, back) = (of_second(&*supervisor, [&a, &b]), of_second(&*supervisor, [&b, &a]));
        prop_assert!((there + back - 1.0).abs() < 1e-6, "{there} {back}");
    }
}

#[test]
fn what_cannot_choose_between_texts_says_so() {
    let refusal = |json: &str, materials: &Materials| {
        build(&model(json), &LossConfig::default(), materials)
            .err()
            .unwrap()
    };
    let ids = [SampleId::new("0")];
    let features = |name: &str| NamedFeatures {
        name: name.into(),
        table: FeatureTable::from_f32(&ids, 1, vec![0.0]).unwrap().into(),
    };
    let mut materials = pairs();
    materials.features.push(features("some"));
    assert_eq!(
        refusal(r#""features""#, &materials),
        ModelError::NoChooser("features")
    );
    materials.n_candidates = Some(4);
    assert_eq!(
        refusal(r#""bag-of-words""#, &materials),
        ModelError::NotTwo(4)
    );

    materials.n_candidates = None;
    materials.features.push(features("other"));
    let both = vec!["some".to_owned(), "other".to_owned()];
    assert_eq!(
        refusal(r#""features""#, &materials),
        ModelError::WhichFeatures(both.clone())
    );
    let asked = "neither".to_owned();
    let other = ModelError::OtherFeatures { asked, given: both };
    assert_eq!(refusal(r#""features:neither""#, &materials), other);
    let found = build(
        &model(r#""features:other""#),
        &LossConfig::default(),
        &materials,
    );
    assert!(found.is_ok());
}
