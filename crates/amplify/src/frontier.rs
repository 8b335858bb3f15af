//! `Amplify(H, X)` to any depth, all trees in step.
//!
//! ```text
//! depth 0          X answers the question
//! depth d > 0      H decomposes it; its sub-questions are answered at depth d − 1; H answers
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
    let mut frontier: Vec<usize> = (0..n_roots).collect();
    while !frontier.is_empty() {
        let mut next = forest.ask_expert(expert, &frontier)?;
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
    fn ask_expert<E: Expert<Q, A> + ?Sized>(
        &mut self,
        expert: &mut E,
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
                    self.open_children(i, questions, expert.most_questions(), &mut next);
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

    fn open_children(
        &mut self,
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
            } else {
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
