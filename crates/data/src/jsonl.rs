//! JSON Lines: one object a line.
//!
//! Files of several gigabytes are cut into blocks of whole lines; blocks are parsed on all cores and
//! put together in file order, so the first error in the file is the one reported. Features are
//! parsed straight into one long vector. At no time are more than a few blocks in memory.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use memchr::memrchr;

use crate::blocks::{Block, Blocks, lines};
use crate::error::{DataError, Place};
use crate::json_row::{keys, missing, parse_row};
use crate::rows::{N_ROLES, Presence, Role, Rows, Schema};
use crate::stream::Stream;

/// Text a block holds, in bytes: long enough to keep a core busy, short enough to be forgotten.
const BLOCK: usize = 4 << 20;
/// More parsers than this wait for the disk.
const MOST_PARSERS: usize = 8;

/// The rows of a block up to the first error in it.
struct Parsed {
    rows: Rows,
    error: Option<DataError>,
}

/// Reads a file. Returns the rows and the SHA-256 of the file's bytes.
pub(crate) fn read(
    file: &Path,
    stream: Stream,
    schema: &Schema,
    limit: usize,
    on_progress: &dyn Fn(u64),
) -> Result<(Rows, String), DataError> {
    let n_threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_PARSERS);
    read_in_blocks(
        file,
        Blocks::new(stream, BLOCK),
        schema,
        limit,
        n_threads,
        on_progress,
    )
}

