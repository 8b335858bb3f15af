//! What is to be run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A program, and the files that lie in its work folder when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Program {
    /// The file to run, by its whole path.
    pub executable: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
    /// Names, without a folder, and what is in them.
    pub files: Vec<(String, String)>,
}

impl Program {
    /// A Python program. `-I`: no packages of the user, no variables of the environment; `-B`: no compiled files.
    pub fn python(interpreter: &Path, source: &str) -> Self {
        Self {
            executable: interpreter.to_owned(),
            arguments: ["-I", "-B", "program.py"].map(str::to_owned).into(),
            files: vec![("program.py".to_owned(), source.to_owned())],
        }
    }
}

/// The Python of the system, which users without a home can run.
pub fn system_python() -> Option<PathBuf> {
    let places = ["/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3"];
    (places.iter().map(Path::new))
        .find(|path| path.is_file())
        .map(Path::to_owned)
}
