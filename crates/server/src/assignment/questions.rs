//! Which question of active querying a rater is asked next.
//!
//! ```text
//! open for a rater = it waits, fewer people have answered than are asked, and this rater was not asked
//! ```
//!
//! Of what is open, that which the fewest have in hand, and of several that which comes first in the rater's own order, drawn by
//! lot: two raters seldom meet at one question where one answer is enough, and nobody learns from the order why anything was
//! chosen. Questions are handed out one at a time: whoever leaves keeps no other from going on.

use std::collections::BTreeMap;

use trimtab_core::Seed;
use trimtab_debate::Order;
use trimtab_run::people::{NewTask, Purpose, Task, TaskKind, Tasks};

use crate::catalogue::QuestionHead;

/// Who has a question.
#[derive(Debug, Clone, Copy, Default)]
struct Had {
    n_tasks: usize,
    n_answers: usize,
    by_this_rater: bool,
}

/// Questions that are open for `rater`, each with how many have it in hand or have answered it.
fn open<'q>(
    questions: &'q [QuestionHead],
    tasks: &[Task],
    rater: i64,
) -> Vec<(&'q QuestionHead, usize)> {
    let mut had: BTreeMap<&str, Had> = BTreeMap::new();
    for task in annotations(tasks) {
        let had = had.entry(&task.what.item).or_default();
        had.n_tasks += 1;
        had.n_answers += usize::from(task.finished.is_some());
        had.by_this_rater |= task.rater == rater;
    }
    (questions.iter())
        .filter_map(|question| {
            let had = had.get(&*question.key).copied().unwrap_or_default();
            let is_open = question.waits && had.n_answers < question.raters && !had.by_this_rater;
            is_open.then_some((question, had.n_tasks))
        })
        .collect()
}

fn annotations(tasks: &[Task]) -> impl Iterator<Item = &Task> {
    (tasks.iter()).filter(|task| task.what.kind == TaskKind::Annotation && task.trashed.is_none())
}

/// The next question of `rater`; `tasks` are those of everybody.
pub fn next_question<'q>(
    questions: &'q [QuestionHead],
    tasks: &[Task],
    rater: i64,
) -> Option<&'q QuestionHead> {
    let turn = |question: &QuestionHead| of(question, rater).child("turn").0;
    (open(questions, tasks, rater).into_iter())
        .min_by_key(|(question, n_tasks)| (*n_tasks, turn(question)))
        .map(|(question, _)| question)
}

/// How far `rater` is among the questions: what they answered, and what is open for them or in their hands.
pub fn standing(questions: &[QuestionHead], tasks: &[Task], rater: i64) -> Tasks {
    let own = || annotations(tasks).filter(|task| task.rater == rater);
    Tasks {
        n: (own().count() + open(questions, tasks, rater).len()) as u32,
        n_finished: own().filter(|task| task.finished.is_some()).count() as u32,
    }
}

/// Questions that wait, and those of them that as many people have answered as are asked.
pub fn answered(questions: &[QuestionHead], tasks: &[Task]) -> Tasks {
    let mut n_answers: BTreeMap<&str, usize> = BTreeMap::new();
    for task in annotations(tasks).filter(|task| task.finished.is_some()) {
        *n_answers.entry(&task.what.item).or_default() += 1;
    }
    let waiting = questions.iter().filter(|question| question.waits);
    let is_answered = |question: &&QuestionHead| {
        n_answers.get(&*question.key).copied().unwrap_or_default() >= question.raters
    };
    Tasks {
        n: waiting.clone().count() as u32,
        n_finished: waiting.filter(is_answered).count() as u32,
    }
}

/// The task that asks `rater` about `question`, under a name that says nothing.
pub fn task_of(question: &QuestionHead, rater: i64, public: String) -> NewTask {
    let shown = if question.are_texts && of(question, rater).child("order").0 % 2 == 1 {
        Order::Swapped
    } else {
        Order::AsListed
    };
    NewTask {
        public,
        kind: TaskKind::Annotation,
        cell: question.cell.clone(),
        item: question.key.clone(),
        question: question.id.clone(),
        cluster: question.key.clone(),
        shown,
        purpose: Purpose::Judgement,
    }
}

fn of(question: &QuestionHead, rater: i64) -> Seed {
    (Seed(0).child(&question.key)).child(&format!("rater {rater}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::SampleId;

    use super::*;

    fn questions(n: usize, raters: usize) -> Vec<QuestionHead> {
        (0..n)
            .map(|i| QuestionHead::new(&format!("key {i}"), &SampleId::new("q"), raters))
            .collect()
    }

    fn handed(question: &QuestionHead, rater: i64, number: i64) -> Task {
        Task {
            number,
            rater,
            position: 0,
            what: task_of(question, rater, format!("t{number}")),
            revision: 0,
            finished: None,
            trashed: None,
        }
    }

    proptest! {
        /// Whoever comes when, each question gets as many answers as it needs and no more but from those who had it in hand; nobody
        /// is asked twice.
        #[test]
        fn everything_is_answered_and_nobody_is_asked_twice(
            n in 1..8_usize, raters in 1..4_usize, visits in prop::collection::vec((0..4_i64, any::<bool>()), 0..60),
        ) {
            let questions = questions(n, raters);
            let mut tasks: Vec<Task> = Vec::new();
            // First as it comes, some leaving with a question in hand; then everybody comes again until nothing is open.
            let again = (0..).map(|i| (i % 4, true)).take(4 * 4 * n);
            for (rater, answers) in visits.into_iter().chain(again) {
                if !tasks.iter().any(|task| task.rater == rater && task.finished.is_none())
                    && let Some(question) = next_question(&questions, &tasks, rater)
                {
                    let before = tasks.iter().filter(|task| task.what.item == question.key);
                    prop_assert!(before.clone().all(|task| task.rater != rater));
                    prop_assert!(before.filter(|task| task.finished.is_some()).count() < raters);
                    tasks.push(handed(question, rater, i64::try_from(tasks.len()).unwrap()));
                }
                let own = tasks.iter_mut().find(|task| task.rater == rater && task.finished.is_none());
                if let Some(task) = own.filter(|_| answers) {
                    task.finished = Some(1.0);
                }
                let standing = standing(&questions, &tasks, rater);
                prop_assert!(standing.n_finished <= standing.n && standing.n as usize <= n);
            }
            let all = answered(&questions, &tasks);
            prop_assert_eq!((all.n as usize, all.n_finished as usize), (n, n));
            for rater in 0..4 {
                prop_assert_eq!(next_question(&questions, &tasks, rater), None);
            }
        }
    }

    #[test]
    fn two_raters_take_different_questions_and_texts_change_places() {
        let mut questions = questions(40, 1);
        let first = next_question(&questions, &[], 1).unwrap();
        let in_hand = [handed(first, 1, 0)];
        let second = next_question(&questions, &in_hand, 2).unwrap();
        assert_ne!(first.key, second.key);
        let orders = |questions: &[QuestionHead]| {
            let shown = |question| task_of(question, 1, String::new()).shown;
            questions
                .iter()
                .filter(|one| shown(one) == Order::Swapped)
                .count()
        };
        assert_eq!(orders(&questions), 0, "names stand where they stand");
        for question in &mut questions {
            question.are_texts = true;
        }
        assert!(
            (8..=32).contains(&orders(&questions)),
            "{}",
            orders(&questions)
        );
        for question in &mut questions {
            question.waits = false;
        }
        assert_eq!(next_question(&questions, &[], 1), None);
    }
}
