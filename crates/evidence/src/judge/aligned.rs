//! Numbers that begin with a line of cache: vectors of them are loaded from one line each, not from two.

use std::ops::{Deref, DerefMut};

/// Bytes of a line.
const LINE: usize = 64;

/// A buffer whose first number is the first of a line of cache.
#[derive(Debug)]
pub(crate) struct Aligned {
    /// With some numbers before the first that are never looked at.
    numbers: Vec<f32>,
    start: usize,
}

impl Aligned {
    /// So many zeros.
    pub(crate) fn zeros(n: usize) -> Self {
        let most_before = LINE / size_of::<f32>() - 1;
        let mut numbers: Vec<f32> = Vec::with_capacity(n + most_before);
        let start = numbers.as_ptr().align_offset(LINE).min(most_before);
        numbers.resize(start + n, 0.0);
        Self { numbers, start }
    }

    /// The first `n` numbers of a buffer that is scratch: it is made anew if it has fewer.
    pub(crate) fn at_least(&mut self, n: usize) -> &mut [f32] {
        if self.len() < n {
            *self = Self::zeros(n);
        }
        &mut self[..n]
    }
}

impl From<&[f32]> for Aligned {
    fn from(numbers: &[f32]) -> Self {
        let mut aligned = Self::zeros(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        (&**self).into()
    }
}

impl PartialEq for Aligned {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.start..]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_with_a_line_and_are_what_they_were_made_of() {
        for n in [0, 1, 7, 64, 1_000] {
            let numbers: Vec<f32> = (0..n).map(|x| x as f32).collect();
            let buffer = Aligned::from(&numbers[..]);
            let mut other = buffer.clone();
            assert_eq!(*buffer, numbers[..]);
            assert_eq!(buffer, other);
            assert_eq!(other.at_least(n as usize + 5).len(), n as usize + 5);
            for buffer in [buffer, other] {
                assert_eq!(buffer.as_ptr().align_offset(LINE), 0);
            }
        }
    }
}
