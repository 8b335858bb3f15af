//! The ledger: every finished cell of a run and every judgement, in SQLite.
//!
//! A cell is one model under one seed of one variant. It enters the ledger with all its judgements in
//! one transaction, or not at all: a run that is killed loses the cells in progress and nothing else.
//! The write-ahead log makes that true for `kill -9` at any moment, and lets a report read while a run
//! writes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use trimtab_core::{AnswerIdx, Cost, Distribution, Judgement, Provenance, SampleId, Verdict};

/// The ledger of one run.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("{}: the disk is full; what was stored before is intact", path.display())]
    Full {
        /// The ledger.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("{}: {action}", path.display())]
    Sqlite {
        /// The ledger.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The ledger holds what no version of this program writes.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Full { .. } => {
                "free some space and run the same command again: it goes on where it stopped"
            }
            Self::Sqlite { .. } => {
                "check that the folder can be written, then run the same command again"
            }
            Self::Damaged { .. } => "move the run folder away, or give another with --out",
        }
    }
}

/// Which model a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// A role, taught ground truth on the weak half.
    Supervisor,
    /// The strong role, taught ground truth on the student's half.
    Ceiling,
    /// A student.
    Method,
}

impl CellKind {
    const ALL: [Self; 3] = [Self::Supervisor, Self::Ceiling, Self::Method];

    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Ceiling => "ceiling",
            Self::Method => "method",
        }
    }
}

/// Which samples were judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitName {
    /// The weak supervisor's half.
    WeakTrain,
    /// The student's and the ceiling's half.
    StudentTrain,
    /// Held out from everything.
    Test,
}

impl SplitName {
    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WeakTrain => "weak-train",
            Self::StudentTrain => "student-train",
            Self::Test => "test",
        }
    }
}

/// A finished cell, without its judgements.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The variant, from 0.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
    /// What kind of model.
    pub kind: CellKind,
    /// The role's or the method's name.
    pub name: String,
    /// What the model is, in a few words.
    pub model: String,
    /// Where its training labels came from.
    pub provenance: Provenance,
    /// How many labels it learnt from.
    pub n_labels: usize,
    /// SHA-256 over the ids it learnt from, sorted, one a line.
    pub label_ids_sha256: String,
    /// Optimiser steps.
    pub n_steps: usize,
    /// Training loss at the end.
    pub loss: f64,
    /// Whether the optimiser reached its tolerance.
    pub converged: bool,
    /// Wall-clock seconds, training and judging.
    pub wall_secs: f64,
    /// Processor seconds, training and judging.
    pub cpu_secs: f64,
    /// Calls of the weak overseer while it was taught: those of a chain's or a cascade's parts.
    pub judge_calls: u64,
}

/// One split of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitRecord {
    /// Which split.
    pub split: &'static str,
    /// Samples in it.
    pub n: usize,
    /// SHA-256 over its ids, sorted, one a line.
    pub ids_sha256: String,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sample (
        variant INTEGER NOT NULL, sample INTEGER NOT NULL, id TEXT NOT NULL,
        -- The right answer, for evaluation; no trainer reads this table.
        answer INTEGER NOT NULL,
        PRIMARY KEY (variant, sample)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS split (
        variant INTEGER NOT NULL, seed INTEGER NOT NULL, split TEXT NOT NULL,
        n INTEGER NOT NULL, ids_sha256 TEXT NOT NULL,
        PRIMARY KEY (variant, seed, split)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cell (
        cell INTEGER PRIMARY KEY,
        variant INTEGER NOT NULL, seed INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
        model TEXT NOT NULL, provenance TEXT NOT NULL, n_labels INTEGER NOT NULL,
        label_ids_sha256 TEXT NOT NULL, n_steps INTEGER NOT NULL, loss REAL,
        converged INTEGER NOT NULL, wall_secs REAL NOT NULL, cpu_secs REAL NOT NULL,
        judge_calls INTEGER NOT NULL DEFAULT 0,
        UNIQUE (variant, seed, kind, name)
    );
    CREATE TABLE IF NOT EXISTS judgement (
        cell INTEGER NOT NULL, split TEXT NOT NULL, sample INTEGER NOT NULL,
        -- decided, unparsed, refused or error
        verdict TEXT NOT NULL,
        -- decided: the likeliest answer, and all probabilities as little-endian f64
        answer INTEGER, probabilities BLOB,
        -- not decided: the reply or the error
        reply TEXT,
        calls INTEGER NOT NULL, tokens INTEGER NOT NULL, judge_calls INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (cell, split, sample)
    ) WITHOUT ROWID;
";

/// Ledgers of before judge budgets do not count a judge's calls.
fn has_judge_calls(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let there = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = 'judge_calls')";
    connection.query_row(there, [table], |row| row.get(0))
}

/// The column, or what stands for it where there is none.
fn judge_calls(connection: &Connection, table: &str) -> rusqlite::Result<&'static str> {
    let there = has_judge_calls(connection, table)?;
    Ok(if there { "judge_calls" } else { "0" })
}

