//! Many programs, several at a time, their outcomes in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::error::SandboxError;
use crate::outcome::Outcome;
use crate::program::Program;
use crate::sandbox::Sandbox;

impl Sandbox {
    /// Runs `programs`, at most `jobs` at a time, and hands each outcome to `each` as soon as those before it were handed over. When
    /// `each` breaks, no further program is begun.
    pub fn run_all<B>(
        &self,
        programs: &[Program],
        jobs: NonZeroUsize,
        mut each: impl FnMut(Result<Outcome, SandboxError>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..jobs.get().min(programs.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(program) = programs.get(number) else {
                            return;
                        };
                        if sender.send((number, self.run(program))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut early = BTreeMap::new();
            let mut due = 0;
            for (number, outcome) in receiver {
                early.insert(number, outcome);
                while let Some(outcome) = early.remove(&due) {
                    due += 1;
                    if let ControlFlow::Break(why) = each(outcome) {
                        next.store(programs.len(), Ordering::Relaxed);
                        return ControlFlow::Break(why);
                    }
                }
            }
            ControlFlow::Continue(())
        })
    }
}
