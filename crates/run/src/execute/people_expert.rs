//! People as the expert of iterated amplification: what they said is read, and where nobody has said anything yet the question
//! waits.
//!
//! ```text
//! step that somebody took      → what they said
//! step that nobody took        → Unanswered::Waiting, and a line of what waits
//! a sub-question that waits    → Unanswered::Waiting: whoever puts answers together is asked when all of them are there
//! ```

use std::collections::BTreeMap;

use trimtab_amplify::language::{Decomposition, Reply, Text, TreeConfig};
use trimtab_amplify::{Expert, Step, Stepped, Unanswered, Working};
use trimtab_core::SampleId;
use trimtab_core::chat::{Answer, ChatModel, Finish, ModelError, Outcome, Request, Usage};

use crate::amplification::WaitingStep;
use crate::people::{ExpertSays, ExpertStep};

/// People, by what they said.
pub(super) struct PeopleExpert<'a> {
    /// The roots' identities, by tree.
    pub(super) ids: &'a [SampleId],
    pub(super) config: &'a TreeConfig,
    /// The folder of the method under its seed and variant.
    pub(super) cell: &'a str,
    pub(super) said: &'a BTreeMap<ExpertStep, ExpertSays>,
    /// Steps that nobody took.
    pub(super) waiting: Vec<WaitingStep>,
}

impl PeopleExpert<'_> {
    fn step(&mut self, working: &Working<'_, Text, Reply>) -> Step<Text, Reply> {
        let waits = |answer| matches!(answer, &Err(Unanswered::Waiting));
        if (working.exchanges.iter()).any(|exchange| waits(&exchange.answer)) {
            return Step::Finish(Err(Unanswered::Waiting));
        }
        let step = WaitingStep {
            id: self.ids[working.tree].clone(),
            path: working.path.to_vec(),
            step: working.n_steps,
            question: working.question.clone(),
            exchanges: working.exchanges.to_vec(),
            most_questions: self.most_questions_at(working.n_steps),
        };
        match self.said.get(&step.key(self.cell)) {
            Some(ExpertSays::Asks(questions)) => Step::Ask(
                questions
                    .iter()
                    .map(|question| Text::cut(question))
                    .collect(),
            ),
            Some(ExpertSays::Answers(answer)) => Step::Finish(Ok(Reply::new(answer, answer))),
            Some(ExpertSays::CannotBeAnswered) => Step::Finish(Err(Unanswered::DontKnow)),
            None => {
                self.waiting.push(step);
                Step::Finish(Err(Unanswered::Waiting))
            }
        }
    }

    /// Sub-questions that may be asked after so many steps, as a model would be told.
    fn most_questions_at(&self, n_steps: u32) -> u32 {
        let most = self.config.most_sub_questions;
        match self.config.decomposition {
            Decomposition::AtOnce if n_steps == 0 => most,
            Decomposition::InTurn if n_steps < most => 1,
            Decomposition::AtOnce | Decomposition::InTurn => 0,
        }
    }
}

impl Expert<Text, Reply> for PeopleExpert<'_> {
    type Error = ModelError;

    fn next(
        &mut self,
        open: &[Working<'_, Text, Reply>],
    ) -> Result<Vec<Stepped<Text, Reply>>, ModelError> {
        Ok((open.iter())
            .map(|working| Stepped::free(self.step(working)))
            .collect())
    }

    fn most_questions(&self) -> usize {
        match self.config.decomposition {
            Decomposition::AtOnce => self.config.most_sub_questions as usize,
            Decomposition::InTurn => 1,
        }
    }
}

/// Stands for people in a dry run: asking them costs nothing, and is not counted.
pub(super) struct Uncounted;

