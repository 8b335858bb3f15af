//! A supervisor that several combinations share: taught once a seed, and asked each question once.
//!
//! What is a part of several others is the same in each, and the same as alone: its seed is of its own name, whoever teaches it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_core::{
    Cost, Fitted, Judgement, Lesson, Provenance, Question, SampleId, Seed, Student, Supervisor,
    SupervisorError, TrainingLabels,
};

/// A student that remembers what it became of each lesson.
pub(super) struct TaughtOnce {
    name: String,
    seed: Seed,
    inner: Box<dyn Student>,
    taught: Mutex<Vec<(TrainingLabels, Arc<Taught>)>>,
}

/// What it became of one.
struct Taught {
    name: String,
    supervisor: Box<dyn Supervisor>,
    n_steps: usize,
    loss: f64,
    converged: bool,
    cost: Cost,
    judged: Mutex<HashMap<SampleId, Judgement>>,
}

impl TaughtOnce {
    pub(super) fn new(name: &str, seed: Seed, inner: Box<dyn Student>) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            inner,
            taught: Mutex::default(),
        }
    }

    fn teach(&self, lesson: &Lesson<'_>) -> Result<Arc<Taught>, SupervisorError> {
        let mut all = self.taught.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, taught)) = all.iter().find(|(labels, _)| labels == lesson.labels) {
            return Ok(Arc::clone(taught));
        }
        let fitted = self.inner.learn(&Lesson {
            seed: self.seed,
            ..*lesson
        })?;
        let taught = Arc::new(Taught {
            name: self.name.clone(),
            supervisor: fitted.student,
            n_steps: fitted.n_steps,
            loss: fitted.loss,
            converged: fitted.converged,
            cost: fitted.cost,
            judged: Mutex::default(),
        });
        all.push((lesson.labels.clone(), Arc::clone(&taught)));
        Ok(taught)
    }
}

impl Student for TaughtOnce {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let taught = self.teach(lesson)?;
        Ok(Fitted {
            n_steps: taught.n_steps,
            loss: taught.loss,
            converged: taught.converged,
            cost: taught.cost,
            student: Box::new(Remembering(taught)),
        })
    }
}

/// Asks about what it has not judged yet.
struct Remembering(Arc<Taught>);

impl Supervisor for Remembering {
    fn name(&self) -> String {
        self.0.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let mut judged = (self.0.judged.lock()).unwrap_or_else(PoisonError::into_inner);
        let new: Vec<Question> = (questions.iter())
            .filter(|question| !judged.contains_key(&question.id))
            .cloned()
            .collect();
        if !new.is_empty() {
            let said = self.0.supervisor.judge(&new)?;
            judged.extend(said.into_iter().map(|said| (said.id.clone(), said)));
        }
        Ok((questions.iter())
            .map(|question| judged[&question.id].clone())
            .collect())
    }

    fn provenance(&self) -> Provenance {
        self.0.supervisor.provenance()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use trimtab_core::{AnswerIdx, AnswerKey, AnswerSet, Distribution, Workplace};

    use super::*;

    #[derive(Default, Clone)]
    struct Counts {
        n_lessons: Arc<AtomicUsize>,
        n_questions: Arc<AtomicUsize>,
    }

    impl Student for Counts {
        fn name(&self) -> String {
            "counts".into()
        }

        fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
            assert_eq!(lesson.seed, Seed(7));
            self.n_lessons.fetch_add(1, Ordering::Relaxed);
            Ok(Fitted {
                student: Box::new(self.clone()),
                n_steps: 1,
                loss: 0.0,
                converged: true,
                cost: Cost::default(),
            })
        }
    }

    impl Supervisor for Counts {
        fn name(&self) -> String {
            "counts".into()
        }

        fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
            self.n_questions
                .fetch_add(questions.len(), Ordering::Relaxed);
            let certain = |q: &Question| Distribution::certain(AnswerIdx(0), q.answers.len());
            Ok((questions.iter())
                .map(|q| Judgement::decided(q.id.clone(), certain(q)))
                .collect())
        }
    }

    #[test]
    fn a_lesson_is_learnt_once_and_a_question_is_asked_once() {
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let questions: Vec<Question> = (0..4)
            .map(|i| Question {
                id: SampleId::new(&format!("q{i}")),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let key = AnswerKey::new(questions.iter().map(|q| (q.id.clone(), AnswerIdx(0)))).unwrap();
        let labels = TrainingLabels::from_key(&questions, &key).unwrap();
        let fewer = TrainingLabels::from_key(&questions[..2], &key).unwrap();
        let counts = Counts::default();
        let student = TaughtOnce::new("n", Seed(7), Box::new(counts.clone()));
        let learn = |labels| {
            let lesson = Lesson {
                questions: &questions,
                labels,
                validation: None,
                seed: Seed(99),
                workplace: Workplace::none(),
            };
            student.learn(&lesson).unwrap().student
        };
        let (one, again, other) = (learn(&labels), learn(&labels), learn(&fewer));
        assert_eq!(counts.n_lessons.load(Ordering::Relaxed), 2);
        assert_eq!(one.judge(&questions[..3]).unwrap().len(), 3);
        let judged = again.judge(&questions[1..]).unwrap();
        assert_eq!(counts.n_questions.load(Ordering::Relaxed), 4);
        let ids: Vec<_> = judged.iter().map(|j| j.id.as_str()).collect();
        assert_eq!(ids, ["q1", "q2", "q3"]);
        other.judge(&questions[..1]).unwrap();
        assert_eq!(counts.n_questions.load(Ordering::Relaxed), 5);
    }
}
