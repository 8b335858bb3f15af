//! `Amplify(H, X)` to any depth, all trees in step.
//!
//! ```text
//! depth 0          X answers the question
//! depth d > 0      H decomposes it; its sub-questions are answered at depth d − 1; H answers
//! any depth        a question of fact is looked up, where the learner has facts
//! ```
//!
//! Every round takes each question that waits for the expert one step further, in one call, and has the learner answer every
//! question that is due to it, in one call. The paper has depth 1 (section 2); recursion is its limit of many iterations.
//!
//! It always ends: steps of a node, questions and tokens of a tree, and depth are bounded, and what a bound cuts off stands in the
//! tree as [`Unanswered`].

use trimtab_core::chat::Usage;

use crate::expert::{Expert, Step, Stepped, Working};
use crate::learner::{Asked, Learned, Learner};
use crate::tree::{Answered, By, Exchange, Node};
use crate::unanswered::Unanswered;

/// What a tree may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Levels at which the expert decomposes; below them the learner answers.
    pub depth: usize,
    /// Steps of the expert at one question.
    pub steps: u32,
    /// Questions in a tree, the root too.
    pub questions: usize,
    /// Tokens of a tree, after which nothing more is asked; the step that spends them is finished.
    pub tokens: Option<u64>,
    /// What becomes of questions that were asked before.
    pub repeats: Repeats,
}

/// What becomes of a question that is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// Asked again: answers may be drawn, and another draw is wanted.
    Ask,
    /// Of a question above it, it is [`Unanswered::Loop`]; of its parent's earlier sub-questions, it is what that came to.
    Refuse,
}

/// Who has to act for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Expert,
    Learner,
    Children { n_open: usize },
    Done,
}

#[derive(Debug)]
struct Open<Q, A> {
    tree: usize,
    parent: Option<usize>,
    path: Vec<u32>,
    question: Q,
    /// Levels below it at which the expert decomposes, its own too.
    depth: usize,
    turn: Turn,
    asked_in: u32,
    n_steps: u32,
    exchanges: Vec<Exchange<Q, A>>,
    children: Vec<usize>,
    answer: Answered<A>,
    by: By,
    calls: u32,
    usage: Usage,
}

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    questions: usize,
    tokens: u64,
}

struct Forest<Q, A> {
    nodes: Vec<Open<Q, A>>,
    spent: Vec<Spent>,
    limits: Limits,
}

/// Answers every root with the expert's and the learner's help, in their order.
///
/// # Errors
///
/// The expert's or the learner's error, when nothing more can be asked.
///
/// # Panics
///
/// When the expert or the learner leaves a question without an outcome: a bug in it.
pub fn amplify<Q, A, E, L, F>(
    expert: &mut E,
    learner: &mut L,
    roots: Vec<Q>,
    limits: Limits,
) -> Result<Vec<Node<Q, A>>, F>
where
    Q: Clone + PartialEq,
    A: Clone,
    E: Expert<Q, A, Error = F> + ?Sized,
    L: Learner<Q, A, Error = F> + ?Sized,
{
    let mut forest = Forest {
        nodes: Vec::with_capacity(roots.len()),
        spent: vec![Spent::default(); roots.len()],
        limits,
    };
    let n_roots = roots.len();
    for (tree, question) in roots.into_iter().enumerate() {
        forest.open(tree, None, Vec::new(), question, limits.depth, 0);
    }
    let mut frontier: Vec<usize> = (0..n_roots)
        .filter(|&root| !forest.look_up(learner, root))
        .collect();
    while !frontier.is_empty() {
        let mut next = forest.ask_expert(expert, learner, &frontier)?;
        next.extend(forest.ask_learner(learner, &frontier)?);
        next.sort_unstable();
        frontier = next;
    }
    Ok(forest.into_trees(n_roots))
}

impl<Q: Clone + PartialEq, A: Clone> Forest<Q, A> {
    fn open(
        &mut self,
        tree: usize,
        parent: Option<usize>,
        path: Vec<u32>,
        question: Q,
        depth: usize,
        asked_in: u32,
    ) -> usize {
        self.spent[tree].questions += 1;
        self.nodes.push(Open {
            tree,
            parent,
            path,
            question,
            depth,
            turn: if depth == 0 {
                Turn::Learner
            } else {
                Turn::Expert
            },
            asked_in,
            n_steps: 0,
            exchanges: Vec::new(),
            children: Vec::new(),
            answer: Err(Unanswered::Nothing),
            by: By::Nobody,
            calls: 0,
            usage: Usage::default(),
        });
        self.nodes.len() - 1
    }

