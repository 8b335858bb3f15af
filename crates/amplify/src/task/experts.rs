//! The scripted experts: H of the paper's experiments, an algorithm that decomposes.

use std::convert::Infallible;

use trimtab_core::chat::Usage;

use super::Task;
use super::question::{Question, Symbol};
use crate::expert::{Expert, Step, Stepped, Working};

/// Decomposes as the paper's expert does, and counts its steps. It has the task's rules and no instance.
///
/// ```compile_fail,E0061
/// use trimtab_amplify::task::{ScriptedExpert, Solved};
///
/// fn cheat(solved: &Solved) -> ScriptedExpert {
///     ScriptedExpert::new(solved.task(), solved)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ScriptedExpert {
    task: Task,
    n_steps: u64,
}

impl ScriptedExpert {
    /// The expert of a task.
    pub fn new(task: Task) -> Self {
        Self { task, n_steps: 0 }
    }

    /// Steps that it took so far: the labels that were bought.
    pub fn n_steps(&self) -> u64 {
        self.n_steps
    }
}

fn one_call(step: Step<Question, Symbol>) -> Stepped<Question, Symbol> {
    Stepped {
        step,
        calls: 1,
        usage: Usage::default(),
    }
}

impl Expert<Question, Symbol> for ScriptedExpert {
    type Error = Infallible;

    fn next(
        &mut self,
        open: &[Working<'_, Question, Symbol>],
    ) -> Result<Vec<Stepped<Question, Symbol>>, Infallible> {
        self.n_steps += open.len() as u64;
        Ok((open.iter())
            .map(|working| one_call(self.task.next_step(working.question, working.exchanges)))
            .collect())
    }
}
