//! Parquet, through its column readers: no Arrow is linked for a few columns.
//!
//! Text is a byte array, the label text, an integer or a boolean, features a list of 16-, 32- or
//! 64-bit floats. A column is read in batches straight to where it stays.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::error::{DataError, Place};
use crate::rows::{IMPLIED, N_ROLES, Part, Role, Rows, Schema};
use crate::stream::Stream;
use trimtab_core::SampleId;

/// Rows read at a time.
const BATCH: usize = 4096;

/// Reads a file. Returns the rows and the SHA-256 of the file's bytes.
pub(crate) fn read(
    file: &Path,
    schema: &Schema,
    limit: usize,
    on_progress: &dyn Fn(u64),
) -> Result<(Rows, String), DataError> {
    let unreadable = |reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    };
    let sha256 = Stream::open(file, false)?.finish().map_err(unreadable)?;
    let opened = File::open(file).map_err(unreadable)?;
    let reader = SerializedFileReader::new(opened).map_err(|error| damaged(file, &error))?;
    let columns = Columns::find(file, &reader, schema)?;
    let mut rows = Rows::default();
    let mut n_bytes = 0;
    for i in 0..reader.num_row_groups() {
        if rows.len() >= limit {
            break;
        }
        let group = reader
            .get_row_group(i)
            .map_err(|error| damaged(file, &error))?;
        columns.read(&*group, limit, &mut rows)?;
        n_bytes += group.metadata().compressed_size().unsigned_abs();
        on_progress(n_bytes);
    }
    if rows.len() == 0 {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    rows.features.shrink_to_fit();
    Ok((rows, sha256))
}

fn damaged(file: &Path, error: &ParquetError) -> DataError {
    DataError::Parquet {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

/// Which leaf column plays which role.
struct Columns<'f> {
    file: &'f Path,
    schema: Schema,
    leaves: [Option<(usize, Arc<ColumnDescriptor>)>; N_ROLES],
}

impl<'f> Columns<'f> {
    fn find(
        file: &'f Path,
        reader: &SerializedFileReader<File>,
        schema: &Schema,
    ) -> Result<Self, DataError> {
        let descriptor = reader.metadata().file_metadata().schema_descr_ptr();
        let roots = descriptor.root_schema().get_fields();
        let leaf_of = |role: Role| {
            let root = roots
                .iter()
                .position(|root| schema.role(root.name()) == Some(role))?;
            (0..descriptor.num_columns())
                .find(|&leaf| descriptor.get_column_root_idx(leaf) == root)
                .map(|leaf| (leaf, descriptor.column(leaf)))
        };
        let leaves = Role::ALL.map(leaf_of);
        let settled = schema.settle(Role::ALL.map(|role| leaves[role as usize].is_some()));
        let schema = settled.map_err(|role| DataError::MissingColumn {
            file: file.to_owned(),
            place: Place::Row(0),
            column: schema.column(role).to_owned(),
            role: role.name(),
            available: roots.iter().map(|root| root.name().to_owned()).collect(),
        })?;
        let columns = Self {
            file,
            schema,
            leaves,
        };
        Role::ALL
            .into_iter()
            .try_for_each(|role| columns.check_type(role))?;
        Ok(columns)
    }

    /// Refuses a column of a type that cannot be read, before anything is.
    fn check_type(&self, role: Role) -> Result<(), DataError> {
        let Some((_, leaf)) = self.leaf(role) else {
            return Ok(());
        };
        let (physical, n_lists) = (leaf.physical_type(), leaf.max_rep_level());
        let half = physical == Type::FIXED_LEN_BYTE_ARRAY && leaf.type_length() == 2;
        let (fits, expected) = match role {
            Role::Features => (
                n_lists == 1 && (half || matches!(physical, Type::FLOAT | Type::DOUBLE)),
                "a list of floats",
            ),
            Role::Candidates => (
                n_lists == 1 && physical == Type::BYTE_ARRAY,
                "a list of texts",
            ),
            _ if role.is_text() => (n_lists == 0 && physical == Type::BYTE_ARRAY, "text"),
            _ => (
                n_lists == 0
                    && matches!(
                        physical,
                        Type::BYTE_ARRAY | Type::INT32 | Type::INT64 | Type::BOOLEAN
                    ),
                "text, an integer or a boolean",
            ),
        };
        if fits {
            return Ok(());
        }
        let list = if n_lists == 0 { "" } else { "a list of " };
        Err(DataError::WrongType {
            file: self.file.to_owned(),
            place: Place::Row(0),
            column: self.schema.column(role).to_owned(),
            expected,
            got: format!("{list}{physical}"),
        })
    }

    fn leaf(&self, role: Role) -> Option<&(usize, Arc<ColumnDescriptor>)> {
        self.leaves[role as usize]
            .as_ref()
            .filter(|_| self.schema.has(role))
    }

    /// Adds the rows of one group, column by column.
    fn read(
        &self,
        group: &dyn RowGroupReader,
        limit: usize,
        rows: &mut Rows,
    ) -> Result<(), DataError> {
        let first = rows.len();
        let n = usize::try_from(group.metadata().num_rows())
            .unwrap_or(0)
            .min(limit - first);
        for role in Role::ALL {
            let Some((leaf, descriptor)) = self.leaf(role) else {
                continue;
            };
            let reader = group
                .get_column_reader(*leaf)
                .map_err(|error| damaged(self.file, &error))?;
            let column = Column {
                of: self,
                role,
                descriptor,
                first,
                n,
            };
            match role {
                Role::Features => column.read_features(reader, rows)?,
                Role::Candidates => column.read_candidates(reader, rows)?,
                _ => column.read_cells(reader, rows)?,
            }
            rows.check_labels(self.file, &self.schema)?;
        }
        if !self.schema.has(Role::Label) {
            (0..n).for_each(|_| rows.labels.push(IMPLIED));
        }
        Ok(())
    }
}

/// One column of one row group.
struct Column<'c> {
    of: &'c Columns<'c>,
    role: Role,
    descriptor: &'c ColumnDescriptor,
    /// The number of the group's first row.
    first: usize,
    /// Rows to read.
    n: usize,
}

