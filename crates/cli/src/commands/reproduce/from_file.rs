//! A paper's experiment that is an experiment file: the file that comes with this program is laid beside the run folder, and run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::catalogue::Example;
use crate::commands::run::{How, run_file};
use crate::failure::Failure;

/// Why an experiment file cannot be laid down.
#[derive(Debug, thiserror::Error)]
enum LayError {
    /// Somebody has changed it.
    #[error("{} is there, and is not the file that comes with this program", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The disk.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl LayError {
    fn hint(&self) -> String {
        match self {
            Self::Changed { path } => format!(
                "run yours by `trimtab run {}`, or move it away to have ours",
                path.display()
            ),
            Self::Write { .. } => "choose another place with --out".into(),
        }
    }
}

pub(crate) fn run(example: &Example, mut how: How) -> Result<(), Failure> {
    let out = (how.out.take()).unwrap_or_else(|| Path::new("runs").join(example.name));
    let mut file = OsString::from(&out);
    file.push(".toml");
    let file = PathBuf::from(file);
    lay(&file, example.text).map_err(|error| {
        let hint = error.hint();
        Failure::other(error, Some(hint))
    })?;
    how.out = Some(out);
    run_file(&file, how)
}

/// Writes the file, unless it is there.
fn lay(path: &Path, text: &str) -> Result<(), LayError> {
    let cannot = |source| LayError::Write {
        path: path.to_owned(),
        source,
    };
    match fs::read_to_string(path) {
        Ok(there) if there == text => return Ok(()),
        Ok(_) => {
            return Err(LayError::Changed {
                path: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot(error)),
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    fs::write(path, text).map_err(cannot)
}
