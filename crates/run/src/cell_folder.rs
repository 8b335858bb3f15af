//! The folder of one method under one seed of one variant: files that are written whole, and one that says that all of them are.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::{FolderError, as_folder_name};
use crate::row_folder::RowFolder;

const DONE: &str = "done.json";

const WAITING: &str = "waiting.jsonl";

/// What a finished folder says of itself.
pub trait Done: Serialize + DeserializeOwned {
    /// The folder in the run that holds those of all methods of the family.
    const FAMILY: &'static str;
}

/// Of a family in which people may take part.
pub trait Waits: Done {
    /// What waits for a person.
    type Waiting: Serialize + DeserializeOwned;
}

/// The folder of one method under one seed of one variant; `D` is what it says of itself once it is whole.
#[derive(Debug, Clone)]
pub struct CellFolder<D> {
    files: RowFolder,
    done: PhantomData<fn() -> D>,
}

impl<D: Done> CellFolder<D> {
    /// That of `method`, in the run folder `run`.
    pub fn new(run: &Path, variant: usize, seed: u64, method: &str) -> Self {
        let name = format!("{variant}-{seed}-{}", as_folder_name(method));
        Self {
            files: RowFolder::new(run.join(D::FAMILY).join(name)),
            done: PhantomData,
        }
    }

    /// Its own name: variant, seed and method.
    pub fn name(&self) -> String {
        self.files.name().to_string_lossy().into_owned()
    }

    /// What it holds.
    pub fn files(&self) -> &RowFolder {
        &self.files
    }

    /// What it says of itself; none while it is not whole.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be read.
    pub fn done(&self) -> Result<Option<D>, FolderError> {
        self.files.document(DONE)
    }

    /// Says that every file is whole.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be written.
    pub fn set_done(&self, done: &D) -> Result<(), FolderError> {
        self.files.write_document(DONE, done)
    }
}

impl<D: Waits> CellFolder<D> {
    /// What waited for a person when the run was last asked to go on; some of it may have been done since.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be read.
    pub fn waiting(&self) -> Result<Vec<D::Waiting>, FolderError> {
        self.files.rows(WAITING)
    }

    /// Where that is.
    pub fn waiting_path(&self) -> PathBuf {
        self.files.path().join(WAITING)
    }

    pub(crate) fn set_waiting(&self, waiting: &[D::Waiting]) -> Result<(), FolderError> {
        self.files.write_rows(WAITING, waiting)
    }
}
