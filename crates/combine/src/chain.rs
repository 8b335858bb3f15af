//! Chains: each link learns from the judgements of the one before (bootstrapping).
//!
//! ```text
//! the samples are dealt into as many parts as there are links
//! link 1 learns the labels that are given of part 1;   link k learns what link k − 1 says of part k
//! ```
//!
//! Paper: Burns et al. 2023, section 4.3.1: a chain of models of growing size. There each student labels the next one's samples,
//! and so here: every link learns on samples that nobody before it has learnt on. A link is anything that learns, a model or the
//! judge of a debate.
//!
//! In: a lesson, shared out at random. Out: the last link. What a link could not judge is left out of the next one's lesson; the
//! labels of later parts are never looked at.

use std::collections::HashMap;

use trimtab_core::{
    Cost, Fitted, Lesson, Question, SampleId, Student, SupervisorError, TrainingLabels,
};

/// Links before they have learnt.
pub struct ChainStudent {
    /// What it is called.
    pub name: String,
    /// Who learns, in this order; one at least.
    pub links: Vec<Box<dyn Student>>,
}

impl Student for ChainStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let part_of = deal(lesson, self.links.len());
        let (mut n_steps, mut converged, mut cost) = (0, true, Cost::default());
        let mut before: Option<Fitted> = None;
        for (part, link) in self.links.iter().enumerate() {
            let is_own = |id: &SampleId| part_of.get(id) == Some(&part);
            let labels = match &before {
                None => lesson.labels.subset(is_own)?,
                Some(teacher) => {
                    let own: Vec<Question> = (lesson.questions.iter())
                        .filter(|question| is_own(&question.id))
                        .cloned()
                        .collect();
                    let judged = teacher.student.judge(&own)?;
                    cost = judged.iter().fold(cost, |sum, said| sum + said.cost);
                    TrainingLabels::from_judgements(&own, &judged, teacher.student.provenance())?
                }
            };
            let name = format!("link {part}");
            let workplace = lesson.workplace.within(&name);
            let fitted = link.learn(&Lesson {
                labels: &labels,
                validation: None,
                seed: lesson.seed.child(&name),
                workplace: &workplace,
                ..*lesson
            })?;
            n_steps += fitted.n_steps;
            converged &= fitted.converged;
            cost = cost + fitted.cost;
            before = Some(fitted);
        }
        let last = before.expect("a chain has a link");
        Ok(Fitted {
            n_steps,
            converged,
            cost,
            ..last
        })
    }
}

/// Which of `n` parts each labelled sample is in: as many in each, up to one.
fn deal<'l>(lesson: &'l Lesson<'_>, n: usize) -> HashMap<&'l SampleId, usize> {
    let mut ids: Vec<&SampleId> = lesson.labels.ids().iter().collect();
    lesson.seed.child("parts").stream().shuffle(&mut ids);
    (ids.into_iter().enumerate())
        .map(|(at, id)| (id, at % n))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trimtab_core::{Provenance, Seed, Workplace};

    use super::*;
    use crate::parts::{Learns, key, lesson_of, questions};

    #[test]
    fn each_link_learns_other_samples_from_the_one_before() {
        let questions = questions(90);
        let labels = TrainingLabels::from_key(&questions, &key(&questions)).unwrap();
        let links = [Learns::default(), Learns::default(), Learns::default()];
        let seen: Vec<_> = links.iter().map(|link| Arc::clone(&link.seen)).collect();
        let chain = ChainStudent {
            name: "chain".into(),
            links: links.map(|link| Box::new(link) as Box<dyn Student>).into(),
        };
        let fitted = chain
            .learn(&lesson_of(&questions, &labels, Seed(5), Workplace::none()))
            .unwrap();
        let seen: Vec<_> = seen.iter().map(|s| s.lock().unwrap().clone()).collect();
        let mut all: Vec<&SampleId> = seen.iter().flat_map(|(ids, _)| ids).collect();
        assert_eq!(
            seen.iter().map(|(ids, _)| ids.len()).collect::<Vec<_>>(),
            [30; 3]
        );
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 90);
        assert_eq!(seen[0].1, Some(Provenance::GroundTruth));
        // Labels of later parts are judgements.
        assert_eq!(
            (seen[1].1, seen[2].1),
            (Some(Provenance::Judged), Some(Provenance::Judged))
        );
        assert_eq!(
            (
                fitted.n_steps,
                fitted.cost.judge_calls,
                fitted.student.name()
            ),
            (3, 60, "learnt".into())
        );
    }
}
