//! One row of most tables: all judgements of one judge, of one method under all finished seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trimtab_core::{AnswerIdx, AnswerKey, KeyError, SampleId};
use trimtab_debate::measure::Judged;
use trimtab_debate::{DebateConfig, JudgeRecord, ProtocolName, Transcript};
use trimtab_run::people::People;
use trimtab_run::{DebateFolder, MethodConfig, RunFolder, debates};

use crate::summarise::SummaryError;

/// What people together are called among judges.
const PEOPLE: &str = "people";

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
    key: Rc<AnswerKey>,
    /// Of all seeds, by seed and id; the judges of a method share them.
    transcripts: Rc<BTreeMap<u64, BTreeMap<String, Transcript>>>,
    /// Each with its seed.
    pub(super) records: Vec<(u64, JudgeRecord)>,
}

impl JudgedRow<'_> {
    /// Its records beside the truth.
    pub(super) fn judged(&self) -> Result<Judged<'_>, KeyError> {
        let passages: BTreeMap<&SampleId, &String> = (self.transcripts())
            .filter_map(|t| Some((&t.question, t.passage.as_ref()?)))
            .collect();
        Judged::new(
            self.records.iter().map(|(_, record)| record),
            &self.key,
            |id| passages.get(id).map(|passage| (*passage).clone()),
        )
    }

    /// The transcripts of all seeds.
    pub(super) fn transcripts(&self) -> impl Iterator<Item = &Transcript> {
        self.transcripts.values().flat_map(BTreeMap::values)
    }

    /// The transcript that a record is of.
    pub(super) fn transcript(&self, seed: u64, record: &JudgeRecord) -> Option<&Transcript> {
        self.transcripts.get(&seed)?.get(&record.transcript)
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
    let people = People::open_to_read(run.path())?;
    for (variant, of_variant) in manifest.variants.iter().enumerate() {
        let Some(answers) = debates::answers(run.path(), variant)? else {
            notices.push("unfinished: nothing has been debated yet".into());
            continue;
        };
        let entries = answers
            .into_iter()
            .map(|(id, right)| (id, AnswerIdx(right)));
        let key = Rc::new(AnswerKey::new(entries).map_err(SummaryError::Key)?);
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
            let mut transcripts: BTreeMap<u64, BTreeMap<String, Transcript>> = BTreeMap::new();
            let mut by_judge: Vec<(String, Vec<(u64, JudgeRecord)>)> = (config.judges.iter())
                .map(|judge| (judge.clone(), Vec::new()))
                .collect();
            let mut by_people: Vec<(u64, JudgeRecord)> = Vec::new();
            for seed in experiment.seeds() {
                let folder = DebateFolder::new(run.path(), variant, seed, &config.name());
                // What an earlier experiment left in this folder is none of this one's.
                let done = folder.done()?;
                if done.is_none_or(|done| done.run_id != manifest.run_id) {
                    continue;
                }
                n_seeds += 1;
                let of_seed = folder.transcripts()?.into_iter();
                transcripts.insert(seed, of_seed.map(|t| (t.id.clone(), t)).collect());
                if let Some(people) = &people {
                    let said = people.judgements(&folder.name())?;
                    by_people.extend(said.into_iter().map(|record| (seed, record)));
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
            if !by_people.is_empty() {
                by_judge.push((PEOPLE.to_owned(), by_people));
            }
            let transcripts = Rc::new(transcripts);
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
                    key: Rc::clone(&key),
                    transcripts: Rc::clone(&transcripts),
                    records,
                });
            }
        }
    }
    Ok((rows, notices))
}

/// One row of every method: for what its judges have no part in.
pub(super) fn methods<'r, 'a>(
    rows: impl IntoIterator<Item = &'r JudgedRow<'a>>,
) -> impl Iterator<Item = &'r JudgedRow<'a>>
where
    'a: 'r,
{
    let mut seen = BTreeSet::new();
    (rows.into_iter()).filter(move |row| seen.insert(row.method.as_str()))
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
