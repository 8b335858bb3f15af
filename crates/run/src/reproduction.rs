//! The folder of a paper's experiment: what was asked, and whatever its rows are.
//!
//! ```text
//! manifest.json         what was asked, and the data's hash where there are data
//! lock                  held by the process that writes
//! …                     the experiment's own files
//! ```
//!
//! A folder holds one experiment: asked for another, it says where the two differ and is left as it is.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::folder::{FolderError, hex, lock, make_folder, write_whole};
use crate::row_folder::RowFolder;

const MANIFEST: &str = "manifest.json";

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReproductionManifest<C> {
    /// The version of Trimtab that began it.
    pub version: String,
    /// What was asked.
    pub config: C,
    /// The hash of the data, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
}

/// A folder of results.
#[derive(Debug, Clone)]
pub struct ReproductionFolder<C> {
    rows: RowFolder,
    manifest: ReproductionManifest<C>,
}

/// That nobody else writes in a folder, while it lives.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: File,
}

impl<C: Serialize + DeserializeOwned + Clone> ReproductionFolder<C> {
    /// Opens a folder to read it.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when there are no results of this experiment in it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let rows = RowFolder::new(path.to_owned());
        let manifest = rows
            .document(MANIFEST)?
            .ok_or_else(|| FolderError::NotARun(path.to_owned()))?;
        Ok(Self { rows, manifest })
    }

    /// Makes a folder, or goes on with one in which the same was asked; nobody else may write in it meanwhile.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when it cannot be made, is in use, or holds something else.
    pub(crate) fn begin(
        path: &Path,
        config: &C,
        data_sha256: Option<&str>,
    ) -> Result<(Self, Held), FolderError> {
        let manifest = ReproductionManifest {
            version: env!("CARGO_PKG_VERSION").into(),
            config: config.clone(),
            data_sha256: data_sha256.map(str::to_owned),
        };
        make_folder(path, "making a folder")?;
        let held = Held { _lock: lock(path)? };
        let rows = RowFolder::new(path.to_owned());
        match rows.document::<ReproductionManifest<C>>(MANIFEST)? {
            None => rows.write_document(MANIFEST, &manifest)?,
            Some(stored) => {
                if let Some(difference) = difference(&stored, &manifest) {
                    return Err(FolderError::OtherExperiment {
                        path: path.to_owned(),
                        difference,
                    });
                }
            }
        }
        Ok((Self { rows, manifest }, held))
    }

    /// A hash of what was asked, and of the data.
    pub fn id(&self) -> String {
        hash(&(&self.manifest.config, &self.manifest.data_sha256))
    }
}

impl<C> ReproductionFolder<C> {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.rows.path()
    }

    /// What was asked.
    pub fn manifest(&self) -> &ReproductionManifest<C> {
        &self.manifest
    }

    /// Its files.
    pub(crate) fn rows(&self) -> &RowFolder {
        &self.rows
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        write_whole(self.path(), name, |out| out.write_all(bytes))
    }
}

/// The start of a hash of something.
pub(crate) fn hash(of: &impl Serialize) -> String {
    let json = serde_json::to_vec(of).unwrap_or_else(|error| unreachable!("plain data: {error}"));
    hex(&Sha256::digest(json)[..8])
}

/// Where two experiments differ, in a few words.
fn difference<C: Serialize>(
    stored: &ReproductionManifest<C>,
    asked: &ReproductionManifest<C>,
) -> Option<String> {
    if stored.data_sha256 != asked.data_sha256 {
        return Some("its data are others".into());
    }
    let value = |config: &C| {
        serde_json::to_value(config).unwrap_or_else(|error| unreachable!("plain data: {error}"))
    };
    let (was, is) = (value(&stored.config), value(&asked.config));
    let keys = was.as_object()?.keys();
    keys.filter(|key| was[*key] != is[*key])
        .map(|key| format!("{key} was {} and is {}", was[key], is[key]))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Asked {
        steps: u32,
    }

    #[test]
    fn a_folder_goes_on_with_what_it_holds_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |steps| ReproductionFolder::begin(folder.path(), &Asked { steps }, None);
        let (first, held) = begin(3).unwrap();
        assert!(matches!(begin(3), Err(FolderError::Locked { .. })));
        drop(held);
        let (again, held) = begin(3).unwrap();
        assert_eq!(first.id(), again.id());
        drop(held);
        let error = begin(4).unwrap_err();
        assert!(
            matches!(&error, FolderError::OtherExperiment { difference, .. } if difference == "steps was 3 and is 4"),
            "{error}"
        );
        let read = ReproductionFolder::<Asked>::open(folder.path()).unwrap();
        assert_eq!(read.manifest().config, Asked { steps: 3 });
    }
}
