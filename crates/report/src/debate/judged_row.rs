//! One row of most tables: all judgements of one judge, of one method under all finished seeds.

use std::collections::BTreeMap;

use trimtab_core::{AnswerIdx, AnswerKey, KeyError, SampleId};
use trimtab_debate::measure::Judged;
use trimtab_debate::{DebateConfig, JudgeRecord, ProtocolName, Transcript};
use trimtab_run::{DebateFolder, MethodConfig, RunFolder, debates};

use crate::summarise::SummaryError;

/// All judgements of one judge, of one method.
pub(super) struct JudgedRow<'a> {
    /// The method, with the variant where there are several.
    pub(super) method: String,
    /// The method, with the judge where there are several.
    pub(super) name: String,
    /// The variant, from 0.
    pub(super) variant: usize,
    /// Who judged.
    pub(super) judge: String,
    pub(super) config: &'a DebateConfig,
    pub(super) key: AnswerKey,
    /// Transcripts of all seeds, by seed and id.
    pub(super) transcripts: BTreeMap<(u64, String), Transcript>,
    /// Each with its seed.
    pub(super) records: Vec<(u64, JudgeRecord)>,
}

impl JudgedRow<'_> {
    /// Its records beside the truth.
    pub(super) fn judged(&self) -> Result<Judged<'_>, KeyError> {
        let passages: BTreeMap<&SampleId, &String> = (self.transcripts.values())
            .filter_map(|t| Some((&t.question, t.passage.as_ref()?)))
            .collect();
        Judged::new(
            self.records.iter().map(|(_, record)| record),
            &self.key,
            |id| passages.get(id).map(|passage| (*passage).clone()),
        )
    }

    /// The transcript that a record is of.
    pub(super) fn transcript(&self, seed: u64, record: &JudgeRecord) -> Option<&Transcript> {
        self.transcripts.get(&(seed, record.transcript.clone()))
    }

    /// Which answer is right.
    pub(super) fn truth(&self, question: &SampleId) -> Result<AnswerIdx, SummaryError> {
        self.key.answer(question).map_err(SummaryError::Key)
    }

    pub(super) fn is(&self, protocol: ProtocolName) -> bool {
        self.config.protocol == protocol
    }
}

/// Every row, in the order of the experiment, and what a reader must know first.
pub(super) fn rows(run: &RunFolder) -> Result<(Vec<JudgedRow<'_>>, Vec<String>), SummaryError> {
    let manifest = run.manifest();
    let several = manifest.variants.len() > 1;
    let mut rows: Vec<JudgedRow<'_>> = Vec::new();
    let mut notices = Vec::new();
    for (variant, of_variant) in manifest.variants.iter().enumerate() {
        let Some(answers) = debates::answers(run.path(), variant)? else {
            notices.push("unfinished: nothing has been debated yet".into());
            continue;
        };
        let entries = answers
            .into_iter()
            .map(|(id, right)| (id, AnswerIdx(right)));
        let key = AnswerKey::new(entries).map_err(SummaryError::Key)?;
        let experiment = &of_variant.experiment;
        for method in &experiment.method {
            let MethodConfig::Debate(config) = method else {
                continue;
            };
            let name = if several {
                format!("{}, {}", of_variant.label, config.name())
            } else {
                config.name()
            };
            let mut n_seeds = 0;
            let mut transcripts = BTreeMap::new();
            let mut by_judge: Vec<(String, Vec<(u64, JudgeRecord)>)> = (config.judges.iter())
                .map(|judge| (judge.clone(), Vec::new()))
                .collect();
            for seed in experiment.seeds() {
                let folder = DebateFolder::new(run.path(), variant, seed, &config.name());
                // What an earlier experiment left in this folder is none of this one's.
                let done = folder.done()?;
                if done.is_none_or(|done| done.run_id != manifest.run_id) {
                    continue;
                }
                n_seeds += 1;
                for transcript in folder.transcripts()? {
                    transcripts.insert((seed, transcript.id.clone()), transcript);
                }
                for record in folder.judgements()? {
                    if let Some((_, records)) = by_judge
                        .iter_mut()
                        .find(|(judge, _)| *judge == record.judge)
                    {
                        records.push((seed, record));
                    }
                }
            }
            if n_seeds < experiment.seeds as usize {
                notices.push(format!(
                    "unfinished: {n_seeds} of {} of {name}; run the same file again to finish",
                    crate::text::plural(experiment.seeds as usize, "seed", "seeds"),
                ));
            }
            let several_judges = by_judge.len() > 1;
            for (judge, records) in by_judge {
                if records.is_empty() {
                    continue;
                }
                rows.push(JudgedRow {
                    method: name.clone(),
                    name: if several_judges {
                        format!("{name}, {judge}")
                    } else {
                        name.clone()
                    },
                    variant,
                    judge,
                    config,
                    key: key.clone(),
                    transcripts: transcripts.clone(),
                    records,
                });
            }
        }
    }
    Ok((rows, notices))
}

/// The row of the same variant and judge under `protocol`: the floor, or the ceiling.
pub(super) fn control<'r>(
    rows: &'r [(&'r JudgedRow<'_>, &'r Judged<'r>)],
    of: &JudgedRow<'_>,
    protocol: ProtocolName,
) -> Option<&'r Judged<'r>> {
    (rows.iter())
        .find(|(row, _)| row.is(protocol) && row.variant == of.variant && row.judge == of.judge)
        .map(|(_, judged)| *judged)
}
