//! Methods on a small made-up world: what they learn from, what they must not, and what they share.

use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_core::{
    AnswerIdx, AnswerKey, AnswerSet, Distribution, FeatureTable, Fitted, Judgement, NamedFeatures,
    Provenance, Question, SampleId, Seed, TrainingLabels, Workplace,
};
use trimtab_weak_to_strong::WeakToStrongConfig;
use trimtab_weak_to_strong::method::{Classroom, MethodError, groups, prepare, teach};
use trimtab_weak_to_strong::model::{Materials, ModelConfig, ModelError};

const N: usize = 240;
const DIM: usize = 6;

/// Points in the plane of two noisy features, their answers, and a supervisor that is right in three
/// cases of four.
struct World {
    questions: Vec<Question>,
    key: AnswerKey,
    materials: Materials,
    weak: Vec<Judgement>,
    roles: BTreeMap<String, ModelConfig>,
}

impl World {
    fn new() -> Self {
        let mut stream = Seed(11).stream();
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let ids: Vec<SampleId> = (0..N).map(|i| SampleId::new(&format!("q{i:03}"))).collect();
        let values: Vec<f32> = (0..N * DIM).map(|_| stream.next_normal() as f32).collect();
        let truth: Vec<usize> = values
            .chunks_exact(DIM)
            .map(|row| usize::from(f64::from(row[0] + row[1]) + 0.3 * stream.next_normal() > 0.0))
            .collect();
        let weak = ids
            .iter()
            .zip(&truth)
            .map(|(id, &truth)| {
                let said = if stream.next_f64() < 0.75 {
                    truth
                } else {
                    1 - truth
                };
                let sure = 0.5 + 0.5 * stream.next_f64();
                let p1 = if said == 1 { sure } else { 1.0 - sure };
                Judgement::decided(id.clone(), Distribution::new(&[1.0 - p1, p1]).unwrap())
            })
            .collect();
        let questions = ids
            .iter()
            .map(|id| Question {
                id: id.clone(),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let key =
            AnswerKey::new(ids.iter().cloned().zip(truth.into_iter().map(AnswerIdx))).unwrap();
        let table = Arc::new(FeatureTable::from_f32(&ids, DIM, values).unwrap());
        let materials = Materials {
            features: vec![NamedFeatures {
                name: "made-up".into(),
                table,
            }],
            ..Materials::default()
        };
        let strong = serde_json::from_str(r#""features:made-up""#).unwrap();
        let medium = serde_json::from_str(r#"{"kind": "features", "dims": 2}"#).unwrap();
        let roles = [("strong".to_owned(), strong), ("medium".to_owned(), medium)].into();
        Self {
            questions,
            key,
            materials,
            weak,
            roles,
        }
    }

    fn labels(&self) -> TrainingLabels {
        TrainingLabels::from_judgements(&self.questions, &self.weak, Provenance::Judged).unwrap()
    }

    fn classroom(&self) -> Classroom<'_> {
        Classroom {
            questions: &self.questions,
            roles: &self.roles,
            materials: &self.materials,
            seed: Seed(3),
            workplace: Workplace::none(),
        }
    }

    fn teach(&self, configs: &[WeakToStrongConfig]) -> Result<Vec<Fitted>, MethodError> {
        let classroom = self.classroom();
        let prepared = configs
            .iter()
            .map(|config| prepare(config, &classroom, &self.labels(), &self.key))
            .collect::<Result<Vec<_>, _>>()?;
        let mut fitted: Vec<Option<Fitted>> = prepared.iter().map(|_| None).collect();
        for group in groups(&prepared) {
            let taught = teach(&classroom, &prepared, &group)?;
            for (&at, taught) in group.iter().zip(taught) {
                assert!(fitted[at].replace(taught).is_none(), "taught twice");
            }
        }
        Ok(fitted.into_iter().map(Option::unwrap).collect())
    }

    fn judgements(&self, fitted: &Fitted) -> Vec<Judgement> {
        fitted.student.judge(&self.questions).unwrap()
    }

    fn n_right(&self, judgements: &[Judgement]) -> usize {
        let right = judgements.iter().filter(|judgement| {
            let answer = judgement.verdict.decided().unwrap().answer();
            self.key.answer(&judgement.id).unwrap() == answer
        });
        right.count()
    }
}

fn config(json: &str) -> WeakToStrongConfig {
    serde_json::from_str(json).unwrap()
}

/// One of everything that a linear student can be asked, and networks between them.
fn configs() -> Vec<WeakToStrongConfig> {
    [
        r#"{"loss": "naive"}"#,
        r#"{"loss": {"kind": "naive", "labels": "hard"}}"#,
        r#"{"loss": "confidence-weighted"}"#,
        r#"{"loss": {"kind": "entropy", "coefficient": -0.1}}"#,
        r#"{"loss": "naive", "head": "mlp"}"#,
        r#"{"loss": "confidence"}"#,
        r#"{"loss": {"kind": "confidence", "preset": "openai"}}"#,
        r#"{"loss": "product"}"#,
        r#"{"loss": "balanced"}"#,
        r#"{"loss": "naive", "via": ["medium"]}"#,
        r#"{"loss": "naive", "doubtful": {"action": "drop"}}"#,
        r#"{"loss": "naive", "doubtful": {"action": "relabel", "by": "confidence", "share": 0.3}}"#,
        r#"{"loss": "window", "head": {"kind": "mlp", "epochs": 20}, "early-stop": "weak-labels"}"#,
    ]
    .map(config)
    .into()
}

#[test]
fn students_are_better_than_their_supervisor() {
    let world = World::new();
    let floor = world.n_right(&world.weak);
    let fitted = world.teach(&configs()).unwrap();
    for (config, fitted) in configs().iter().zip(&fitted) {
        let student = world.n_right(&world.judgements(fitted));
        assert!(
            student > floor + N / 20,
            "{}: {student} of {N} right are not five points above {floor}",
            config.name()
        );
    }
}

#[test]
fn a_student_learns_the_same_alone_and_among_others() {
    let world = World::new();
    let together = world.teach(&configs()).unwrap();
    for (config, together) in configs().iter().zip(&together) {
        let alone = world.teach(std::slice::from_ref(config)).unwrap();
        assert_eq!(
            world.judgements(&alone[0]),
            world.judgements(together),
            "{}",
            config.name()
        );
    }
}

#[test]
fn ground_truth_does_not_pass_as_weak_labels() {
    let world = World::new();
    let truth = TrainingLabels::from_key(&world.questions, &world.key).unwrap();
    let naive = config("{}");
    let leak = prepare(&naive, &world.classroom(), &truth, &world.key).err();
    assert!(matches!(leak, Some(MethodError::Leak(name)) if name == "naive"));
    let open = config(r#"{"supervisor": "ground-truth"}"#);
    assert!(open.uses_ground_truth());
    assert!(prepare(&open, &world.classroom(), &truth, &world.key).is_ok());
}

#[test]
fn only_methods_that_say_so_read_the_key() {
    let world = World::new();
    // An empty key answers nothing: whoever reads it fails.
    let nothing = AnswerKey::default();
    for config in configs() {
        let ready = prepare(&config, &world.classroom(), &world.labels(), &nothing);
        assert!(ready.is_ok(), "{}", config.name());
        assert!(!config.uses_ground_truth());
    }
    let cheating = config(r#"{"head": "mlp", "early-stop": "ground-truth"}"#);
    assert!(cheating.uses_ground_truth());
    assert!(prepare(&cheating, &world.classroom(), &world.labels(), &nothing).is_err());
    assert!(prepare(&cheating, &world.classroom(), &world.labels(), &world.key).is_ok());
}

#[test]
fn what_cannot_be_taught_is_refused() {
    let world = World::new();
    let refused = |json: &str| world.teach(&[config(json)]).err().unwrap();
    assert!(matches!(
        refused(r#"{"early-stop": "weak-labels"}"#),
        MethodError::Model(ModelError::NeedsSteps)
    ));
    for loss in ["window", "evidential"] {
        assert!(matches!(
            refused(&format!(r#"{{"loss": "{loss}"}}"#)),
            MethodError::Model(ModelError::NeedsNetwork(name)) if name == loss
        ));
    }
    assert!(matches!(
        refused(r#"{"student": "nobody"}"#),
        MethodError::Role { name, known } if name == "nobody" && known.len() == 2
    ));
}

#[test]
fn names_say_what_is_unusual() {
    let names: Vec<String> = configs().iter().map(WeakToStrongConfig::name).collect();
    assert_eq!(
        names,
        [
            "naive",
            "naive, hard labels",
            "confidence-weighted",
            "entropy penalised",
            "naive, MLP",
            "confidence, paper",
            "confidence, openai",
            "product",
            "balanced",
            "naive, via medium",
            "naive, drop 10 % by disagreement",
            "naive, relabel 30 % by confidence",
            "window, MLP, stopped on weak labels",
        ]
    );
}
