//! One weak-to-strong run, from top to bottom.
//!
//! 1. The supervisor's judgements of the student's half are its weak labels.
//! 2. Doubtful labels may be dropped or relabelled.
//! 3. Intermediate students may come between: each learns from the labels before it and labels the
//!    same samples anew (bootstrapping; Burns et al. 2023, section 4.3.1, there with fresh samples).
//! 4. The student learns from the last labels under the chosen loss, stopped early where asked.
//!
//! No answer key of the student's half enters here, but for early stopping on ground truth: the
//! comparison that the paper calls cheating, marked in every table.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{
    AnswerKey, Fitted, Judgement, Lesson, Provenance, Question, SampleId, Seed, SupervisorError,
    TrainingLabels, Workplace,
};

use crate::doubtful::DoubtfulConfig;
use crate::linear::LinearStudent;
use crate::loss::LossConfig;
use crate::model::{HeadConfig, Materials, ModelConfig, ModelError, Untaught, build};

/// How a student is taught by a weaker supervisor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct WeakToStrongConfig {
    /// What to call it in tables. Default: made from what is unusual about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The loss that the student minimises.
    pub loss: LossConfig,
    /// Whose judgements are the labels: a role, or `ground-truth`.
    pub supervisor: SupervisorName,
    /// The role that learns.
    pub student: StudentName,
    /// Another head on the student's features than the role's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadConfig>,
    /// Roles that learn in between, each from the one before (bootstrapping).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// What is done about doubtful labels. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubtful: Option<DoubtfulConfig>,
    /// What training is stopped on. Default: nothing; it runs to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStop>,
}

/// A role that supervises, or `ground-truth`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SupervisorName(pub String);

impl Default for SupervisorName {
    fn default() -> Self {
        Self("weak".into())
    }
}

impl SupervisorName {
    /// The name of the answer key among supervisors.
    pub const GROUND_TRUTH: &'static str = "ground-truth";

    /// Whether the labels are the answer key itself.
    pub fn is_ground_truth(&self) -> bool {
        self.0 == Self::GROUND_TRUTH
    }
}

/// A role that learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StudentName(pub String);

impl Default for StudentName {
    fn default() -> Self {
        Self("strong".into())
    }
}

/// What training is stopped on: a fifth of the student's half is held out for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyStop {
    /// Agreement with weak labels.
    WeakLabels,
    /// Accuracy: uses ground truth of the student's half.
    GroundTruth,
}

impl EarlyStop {
    fn describe(self) -> &'static str {
        match self {
            Self::WeakLabels => "stopped on weak labels",
            Self::GroundTruth => "stopped on ground truth",
        }
    }
}

/// The share of the student's half that early stopping holds out.
const VALIDATION_SHARE: f64 = 0.2;

impl WeakToStrongConfig {
    /// What to call it in tables.
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let mut parts = vec![self.loss.name()];
        if let Some(HeadConfig::Mlp(options)) = &self.head {
            parts.push(if options.hidden == 0 { "AdamW" } else { "MLP" }.into());
        }
        if self.supervisor != SupervisorName::default() {
            parts.push(format!("from {}", self.supervisor.0));
        }
        if !self.via.is_empty() {
            parts.push(format!("via {}", self.via.join(", ")));
        }
        parts.extend(self.doubtful.as_ref().map(DoubtfulConfig::describe));
        parts.extend(self.early_stop.map(|stop| stop.describe().to_owned()));
        if self.student != StudentName::default() {
            parts.push(format!("student {}", self.student.0));
        }
        parts.join(", ")
    }

    /// One line on what it does.
    pub fn describe(&self) -> String {
        let (student, supervisor) = (&self.student.0, &self.supervisor.0);
        let mut parts = vec![format!(
            "{student} learns from {supervisor}: {}",
            self.loss.describe()
        )];
        if !self.via.is_empty() {
            parts.push(format!("through {}", self.via.join(", then ")));
        }
        parts.extend(self.doubtful.as_ref().map(DoubtfulConfig::describe));
        parts.extend(self.early_stop.map(|stop| stop.describe().to_owned()));
        parts.join("; ")
    }

    /// Whether ground truth of the student's half is used in any way.
    pub fn uses_ground_truth(&self) -> bool {
        self.supervisor.is_ground_truth()
            || self.early_stop == Some(EarlyStop::GroundTruth)
            || self.loss.uses_ground_truth()
    }

    /// Every role it names.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let supervisor = (!self.supervisor.is_ground_truth()).then_some(self.supervisor.0.as_str());
        supervisor
            .into_iter()
            .chain([self.student.0.as_str()])
            .chain(self.via.iter().map(String::as_str))
    }

    /// Finds what cannot be taught in `classroom`, without teaching it; its questions are not read.
    ///
    /// # Errors
    ///
    /// [`MethodError`] when a model does not fit the data, or a setting makes no sense.
    pub fn check(&self, classroom: &Classroom<'_>) -> Result<(), MethodError> {
        for role in &self.via {
            build(classroom.role(role)?, &self.loss, classroom.materials)?;
        }
        let model = self.model(classroom)?;
        build(&model, &self.loss, classroom.materials)?;
        if self.early_stop.is_some() {
            model.check_early_stop()?;
        }
        Ok(())
    }

    fn model(&self, classroom: &Classroom<'_>) -> Result<ModelConfig, MethodError> {
        let model = classroom.role(&self.student.0)?;
        Ok(match &self.head {
            Some(head) => model.with_head(head),
            None => model.clone(),
        })
    }
}