    /// One step at every question of the frontier that waits for the expert; who is to act next.
    fn ask_expert<E: Expert<Q, A> + ?Sized, L: Learner<Q, A> + ?Sized>(
        &mut self,
        expert: &mut E,
        learner: &mut L,
        frontier: &[usize],
    ) -> Result<Vec<usize>, E::Error> {
        let due: Vec<usize> = (frontier.iter().copied())
            .filter(|&i| self.nodes[i].turn == Turn::Expert)
            .collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let open: Vec<Working<'_, Q, A>> = (due.iter())
            .map(|&i| {
                let node = &self.nodes[i];
                Working {
                    tree: node.tree,
                    path: &node.path,
                    question: &node.question,
                    exchanges: &node.exchanges,
                    n_steps: node.n_steps,
                }
            })
            .collect();
        let steps = expert.next(&open)?;
        assert_eq!(
            steps.len(),
            due.len(),
            "an expert takes a step at every question"
        );
        let mut next = Vec::new();
        for (i, Stepped { step, calls, usage }) in due.into_iter().zip(steps) {
            self.pay(i, calls, usage);
            let node = &mut self.nodes[i];
            node.n_steps += 1;
            match step {
                Step::Finish(answer) => self.finish(i, answer, By::Expert, &mut next),
                Step::Ask(questions) if questions.is_empty() => {
                    self.finish(i, Err(Unanswered::Nothing), By::Expert, &mut next);
                }
                // There is no step left in which to use what they come to.
                Step::Ask(_) if node.n_steps >= self.limits.steps => {
                    self.finish(i, Err(Unanswered::Steps), By::Expert, &mut next);
                }
                Step::Ask(questions) => {
                    let most = expert.most_questions();
                    self.open_children(learner, i, questions, most, &mut next);
                }
            }
        }
        Ok(next)
    }

    /// An answer to every question of the frontier that waits for the learner; who is to act next.
    fn ask_learner<L: Learner<Q, A> + ?Sized>(
        &mut self,
        learner: &mut L,
        frontier: &[usize],
    ) -> Result<Vec<usize>, L::Error> {
        let due: Vec<usize> = (frontier.iter().copied())
            .filter(|&i| self.nodes[i].turn == Turn::Learner)
            .collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<Asked<'_, Q>> = (due.iter())
            .map(|&i| {
                let node = &self.nodes[i];
                Asked {
                    tree: node.tree,
                    path: &node.path,
                    question: &node.question,
                }
            })
            .collect();
        let answers = learner.answer(&asked)?;
        assert_eq!(answers.len(), due.len(), "a learner answers every question");
        let mut next = Vec::new();
        for (
            i,
            Learned {
                answer,
                by,
                calls,
                usage,
            },
        ) in due.into_iter().zip(answers)
        {
            self.pay(i, calls, usage);
            self.finish(i, answer, by, &mut next);
        }
        Ok(next)
    }

    fn pay(&mut self, i: usize, calls: u32, usage: Usage) {
        let node = &mut self.nodes[i];
        node.calls += calls;
        node.usage += usage;
        self.spent[node.tree].tokens += usage.total();
    }

    /// Whether it is a question of fact, that the expert need not decompose. (The learner looks its own questions up itself.)
    fn look_up<L: Learner<Q, A> + ?Sized>(&mut self, learner: &mut L, i: usize) -> bool {
        let node = &self.nodes[i];
        if node.turn != Turn::Expert {
            return false;
        }
        let Some(known) = learner.look_up(&Asked {
            tree: node.tree,
            path: &node.path,
            question: &node.question,
        }) else {
            return false;
        };
        self.pay(i, known.calls, known.usage);
        let node = &mut self.nodes[i];
        (node.answer, node.by, node.turn) = (known.answer, known.by, Turn::Done);
        true
    }