impl Column<'_> {
    fn missing(&self, row: usize) -> DataError {
        DataError::MissingValue {
            file: self.of.file.to_owned(),
            place: Place::Row(row as u64),
            column: self.of.schema.column(self.role).to_owned(),
        }
    }

    fn read_cells(&self, reader: ColumnReader, rows: &mut Rows) -> Result<(), DataError> {
        match reader {
            ColumnReader::ByteArrayColumnReader(reader) => self
                .each_cell(reader, |row, value: &ByteArray| {
                    self.push(rows, row, self.text(row, value)?)
                }),
            ColumnReader::Int32ColumnReader(reader) => self.each_cell(reader, |row, value| {
                self.push(rows, row, &value.to_string())
            }),
            ColumnReader::Int64ColumnReader(reader) => self.each_cell(reader, |row, value| {
                self.push(rows, row, &value.to_string())
            }),
            ColumnReader::BoolColumnReader(reader) => self.each_cell(reader, |row, value| {
                self.push(rows, row, &value.to_string())
            }),
            _ => unreachable!("check_type lets no other type pass"),
        }
    }

    fn text<'v>(&self, row: usize, value: &'v ByteArray) -> Result<&'v str, DataError> {
        str::from_utf8(value.data()).map_err(|error| {
            let reason = format!("row {row}: {error}");
            damaged(self.of.file, &ParquetError::General(reason))
        })
    }

    fn push(&self, rows: &mut Rows, row: usize, value: &str) -> Result<(), DataError> {
        if value.is_empty() && matches!(self.role, Role::Id | Role::Label) {
            return Err(self.missing(row));
        }
        match self.role {
            Role::Id => rows.ids.push(SampleId::new(value)),
            Role::Text => rows.texts.push(value.into()),
            Role::Label => rows.labels.push(value),
            Role::Group => rows.groups.push(value),
            Role::Split => {
                let part = Part::parse(value).ok_or_else(|| DataError::UnknownPart {
                    file: self.of.file.to_owned(),
                    place: Place::Row(row as u64),
                    value: value.to_owned(),
                })?;
                rows.parts.push(part);
            }
            Role::Chosen => rows.chosen.push(value.into()),
            Role::Rejected => rows.rejected.push(value.into()),
            Role::Fen => rows.fens.push(value.into()),
            Role::Moves => rows.moves.push(value.into()),
            Role::Features | Role::Candidates => unreachable!("a list is no cell"),
        }
        Ok(())
    }

    fn each_cell<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        mut take: impl FnMut(usize, &T::T) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let there = self.descriptor.max_def_level();
        let mut done = 0;
        while done < self.n {
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let wanted = BATCH.min(self.n - done);
            let (n, ..) = reader
                .read_records(wanted, Some(&mut levels), None, &mut values)
                .map_err(|error| damaged(self.of.file, &error))?;
            let row = self.first + done;
            if there > 0
                && let Some(null) = levels.iter().position(|&level| level < there)
            {
                return Err(self.missing(row + null));
            }
            if n == 0 {
                return Err(self.short(row));
            }
            values
                .iter()
                .enumerate()
                .try_for_each(|(i, value)| take(row + i, value))?;
            done += n;
        }
        Ok(())
    }

    fn short(&self, row: usize) -> DataError {
        let column = self.of.schema.column(self.role);
        let reason = format!("column {column:?} ends before row {row}");
        damaged(self.of.file, &ParquetError::General(reason))
    }

    fn read_features(&self, reader: ColumnReader, rows: &mut Rows) -> Result<(), DataError> {
        match reader {
            ColumnReader::FloatColumnReader(reader) => self.each_list(reader, rows, |&v| v),
            ColumnReader::DoubleColumnReader(reader) => self.each_list(reader, rows, |&v| v as f32),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                self.each_list(reader, rows, |value: &FixedLenByteArray| {
                    match value.data() {
                        &[low, high] => f16::from_le_bytes([low, high]).to_f32(),
                        other => unreachable!("half float of {} bytes", other.len()),
                    }
                })
            }
            _ => unreachable!("check_type lets no other type pass"),
        }
    }

    fn each_list<T: DataType>(
        &self,
        reader: ColumnReaderImpl<T>,
        rows: &mut Rows,
        float: impl Fn(&T::T) -> f32,
    ) -> Result<(), DataError> {
        let there = self.descriptor.max_def_level();
        // Short batches: each value comes with two levels of two bytes.
        self.each_batch(reader, BATCH / 16, |row, [defined, repeated], values| {
            self.check_lists(row, there, defined, repeated, &mut rows.dim)?;
            rows.features.extend(values.iter().map(&float));
            Ok(())
        })
    }

    /// Reads lists, at most `batch` rows at a time: `take` gets the first of them, the levels of definition and
    /// repetition, and the values.
    fn each_batch<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        batch: usize,
        mut take: impl FnMut(usize, [&[i16]; 2], &[T::T]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut done = 0;
        while done < self.n {
            let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
            let (n, ..) = reader
                .read_records(
                    batch.min(self.n - done),
                    Some(&mut defined),
                    Some(&mut repeated),
                    &mut values,
                )
                .map_err(|error| damaged(self.of.file, &error))?;
            let row = self.first + done;
            if n == 0 {
                return Err(self.short(row));
            }
            take(row, [&defined, &repeated], &values)?;
            done += n;
        }
        Ok(())
    }

    fn read_candidates(&self, reader: ColumnReader, rows: &mut Rows) -> Result<(), DataError> {
        let ColumnReader::ByteArrayColumnReader(reader) = reader else {
            unreachable!("check_type lets no other type pass")
        };
        let there = self.descriptor.max_def_level();
        self.each_batch(reader, BATCH, |row, [defined, repeated], values| {
            let mut values = values.iter();
            let mut lists: Vec<Vec<Box<str>>> = Vec::new();
            for (&level, &is_new) in defined.iter().zip(repeated) {
                if is_new == 0 {
                    lists.push(Vec::new());
                }
                let row = row + lists.len().saturating_sub(1);
                match (lists.last_mut(), values.next()) {
                    (Some(list), Some(value)) if level == there => {
                        list.push(self.text(row, value)?.into());
                    }
                    _ => return Err(self.missing(row)),
                }
            }
            rows.candidates.extend(lists.into_iter().map(Into::into));
            Ok(())
        })
    }

    /// Checks that every list has `dim` elements, none of them null. The first list sets `dim`.
    fn check_lists(
        &self,
        mut row: usize,
        there: i16,
        defined: &[i16],
        repeated: &[i16],
        dim: &mut usize,
    ) -> Result<(), DataError> {
        let mut start = 0;
        while start < repeated.len() {
            let rest = &repeated[start + 1..];
            let end = start
                + 1
                + rest
                    .iter()
                    .position(|&level| level == 0)
                    .unwrap_or(rest.len());
            // A list that is null or empty has one level pair and no value.
            if there > 0 && defined[start..end].iter().any(|&level| level < there) {
                return Err(self.missing(row));
            }
            let got = end - start;
            if *dim == 0 {
                *dim = got;
            } else if got != *dim {
                return Err(DataError::FeatureLength {
                    file: self.of.file.to_owned(),
                    place: Place::Row(row as u64),
                    expected: *dim,
                    got,
                });
            }
            (start, row) = (end, row + 1);
        }
        Ok(())
    }
}
