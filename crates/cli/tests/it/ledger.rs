//! What a run folder holds, in a form that can be compared: read through SQLite, past the program.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

/// Rows as text, by table, in the order of their keys.
pub(crate) type Rows = BTreeMap<&'static str, Vec<String>>;

/// Everything, times and cell numbers too: equal when nothing was touched.
pub(crate) fn everything(run: &Path) -> Rows {
    read(run, |_| true)
}

/// Everything that another run of the same experiment must repeat bit for bit.
pub(crate) fn numbers(run: &Path) -> Rows {
    read(run, |column| {
        !["cell", "wall_secs", "cpu_secs"].contains(&column)
    })
}

/// Fails at the first row that differs.
#[track_caller]
pub(crate) fn assert_same(got: &Rows, expected: &Rows) {
    for (table, rows) in expected {
        for (got, expected) in got[table].iter().zip(rows) {
            assert_eq!(got, expected, "table {table}");
        }
        assert_eq!(got[table].len(), rows.len(), "rows of table {table}");
    }
}

/// Takes a cell out, as if the run had ended before it.
pub(crate) fn forget(run: &Path, kind: &str, name: &str) {
    let connection = open(run);
    let which = "SELECT cell FROM cell WHERE kind = ?1 AND name = ?2";
    let cells = format!("DELETE FROM judgement WHERE cell IN ({which})");
    connection.execute(&cells, [kind, name]).unwrap();
    let n = connection
        .execute(
            "DELETE FROM cell WHERE kind = ?1 AND name = ?2",
            [kind, name],
        )
        .unwrap();
    assert!(n > 0, "no {kind} {name}");
}

/// Whether there is a ledger with its tables: a disk may be full before they are made.
pub(crate) fn is_made(run: &Path) -> bool {
    let is_table = "SELECT count(*) FROM sqlite_master WHERE name = 'judgement'";
    run.join("ledger.sqlite").exists()
        && open(run)
            .query_row(is_table, [], |row| row.get::<_, i64>(0))
            .unwrap()
            == 1
}

/// How many cells are finished.
pub(crate) fn n_cells(run: &Path) -> usize {
    everything(run)["cell"].len()
}

fn open(run: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    Connection::open_with_flags(run.join("ledger.sqlite"), flags).unwrap()
}

fn read(run: &Path, keep: impl Fn(&str) -> bool) -> Rows {
    let connection = open(run);
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let orphans: i64 = connection
        .query_row(
            "SELECT count(*) FROM judgement WHERE cell NOT IN (SELECT cell FROM cell)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(orphans, 0, "judgements without a cell");
    let cell_key = "variant, seed, kind, name";
    let with_cell =
        "judgement JOIN (SELECT cell, variant, seed, kind, name FROM cell) USING (cell)";
    [
        ("sample", "sample", "variant, sample".to_owned()),
        ("split", "split", "variant, seed, split".to_owned()),
        ("cell", "cell", cell_key.to_owned()),
        ("judgement", with_cell, format!("{cell_key}, split, sample")),
    ]
    .into_iter()
    .map(|(table, from, order)| {
        let query = format!("SELECT * FROM {from} ORDER BY {order}");
        (table, rows(&connection, &query, &keep))
    })
    .collect()
}

fn rows(connection: &Connection, query: &str, keep: impl Fn(&str) -> bool) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        let cells = columns.iter().enumerate().filter(|(_, name)| keep(name));
        let cells = cells.map(|(i, name)| format!("{name}={}", shown(row.get_ref_unwrap(i))));
        Ok(cells.collect::<Vec<_>>().join(" "))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Every bit of a value.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
    }
}

/// Calls of the judge that each supervisor took under each seed, for labels and while it was taught: `debate, seed 0`.
pub(crate) fn judge_calls(run: &Path) -> Vec<(String, u64)> {
    let all =
        "SELECT name || ', seed ' || seed, judge_calls + (SELECT sum(judge_calls) FROM judgement
                   WHERE judgement.cell = cell.cell AND split = 'student-train')
               FROM cell WHERE kind = 'supervisor' ORDER BY 1";
    let connection = open(run);
    let mut statement = connection.prepare(all).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)));
    rows.unwrap().map(Result::unwrap).collect()
}