impl Store {
    /// Opens the ledger for writing, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be opened or made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(path, OpenFlags::default())?;
        store.check("preparing the ledger", |connection| {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.execute_batch(SCHEMA)?;
            for table in ["cell", "judgement"] {
                if !has_judge_calls(connection, table)? {
                    connection.execute_batch(&format!(
                        "ALTER TABLE {table} ADD COLUMN judge_calls INTEGER NOT NULL DEFAULT 0"
                    ))?;
                }
            }
            Ok(())
        })?;
        Ok(store)
    }

    /// Opens an existing ledger for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there is none or it cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        Self::connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            Ok(connection)
        };
        match connect() {
            Ok(connection) => Ok(Self {
                connection,
                path: path.to_owned(),
            }),
            Err(source) => Err(failure(path, "opening the ledger", source)),
        }
    }

    fn check<T>(
        &self,
        action: &'static str,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        run(&self.connection).map_err(|source| failure(&self.path, action, source))
    }

    fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// Stores the samples of a variant, with their right answers, once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing could be stored.
    pub fn put_samples(
        &mut self,
        variant: usize,
        samples: impl Iterator<Item = (SampleId, AnswerIdx)>,
    ) -> Result<(), StoreError> {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            // They were stored in one transaction: where one is, all are.
            let there = "SELECT EXISTS (SELECT 1 FROM sample WHERE variant = ?1)";
            if transaction.query_row(there, [variant], |row| row.get(0))? {
                return Ok(());
            }
            {
                let mut insert =
                    transaction.prepare("INSERT INTO sample VALUES (?1, ?2, ?3, ?4)")?;
                for (sample, (id, answer)) in samples.enumerate() {
                    insert.execute(params![variant, sample, id.as_str(), answer.0])?;
                }
            }
            transaction.commit()
        };
        run(&mut self.connection).map_err(|source| failure(&self.path, "storing samples", source))
    }

    /// The right answers of a variant's samples, by sample number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn answers(&self, variant: usize) -> Result<Vec<AnswerIdx>, StoreError> {
        self.check("reading answers", |connection| {
            connection
                .prepare("SELECT answer FROM sample WHERE variant = ?1 ORDER BY sample")?
                .query_map([variant], |row| row.get(0).map(AnswerIdx))?
                .collect()
        })
    }

    /// The ids of a variant's samples, by sample number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn sample_ids(&self, variant: usize) -> Result<Vec<SampleId>, StoreError> {
        self.check("reading ids", |connection| {
            connection
                .prepare("SELECT id FROM sample WHERE variant = ?1 ORDER BY sample")?
                .query_map([variant], |row| {
                    Ok(SampleId::new(row.get_ref(0)?.as_str()?))
                })?
                .collect()
        })
    }

    /// Stores the splits of one seed, or finds that they are as stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when other splits are stored: the data or the splitting has changed.
    pub fn put_splits(
        &self,
        variant: usize,
        seed: u64,
        splits: &[SplitRecord],
    ) -> Result<(), StoreError> {
        for record in splits {
            let stored: Option<String> = self.check("storing splits", |connection| {
                connection.execute(
                    "INSERT OR IGNORE INTO split VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![variant, seed.cast_signed(), record.split, record.n, record.ids_sha256],
                )?;
                connection
                    .query_row(
                        "SELECT ids_sha256 FROM split WHERE variant = ?1 AND seed = ?2 AND split = ?3",
                        params![variant, seed.cast_signed(), record.split],
                        |row| row.get(0),
                    )
                    .optional()
            })?;
            if stored.as_deref() != Some(&*record.ids_sha256) {
                let split = record.split;
                return Err(self.damaged(format!("seed {seed} had other samples in {split}")));
            }
        }
        Ok(())
    }

    /// How many samples each split of a variant's first stored seed has.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn split_size(&self, variant: usize, split: SplitName) -> Result<usize, StoreError> {
        self.check("reading splits", |connection| {
            connection
                .query_row(
                    "SELECT n FROM split WHERE variant = ?1 AND split = ?2 ORDER BY seed LIMIT 1",
                    params![variant, split.as_str()],
                    |row| row.get(0),
                )
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    /// Stores a finished cell and its judgements, all or nothing. `judged` pairs each judgement with
    /// its sample number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it could not be stored; the ledger is then as before.
    pub fn put_cell(
        &mut self,
        cell: &Cell,
        judged: &[(SplitName, Vec<(u32, Judgement)>)],
    ) -> Result<(), StoreError> {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO cell (variant, seed, kind, name, model, provenance, n_labels,
                    label_ids_sha256, n_steps, loss, converged, wall_secs, cpu_secs, judge_calls)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                params![
                    cell.variant,
                    cell.seed.cast_signed(),
                    cell.kind.as_str(),
                    cell.name,
                    cell.model,
                    provenance_name(cell.provenance),
                    cell.n_labels,
                    cell.label_ids_sha256,
                    cell.n_steps,
                    cell.loss,
                    cell.converged,
                    cell.wall_secs,
                    cell.cpu_secs,
                    cell.judge_calls.cast_signed(),
                ],
            )?;
            let number = transaction.last_insert_rowid();
            {
                let mut insert = transaction
                    .prepare(
                        "INSERT INTO judgement (cell, split, sample, verdict, answer, probabilities, reply, calls,
                         tokens, judge_calls) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?;
                let mut blob = Vec::new();
                for (split, judgements) in judged {
                    for (sample, Judgement { verdict, cost, .. }) in judgements {
                        blob.clear();
                        let (word, answer, reply) = match verdict {
                            Verdict::Decided(distribution) => {
                                for p in distribution.probabilities() {
                                    blob.extend_from_slice(&p.to_le_bytes());
                                }
                                ("decided", Some(distribution.answer().0), None)
                            }
                            Verdict::Unparsed { reply } => ("unparsed", None, Some(reply)),
                            Verdict::Refused { reply } => ("refused", None, Some(reply)),
                            Verdict::Error { message } => ("error", None, Some(message)),
                        };
                        insert.execute(params![
                            number,
                            split.as_str(),
                            sample,
                            word,
                            answer,
                            (!blob.is_empty()).then_some(&blob),
                            reply,
                            cost.calls.cast_signed(),
                            cost.tokens.cast_signed(),
                            cost.judge_calls.cast_signed(),
                        ])?;
                    }
                }
            }
            transaction.commit()
        };
        run(&mut self.connection).map_err(|source| failure(&self.path, "storing a cell", source))
    }

    /// Every finished cell, with its number, in the order in which they were stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn cells(&self) -> Result<Vec<(i64, Cell)>, StoreError> {
        let rows: Vec<(i64, Cell, String, String)> = self.check("reading cells", |connection| {
            let judge_calls = judge_calls(connection, "cell")?;
            connection
                .prepare(&format!(
                    "SELECT cell, variant, seed, kind, name, model, provenance, n_labels,
                            label_ids_sha256, n_steps, loss, converged, wall_secs, cpu_secs,
                            {judge_calls}
                         FROM cell ORDER BY cell",
                ))?
                .query_map([], |row| {
                    let cell = Cell {
                        variant: row.get(1)?,
                        seed: row.get::<_, i64>(2)?.cast_unsigned(),
                        kind: CellKind::Method,
                        name: row.get(4)?,
                        model: row.get(5)?,
                        provenance: Provenance::Judged,
                        n_labels: row.get(7)?,
                        label_ids_sha256: row.get(8)?,
                        n_steps: row.get(9)?,
                        loss: row.get::<_, Option<f64>>(10)?.unwrap_or(f64::NAN),
                        converged: row.get(11)?,
                        wall_secs: row.get(12)?,
                        cpu_secs: row.get(13)?,
                        judge_calls: row.get::<_, i64>(14)?.cast_unsigned(),
                    };
                    Ok((row.get(0)?, cell, row.get(3)?, row.get(6)?))
                })?
                .collect()
        })?;
        rows.into_iter()
            .map(|(number, cell, kind, provenance)| {
                let kind = CellKind::ALL
                    .into_iter()
                    .find(|k| k.as_str() == kind)
                    .ok_or_else(|| self.damaged(format!("cell {number} is of kind {kind:?}")))?;
                let provenance = [Provenance::Judged, Provenance::GroundTruth]
                    .into_iter()
                    .find(|&p| provenance_name(p) == provenance)
                    .ok_or_else(|| self.damaged(format!("cell {number} has {provenance:?}")))?;
                Ok((
                    number,
                    Cell {
                        kind,
                        provenance,
                        ..cell
                    },
                ))
            })
            .collect()
    }

    /// Hands each judgement of one split of one cell to `each`, with its sample number, in sample
    /// order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn for_each_judgement(
        &self,
        cell: i64,
        split: SplitName,
        mut each: impl FnMut(u32, Verdict, Cost),
    ) -> Result<(), StoreError> {
        let mut bad = None;
        self.check("reading judgements", |connection| {
            let judge_calls = judge_calls(connection, "judgement")?;
            let mut statement = connection.prepare(&format!(
                "SELECT sample, verdict, probabilities, reply, calls, tokens, {judge_calls} FROM judgement
                 WHERE cell = ?1 AND split = ?2 ORDER BY sample",
            ))?;
            let mut rows = statement.query(params![cell, split.as_str()])?;
            let mut probabilities = Vec::new();
            while let Some(row) = rows.next()? {
                let reply = || {
                    row.get::<_, Option<String>>(3)
                        .map(Option::unwrap_or_default)
                };
                let verdict = match row.get_ref(1)?.as_str()? {
                    "decided" => {
                        probabilities.clear();
                        let (numbers, _) = row.get_ref(2)?.as_blob()?.as_chunks::<8>();
                        probabilities.extend(numbers.iter().copied().map(f64::from_le_bytes));
                        match Distribution::new(&probabilities) {
                            Ok(distribution) => Verdict::Decided(distribution),
                            Err(error) => {
                                bad = Some(format!("cell {cell}: {error}"));
                                return Ok(());
                            }
                        }
                    }
                    "unparsed" => Verdict::Unparsed { reply: reply()? },
                    "refused" => Verdict::Refused { reply: reply()? },
                    _ => Verdict::Error { message: reply()? },
                };
                let cost = Cost {
                    calls: row.get::<_, i64>(4)?.cast_unsigned(),
                    tokens: row.get::<_, i64>(5)?.cast_unsigned(),
                    judge_calls: row.get::<_, i64>(6)?.cast_unsigned(),
                    cpu_secs: 0.0,
                };
                each(row.get(0)?, verdict, cost);
            }
            Ok(())
        })?;
        bad.map_or(Ok(()), |what| Err(self.damaged(what)))
    }
}

