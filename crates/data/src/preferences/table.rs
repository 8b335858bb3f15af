//! Records as Parquet, a row group at a time, without Arrow.
//!
//! A conversation is a list of groups in the three levels that Parquet's specification gives lists, so that pyarrow
//! reads `list<struct<role, content>>`:
//!
//! ```text
//! required group prompt (LIST) { repeated group list { required group element {
//!     required binary role (STRING); required binary content (STRING); } } }
//! ```

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use trimtab_core::chat::{Message, Role};

use super::record::{Cell, Record};

/// Rows of a group: some megabytes of conversations.
const GROUP: usize = 2000;

/// A Parquet file being written.
pub(super) struct Table {
    state: State,
    rows: Vec<Record>,
}

/// The columns are those of the first record.
enum State {
    Unopened(BufWriter<File>),
    Open(Box<SerializedFileWriter<BufWriter<File>>>),
    /// A write failed before.
    Broken,
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => io::Error::other(source),
        other => io::Error::other(other.to_string()),
    }
}

impl Table {
    pub(super) fn new(file: BufWriter<File>) -> Self {
        Self {
            state: State::Unopened(file),
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, record: Record) -> io::Result<()> {
        self.rows.push(record);
        if self.rows.len() < GROUP {
            return Ok(());
        }
        self.flush()
    }

    /// Writes the rows at hand as a group.
    fn flush(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if let State::Unopened(_) = self.state
            && let State::Unopened(file) = std::mem::replace(&mut self.state, State::Broken)
        {
            let schema = schema(rows.first()).map_err(failed)?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::SNAPPY)
                .set_created_by("trimtab".into())
                .build();
            let writer = SerializedFileWriter::new(file, schema, Arc::new(properties));
            self.state = State::Open(Box::new(writer.map_err(failed)?));
        }
        let State::Open(writer) = &mut self.state else {
            return Err(io::Error::other("an earlier write failed"));
        };
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let mut group = writer.next_row_group().map_err(failed)?;
        for column in 0..first.0.len() {
            write_column(&mut group, &rows, column).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<BufWriter<File>> {
        self.flush()?;
        match self.state {
            State::Open(writer) => writer.into_inner().map_err(failed),
            State::Unopened(_) | State::Broken => Err(io::Error::other("an earlier write failed")),
        }
    }
}

fn text(name: &str) -> Result<TypePtr, ParquetError> {
    let column = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .with_converted_type(ConvertedType::UTF8);
    column.build().map(Arc::new)
}

fn plain(name: &str, physical: Physical) -> Result<TypePtr, ParquetError> {
    let column = Type::primitive_type_builder(name, physical);
    column
        .with_repetition(Repetition::REQUIRED)
        .build()
        .map(Arc::new)
}

fn group(
    name: &str,
    repetition: Repetition,
    fields: Vec<TypePtr>,
) -> Result<TypePtr, ParquetError> {
    let group = Type::group_type_builder(name);
    group
        .with_repetition(repetition)
        .with_fields(fields)
        .build()
        .map(Arc::new)
}

fn schema(first: Option<&Record>) -> Result<TypePtr, ParquetError> {
    let cells = first.map_or(&[][..], |record| &record.0);
    let columns = cells.iter().map(|(name, cell)| match cell {
        Cell::Text(_) => text(name),
        Cell::Bool(_) => plain(name, Physical::BOOLEAN),
        Cell::Number(_) => plain(name, Physical::DOUBLE),
        Cell::Messages(_) => {
            let fields = vec![text("role")?, text("content")?];
            let element = group("element", Repetition::REQUIRED, fields)?;
            let list = group("list", Repetition::REPEATED, vec![element])?;
            let outer = Type::group_type_builder(name)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(Some(LogicalType::List))
                .with_converted_type(ConvertedType::LIST)
                .with_fields(vec![list]);
            outer.build().map(Arc::new)
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let root = Type::group_type_builder("schema").with_fields(columns);
    root.build().map(Arc::new)
}

type Group<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

fn write_column(group: &mut Group<'_>, rows: &[Record], column: usize) -> Result<(), ParquetError> {
    let cells = rows.iter().map(|row| &row.0[column].1);
    match &rows[0].0[column].1 {
        Cell::Text(_) => {
            let texts = cells.filter_map(|cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(text.as_str())),
                _ => None,
            });
            write_leaf::<ByteArrayType>(group, &texts.collect::<Vec<_>>(), None)
        }
        Cell::Bool(_) => {
            let values = cells.filter_map(|cell| match cell {
                Cell::Bool(value) => Some(*value),
                _ => None,
            });
            write_leaf::<BoolType>(group, &values.collect::<Vec<_>>(), None)
        }
        Cell::Number(_) => {
            let values = cells.filter_map(|cell| match cell {
                Cell::Number(value) => Some(*value),
                _ => None,
            });
            write_leaf::<DoubleType>(group, &values.collect::<Vec<_>>(), None)
        }
        Cell::Messages(_) => {
            let lists: Vec<&[Message]> = cells
                .filter_map(|cell| match cell {
                    Cell::Messages(messages) => Some(messages.as_slice()),
                    _ => None,
                })
                .collect();
            let (mut defined, mut repeated) = (Vec::new(), Vec::new());
            for list in &lists {
                // An empty list has levels, and no value.
                defined.extend(list.iter().map(|_| 1).chain(list.is_empty().then_some(0)));
                repeated.push(0);
                repeated.extend(list.iter().skip(1).map(|_| 1));
            }
            let levels = Some([defined.as_slice(), repeated.as_slice()]);
            let roles = lists.iter().copied().flatten();
            let roles: Vec<ByteArray> = roles.map(|m| ByteArray::from(role_name(m.role))).collect();
            write_leaf::<ByteArrayType>(group, &roles, levels)?;
            let contents = lists.iter().copied().flatten();
            let contents: Vec<ByteArray> = contents
                .map(|m| ByteArray::from(m.content.as_str()))
                .collect();
            write_leaf::<ByteArrayType>(group, &contents, levels)
        }
    }
}

/// The role as it is written.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

fn write_leaf<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    levels: Option<[&[i16]; 2]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("a column too many".into()))?;
    let (defined, repeated) = levels.map_or((None, None), |[d, r]| (Some(d), Some(r)));
    column.typed::<T>().write_batch(values, defined, repeated)?;
    column.close()
}
