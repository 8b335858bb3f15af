//! The methods of a run, and the stages that several of them share.

use std::collections::BTreeMap;

use trimtab_run::constitutional_ai::ORGANISM;
use trimtab_run::rlhf::{MethodStages, rlhf_places};
use trimtab_run::{Experiment, FolderError, RlhfConfig, RowFolder, RunFolder, StageFolder};

/// One method of one variant, with what is finished of it.
pub(super) struct Method<'a> {
    /// What it is called in this report; no other is called so.
    pub(super) name: String,
    pub(super) experiment: &'a Experiment,
    pub(super) config: &'a RlhfConfig,
    /// Finished seeds.
    pub(super) seeds: BTreeMap<u64, MethodStages>,
}

/// Every method, in the order of the experiment.
pub(super) fn methods(run: &RunFolder) -> Result<Vec<Method<'_>>, FolderError> {
    let manifest = run.manifest();
    let mut methods: Vec<Method<'_>> = Vec::new();
    for (number, variant) in manifest.variants.iter().enumerate() {
        let first = methods.len();
        for place in rlhf_places(run, number) {
            let name = match manifest.variants.len() {
                1 => place.config.name(),
                _ => format!("{}, {}", variant.label, place.config.name()),
            };
            let known = methods[first..].iter().position(|m| m.name == name);
            let at = known.map_or(methods.len(), |at| first + at);
            if at == methods.len() {
                methods.push(Method {
                    name,
                    experiment: &variant.experiment,
                    config: place.config,
                    seeds: BTreeMap::new(),
                });
            }
            // What an earlier experiment left in this folder is none of this one's.
            let stages = place.stages()?;
            if let Some(stages) = stages.filter(|stages| stages.run_id == manifest.run_id) {
                methods[at].seeds.insert(place.seed, stages);
            }
        }
    }
    Ok(methods)
}

impl Method<'_> {
    /// Whether the world knows what a reply is worth.
    pub(super) fn has_gold(&self) -> bool {
        self.experiment.data.set == ORGANISM
    }

    /// What to say where it is not finished.
    pub(super) fn unfinished(&self) -> Option<String> {
        let planned = self.experiment.seeds as usize;
        (self.seeds.len() < planned).then(|| {
            format!(
                "unfinished: {} of {planned} seeds of {}; run the same file again to finish",
                self.seeds.len(),
                self.name
            )
        })
    }
}

/// A stage under every seed, and the methods that it is part of.
pub(super) struct Shared<'m, 'a> {
    pub(super) methods: Vec<&'m Method<'a>>,
    /// How many methods there are in all.
    n_methods: usize,
    /// The stage's key under each seed.
    pub(super) keys: BTreeMap<u64, String>,
}

impl Shared<'_, '_> {
    /// The names of its methods.
    pub(super) fn name(&self) -> String {
        match self.methods.len() {
            n if n > 2 && n == self.n_methods => "all methods".into(),
            _ => {
                let names: Vec<&str> = self.methods.iter().map(|m| m.name.as_str()).collect();
                names.join("; ")
            }
        }
    }

    /// What it holds under each seed.
    pub(super) fn folders(&self, run: &RunFolder) -> Vec<(u64, RowFolder)> {
        let open = |(&seed, key): (&u64, &String)| (seed, StageFolder::open(run.path(), key));
        self.keys.iter().map(open).collect()
    }
}

/// The stages that `key` names of each method, methods of the same stage together.
pub(super) fn shared<'m, 'a>(
    methods: &'m [Method<'a>],
    key: impl Fn(&MethodStages) -> Option<&str>,
) -> Vec<Shared<'m, 'a>> {
    let mut all: Vec<Shared<'m, 'a>> = Vec::new();
    for method in methods {
        let keys: BTreeMap<u64, String> = (method.seeds.iter())
            .filter_map(|(&seed, stages)| Some((seed, key(stages)?.to_owned())))
            .collect();
        if keys.is_empty() {
            continue;
        }
        // Stages of one seed are the same for both, or of all: a stage's key holds all that goes into it.
        let same = |shared: &&mut Shared<'_, '_>| {
            keys.iter()
                .any(|(seed, key)| shared.keys.get(seed) == Some(key))
        };
        match all.iter_mut().find(same) {
            Some(shared) => {
                shared.methods.push(method);
                shared.keys.extend(keys);
            }
            None => all.push(Shared {
                methods: vec![method],
                n_methods: methods.len(),
                keys,
            }),
        }
    }
    all
}