fn provenance_name(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Judged => "judged",
        Provenance::GroundTruth => "ground-truth",
    }
}

fn failure(path: &Path, action: &'static str, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full { path },
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged {
                path,
                what: "damaged, or no ledger at all".into(),
            }
        }
        _ => StoreError::Sqlite {
            path,
            action,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str) -> Cell {
        Cell {
            variant: 0,
            seed: u64::MAX,
            kind: CellKind::Method,
            name: name.into(),
            model: "m".into(),
            provenance: Provenance::Judged,
            n_labels: 2,
            label_ids_sha256: "ff".into(),
            n_steps: 3,
            loss: 0.5,
            converged: true,
            wall_secs: 0.1,
            cpu_secs: 0.1,
            judge_calls: 3,
        }
    }

    fn judgements() -> Vec<(u32, Judgement)> {
        let id = SampleId::new("a");
        let cost = Cost {
            calls: 1,
            judge_calls: 2,
            tokens: 7,
            cpu_secs: 0.0,
        };
        let odd = Distribution::new(&[0.1 + 0.2, 1.0 - (0.1 + 0.2)]).unwrap();
        [
            Verdict::Decided(odd),
            Verdict::Unparsed {
                reply: "?\n'".into(),
            },
            Verdict::Refused { reply: "no".into() },
            Verdict::Error {
                message: "timeout".into(),
            },
        ]
        .into_iter()
        .enumerate()
        .map(|(i, verdict)| {
            (
                i as u32,
                Judgement {
                    id: id.clone(),
                    verdict,
                    cost,
                },
            )
        })
        .collect()
    }

    #[test]
    fn cells_and_judgements_come_back_as_they_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let mut store = Store::open(&path).unwrap();
        store
            .put_cell(&cell("naive"), &[(SplitName::Test, judgements())])
            .unwrap();
        drop(store);
        let store = Store::open_to_read(&path).unwrap();
        let cells = store.cells().unwrap();
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].1, cell("naive"));
        let mut back = Vec::new();
        store
            .for_each_judgement(cells[0].0, SplitName::Test, |sample, verdict, cost| {
                let judgement = Judgement {
                    id: SampleId::new("a"),
                    verdict,
                    cost,
                };
                back.push((sample, judgement));
            })
            .unwrap();
        assert_eq!(back, judgements());
    }

    #[test]
    fn a_cell_enters_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("ledger.sqlite")).unwrap();
        store.put_cell(&cell("naive"), &[]).unwrap();
        assert!(store.put_cell(&cell("naive"), &[]).is_err());
        // The same sample twice: the cell that brings it is not stored either.
        let twice = vec![judgements().remove(0), judgements().remove(0)];
        assert!(
            store
                .put_cell(&cell("other"), &[(SplitName::Test, twice)])
                .is_err()
        );
        assert_eq!(store.cells().unwrap().len(), 1);
    }

    #[test]
    fn changed_splits_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ledger.sqlite")).unwrap();
        let record = |sha: &str| SplitRecord {
            split: "test",
            n: 3,
            ids_sha256: sha.into(),
        };
        store.put_splits(0, 7, &[record("aa")]).unwrap();
        store.put_splits(0, 7, &[record("aa")]).unwrap();
        assert!(matches!(
            store.put_splits(0, 7, &[record("bb")]),
            Err(StoreError::Damaged { .. })
        ));
        assert_eq!(store.split_size(0, SplitName::Test).unwrap(), 3);
    }
}
