//! `hf:owner/name[@revision]`: models of the Hugging Face hub, as directories in the local cache.
//!
//! The cache is asked first (`models--owner--name/{refs,snapshots}`); what is not there is fetched: configuration, tokenizer
//! and safetensors weights at the top of the repository, nothing that would have to be executed.

use std::path::PathBuf;

use hf_hub::{Repo, RepoType};

use crate::error::DataError;
use crate::hub::{Bridge, HubConfig, HubName, Network};

/// The directory of the model called `name` (`hf:owner/name`, with `@revision` where it is not `main`).
/// `on_progress` is told bytes done and in all of the file that is being fetched.
///
/// # Errors
///
/// [`DataError`] when the name is none, or the model is not in the cache and cannot be fetched.
pub fn model_folder(
    name: &str,
    hub: &HubConfig,
    on_progress: &dyn Fn(u64, u64),
) -> Result<PathBuf, DataError> {
    let parsed = HubName::parse(name.strip_prefix("hf:").unwrap_or(name))?;
    if parsed.file.is_some() {
        return Err(DataError::HubName {
            name: name.to_owned(),
            reason: "a model is a whole directory: leave out the file",
        });
    }
    let repo = Repo::with_revision(
        parsed.repo.clone(),
        RepoType::Model,
        parsed.revision.clone(),
    );
    if let Some(folder) = cached(&repo, &parsed, hub) {
        return Ok(folder);
    }
    if hub.network == Network::Offline {
        let (name, cache_dir) = (name.to_owned(), hub.cache_dir.clone());
        return Err(DataError::HubMissing { name, cache_dir });
    }
    let failed = |reason: String| DataError::Hub {
        name: name.to_owned(),
        reason,
    };
    let api = parsed.client(repo, hub)?;
    let info = api.info().map_err(|error| failed(error.to_string()))?;
    let mut folder = None;
    // Weights last: a directory with weights is a whole one.
    let mut files: Vec<String> = (info.siblings.into_iter())
        .map(|sibling| sibling.rfilename)
        .filter(|file| is_part(file))
        .collect();
    files.sort_by_key(|file| file.ends_with(".safetensors"));
    for file in files {
        let bridge = Bridge {
            on_progress,
            done: 0,
            total: 0,
        };
        let path = api
            .download_with_progress(&file, bridge)
            .map_err(|error| failed(error.to_string()))?;
        folder = path.parent().map(std::path::Path::to_owned);
    }
    folder.ok_or_else(|| failed("the repository has no model files".into()))
}

/// The snapshot in the cache, when all of it is there.
fn cached(repo: &Repo, name: &HubName, hub: &HubConfig) -> Option<PathBuf> {
    let folder = name.snapshot(repo, hub)?;
    let has = |file: &str| folder.join(file).is_file();
    let weights = has("model.safetensors") || shards(&folder).is_some_and(|all| all);
    (has("config.json") && has("tokenizer.json") && weights).then_some(folder)
}

/// Whether every file that the index of sharded weights names is there; `None` without an index.
fn shards(folder: &std::path::Path) -> Option<bool> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let text = std::fs::read_to_string(folder.join("model.safetensors.index.json")).ok()?;
    let index: Index = serde_json::from_str(&text).ok()?;
    Some((index.weight_map.values()).all(|file| is_part(file) && folder.join(file).is_file()))
}

/// Whether a file of the repository is one that a model is read from.
fn is_part(file: &str) -> bool {
    let is_weights = file.starts_with("model") && file.ends_with(".safetensors");
    let is_text = [
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "tokenizer.model",
        "chat_template.jinja",
    ]
    .contains(&file);
    !file.contains(['/', '\\', '\0']) && (is_weights || is_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(cache: &std::path::Path) -> HubConfig {
        HubConfig {
            cache_dir: cache.to_owned(),
            network: Network::Offline,
            endpoint: None,
        }
    }

    #[test]
    fn a_whole_snapshot_is_found_and_half_a_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let here = cache.path().join("models--a--b");
        let folder = here.join("snapshots/abc");
        std::fs::create_dir_all(here.join("refs")).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(here.join("refs/main"), "abc").unwrap();
        let find = |name: &str| model_folder(name, &hub(cache.path()), &|_, _| {});
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("config.json", "{}");
        write("tokenizer.json", "{}");
        assert!(matches!(find("hf:a/b"), Err(DataError::HubMissing { .. })));
        let index = r#"{"weight_map": {"x": "model-1.safetensors", "y": "model-2.safetensors"}}"#;
        write("model.safetensors.index.json", index);
        write("model-1.safetensors", "");
        assert!(find("hf:a/b").is_err());
        write("model-2.safetensors", "");
        assert_eq!(find("hf:a/b").unwrap(), folder);
        assert_eq!(find("hf:a/b@abc").unwrap(), folder);
        assert!(find("hf:a/b@other").is_err());
    }

    #[test]
    fn nothing_else_is_taken() {
        for file in [
            "pytorch_model.bin",
            "modeling.py",
            "onnx/model.safetensors",
            "../config.json",
        ] {
            assert!(!is_part(file), "{file}");
        }
        assert!(is_part("model-00001-of-00002.safetensors"));
        assert!(matches!(
            model_folder("hf:a/b:config.json", &hub("x".as_ref()), &|_, _| {}),
            Err(DataError::HubName { .. })
        ));
    }
}
