//! A run folder, as far as a report reads it: for tests, which fill it.

use std::path::Path;

use trimtab_run::experiment_file::load;
use trimtab_run::{Experiment, Manifest, RowFolder, VariantManifest};

pub(crate) const RUN_ID: &str = "0123456789abcdef";

/// A folder with a manifest, and what the experiment's variants are.
pub(crate) struct RunOnDisk {
    there: tempfile::TempDir,
    pub(crate) experiments: Vec<Experiment>,
}

impl RunOnDisk {
    /// Of an experiment file.
    pub(crate) fn new(experiment: &str) -> Self {
        let there = tempfile::tempdir().unwrap();
        let file = there.path().join("experiment.toml");
        std::fs::write(&file, experiment).unwrap();
        let variants = load::<Experiment>(&file, &[]).unwrap();
        let run = Self {
            experiments: variants.iter().map(|v| v.config.clone()).collect(),
            there,
        };
        let manifest = Manifest {
            name: run.experiments[0].name.clone(),
            version: "0.1.0".into(),
            run_id: RUN_ID.into(),
            variants: (variants.into_iter())
                .map(|variant| VariantManifest {
                    label: variant.label,
                    experiment: variant.config,
                    data: None,
                })
                .collect(),
        };
        RowFolder::new(run.path().to_owned())
            .write_document("manifest.json", &manifest)
            .unwrap();
        run
    }

    pub(crate) fn path(&self) -> &Path {
        self.there.path()
    }
}