    fn open_children<L: Learner<Q, A> + ?Sized>(
        &mut self,
        learner: &mut L,
        parent: usize,
        questions: Vec<Q>,
        most: usize,
        next: &mut Vec<usize>,
    ) {
        let step = self.nodes[parent].n_steps - 1;
        let mut n_open = 0;
        for question in questions {
            let known = if n_open < most {
                self.known(parent, &question)
            } else {
                Some((Err(Unanswered::Questions), By::Nobody))
            };
            let Open { tree, depth, .. } = self.nodes[parent];
            let mut path = self.nodes[parent].path.clone();
            path.push(self.nodes[parent].children.len() as u32);
            let child = self.open(tree, Some(parent), path, question, depth - 1, step);
            self.nodes[parent].children.push(child);
            if let Some((answer, by)) = known {
                // It costs no call, and no question of the tree's budget.
                self.spent[tree].questions -= 1;
                let node = &mut self.nodes[child];
                (node.answer, node.by, node.turn) = (answer, by, Turn::Done);
            } else if !self.look_up(learner, child) {
                n_open += 1;
                next.push(child);
            }
        }
        if n_open == 0 {
            self.wake(parent, next);
        } else {
            self.nodes[parent].turn = Turn::Children { n_open };
        }
    }

    /// What comes of a question that is not asked.
    fn known(&self, parent: usize, question: &Q) -> Option<(Answered<A>, By)> {
        let node = &self.nodes[parent];
        if self.limits.repeats == Repeats::Refuse {
            let mut above = Some(parent);
            while let Some(i) = above {
                if self.nodes[i].question == *question {
                    return Some((Err(Unanswered::Loop), By::Nobody));
                }
                above = self.nodes[i].parent;
            }
            let asked = (node.children.iter()).map(|&i| &self.nodes[i]);
            if let Some(earlier) = asked.into_iter().find(|child| child.question == *question) {
                return Some(match (&earlier.answer, earlier.turn) {
                    (Ok(answer), Turn::Done) => (Ok(answer.clone()), earlier.by),
                    _ => (Err(Unanswered::Repeated), By::Nobody),
                });
            }
        }
        let spent = self.spent[node.tree];
        if spent.questions >= self.limits.questions {
            return Some((Err(Unanswered::Questions), By::Nobody));
        }
        if self.limits.tokens.is_some_and(|most| spent.tokens >= most) {
            return Some((Err(Unanswered::Tokens), By::Nobody));
        }
        None
    }

    fn finish(&mut self, i: usize, answer: Answered<A>, by: By, next: &mut Vec<usize>) {
        let node = &mut self.nodes[i];
        (node.answer, node.by, node.turn) = (answer, by, Turn::Done);
        let Some(parent) = node.parent else { return };
        let Turn::Children { n_open } = &mut self.nodes[parent].turn else {
            return;
        };
        *n_open -= 1;
        if *n_open == 0 {
            self.wake(parent, next);
        }
    }

    /// Everything that it asked has come to something: the expert goes on.
    fn wake(&mut self, i: usize, next: &mut Vec<usize>) {
        let n_seen = self.nodes[i].exchanges.len();
        if self.limits.repeats == Repeats::Refuse {
            self.settle_repeats(i, n_seen);
        }
        let fresh: Vec<Exchange<Q, A>> = (self.nodes[i].children[n_seen..].iter())
            .map(|&child| {
                let Open {
                    question, answer, ..
                } = &self.nodes[child];
                Exchange {
                    question: question.clone(),
                    answer: answer.clone(),
                }
            })
            .collect();
        let node = &mut self.nodes[i];
        node.exchanges.extend(fresh);
        node.turn = Turn::Expert;
        next.push(i);
    }

    /// A question that stood twice in one step had no answer yet when it was met again.
    fn settle_repeats(&mut self, parent: usize, n_seen: usize) {
        let children = &self.nodes[parent].children;
        let mut settled = Vec::new();
        for (k, &child) in children.iter().enumerate().skip(n_seen) {
            if !matches!(self.nodes[child].answer, Err(Unanswered::Repeated)) {
                continue;
            }
            let earlier = (children[..k].iter().map(|&i| &self.nodes[i]))
                .find(|earlier| earlier.question == self.nodes[child].question);
            if let Some(Open {
                answer: Ok(answer),
                by,
                ..
            }) = earlier
            {
                settled.push((child, answer.clone(), *by));
            }
        }
        for (child, answer, by) in settled {
            (self.nodes[child].answer, self.nodes[child].by) = (Ok(answer), by);
        }
    }

