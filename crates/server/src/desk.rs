//! The one thread that writes what people say.
//!
//! ```text
//! handlers ──► queue ──► all that waits, in one transaction ──► commit, synced to the disk ──► answers
//! ```
//!
//! A sync to the disk takes milliseconds, whatever is in it. Two hundred judges who send at once therefore wait for one or two
//! of them, not for two hundred. A part that fails is taken out alone; where the commit fails, nobody is told that anything is
//! stored.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use trimtab_run::people::{People, PeopleError, Writing};

/// Parts that go into one commit at most.
const MOST_PARTS: usize = 256;

/// Why something is not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// This part failed.
    #[error(transparent)]
    Part(#[from] PeopleError),
    /// The whole transaction failed.
    #[error("nothing was stored: {why}")]
    Transaction {
        /// Why.
        why: String,
        /// Whether the file is gone, and not only this attempt.
        is_gone: bool,
    },
    /// The server is going down.
    #[error("the server is ending: nothing was stored")]
    Ending,
}

/// Where writes are handed in.
#[derive(Debug)]
pub struct Desk {
    queue: Option<mpsc::Sender<Box<dyn Part>>>,
    thread: Option<JoinHandle<()>>,
}

/// Something to write, and somebody who waits for it.
trait Part: Send {
    fn write(&mut self, writing: &mut Writing<'_>);
    fn answer(self: Box<Self>, outcome: Result<(), Failed>);
}

/// Why a transaction failed, for everybody in it.
#[derive(Debug, Clone)]
struct Failed {
    why: String,
    is_gone: bool,
}

struct PartOf<T, F> {
    write: Option<F>,
    written: Option<Result<T, PeopleError>>,
    waits: oneshot::Sender<Result<T, NotStored>>,
}

impl<T: Send, F> Part for PartOf<T, F>
where
    F: FnOnce(&mut Writing<'_>) -> Result<T, PeopleError> + Send,
{
    fn write(&mut self, writing: &mut Writing<'_>) {
        if let Some(write) = self.write.take() {
            self.written = Some(writing.part(write));
        }
    }

    fn answer(self: Box<Self>, outcome: Result<(), Failed>) {
        let answer = match (outcome, self.written) {
            (Ok(()), Some(written)) => written.map_err(NotStored::Part),
            (Err(Failed { why, is_gone }), _) => Err(NotStored::Transaction { why, is_gone }),
            (Ok(()), None) => Err(NotStored::Ending),
        };
        // Whoever waited may have hung up: what is stored is stored.
        drop(self.waits.send(answer));
    }
}

impl Desk {
    /// Starts the thread, which writes into `people`, the file of the run folder `run`.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn open(people: People, run: &Path) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let run = run.to_owned();
        let thread = std::thread::Builder::new()
            .name("desk".into())
            .spawn(move || work(people, &run, &receiver))?;
        Ok(Self {
            queue: Some(sender),
            thread: Some(thread),
        })
    }

    /// Writes, and returns when it is on the disk.
    ///
    /// # Errors
    ///
    /// [`NotStored`] when it is not.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Writing<'_>) -> Result<T, PeopleError> + Send + 'static,
    ) -> Result<T, NotStored> {
        let (sender, receiver) = oneshot::channel();
        let part = PartOf {
            write: Some(write),
            written: None,
            waits: sender,
        };
        let queue = self.queue.as_ref().ok_or(NotStored::Ending)?;
        queue.send(Box::new(part)).map_err(|_| NotStored::Ending)?;
        receiver.await.map_err(|_| NotStored::Ending)?
    }
}

impl Drop for Desk {
    /// What was handed in is written before the thread ends.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn work(mut people: People, run: &Path, queue: &mpsc::Receiver<Box<dyn Part>>) {
    while let Ok(first) = queue.recv() {
        let mut parts = vec![first];
        while parts.len() < MOST_PARTS
            && let Ok(next) = queue.try_recv()
        {
            parts.push(next);
        }
        if people.is_in_place().is_err()
            && let Some(there) = reopened(run)
        {
            people = there;
        }
        let outcome = store(&mut people, &mut parts).map_err(|error| Failed {
            is_gone: matches!(error, PeopleError::Gone { .. }),
            why: with_cause(&error),
        });
        for part in parts {
            part.answer(outcome.clone());
        }
    }
}

/// The file that is in its place now, such as one that was put back from a copy; never a new one.
pub(crate) fn reopened(run: &Path) -> Option<People> {
    People::open_to_read(run).ok().flatten()?;
    People::open(run).ok()
}

fn store(people: &mut People, parts: &mut [Box<dyn Part>]) -> Result<(), PeopleError> {
    let mut writing = people.write()?;
    for part in parts {
        part.write(&mut writing);
    }
    writing.commit()
}

fn with_cause(error: &PeopleError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use trimtab_run::people::{NewRater, PEOPLE, RaterRole, SecretHash};

    use super::*;

    fn add(name: &'static str) -> impl FnOnce(&mut Writing<'_>) -> Result<i64, PeopleError> {
        move |writing| {
            let mut link = [0; 32];
            link[..name.len()].copy_from_slice(name.as_bytes());
            let new = NewRater {
                name,
                role: RaterRole::Rater,
                link: SecretHash(link),
                link_expires: 1.0,
            };
            writing.add_rater(&new, 0.0)
        }
    }

    #[tokio::test]
    async fn what_is_answered_is_stored_and_one_failure_is_one_partys() {
        let run = tempfile::tempdir().unwrap();
        let desk = Desk::open(People::open(run.path()).unwrap(), run.path()).unwrap();
        let (a, twice, b) = tokio::join!(
            desk.write(add("a")),
            desk.write(add("a")),
            desk.write(add("b"))
        );
        assert!(a.is_ok() && b.is_ok());
        assert!(matches!(
            twice,
            Err(NotStored::Part(PeopleError::NameTaken { .. }))
        ));
        let people = People::open_to_read(run.path()).unwrap().unwrap();
        assert_eq!(people.raters().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_folder_that_goes_away_and_comes_back() {
        let run = tempfile::tempdir().unwrap();
        let desk = Desk::open(People::open(run.path()).unwrap(), run.path()).unwrap();
        desk.write(add("a")).await.unwrap();
        let copy = std::fs::read(run.path().join(PEOPLE)).unwrap();
        for file in [PEOPLE, "people.sqlite-wal", "people.sqlite-shm"] {
            drop(std::fs::remove_file(run.path().join(file)));
        }
        let failed = desk.write(add("b")).await.unwrap_err();
        assert!(
            matches!(failed, NotStored::Transaction { is_gone: true, .. }),
            "{failed}"
        );
        assert!(!run.path().join(PEOPLE).exists(), "a new file was made");
        // Another file in its place, as from a copy: what it holds is what counts.
        std::fs::write(run.path().join(PEOPLE), copy).unwrap();
        drop(People::open(run.path()).unwrap());
        desk.write(add("c")).await.unwrap();
        let people = People::open_to_read(run.path()).unwrap().unwrap();
        assert!(
            people
                .raters()
                .unwrap()
                .iter()
                .any(|rater| rater.name == "c")
        );
    }
}
