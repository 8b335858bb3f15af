//! What the calls of chat models came to and cost, by model: a section that every report of a run with calls has.

use trimtab_llm::{CallStore, Prices, Service, name_of};
use trimtab_run::RunFolder;
use trimtab_run::chat_models::CALLS;

use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// What the calls cost, by model; nothing where none was made.
pub(crate) fn calls(folder: &RunFolder) -> Result<Vec<Section>, SummaryError> {
    let path = folder.path().join(CALLS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let totals = CallStore::open_to_read(&path)
        .and_then(|store| store.totals())
        .map_err(SummaryError::Calls)?;
    let prices = Prices::built_in();
    let rows = totals.iter().map(|total| {
        let usd = prices
            .of(&name_of(&total.identity))
            .map(|price| price.cost(total.usage, total.service));
        Row {
            name: name_of(&total.identity),
            cells: vec![
                Cell::words(match total.service {
                    Service::Direct => total.kind.clone(),
                    Service::Batch => format!("{}, in batch jobs", total.kind),
                }),
                Cell::count(total.n_calls as usize),
                Cell::count(total.usage.input_tokens as usize),
                Cell::count(total.usage.output_tokens as usize),
                usd.map_or_else(
                    || Cell::absent(""),
                    |usd| Cell::Number {
                        value: usd.0,
                        decimals: 2,
                    },
                ),
            ],
        }
    });
    Ok(vec![Section {
        id: "calls".into(),
        title: "Calls".into(),
        text: "Every call in the run's store, whichever process made it.".into(),
        table: Table {
            columns: vec![
                Column::new("Model", ""),
                Column::new(
                    "Came to",
                    "A reply, probabilities of options, or why there is none.",
                ),
                Column::new("Calls", "How many."),
                Column::new("Tokens in", "Read, cached ones too.").spare(2),
                Column::new("Tokens out", "Written.").spare(1),
                Column::new(
                    "USD",
                    "By the built-in table of prices; nothing where a model is in none.",
                )
                .spare(3),
            ],
            rows: rows.collect(),
        },
        curves: None,
    }])
}