    fn into_trees(self, n_roots: usize) -> Vec<Node<Q, A>> {
        let mut made: Vec<Option<Node<Q, A>>> = self.nodes.iter().map(|_| None).collect();
        // Children were opened after their parents.
        for (i, open) in self.nodes.into_iter().enumerate().rev() {
            let children = (open.children.iter())
                .filter_map(|&child| made[child].take())
                .collect();
            made[i] = Some(Node {
                question: open.question,
                answer: open.answer,
                by: open.by,
                step: open.asked_in,
                calls: open.calls,
                usage: open.usage,
                children,
            });
        }
        made.truncate(n_roots);
        made.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// A question is a number; the script says what is asked in order to answer it, step by step. The answer is 1 and the sum of
    /// what was told, or of it what is missing: a thousand.
    struct Script<F>(F, Vec<usize>);

    impl<F: FnMut(&Working<'_, u32, u32>) -> Vec<u32>> Expert<u32, u32> for Script<F> {
        type Error = Infallible;

        fn next(
            &mut self,
            open: &[Working<'_, u32, u32>],
        ) -> Result<Vec<Stepped<u32, u32>>, Infallible> {
            self.1.push(open.len());
            Ok((open.iter())
                .map(|working| {
                    let questions = (self.0)(working);
                    let told = (working.exchanges.iter())
                        .map(|exchange| exchange.answer.as_ref().copied().unwrap_or(1000));
                    Stepped {
                        step: if questions.is_empty() {
                            Step::Finish(Ok(1 + told.sum::<u32>()))
                        } else {
                            Step::Ask(questions)
                        },
                        calls: 1,
                        usage: usage(3),
                    }
                })
                .collect())
        }
    }

    /// Says the question; looks up those from 900.
    #[derive(Default)]
    struct Echo {
        rounds: Vec<Vec<(usize, Vec<u32>, u32)>>,
        looked_up: Vec<u32>,
    }

    impl Learner<u32, u32> for Echo {
        type Error = Infallible;

        fn look_up(&mut self, asked: &Asked<'_, u32>) -> Option<Learned<u32>> {
            (*asked.question >= 900).then(|| {
                self.looked_up.push(*asked.question);
                Learned::free(Ok(0), By::Fact)
            })
        }

        fn answer(&mut self, asked: &[Asked<'_, u32>]) -> Result<Vec<Learned<u32>>, Infallible> {
            let round = asked.iter().map(|a| (a.tree, a.path.to_vec(), *a.question));
            self.rounds.push(round.collect());
            Ok((asked.iter())
                .map(|asked| Learned {
                    answer: if *asked.question == 13 {
                        Err(Unanswered::DontKnow)
                    } else {
                        Ok(*asked.question)
                    },
                    by: By::Learner,
                    calls: 1,
                    usage: usage(10),
                })
                .collect())
        }
    }

    fn usage(tokens: u64) -> Usage {
        Usage {
            output_tokens: tokens,
            ..Usage::default()
        }
    }

    const FREE: Limits = Limits {
        depth: 1,
        steps: 10,
        questions: 1000,
        tokens: None,
        repeats: Repeats::Refuse,
    };

    /// The trees, how many questions each call of the expert had, and the learner.
    fn run(
        script: impl FnMut(&Working<'_, u32, u32>) -> Vec<u32>,
        roots: &[u32],
        limits: Limits,
    ) -> (Vec<Node<u32, u32>>, Vec<usize>, Echo) {
        let mut expert = Script(script, Vec::new());
        let mut learner = Echo::default();
        let trees = amplify(&mut expert, &mut learner, roots.to_vec(), limits).unwrap();
        (trees, expert.1, learner)
    }

    /// Every question asks for the two after it, once.
    fn two_more(working: &Working<'_, u32, u32>) -> Vec<u32> {
        if working.n_steps > 0 {
            return Vec::new();
        }
        vec![2 * working.question, 2 * working.question + 1]
    }

    fn outcomes(node: &Node<u32, u32>) -> Vec<(u32, Answered<u32>)> {
        node.exchanges()
            .map(|(question, answer)| (*question, answer.clone()))
            .collect()
    }

    #[test]
    fn at_depth_0_the_learner_answers_and_nobody_decomposes() {
        let (trees, experts, learner) = run(two_more, &[5, 13], Limits { depth: 0, ..FREE });
        assert_eq!(trees[0].answer, Ok(5));
        assert_eq!(trees[1].answer, Err(Unanswered::DontKnow));
        assert_eq!((trees[0].by, trees[0].calls), (By::Learner, 1));
        assert!(experts.is_empty());
        assert_eq!(learner.rounds, [[(0, vec![], 5), (1, vec![], 13)]]);
    }

    #[test]
    fn no_roots_ask_nobody() {
        let (trees, experts, learner) = run(two_more, &[], FREE);
        assert!(trees.is_empty() && experts.is_empty() && learner.rounds.is_empty());
    }

    #[test]
    fn a_round_is_one_call_over_all_trees() {
        let (trees, experts, learner) = run(two_more, &[2, 3, 20], Limits { depth: 2, ..FREE });
        // Three roots, their six children, the six again, the three again; the learner once.
        assert_eq!(experts, [3, 6, 6, 3]);
        assert_eq!(learner.rounds.len(), 1);
        assert_eq!(learner.rounds[0].len(), 12);
        assert_eq!(
            learner.rounds[0][..2],
            [(0, vec![0, 0], 8), (0, vec![0, 1], 9)]
        );
        assert_eq!(learner.rounds[0][11], (2, vec![1, 1], 83));
        assert_eq!(trees[0].answer, Ok(1 + (1 + 8 + 9) + (1 + 10 + 11)));
        assert_eq!(trees[0].cost(), (2 + 4 + 4, usage(2 * 3 + 4 * 3 + 4 * 10)));
    }

    #[test]
    fn questions_of_fact_need_no_expert_at_any_depth() {
        let script = |working: &Working<'_, u32, u32>| match (working.question, working.n_steps) {
            (1, 0) => vec![900, 901],
            (1, 1) => vec![7, 902],
            _ => Vec::new(),
        };
        let (trees, experts, learner) = run(script, &[1, 903], Limits { depth: 2, ..FREE });
        assert_eq!(learner.looked_up, [903, 900, 901, 902]);
        assert!(learner.rounds.is_empty());
        assert_eq!((trees[1].by, &trees[1].answer), (By::Fact, &Ok(0)));
        // A step whose questions are all facts is followed at once by the next.
        assert_eq!(experts, [1, 1, 1, 1]);
        let by: Vec<By> = trees[0].children.iter().map(|child| child.by).collect();
        assert_eq!(by, [By::Fact, By::Fact, By::Expert, By::Fact]);
        let steps: Vec<u32> = trees[0].children.iter().map(|child| child.step).collect();
        assert_eq!(steps, [0, 0, 1, 1]);
    }

    #[test]
    fn a_question_above_is_a_loop_and_shown() {
        // 1 asks 2, 2 asks 1 and 3.
        let script = |working: &Working<'_, u32, u32>| match (working.question, working.n_steps) {
            (1, 0) => vec![2],
            (2, 0) => vec![1, 3],
            _ => Vec::new(),
        };
        let (trees, ..) = run(script, &[1], Limits { depth: 5, ..FREE });
        let two = &trees[0].children[0];
        assert_eq!(outcomes(two), [(1, Err(Unanswered::Loop)), (3, Ok(1))]);
        assert_eq!((two.children[0].by, two.children[0].calls), (By::Nobody, 0));
        assert_eq!(trees[0].answer, Ok(1 + 1 + 1000 + 1));
        let itself = |working: &Working<'_, u32, u32>| {
            if working.n_steps == 0 {
                vec![*working.question]
            } else {
                vec![]
            }
        };
        let (trees, ..) = run(itself, &[4], FREE);
        assert_eq!(outcomes(&trees[0]), [(4, Err(Unanswered::Loop))]);
        // Where repeats are asked, depth ends it.
        let repeats = Repeats::Ask;
        let (trees, ..) = run(
            itself,
            &[4],
            Limits {
                depth: 3,
                repeats,
                ..FREE
            },
        );
        assert_eq!(trees[0].height(), 3);
        assert_eq!(trees[0].answer, Ok(3 + 4));
    }

    #[test]
    fn repeats_are_what_they_came_to_before() {
        let script = |working: &Working<'_, u32, u32>| match working.n_steps {
            0 => vec![5, 13, 5],
            1 => vec![5, 13, 6],
            _ => Vec::new(),
        };
        let (trees, _, learner) = run(script, &[1], FREE);
        let repeated = || Err(Unanswered::Repeated);
        assert_eq!(
            outcomes(&trees[0]),
            [
                (5, Ok(5)),
                (13, Err(Unanswered::DontKnow)),
                (5, Ok(5)),
                (5, Ok(5)),
                (13, repeated()),
                (6, Ok(6)),
            ]
        );
        let asked: Vec<u32> = learner
            .rounds
            .concat()
            .iter()
            .map(|asked| asked.2)
            .collect();
        assert_eq!(asked, [5, 13, 6]);
        let repeat = &trees[0].children[3];
        assert_eq!((repeat.by, repeat.calls), (By::Learner, 0));
        let (trees, _, learner) = run(
            script,
            &[1],
            Limits {
                repeats: Repeats::Ask,
                ..FREE
            },
        );
        assert_eq!(learner.rounds.concat().len(), 6);
        assert_eq!(trees[0].children[4].answer, Err(Unanswered::DontKnow));
    }

