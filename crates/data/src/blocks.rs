//! A stream of text, cut into blocks of whole lines.

use std::io::Read;
use std::path::Path;

use memchr::{memchr_iter, memrchr};

use crate::error::DataError;
use crate::stream::Stream;

/// Whole lines.
pub(crate) struct Block {
    /// The number of the first line, from 1.
    pub(crate) first_line: u64,
    /// Offset of the first byte in the text.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Cuts a stream into blocks.
pub(crate) struct Blocks {
    pub(crate) stream: Stream,
    block_len: usize,
    carry: Vec<u8>,
    line: u64,
    offset: u64,
    ended: bool,
}

impl Blocks {
    pub(crate) fn new(stream: Stream, block_len: usize) -> Self {
        Self {
            stream,
            block_len,
            carry: Vec::new(),
            line: 1,
            offset: 0,
            ended: false,
        }
    }

    pub(crate) fn next(&mut self, file: &Path) -> Result<Option<Block>, DataError> {
        let mut bytes = std::mem::take(&mut self.carry);
        let mut searched = 0;
        let end = loop {
            if self.ended {
                break bytes.len();
            }
            let wanted = self
                .block_len
                .saturating_sub(bytes.len())
                .max(self.block_len / 2);
            let n = (&mut self.stream)
                .take(wanted as u64)
                .read_to_end(&mut bytes)
                .map_err(|reason| self.stream.error(file, reason))?;
            self.ended = n < wanted;
            if self.ended {
                break bytes.len();
            }
            if let Some(newline) = memrchr(b'\n', &bytes[searched..]) {
                break searched + newline + 1;
            }
            searched = bytes.len();
        };
        self.carry = bytes.split_off(end);
        if bytes.is_empty() {
            return Ok(None);
        }
        let block = Block {
            first_line: self.line,
            offset: self.offset,
            bytes,
        };
        self.line += memchr_iter(b'\n', &block.bytes).count() as u64;
        self.offset += block.bytes.len() as u64;
        Ok(Some(block))
    }
}

/// The lines of a block that are not blank, with their numbers.
pub(crate) fn lines<'b>(
    file: &Path,
    block: &'b Block,
) -> Result<impl Iterator<Item = (u64, &'b str)>, (usize, DataError)> {
    let text = str::from_utf8(&block.bytes).map_err(|error| {
        let good = error.valid_up_to();
        let line = memchr_iter(b'\n', &block.bytes[..good]).count();
        let offset = block.offset + good as u64;
        let line = block.first_line + line as u64;
        (
            good,
            DataError::NotUtf8 {
                file: file.to_owned(),
                line,
                offset,
            },
        )
    })?;
    let text = if block.offset == 0 {
        text.trim_start_matches('\u{feff}')
    } else {
        text
    };
    let numbered = (block.first_line..).zip(text.split('\n'));
    Ok(numbered.filter(|(_, line)| !line.trim_ascii().is_empty()))
}
