//! What a `[[method]]` of kind `overoptimisation` asks for: how far a proxy reward can be pushed in a world whose gold is known
//! because it was made, and what stops it from going wrong. It leaves `curves.jsonl` in a stage of its own for each seed.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_reward::{CurvePoint, GivenWorldConfig, OveroptimisationConfig, SyntheticWorldConfig};

use crate::folder::{FolderError, as_folder_name};
use crate::row_folder::RowFolder;
use crate::stages::StageFolder;

/// The laboratory of over-optimisation: rewards are fitted to pairs with flipped labels; the best of n is taken by each, and a policy climbs
/// each, and what is tried against their faults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OveroptimisationMethodConfig {
    /// What it is called in tables. Default: `overoptimisation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where replies and their gold come from.
    pub world: WorldConfig,
    /// Pairs, rewards, what is tried, how many candidates, and how far a policy climbs.
    pub laboratory: OveroptimisationConfig,
}

/// Where replies and their gold come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WorldConfig {
    /// Drawn from a distribution: data are not read.
    Synthetic(SyntheticWorldConfig),
    /// The replies of the data's pairs, as hashed words, with a gold made of what people preferred.
    Replies(RepliesWorldConfig),
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self::Synthetic(SyntheticWorldConfig::default())
    }
}

/// Replies of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RepliesWorldConfig {
    /// Words and pairs of words of a reply are hashed to `2^bits` features.
    pub bits: u32,
    /// What becomes gold.
    pub gold: GivenWorldConfig,
}

impl Default for RepliesWorldConfig {
    fn default() -> Self {
        Self {
            bits: 8,
            gold: GivenWorldConfig::default(),
        }
    }
}

impl OveroptimisationMethodConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| "overoptimisation".into())
    }
}

/// Where the method of one variant says in which stage its curves are.
pub(crate) fn lab_folder(run: &Path, variant: usize, method: &str) -> RowFolder {
    let name = format!("{variant}-{}", as_folder_name(method));
    RowFolder::new(run.join("overoptimisation").join(name))
}

/// The file that says so: the stages of all finished seeds.
pub(crate) const SEEDS: &str = "seeds.json";

/// Curves of all finished seeds of one method, and how many seeds those are.
///
/// # Errors
///
/// [`FolderError::Io`] when a file cannot be read.
pub fn lab_curves(
    run: &Path,
    variant: usize,
    method: &str,
) -> Result<(Vec<CurvePoint>, usize), FolderError> {
    let seeds: Option<Vec<String>> = lab_folder(run, variant, method).document(SEEDS)?;
    let seeds = seeds.unwrap_or_default();
    let mut points = Vec::new();
    for key in &seeds {
        points.extend(StageFolder::open(run, key).rows::<CurvePoint>("curves.jsonl")?);
    }
    Ok((points, seeds.len()))
}
