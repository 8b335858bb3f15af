//! How a tensor of a checkpoint holds the parameters of [`crate::transformer`].
//!
//! Parameters of linear maps are `[in, out]` here; PyTorch's `Linear` stores `[out, in]`, GPT-2's
//! `Conv1D` stores `[in, out]`. Some files fuse queries, keys and values into one tensor.

/// What a file's tensor holds, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One parameter as it is: vectors, embeddings, `Conv1D`.
    Plain,
    /// One linear map, `[out, in]`.
    Transposed,
    /// Query, key and value beside each other: `[in, 3 out]`, or `[3 out]` for biases (GPT-2).
    Beside,
    /// For each head its query, key and value rows: `[heads · 3 · head width, in]`, or without `in`
    /// for biases (GPT-NeoX).
    ByHead {
        /// Heads.
        n_heads: usize,
    },
}

impl Layout {
    /// The shape of the file's tensor when a parameter of it has `shape`.
    pub(crate) fn file_shape(self, shape: &[usize]) -> Vec<usize> {
        match (self, shape) {
            (Self::Plain, _) => shape.to_vec(),
            (Self::Transposed, &[input, output]) => vec![output, input],
            (Self::Beside, &[input, output]) => vec![input, 3 * output],
            (Self::ByHead { .. }, &[input, output]) => vec![3 * output, input],
            (Self::Beside | Self::ByHead { .. }, &[output]) => vec![3 * output],
            _ => panic!("layout {self:?} of a parameter of shape {shape:?}"),
        }
    }

    /// Where element (`row`, `column`) of parameter number `part` is in the file's tensor; vectors
    /// have one row.
    fn place(self, part: usize, [rows, columns]: [usize; 2], row: usize, column: usize) -> usize {
        match self {
            Self::Plain => row * columns + column,
            Self::Transposed => column * rows + row,
            Self::Beside => row * 3 * columns + part * columns + column,
            Self::ByHead { n_heads } => {
                let head_width = columns / n_heads;
                let (head, within) = (column / head_width, column % head_width);
                ((head * 3 + part) * head_width + within) * rows + row
            }
        }
    }

    /// Takes parameter number `part` of `shape` out of the file's tensor.
    pub(crate) fn take(self, file: &[f32], part: usize, shape: &[usize]) -> Vec<f32> {
        let [rows, columns] = matrix(shape);
        let mut parameter = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                parameter.push(file[self.place(part, [rows, columns], row, column)]);
            }
        }
        parameter
    }

    /// Puts parameter number `part` of `shape` into the file's tensor.
    pub(crate) fn put(self, parameter: &[f32], part: usize, shape: &[usize], file: &mut [f32]) {
        let [rows, columns] = matrix(shape);
        for row in 0..rows {
            for column in 0..columns {
                file[self.place(part, [rows, columns], row, column)] =
                    parameter[row * columns + column];
            }
        }
    }
}

fn matrix(shape: &[usize]) -> [usize; 2] {
    match *shape {
        [n] => [1, n],
        [rows, columns] => [rows, columns],
        _ => panic!("a parameter of shape {shape:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_transpose_is_one() {
        // [out 2, in 3] in the file.
        let taken = Layout::Transposed.take(&[1., 2., 3., 4., 5., 6.], 0, &[3, 2]);
        assert_eq!(taken, [1., 4., 2., 5., 3., 6.]);
    }

    #[test]
    fn neox_heads_are_taken_apart() {
        // Two heads of width 1, one input: q0 k0 v0 q1 k1 v1.
        let file = [0., 10., 20., 1., 11., 21.];
        let layout = Layout::ByHead { n_heads: 2 };
        let parts = [0, 1, 2].map(|part| layout.take(&file, part, &[1, 2]));
        assert_eq!(parts, [vec![0., 1.], vec![10., 11.], vec![20., 21.]]);
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(
            input in 1..4usize, heads in 1..4usize, head_width in 1..4usize, kind in 0..4usize, bias: bool,
        ) {
            let layout = [Layout::Plain, Layout::Transposed, Layout::Beside, Layout::ByHead { n_heads: heads }][kind];
            let n_parts = if kind < 2 { 1 } else { 3 };
            let output = heads * head_width;
            let shape = if bias && kind != 1 { vec![output] } else { vec![input, output] };
            let n: usize = shape.iter().product();
            let mut file = vec![f32::NAN; layout.file_shape(&shape).iter().product()];
            let parameter = |part: usize| (0..n).map(|i| (part * n + i) as f32).collect::<Vec<_>>();
            for part in 0..n_parts {
                layout.put(&parameter(part), part, &shape, &mut file);
            }
            prop_assert!(file.iter().all(|x| x.is_finite()), "a hole in {:?}", file);
            for part in 0..n_parts {
                prop_assert_eq!(layout.take(&file, part, &shape), parameter(part));
            }
        }
    }
}