impl ChatModel for Uncounted {
    fn name(&self) -> String {
        crate::amplification::PEOPLE.into()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        for (i, _) in requests.enumerate() {
            let reply = trimtab_core::chat::Reply {
                text: String::new(),
                finish: Finish::Stop,
                usage: Usage::default(),
                tokens: Vec::new(),
            };
            answered(i, Ok(Answer::Reply(reply)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_amplify::language::{Amplification, ProblemTree, amplify_by};
    use trimtab_core::{Problem, Seed};
    use trimtab_llm_testkit::ScriptedModel;
    use trimtab_llm_testkit::scripted_model::{last_message, reply};

    use super::*;

    /// What somebody says who says the same whenever the same is shown: questions, some of them repeated or their own, an answer,
    /// or nothing.
    fn says(step: &WaitingStep, seed: Seed) -> ExpertSays {
        let mut stream = seed.child(&step.key("").shown).stream();
        let luck = stream.below(10);
        if step.most_questions > 0 && luck < 7 {
            let n = 1 + stream.below(step.most_questions as usize);
            let question = |k| match stream.below(6) {
                0 => step.question.to_string(),
                1 => "What is common?".to_owned(),
                _ => format!("{} Part {k}?", step.question),
            };
            return ExpertSays::Asks((0..n).map(question).collect());
        }
        match luck {
            9 => ExpertSays::CannotBeAnswered,
            _ => ExpertSays::Answers(step.key("").shown[..8].to_owned()),
        }
    }

    /// Somebody who is there all the time: nothing ever waits.
    struct AtOnce<'a> {
        people: PeopleExpert<'a>,
        seed: Seed,
    }

    impl Expert<Text, Reply> for AtOnce<'_> {
        type Error = ModelError;

        fn next(
            &mut self,
            open: &[Working<'_, Text, Reply>],
        ) -> Result<Vec<Stepped<Text, Reply>>, ModelError> {
            Ok((open.iter())
                .map(|working| {
                    self.people.step(working);
                    let step = self.people.waiting.pop().unwrap();
                    Stepped::free(match says(&step, self.seed) {
                        ExpertSays::Asks(questions) => {
                            Step::Ask(questions.iter().map(|q| Text::cut(q)).collect())
                        }
                        ExpertSays::Answers(answer) => {
                            Step::Finish(Ok(Reply::new(&answer, &answer)))
                        }
                        ExpertSays::CannotBeAnswered => Step::Finish(Err(Unanswered::DontKnow)),
                    })
                })
                .collect())
        }

        fn most_questions(&self) -> usize {
            self.people.most_questions()
        }
    }

    fn grown<E: Expert<Text, Reply, Error = ModelError>>(
        how: &Amplification,
        expert: &mut E,
        problems: &[Problem],
    ) -> Vec<ProblemTree> {
        let assistant = ScriptedModel::new("assistant", |request: &Request| {
            let said = Seed(7).child(last_message(request));
            Ok(reply(if said.0.is_multiple_of(5) {
                "Answer: not known".to_owned()
            } else {
                format!("Answer: {}", said.0 % 1000)
            }))
        });
        amplify_by(how, expert, &assistant, problems, Seed(0), &mut |_| {}).unwrap()
    }

    fn people<'a>(
        ids: &'a [SampleId],
        config: &'a TreeConfig,
        said: &'a BTreeMap<ExpertStep, ExpertSays>,
    ) -> PeopleExpert<'a> {
        PeopleExpert {
            ids,
            config,
            cell: "c",
            said,
            waiting: Vec::new(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However little is said between two runs, the trees come out as if people had been there all the time.
        #[test]
        fn waiting_changes_no_tree(
            seed: u64, depth in 1..=3_u32, at_once: bool, most_sub_questions in 1..=3_u32, most_questions in 2..=12_u32,
        ) {
            let seed = Seed(seed);
            let how = Amplification {
                depth,
                tree: TreeConfig {
                    decomposition: if at_once { Decomposition::AtOnce } else { Decomposition::InTurn },
                    most_sub_questions,
                    most_questions,
                    ..TreeConfig::default()
                },
            };
            let problems: Vec<Problem> = (0..3)
                .map(|i| Problem { id: SampleId::new(&format!("p{i}")), text: format!("What is {i}?").into(), level: None })
                .collect();
            let ids: Vec<SampleId> = problems.iter().map(|problem| problem.id.clone()).collect();
            let mut said = BTreeMap::new();
            let nothing = BTreeMap::new();
            let wanted = grown(&how, &mut AtOnce { people: people(&ids, &how.tree, &nothing), seed }, &problems);

            let mut stream = seed.child("who comes when").stream();
            for round in 0.. {
                prop_assert!(round < 500, "it never ends");
                let mut asked = people(&ids, &how.tree, &said);
                let trees = grown(&how, &mut asked, &problems);
                let waiting = asked.waiting;
                if waiting.is_empty() {
                    prop_assert_eq!(trees, wanted);
                    break;
                }
                // Something waits in a tree exactly where a step waits for somebody.
                for ProblemTree { id, tree } in &trees {
                    let waits = tree.answer == Err(Unanswered::Waiting);
                    prop_assert_eq!(waits, waiting.iter().any(|step| step.id == *id));
                }
                let first = stream.below(waiting.len());
                for (i, step) in waiting.iter().enumerate() {
                    if i == first || stream.below(3) == 0 {
                        said.insert(step.key("c"), says(step, seed));
                    }
                }
            }
        }
    }

    #[test]
    fn other_answers_are_another_step() {
        let step = |answer: &str| WaitingStep {
            id: SampleId::new("p"),
            path: vec![],
            step: 1,
            question: Text::new("What?"),
            exchanges: vec![trimtab_amplify::Exchange {
                question: Text::new("Part?"),
                answer: Ok(Reply::new("with reasons", answer)),
            }],
            most_questions: 0,
        };
        assert_eq!(step("7").key("c"), step("7").key("c"));
        assert_ne!(step("7").key("c"), step("8").key("c"));
        assert_ne!(step("7").key("c"), step("7").key("d"));
        // Reasons are not shown, and make no difference.
        let mut other = step("7");
        other.exchanges[0].answer = Ok(Reply::new("with other reasons", "7"));
        assert_eq!(other.key("c"), step("7").key("c"));
    }
}
