//! People as annotators of active querying: what they said is read, and what nobody said yet waits.
//!
//! A trial is replayed from its beginning with all that is on the disk: what is kept between two runs is what people said, and no
//! more. A question that is answered under one seed is answered under all.

use std::collections::BTreeMap;

use trimtab_core::Seed;
use trimtab_data::Dataset;
use trimtab_safeguard::Trial;
use trimtab_safeguard::extrapolation::querying::{Next, PeopleInput, PersonSaid, ask_people};

use super::SafeguardError;
use super::given::{Drawn, Given};
use crate::experiment::Experiment;
use crate::people::{People, PeopleError};
use crate::safeguard::{Annotation, AskedQuestion, Safeguard};

/// What people said, by the question's key, in the order in which it came.
pub(super) type SaidOf = BTreeMap<String, Vec<PersonSaid>>;

/// How far a trial is.
pub(super) enum Asking {
    /// It is finished.
    Finished(Trial),
    /// All that was asked so far; some of it waits.
    Waits(Vec<AskedQuestion>),
}

/// What people said of questions.
pub(super) fn said(people: Option<People>) -> Result<SaidOf, PeopleError> {
    let Some(people) = people else {
        return Ok(SaidOf::new());
    };
    let mut said = SaidOf::new();
    for one in people.annotations()? {
        said.entry(one.item).or_default().push(PersonSaid {
            answer: one.answer.map(|answer| answer.0 == 1),
            secs: one.secs,
        });
    }
    Ok(said)
}

/// Checks that there is something to read in every question.
pub(super) fn can_be_read(set: &Dataset, experiment: &Experiment) -> Result<(), SafeguardError> {
    let is_empty = |text: &str| text.trim().is_empty();
    let columns = &experiment.data.columns;
    for question in &set.questions {
        let (nothing, column) = match &question.candidates {
            None => (is_empty(&question.text), (&columns.text, "text")),
            Some(texts) => (
                texts.iter().any(|text| is_empty(text)),
                (&columns.candidates, "candidates"),
            ),
        };
        if nothing {
            let (named, usual) = column;
            return Err(SafeguardError::NoText {
                set: set.name.clone(),
                id: question.id.clone(),
                column: named.clone().unwrap_or_else(|| usual.into()),
            });
        }
    }
    Ok(())
}

impl Given {
    /// Goes as far as what people said allows.
    pub(super) fn ask(
        &self,
        approach: &Safeguard,
        how: &Annotation,
        experiment: &Experiment,
        seed: Seed,
        said: &SaidOf,
    ) -> Result<Asking, SafeguardError> {
        let (Safeguard::Querying(config), Some((set, of))) = (approach, self.data()) else {
            // A source that does not fit was refused when the file was checked.
            return Ok(Asking::Finished(self.trial(approach, experiment, seed)?));
        };
        let drawn = Drawn::new(set, of, experiment, seed)?;
        let shown = |at: usize, waits: bool| {
            let question = &drawn.pool[at];
            AskedQuestion::of(question, how, waits).ok_or_else(|| SafeguardError::NotTwoAnswers {
                set: set.name.clone(),
                n: (question.candidates.as_ref())
                    .map_or(question.answers.len(), |texts| texts.len()),
            })
        };
        let of_pool: Vec<Vec<PersonSaid>> = (0..drawn.pool.len())
            .map(|at| {
                Ok(said
                    .get(&shown(at, false)?.key())
                    .cloned()
                    .unwrap_or_default())
            })
            .collect::<Result<_, SafeguardError>>()?;
        let people = PeopleInput {
            said: &of_pool,
            raters: how.raters.get() as usize,
        };
        let asking = ask_people(config, &drawn.input(), &people, seed)?;
        Ok(match asking.next {
            Next::Finished(trial) => Asking::Finished(trial),
            Next::Ask(waiting) => {
                let row = |at: &usize| shown(*at, waiting.contains(at));
                Asking::Waits(asking.asked.iter().map(row).collect::<Result<_, _>>()?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use trimtab_data::{Locations, load};

    use super::*;

    #[test]
    fn what_has_no_words_cannot_be_put_to_people() {
        let place = tempfile::tempdir().unwrap();
        let rows = |text: &str| {
            let row = |i: usize| {
                let (label, text) = (i % 2, if i == 3 { text } else { "good" });
                let row = serde_json::json!({"id": format!("r{i}"), "said": text, "label": label, "features": [1.0, i]});
                format!("{row}\n")
            };
            (0..8).map(row).collect::<String>()
        };
        let checked = |rows: &str, columns: &str| {
            std::fs::write(place.path().join("rows.jsonl"), rows).unwrap();
            let experiment: Experiment = toml::from_str(&format!(
                "name = \"x\"\n[data]\nset = \"rows.jsonl\"\n{columns}\n[[method]]\nkind = \"safeguard\"\n\
                 approach = {{ kind = \"querying\" }}\non = {{ kind = \"features\", annotator = \"people\" }}\n"
            ))
            .unwrap();
            let set = load(&experiment.data, &Locations::new(place.path())).unwrap();
            can_be_read(&set, &experiment)
        };
        // Features alone teach a model, and nobody can read them: the column that is missing is named.
        let error = checked(&rows("x"), "").unwrap_err();
        assert!(
            matches!(&error, SafeguardError::NoText { column, .. } if column == "text"),
            "{error}"
        );
        let named = "columns.text = \"said\"";
        let error = checked(&rows("  "), named).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rows: row r3 has nothing in \"said\" that people could read"
        );
        assert!(error.hint().unwrap().contains("data.columns.text"));
        assert!(checked(&rows("bad"), named).is_ok());
    }
}
