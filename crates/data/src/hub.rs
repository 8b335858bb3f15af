//! `hf:owner/name[@revision][:file]`: data sets of the Hugging Face hub.
//!
//! The local cache is asked first, in the layout that all hub clients share
//! (`datasets--owner--name/{refs,snapshots}`); only what is not there is fetched.
//! No environment is read here: the caller says where the cache is and whether the network may be
//! used. The hub's own client takes an access token from the file `token` beside the cache, if any.

use std::path::{Component, Path, PathBuf};

use hf_hub::api::Progress as HubProgress;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::error::DataError;
use crate::source::Format;

/// How to reach the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// The hub cache: usually `~/.cache/huggingface/hub`.
    pub cache_dir: PathBuf,
    /// Whether fetching is allowed.
    pub network: Network,
    /// The hub's address, where it is not the public one.
    pub endpoint: Option<String>,
}

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// What is not in the cache is fetched.
    Online,
    /// What is not in the cache is an error.
    Offline,
}

/// A parsed hub name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubName {
    whole: String,
    pub(crate) repo: String,
    pub(crate) revision: String,
    pub(crate) file: Option<String>,
}

impl HubName {
    /// Parses what stands behind `hf:`. Nothing that could lead out of the cache passes.
    pub(crate) fn parse(name: &str) -> Result<Self, DataError> {
        let whole = format!("hf:{name}");
        let bad = |reason| DataError::HubName {
            name: whole.clone(),
            reason,
        };
        let (name, file) = match name.split_once(':') {
            Some((name, file)) => (name, Some(file)),
            None => (name, None),
        };
        let (repo, revision) = name.split_once('@').unwrap_or((name, "main"));
        let segments: Vec<&str> = repo.split('/').collect();
        if segments.len() != 2 || !segments.iter().all(|segment| is_name(segment)) {
            return Err(bad(
                "expected owner/name, of letters, digits, `-`, `_` and `.`",
            ));
        }
        if !revision.split('/').all(is_name) {
            return Err(bad("the revision is no branch, tag or commit"));
        }
        if file.is_some_and(|file| !stays_inside(file)) {
            return Err(bad("the file is not a path within the data set"));
        }
        let (repo, revision) = (repo.to_owned(), revision.to_owned());
        Ok(Self {
            whole: whole.clone(),
            repo,
            revision,
            file: file.map(str::to_owned),
        })
    }

    /// The name to show: `owner/name`.
    pub(crate) fn title(&self) -> &str {
        &self.repo
    }

    fn repo(&self) -> Repo {
        let (repo, revision) = (self.repo.clone(), self.revision.clone());
        Repo::with_revision(repo, RepoType::Dataset, revision)
    }

    /// The directory of `repo` in the local cache, at this name's revision; `None` where there is none.
    pub(crate) fn snapshot(&self, repo: &Repo, hub: &HubConfig) -> Option<PathBuf> {
        let here = hub.cache_dir.join(repo.folder_name());
        // A commit has no ref of its own: its snapshot is named after it.
        let commit = match std::fs::read_to_string(here.join("refs").join(&self.revision)) {
            Ok(commit) => commit.trim().to_owned(),
            Err(_) => self.revision.clone(),
        };
        let snapshot = here.join("snapshots").join(&commit);
        (is_name(&commit) && snapshot.is_dir()).then_some(snapshot)
    }

    /// The hub's client for `repo`.
    pub(crate) fn client(&self, repo: Repo, hub: &HubConfig) -> Result<ApiRepo, DataError> {
        let mut api =
            ApiBuilder::from_cache(Cache::new(hub.cache_dir.clone())).with_progress(false);
        if let Some(endpoint) = &hub.endpoint {
            api = api.with_endpoint(endpoint.clone());
        }
        let api = api.build().map_err(|error| DataError::Hub {
            name: self.whole.clone(),
            reason: error.to_string(),
        })?;
        Ok(api.repo(repo))
    }

    /// The file in the local cache; `None` where it is not there.
    pub(crate) fn cached(&self, hub: &HubConfig) -> Result<Option<PathBuf>, DataError> {
        let Some(snapshot) = self.snapshot(&self.repo(), hub) else {
            return Ok(None);
        };
        let file = if let Some(file) = &self.file {
            file.clone()
        } else {
            let mut files = Vec::new();
            list_files(&snapshot, &snapshot, &mut files);
            let file = self.choose(files)?;
            // The only file here need not be the only one there.
            if hub.network == Network::Online && !is_train(&file) {
                return Ok(None);
            }
            file
        };
        let path = snapshot.join(file);
        Ok(path.is_file().then_some(path))
    }