/// What every method of one seed shares.
#[derive(Debug, Clone, Copy)]
pub struct Classroom<'a> {
    /// The student's half.
    pub questions: &'a [Question],
    /// The models that roles are bound to.
    pub roles: &'a BTreeMap<String, ModelConfig>,
    /// What models are made of.
    pub materials: &'a Materials,
    /// The seed of this run.
    pub seed: Seed,
    /// Where students learn, each in a place of its own within.
    pub workplace: &'a Workplace<'a>,
}

impl Classroom<'_> {
    fn role(&self, name: &str) -> Result<&ModelConfig, MethodError> {
        self.roles.get(name).ok_or_else(|| MethodError::Role {
            name: name.to_owned(),
            known: self.roles.keys().cloned().collect(),
        })
    }

    fn lesson<'l>(
        &'l self,
        labels: &'l TrainingLabels,
        seed: Seed,
        workplace: &'l Workplace<'l>,
    ) -> Lesson<'l> {
        Lesson {
            questions: self.questions,
            labels,
            validation: None,
            seed,
            workplace,
        }
    }
}

/// Why a method cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// There is no such role.
    #[error("no role is called `{name}`; there are {}", known.join(", "))]
    Role {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A model does not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Judging or learning failed.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// Ground truth was about to reach a student's trainer.
    #[error(
        "method `{0}` was about to teach its student ground truth under the name of weak labels"
    )]
    Leak(String),
}

/// One method ready for its last step: the student and what it is to learn.
pub struct Prepared {
    name: String,
    student: Untaught,
    labels: TrainingLabels,
    held_out: Option<(Vec<Question>, TrainingLabels)>,
    seed: Seed,
}

impl Prepared {
    /// The labels that the student's trainer is given.
    pub fn labels(&self) -> &TrainingLabels {
        &self.labels
    }
}

