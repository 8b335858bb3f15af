//! Supervisors and students for tests.

use std::sync::{Arc, Mutex};

use trimtab_core::{
    AnswerIdx, AnswerKey, AnswerSet, Cost, Distribution, Fitted, Judgement, Lesson, Provenance,
    Question, SampleId, Seed, Student, Supervisor, SupervisorError, TrainingLabels, Verdict,
    Workplace,
};

/// Questions with two answers, called `q0`, `q1`, …
pub(crate) fn questions(n: usize) -> Vec<Question> {
    let answers = AnswerSet::new(&["no", "yes"]).unwrap();
    (0..n)
        .map(|i| Question {
            id: SampleId::new(&format!("q{i}")),
            text: "".into(),
            answers: answers.clone(),
            candidates: None,
        })
        .collect()
}

/// The right answer to each is `yes`.
pub(crate) fn key(questions: &[Question]) -> AnswerKey {
    AnswerKey::new(questions.iter().map(|q| (q.id.clone(), AnswerIdx(1)))).unwrap()
}

pub(crate) fn lesson_of<'a>(
    questions: &'a [Question],
    labels: &'a TrainingLabels,
    seed: Seed,
    workplace: &'a Workplace<'a>,
) -> Lesson<'a> {
    Lesson {
        questions,
        labels,
        validation: None,
        seed,
        workplace,
    }
}

/// Judges by a function of the question, one judge call each.
pub(crate) struct Says(Box<dyn Fn(&Question) -> Verdict + Send + Sync>);

impl Says {
    pub(crate) fn by(verdict: impl Fn(&Question) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Box::new(verdict))
    }

    /// Says `yes` with this probability.
    pub(crate) fn sure(p: f64) -> Self {
        Self::by(move |_| Verdict::Decided(Distribution::new(&[1.0 - p, p]).unwrap()))
    }

    pub(crate) fn refuses() -> Self {
        Self::by(|_| Verdict::Refused { reply: "no".into() })
    }
}

impl Supervisor for Says {
    fn name(&self) -> String {
        "says".into()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        Ok((questions.iter())
            .map(|question| Judgement {
                id: question.id.clone(),
                verdict: (self.0)(question),
                cost: Cost {
                    calls: 1,
                    judge_calls: 1,
                    ..Cost::default()
                },
            })
            .collect())
    }
}

/// A student that remembers what it was taught, and then says `yes`.
#[derive(Default)]
pub(crate) struct Learns {
    pub(crate) seen: Arc<Mutex<(Vec<SampleId>, Option<Provenance>)>>,
}

impl Student for Learns {
    fn name(&self) -> String {
        "learns".into()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        *self.seen.lock().unwrap() = (
            lesson.labels.ids().to_vec(),
            Some(lesson.labels.provenance()),
        );
        Ok(Fitted {
            student: Box::new(Learnt(Says::sure(0.9))),
            n_steps: 1,
            loss: 0.0,
            converged: true,
            cost: Cost::default(),
        })
    }
}

struct Learnt(Says);

impl Supervisor for Learnt {
    fn name(&self) -> String {
        "learnt".into()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        self.0.judge(questions)
    }
}

/// A student that is the supervisor that `make` makes, whatever it is taught.
pub(crate) struct Is(pub(crate) fn() -> Says);

impl Student for Is {
    fn name(&self) -> String {
        "is".into()
    }

    fn learn(&self, _: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        Ok(Fitted {
            student: Box::new((self.0)()),
            n_steps: 0,
            loss: 0.0,
            converged: true,
            cost: Cost::default(),
        })
    }
}
