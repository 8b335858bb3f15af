//! Files of every kind, good and bad, from small ones made here.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod caching;
mod candidates;
mod chess;
mod code;
mod errors;
mod formats;
#[cfg(unix)]
mod hub;
mod preferences;
mod rng;

use std::path::{Path, PathBuf};

use trimtab_data::{DataConfig, DataError, Dataset, Locations, load};

/// A folder of files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one file.
    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write(name, content);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self, config: &DataConfig) -> Result<Dataset, DataError> {
        load(config, &Locations::new(self.path()))
    }

    /// The message of the error, with the folder left out.
    fn error(&self, config: &DataConfig) -> String {
        let message = self.load(config).unwrap_err().to_string();
        message.replace(&format!("{}/", self.path().display()), "")
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A config from JSON, as it would stand in TOML.
fn config(json: &str) -> DataConfig {
    serde_json::from_str(json).unwrap()
}

/// Row by row: id, text, right answer.
fn rows(set: &Dataset) -> Vec<(String, String, String)> {
    let names: Vec<&str> = set.answers.names().collect();
    (set.questions.iter())
        .map(|q| {
            let answer = names[set.key.answer(&q.id).unwrap().0];
            (q.id.to_string(), q.text.to_string(), answer.to_owned())
        })
        .collect()
}

/// All features, in row order.
fn features(set: &Dataset) -> Vec<f32> {
    let table = &set.features[0].table;
    let mut out = vec![0.0; table.n_rows() * table.dim()];
    table
        .rows(&set.questions)
        .unwrap()
        .read(0..table.n_rows(), table.dim(), &mut out);
    out
}

/// What the first kind of features is called.
fn features_name(set: &Dataset) -> Option<&str> {
    set.features.first().map(|features| features.name.as_str())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(content).unwrap();
    out.finish().unwrap()
}
