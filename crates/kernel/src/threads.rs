//! How many threads one operation may use, and how they share its tasks.
//!
//! What the tasks are depends on shapes only, never on the number of threads, and no two tasks write to
//! one place: so results have the same bits on one thread and on many.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

/// Threads that an operation on the processor may use; 1 unless told otherwise, since whoever runs
/// many models at once has its threads already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(pub NonZeroUsize);

impl Default for Threads {
    fn default() -> Self {
        Self(NonZeroUsize::MIN)
    }
}

impl Threads {
    /// Does `work` on every task. Idle threads take the next one in order.
    pub fn share<T: Send>(self, tasks: Vec<T>, work: impl Fn(T) + Sync) {
        let n = self.0.get().min(tasks.len());
        if n <= 1 {
            tasks.into_iter().for_each(work);
            return;
        }
        let queue = Mutex::new(tasks.into_iter());
        let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let run = || {
            while let Some(task) = take() {
                work(task);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..n {
                scope.spawn(run);
            }
            run();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once_on_any_number_of_threads() {
        for n in [1, 2, 7] {
            let threads = Threads(NonZeroUsize::new(n).unwrap());
            let mut done = vec![0; 20];
            threads.share(done.iter_mut().enumerate().collect(), |(i, done)| {
                *done += i;
            });
            assert_eq!(done, (0..20).collect::<Vec<_>>());
        }
    }
}