fn read_in_blocks(
    file: &Path,
    mut blocks: Blocks,
    schema: &Schema,
    limit: usize,
    n_threads: usize,
    on_progress: &dyn Fn(u64),
) -> Result<(Rows, String), DataError> {
    let n_read = blocks.stream.n_read();
    // The first row decides which columns there are.
    let mut head = Vec::new();
    let (schema, dim) = loop {
        let Some(block) = blocks.next(file)? else {
            return Err(DataError::Empty {
                file: file.to_owned(),
            });
        };
        let first = first_row(file, &block, schema)?;
        head.push(block);
        if let Some(settled) = first {
            break settled;
        }
    };
    let mut rows = Rows::default();
    let blocks = thread::scope(|scope| {
        let schema = &schema;
        let (to_parsers, from_parsers): (Vec<SyncSender<Block>>, Vec<Receiver<Parsed>>) = (0
            ..n_threads)
            .map(|_| {
                let (to_parser, blocks) = sync_channel::<Block>(1);
                let (parsed, from_parser) = sync_channel(1);
                scope.spawn(move || {
                    for block in blocks {
                        if parsed.send(parse(file, schema, dim, &block)).is_err() {
                            return;
                        }
                    }
                });
                (to_parser, from_parser)
            })
            .unzip();
        // The reader deals blocks out in turn; the loop below collects them in the same turn.
        let reader = scope.spawn(move || {
            let mut head = head.into_iter();
            for to_parser in to_parsers.iter().cycle() {
                let block = match head.next() {
                    Some(block) => block,
                    None => match blocks.next(file) {
                        Ok(Some(block)) => block,
                        Ok(None) => return Ok(blocks),
                        Err(error) => return Err(error),
                    },
                };
                if to_parser.send(block).is_err() {
                    return Ok(blocks); // the limit is reached, or there was an error
                }
            }
            Ok(blocks)
        });
        for from_parser in from_parsers.iter().cycle() {
            let Ok(parsed) = from_parser.recv() else {
                break;
            };
            rows.append(parsed.rows);
            if rows.len() >= limit {
                break;
            }
            rows.check_labels(file, schema)?;
            if let Some(error) = parsed.error {
                return Err(error);
            }
            on_progress(n_read.load(Ordering::Relaxed));
        }
        let enough = rows.len() >= limit;
        drop(from_parsers);
        match reader.join() {
            // What lies behind the limit may be damaged; that is not this run's concern.
            Ok(Err(_)) if enough => Ok(None),
            Ok(result) => result.map(Some),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    rows.truncate(limit);
    rows.features.shrink_to_fit();
    let sha256 = match blocks {
        Some(blocks) => blocks.stream.finish(),
        None => Stream::open(file, false)?.finish(),
    };
    let sha256 = sha256.map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    Ok((rows, sha256))
}

/// The schema that the first row settles, with its number of features; `None` if all is blank.
fn first_row(
    file: &Path,
    block: &Block,
    schema: &Schema,
) -> Result<Option<(Schema, usize)>, DataError> {
    // Bad bytes further down are for the parser to report, after the rows before them.
    let end = block
        .bytes
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .map(|start| {
            let newline = block.bytes[start..].iter().position(|&byte| byte == b'\n');
            newline.map_or(block.bytes.len(), |newline| start + newline)
        });
    let Some(end) = end else { return Ok(None) };
    let head = Block {
        first_line: block.first_line,
        offset: block.offset,
        bytes: block.bytes[..end].to_vec(),
    };
    let Some((line, text)) = lines(file, &head).map_err(|(_, error)| error)?.next() else {
        return Ok(None);
    };
    let mut features = Vec::new();
    // Its columns say what a row is, and that says what is in them.
    let mut seen = [false; N_ROLES];
    for role in keys(text).iter().filter_map(|key| schema.role(key)) {
        seen[role as usize] = true;
    }
    let settled = schema.settle(seen);
    parse_row(
        file,
        settled.as_ref().unwrap_or(schema),
        line,
        text,
        &mut features,
    )?;
    let settled = settled.map_err(|role| missing(file, schema, role, line, text))?;
    if settled.has(Role::Features) && features.is_empty() {
        return Err(DataError::WrongType {
            file: file.to_owned(),
            place: Place::Line(line),
            column: settled.column(Role::Features).to_owned(),
            expected: "a list of numbers",
            got: "an empty list".into(),
        });
    }
    Ok(Some((settled, features.len())))
}

fn parse(file: &Path, schema: &Schema, dim: usize, block: &Block) -> Parsed {
    let mut rows = Rows {
        dim,
        ..Rows::default()
    };
    let error = match lines(file, block) {
        Ok(lines) => parse_lines(file, schema, lines, &mut rows).err(),
        Err((good, not_utf8)) => {
            // An earlier line may be wrong too, and is then the one to report.
            let good = memrchr(b'\n', &block.bytes[..good]).unwrap_or(0);
            let good = Block {
                bytes: block.bytes[..good].to_vec(),
                ..*block
            };
            match lines(file, &good) {
                Ok(lines) => parse_lines(file, schema, lines, &mut rows)
                    .err()
                    .or(Some(not_utf8)),
                Err((_, error)) => Some(error),
            }
        }
    };
    Parsed { rows, error }
}

fn parse_lines<'b>(
    file: &Path,
    schema: &Schema,
    lines: impl Iterator<Item = (u64, &'b str)>,
    rows: &mut Rows,
) -> Result<(), DataError> {
    for (line, text) in lines {
        let before = rows.features.len();
        let row = parse_row(file, schema, line, text, &mut rows.features).and_then(|row| {
            for role in Role::ALL {
                match (schema.presence(role), row.seen[role as usize]) {
                    (Presence::Required, false) => {
                        return Err(missing(file, schema, role, line, text));
                    }
                    (Presence::Absent, true) => {
                        return Err(DataError::LateColumn {
                            file: file.to_owned(),
                            place: Place::Line(line),
                            column: schema.column(role).to_owned(),
                        });
                    }
                    _ => {}
                }
            }
            let n_features = rows.features.len() - before;
            Ok((row, n_features))
        });
        let pushed = row.and_then(|(row, n)| rows.push(file, schema, line, row.cells, n));
        if let Err(error) = pushed {
            rows.features.truncate(before);
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::config::DataConfig;

    fn read_with(text: &str, block_len: usize, n_threads: usize, limit: usize) -> (Rows, String) {
        try_read(text.as_bytes(), block_len, n_threads, limit).unwrap()
    }

    fn try_read(
        text: &[u8],
        block_len: usize,
        n_threads: usize,
        limit: usize,
    ) -> Result<(Rows, String), DataError> {
        let stream = Stream::new(Cursor::new(text.to_vec()), false);
        let schema = Schema::new(&DataConfig::new("x.jsonl")).unwrap();
        let blocks = Blocks::new(stream, block_len);
        read_in_blocks(
            Path::new("x.jsonl"),
            blocks,
            &schema,
            limit,
            n_threads,
            &|_| {},
        )
    }

    fn sample(n: usize) -> String {
        let row = |i: usize| {
            let blank = if i.is_multiple_of(3) { "\n" } else { "" };
            let label = i % 4;
            format!(
                r#"{blank}{{"text": "t\u00e9{i}", "features": [{i}, -0.5e-1], "label": {label}}}"#
            ) + "\n"
        };
        (0..n).map(row).collect::<Vec<_>>().concat()
    }

    proptest! {
        #[test]
        fn blocks_and_threads_change_nothing(n in 1..40usize, block_len in 2..300usize, n_threads in 1..4usize) {
            let text = sample(n);
            let whole = read_with(&text, 1 << 20, 1, usize::MAX);
            prop_assert_eq!(whole.0.len(), n);
            prop_assert_eq!(&whole.0.features[2 * n - 2..], [(n - 1) as f32, -0.05]);
            prop_assert_eq!(whole, read_with(&text, block_len, n_threads, usize::MAX));
        }

        #[test]
        fn a_limit_keeps_the_first_rows(n in 1..40usize, block_len in 2..300usize, limit in 1..50usize) {
            let text = sample(n);
            let mut whole = read_with(&text, 1 << 20, 1, usize::MAX);
            whole.0.truncate(limit);
            prop_assert_eq!(whole, read_with(&text, block_len, 2, limit));
        }

        #[test]
        fn any_bytes_give_rows_or_an_error(text: Vec<u8>, block_len in 2..20usize) {
            let read = try_read(&text, block_len, 2, usize::MAX);
            prop_assert!(read.is_err() || read.is_ok_and(|(rows, _)| rows.len() > 0));
        }

        #[test]
        fn the_first_error_wins(at in 1..30usize, block_len in 2..300usize) {
            let mut lines: Vec<String> = sample(30).split_inclusive('\n').map(str::to_owned).collect();
            lines.insert(at, "{\"text\": 1}\n".into());
            lines.push("broken".into());
            let error = try_read(lines.concat().as_bytes(), block_len, 3, usize::MAX).unwrap_err();
            prop_assert!(error.to_string().contains("column \"text\" holds 1, expected text"), "{}", error);
        }
    }
}