    #[test]
    fn a_repeat_of_a_question_without_an_answer_has_none_even_in_the_same_step() {
        let script = |working: &Working<'_, u32, u32>| {
            if working.n_steps == 0 {
                vec![13, 13]
            } else {
                vec![]
            }
        };
        let (trees, ..) = run(script, &[1], FREE);
        let expected = [Unanswered::DontKnow, Unanswered::Repeated];
        assert_eq!(outcomes(&trees[0]), expected.map(|why| (13, Err(why))));
    }

    #[test]
    fn repeats_cost_no_question_of_the_budget() {
        let script = |working: &Working<'_, u32, u32>| {
            if working.n_steps == 0 {
                vec![5, 5, 1, 6, 7]
            } else {
                vec![]
            }
        };
        let (trees, ..) = run(
            script,
            &[1],
            Limits {
                questions: 3,
                ..FREE
            },
        );
        assert_eq!(
            outcomes(&trees[0]),
            [
                (5, Ok(5)),
                (5, Ok(5)),
                (1, Err(Unanswered::Loop)),
                (6, Ok(6)),
                (7, Err(Unanswered::Questions)),
            ]
        );
    }

    #[test]
    fn the_budget_of_questions_is_a_trees_own_and_counts_the_root() {
        let (trees, _, learner) = run(
            two_more,
            &[2, 3],
            Limits {
                questions: 2,
                depth: 3,
                ..FREE
            },
        );
        for (tree, root) in trees.iter().zip([2, 3]) {
            assert_eq!(tree.children[1].answer, Err(Unanswered::Questions));
            assert_eq!(tree.children[1].by, By::Nobody);
            // The one that was opened asks, and is told that nothing is left.
            let below = outcomes(&tree.children[0]);
            let refused = |question| (question, Err(Unanswered::Questions));
            assert_eq!(below, [refused(4 * root), refused(4 * root + 1)]);
            assert_eq!(tree.answer, Ok(1 + 2001 + 1000));
        }
        assert!(learner.rounds.is_empty());
    }

    #[test]
    fn tokens_end_a_tree_after_the_step_that_spends_them() {
        // A new question at every step: 3 tokens for the expert, 10 for the learner.
        let script = |working: &Working<'_, u32, u32>| {
            if working.n_steps < 4 {
                vec![100 + working.n_steps]
            } else {
                vec![]
            }
        };
        let at = |tokens| {
            let (trees, ..) = run(
                script,
                &[1],
                Limits {
                    tokens: Some(tokens),
                    ..FREE
                },
            );
            let answered = trees[0]
                .children
                .iter()
                .filter(|child| child.answer.is_ok())
                .count();
            let spent = trees[0].cost().1.total();
            assert!(
                (trees[0].children[answered..].iter())
                    .all(|child| child.answer == Err(Unanswered::Tokens))
            );
            (answered, spent)
        };
        // A question is asked while fewer tokens than the limit are spent, the expert's own step among them.
        assert_eq!(at(3), (0, 15));
        assert_eq!(at(4), (1, 25));
        assert_eq!(at(16), (1, 25));
        assert_eq!(at(17), (2, 35));
        assert_eq!(at(1000), (4, 55));
    }

    #[test]
    fn an_expert_that_never_ends_is_ended() {
        let script = |working: &Working<'_, u32, u32>| vec![100 + working.n_steps];
        let (trees, experts, _) = run(script, &[1], Limits { steps: 3, ..FREE });
        assert_eq!(trees[0].answer, Err(Unanswered::Steps));
        assert_eq!(trees[0].by, By::Expert);
        // What its last step asks is not opened: nothing could come of it.
        assert_eq!(outcomes(&trees[0]), [(100, Ok(100)), (101, Ok(101))]);
        assert_eq!(experts, [1, 1, 1]);
    }

    #[test]
    fn an_expert_that_asks_nothing_has_no_answer() {
        struct Mute;
        impl Expert<u32, u32> for Mute {
            type Error = Infallible;
            fn next(
                &mut self,
                open: &[Working<'_, u32, u32>],
            ) -> Result<Vec<Stepped<u32, u32>>, Infallible> {
                Ok(open
                    .iter()
                    .map(|_| Stepped::free(Step::Ask(Vec::new())))
                    .collect())
            }
        }
        let trees = amplify(&mut Mute, &mut Echo::default(), vec![1], FREE).unwrap();
        assert_eq!(trees[0].answer, Err(Unanswered::Nothing));
        assert_eq!(trees[0].by, By::Expert);
    }

    #[test]
    fn the_expert_sees_what_it_asked_in_order_and_where_it_is() {
        let mut seen = Vec::new();
        let script = |working: &Working<'_, u32, u32>| {
            let told: Vec<(u32, Answered<u32>)> = (working.exchanges.iter())
                .map(|exchange| (exchange.question, exchange.answer.clone()))
                .collect();
            seen.push((working.tree, working.path.to_vec(), *working.question, told));
            match (working.question, working.n_steps) {
                (1, 0) => vec![13, 3],
                (1, 1) => vec![4],
                _ => vec![],
            }
        };
        run(script, &[9, 1], FREE);
        let first = vec![(13, Err(Unanswered::DontKnow)), (3, Ok(3))];
        let second = [first.clone(), vec![(4, Ok(4))]].concat();
        assert_eq!(
            seen,
            [
                (0, vec![], 9, vec![]),
                (1, vec![], 1, vec![]),
                (1, vec![], 1, first),
                (1, vec![], 1, second),
            ]
        );
    }

    proptest! {
        /// Whatever an expert does, every tree ends within its limits, and every question has an outcome.
        #[test]
        fn it_always_ends_within_its_limits(
            seed: u64, depth in 0..5usize, steps in 1..5u32, questions in 1..60usize,
            tokens in proptest::option::of(0..300u64), ask in proptest::bool::ANY, n_roots in 1..4u32,
        ) {
            let mut stream = trimtab_core::Seed(seed).stream();
            let mut n_asked = 0;
            let script = |_: &Working<'_, u32, u32>| {
                let n = stream.below(4);
                n_asked += n;
                (0..n).map(|_| 10 + stream.below(12) as u32).collect()
            };
            let repeats = if ask { Repeats::Ask } else { Repeats::Refuse };
            let limits = Limits { depth, steps, questions, tokens, repeats };
            let roots: Vec<u32> = (0..n_roots).collect();
            let (trees, ..) = run(script, &roots, limits);
            prop_assert_eq!(trees.len(), roots.len());
            for (root, tree) in roots.iter().zip(&trees) {
                prop_assert_eq!(root, &tree.question);
                prop_assert!(tree.height() <= depth);
                let mut asked = 0;
                let mut calls_of_nobody = 0;
                tree.walk(&mut |node, _| {
                    asked += usize::from(node.calls > 0);
                    if node.by == By::Nobody {
                        calls_of_nobody += node.calls;
                    }
                    assert!(node.children.iter().all(|child| child.step < steps - 1));
                });
                prop_assert!(asked <= questions);
                prop_assert_eq!(calls_of_nobody, 0);
                prop_assert!(tree.n_questions() - 1 <= n_asked);
            }
        }
    }
}