    /// The file, fetched if it must be. `on_progress` is told bytes done and in all.
    pub(crate) fn fetch(
        &self,
        hub: &HubConfig,
        on_progress: &dyn Fn(u64, u64),
    ) -> Result<PathBuf, DataError> {
        // Of several files, the cache may hold those that were once asked for by name.
        match self.cached(hub) {
            Ok(Some(path)) => return Ok(path),
            Err(error) if hub.network == Network::Offline => return Err(error),
            _ => {}
        }
        if hub.network == Network::Offline {
            let (name, cache_dir) = (self.whole.clone(), hub.cache_dir.clone());
            return Err(DataError::HubMissing { name, cache_dir });
        }
        let failed = |reason: String| DataError::Hub {
            name: self.whole.clone(),
            reason,
        };
        let api = self.client(self.repo(), hub)?;
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.choose(self.remote_files(&api)?)?,
        };
        let named = Self {
            file: Some(file.clone()),
            ..self.clone()
        };
        if let Some(path) = named.cached(hub)? {
            return Ok(path);
        }
        api.download_with_progress(
            &file,
            Bridge {
                on_progress,
                done: 0,
                total: 0,
            },
        )
        .map_err(|error| failed(error.to_string()))
    }

    fn remote_files(&self, api: &ApiRepo) -> Result<Vec<String>, DataError> {
        let info = api.info().map_err(|error| DataError::Hub {
            name: self.whole.clone(),
            reason: error.to_string(),
        })?;
        let files = info.siblings.into_iter().map(|sibling| sibling.rfilename);
        Ok(files.filter(|file| stays_inside(file)).collect())
    }

    /// The data file that is meant: the only one called `train…`, or else the only one.
    fn choose(&self, mut files: Vec<String>) -> Result<String, DataError> {
        files.retain(|file| Format::of(Path::new(file)).is_some());
        files.sort();
        let train: Vec<&String> = files.iter().filter(|file| is_train(file)).collect();
        let only = match (&train[..], &files[..]) {
            ([only], _) => Some((*only).clone()),
            ([], [only]) => Some(only.clone()),
            _ => None,
        };
        // One shard of several is not the set.
        let only = only.filter(|file| n_shards(file) == 1);
        only.ok_or_else(|| DataError::HubChoice {
            name: self.whole.clone(),
            files,
        })
    }
}

fn is_train(file: &str) -> bool {
    file.rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("train"))
}

/// How many files make up a set of which `file` is one: 3 for `train-00000-of-00003.parquet`.
fn n_shards(file: &str) -> usize {
    let digits = file.rsplit_once("-of-").map(|(_, rest)| rest);
    let digits = digits.and_then(|rest| rest.split(['.', '-']).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

/// Whether a word can be one segment of a name.
fn is_name(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !word.is_empty() && word != "." && word != ".." && word.chars().all(allowed)
}

/// Whether a path leads nowhere but down.
fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Adds the files under `folder`, as paths relative to `root` with `/` between.
fn list_files(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // Files are links into `blobs`; folders are real.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list_files(root, &path, files);
        } else if let Ok(inside) = path.strip_prefix(root) {
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            files.push(parts.join("/"));
        }
    }
}

/// Passes the hub client's progress on.
pub(crate) struct Bridge<'p> {
    pub(crate) on_progress: &'p dyn Fn(u64, u64),
    pub(crate) done: u64,
    pub(crate) total: u64,
}

impl HubProgress for Bridge<'_> {
    fn init(&mut self, size: usize, _file: &str) {
        self.total = size as u64;
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        (self.on_progress)(self.done, self.total);
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_an_owner_a_revision_and_a_file() {
        let name = HubName::parse("stanfordnlp/sst2@refs/convert:data/train.csv").unwrap();
        assert_eq!(
            (&*name.repo, &*name.revision),
            ("stanfordnlp/sst2", "refs/convert")
        );
        assert_eq!(name.file.as_deref(), Some("data/train.csv"));
        assert_eq!(HubName::parse("a/b").unwrap().revision, "main");
    }

    #[test]
    fn names_cannot_leave_the_cache() {
        for name in [
            "",
            "a",
            "a/b/c",
            "../b",
            "a/..",
            "a/",
            "a b/c",
            "a\\b/c",
            "a/b@",
            "a/b@../x",
            "a/b@x/../y",
            "a/b@/x",
            "a/b:",
            "a/b:../x.csv",
            "a/b:/etc/x.csv",
            "a/b:x/../y.csv",
            "a/b:x\\y.csv",
            "a/b@x:./y.csv",
        ] {
            assert!(
                matches!(HubName::parse(name), Err(DataError::HubName { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn the_train_file_is_meant_if_there_is_one() {
        let choose = |files: &[&str]| {
            let files = files.iter().map(|&file| file.to_owned()).collect();
            HubName::parse("a/b")
                .unwrap()
                .choose(files)
                .map_err(|error| error.hint().unwrap())
        };
        assert_eq!(choose(&["README.md", "all.csv"]), Ok("all.csv".into()));
        assert_eq!(
            choose(&["test.csv", "data/train-0.csv"]),
            Ok("data/train-0.csv".into())
        );
        assert!(choose(&["data/train-00000-of-00001.parquet"]).is_ok());
        assert!(choose(&["data/train-00000-of-00003.parquet"]).is_err());
        assert_eq!(
            choose(&["b.csv", "a.parquet"]),
            Err("add :file to the name; there are: a.parquet, b.csv".into())
        );
        assert_eq!(
            choose(&["x.md"]),
            Err("`hf:a/b` has no .jsonl, .csv or .parquet file".into())
        );
    }
}
