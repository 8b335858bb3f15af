//! What handlers share: the run, what is indexed of it, what people said, and limits.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::watch;
use trimtab_run::people::{People, PeopleError, Rater};
use trimtab_run::{FolderError, RunFolder};

use crate::assignment::AskingConfig;
use crate::catalogue::{Catalogue, CatalogueError};
use crate::desk::{Desk, reopened};
use crate::events::EventLog;
use crate::limits::Limit;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) run: PathBuf,
    pub(crate) name: String,
    /// What cookies are called after: two runs that are served on one machine do not take each other's.
    pub(crate) run_id: String,
    pub(crate) asking: AskingConfig,
    /// What links begin with.
    pub(crate) base: String,
    pub(crate) desk: Desk,
    reading: Mutex<People>,
    catalogue: RwLock<Arc<Catalogue>>,
    events: Mutex<EventLog>,
    /// Counts what the log has grown by; who watches is told.
    pub(crate) grown: watch::Sender<u64>,
    /// Turns true when the server ends.
    pub(crate) ending: watch::Sender<bool>,
    /// Requests of a session.
    pub(crate) by_session: Limit<[u8; 8]>,
    /// Links and cookies that opened nothing, by address.
    pub(crate) by_address: Limit<Option<IpAddr>>,
}

/// Requests of a session at once, and a second: more than anybody clicks.
const SESSION_LIMIT: (f64, f64) = (120.0, 20.0);
/// Wrong links of one address at once, and a second: a guess has no chance at any rate, and costs us little at this one.
const GUESS_LIMIT: (f64, f64) = (30.0, 0.5);

impl Place {
    pub(crate) fn new(
        folder: &RunFolder,
        people: People,
        asking: AskingConfig,
        base: String,
    ) -> Result<Self, OpenError> {
        let run = folder.path().to_owned();
        let catalogue = Catalogue::read(folder)?;
        let reading = People::open(&run)?;
        Ok(Self {
            name: folder.manifest().name.clone(),
            run_id: (folder.manifest().run_id.chars())
                .filter(char::is_ascii_alphanumeric)
                .take(8)
                .collect(),
            asking,
            base,
            desk: Desk::open(people, &run).map_err(OpenError::Thread)?,
            reading: Mutex::new(reading),
            catalogue: RwLock::new(Arc::new(catalogue)),
            events: Mutex::new(EventLog::new(&run)),
            grown: watch::Sender::new(0),
            ending: watch::Sender::new(false),
            by_session: Limit::new(SESSION_LIMIT.0, SESSION_LIMIT.1),
            by_address: Limit::new(GUESS_LIMIT.0, GUESS_LIMIT.1),
            run,
        })
    }

    /// What people said. Reads take microseconds: nobody waits for them to be anybody else's turn.
    pub(crate) fn people(&self) -> MutexGuard<'_, People> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for reads that take long: nobody's page waits for them.
    pub(crate) fn people_apart(&self) -> Result<People, PeopleError> {
        People::open_to_read(&self.run)?.ok_or_else(|| PeopleError::Gone {
            path: self.run.join(trimtab_run::people::PEOPLE),
        })
    }

    /// The index as it is now.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        let catalogue = self.catalogue.read();
        Arc::clone(&catalogue.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn events(&self) -> MutexGuard<'_, EventLog> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the run folder is where it was; a file of judgements that was put back from a copy is opened again.
    pub(crate) fn is_there(&self) -> Result<(), PeopleError> {
        let mut people = self.people();
        let in_place = people.is_in_place();
        if in_place.is_err()
            && self.run.join("manifest.json").exists()
            && let Some(there) = reopened(&self.run)
        {
            *people = there;
            return Ok(());
        }
        in_place
    }

    /// Reads the index again where the run's files have changed.
    pub(crate) fn refresh(&self) -> Result<(), CatalogueError> {
        if !self.catalogue().is_current(&self.run) {
            let folder = RunFolder::open(&self.run)?;
            let catalogue = Arc::new(Catalogue::read(&folder)?);
            *(self.catalogue.write()).unwrap_or_else(PoisonError::into_inner) = catalogue;
        }
        Ok(())
    }

    /// Reads on in the log, and tells who watches.
    pub(crate) fn follow(&self) {
        let grew = self.events().read_on();
        if matches!(grew, Ok(true)) {
            self.grown.send_modify(|n| *n += 1);
        }
    }

    /// The number among raters, from 0, that plans are made by: admins and those who come later shift nobody.
    pub(crate) fn rater_index(raters: &[Rater], rater: i64) -> usize {
        (raters.iter())
            .filter(|other| other.role == trimtab_run::people::RaterRole::Rater)
            .position(|other| other.number == rater)
            .unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.run
    }
}

/// Why a run cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The run folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its transcripts or pairs cannot be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The judgements of people cannot be opened.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// No thread can be started.
    #[error("no thread could be started")]
    Thread(#[source] std::io::Error),
}

impl OpenError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder(error) => error.hint(),
            Self::Catalogue(error) => error.hint(),
            Self::People(error) => error.hint().into(),
            Self::Thread(_) => "end other programs, and try again".into(),
        }
    }
}