/// Steps 1 to 3: everything up to the student's own lesson.
///
/// `weak_labels` are the supervisor's. `key` answers the student's half; it is read only where the
/// configuration stops on ground truth.
///
/// # Errors
///
/// [`MethodError`]; among them [`MethodError::Leak`], when labels that contain ground truth were handed
/// in for a method that does not say so.
pub fn prepare(
    config: &WeakToStrongConfig,
    classroom: &Classroom<'_>,
    weak_labels: &TrainingLabels,
    key: &AnswerKey,
) -> Result<Prepared, MethodError> {
    if weak_labels.provenance() == Provenance::GroundTruth && !config.supervisor.is_ground_truth() {
        return Err(MethodError::Leak(config.name()));
    }
    let seed = classroom.seed.child(&config.name());
    let workplace = classroom.workplace.within(&config.name());
    let model = config.model(classroom)?;
    let mut labels = weak_labels.clone();
    if let Some(doubtful) = &config.doubtful {
        let first = if doubtful.needs_first_student() {
            let naive = build(&model, &LossConfig::default(), classroom.materials)?;
            teach_one(
                naive.as_student(),
                classroom,
                &labels,
                seed.child("first student"),
                &workplace.within("first student"),
            )?
        } else {
            Vec::new()
        };
        labels = doubtful
            .apply(&labels, &first)
            .map_err(SupervisorError::from)?;
    }
    for (i, role) in config.via.iter().enumerate() {
        let between = build(classroom.role(role)?, &config.loss, classroom.materials)?;
        let name = format!("via {i}");
        let (seed, workplace) = (seed.child(&name), workplace.within(&name));
        let judgements = teach_one(between.as_student(), classroom, &labels, seed, &workplace)?;
        labels =
            TrainingLabels::from_judgements(classroom.questions, &judgements, labels.provenance())
                .map_err(SupervisorError::from)?;
    }
    let student = build(&model, &config.loss, classroom.materials)?;
    let mut held_out = None;
    if let Some(stop) = config.early_stop {
        model.check_early_stop()?;
        let mut stream = seed.child("validation").stream();
        let ids: HashSet<SampleId> = labels
            .ids()
            .iter()
            .filter(|_| stream.next_f64() < VALIDATION_SHARE)
            .cloned()
            .collect();
        let questions: Vec<Question> = classroom
            .questions
            .iter()
            .filter(|q| ids.contains(&q.id))
            .cloned()
            .collect();
        let validation = match stop {
            EarlyStop::WeakLabels => labels.subset(|id| ids.contains(id)),
            EarlyStop::GroundTruth => TrainingLabels::from_key(&questions, key),
        };
        held_out = Some((questions, validation.map_err(SupervisorError::from)?));
        labels = labels
            .subset(|id| !ids.contains(id))
            .map_err(SupervisorError::from)?;
    }
    Ok(Prepared {
        name: config.name(),
        student,
        labels,
        held_out,
        seed,
    })
}

/// A student's judgements of the half it has learnt from, by id.
fn teach_one(
    student: &dyn trimtab_core::Student,
    classroom: &Classroom<'_>,
    labels: &TrainingLabels,
    seed: Seed,
    workplace: &Workplace<'_>,
) -> Result<Vec<Judgement>, MethodError> {
    let fitted = student.learn(&classroom.lesson(labels, seed, workplace))?;
    let mut judgements = fitted.student.judge(classroom.questions)?;
    judgements.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(judgements)
}

/// Who learns together: linear students over the same inputs, in one sweep; everybody else alone. Places in
/// `prepared`, each once, groups in the order of their first.
pub fn groups(prepared: &[Prepared]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, ready) in prepared.iter().enumerate() {
        let joined = groups.iter_mut().find(|group| {
            let first = &prepared[group[0]].student;
            match (&ready.student, first) {
                (Untaught::Linear(student), Untaught::Linear(first)) => student.can_join(first),
                (Untaught::Linear(_) | Untaught::Other(_), _) => false,
            }
        });
        match joined {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

/// Step 4: the students of one of the [`groups`] learn their lessons, each with the numbers it would have had
/// alone.
///
/// # Errors
///
/// [`MethodError`] of the first student that cannot learn.
pub fn teach(
    classroom: &Classroom<'_>,
    prepared: &[Prepared],
    group: &[usize],
) -> Result<Vec<Fitted>, MethodError> {
    let linear: Option<Vec<&LinearStudent>> = group
        .iter()
        .map(|&at| match &prepared[at].student {
            Untaught::Linear(student) => Some(student),
            Untaught::Other(_) => None,
        })
        .collect();
    if let Some(students) = linear {
        let labels: Vec<&TrainingLabels> = group.iter().map(|&at| &prepared[at].labels).collect();
        return Ok(LinearStudent::learn_together(
            &students,
            classroom.questions,
            &labels,
        )?);
    }
    let alone = group.iter().map(|&at| {
        let ready = &prepared[at];
        let validation =
            (ready.held_out.as_ref()).map(|(questions, labels)| (&questions[..], labels));
        let workplace = classroom.workplace.within(&ready.name).within("student");
        let lesson = Lesson {
            validation,
            ..classroom.lesson(&ready.labels, ready.seed, &workplace)
        };
        Ok(ready.student.as_student().learn(&lesson)?)
    });
    alone.collect()
}
