//! Matrix products over slices: `out = s A B` or `out += s A B`, in f32, on one thread.
//!
//! A [`View`] is a matrix within a slice, with a distance between rows and one between columns, so that
//! heads within a row of queries, keys and values, and transposed matrices, need no copies. The
//! arithmetic is the crate `gemm`'s, whose functions take pointers: this is the one file here that is not
//! safe by the language, and every view checks on construction that all its numbers lie within its slice.

/// A matrix to read.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    grid: Grid,
}

/// A matrix to write.
#[derive(Debug)]
pub struct ViewMut<'a> {
    data: &'a mut [f32],
    grid: Grid,
}

/// Where the numbers of a matrix lie: `(i, j)` is at `i · row_step + j · column_step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl Grid {
    fn rows(data: &[f32], rows: usize, columns: usize, row_step: usize) -> Self {
        let end = match rows {
            0 => 0,
            rows => (rows - 1) * row_step + columns,
        };
        assert!(
            end <= data.len() && columns <= row_step,
            "a matrix of {rows} x {columns}, rows {row_step} apart, in {} numbers",
            data.len()
        );
        Self {
            rows,
            columns,
            row_step,
            column_step: 1,
        }
    }
}

impl<'a> View<'a> {
    /// `rows` whole rows, one after the other.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// The first `columns` numbers of `rows` rows that begin `row_step` apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        let grid = Grid::rows(data, rows, columns, row_step);
        Self { data, grid }
    }

    /// The same with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        let grid = Grid {
            rows: self.grid.columns,
            columns: self.grid.rows,
            row_step: self.grid.column_step,
            column_step: self.grid.row_step,
        };
        Self { grid, ..self }
    }
}

impl<'a> ViewMut<'a> {
    /// `rows` whole rows, one after the other.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// The first `columns` numbers of `rows` rows that begin `row_step` apart.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        let grid = Grid::rows(data, rows, columns, row_step);
        Self { data, grid }
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.grid.rows, self.grid.columns]
    }
}

/// `out = scale · a b`.
pub fn set_product(out: ViewMut<'_>, scale: f32, a: View<'_>, b: View<'_>) {
    product(out, Store::Set, scale, a, b);
}

/// `out += scale · a b`.
pub fn add_product(out: ViewMut<'_>, scale: f32, a: View<'_>, b: View<'_>) {
    product(out, Store::Add, scale, a, b);
}

/// What happens to the numbers that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Set,
    Add,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the view is a mutable borrow, used up by the product"
)]
fn product(out: ViewMut<'_>, store: Store, scale: f32, a: View<'_>, b: View<'_>) {
    let (m, n, k) = (out.grid.rows, out.grid.columns, a.grid.columns);
    assert!(
        a.grid.rows == m && b.grid.rows == k && b.grid.columns == n,
        "{m} x {n} from {:?} and {:?}",
        a.grid,
        b.grid
    );
    let (kept, read) = match store {
        Store::Set => (0.0, false),
        Store::Add => (1.0, true),
    };
    let step = |step: usize| step.cast_signed();
    #[expect(unsafe_code, reason = "the crate `gemm` takes pointers and distances")]
    // SAFETY: `Grid::rows` has checked that `i · row_step + j · column_step` lies within the slice for
    // every `i < rows` and `j < columns`, `transposed` exchanges both, and the shapes agree, so gemm
    // stays within the three slices. `out` is borrowed mutably, so it overlaps neither `a` nor `b`, and
    // its rows do not overlap each other, because `columns <= row_step`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.data.as_mut_ptr(),
            step(out.grid.column_step),
            step(out.grid.row_step),
            read,
            a.data.as_ptr(),
            step(a.grid.column_step),
            step(a.grid.row_step),
            b.data.as_ptr(),
            step(b.grid.column_step),
            step(b.grid.row_step),
            kept,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn products_equal_the_plain_loops(
            m in 1..20usize, n in 1..20usize, k in 1..20usize, gap in 0..3usize,
            is_transposed: [bool; 2], is_added: bool, seed: u64,
        ) {
            let mut stream = Seed(seed).stream();
            let mut numbers = |n: usize| -> Vec<f32> {
                (0..n).map(|_| stream.next_normal() as f32).collect()
            };
            let step = m.max(n).max(k) + gap;
            let (a, b) = (numbers(20 * step), numbers(20 * step));
            let before = numbers(20 * step);
            let view = |data, rows, columns, is_transposed| if is_transposed {
                View::strided(data, columns, rows, step).transposed()
            } else {
                View::strided(data, rows, columns, step)
            };
            let at = |data: &[f32], i: usize, j: usize, is_transposed| if is_transposed {
                f64::from(data[j * step + i])
            } else {
                f64::from(data[i * step + j])
            };
            let mut out = before.clone();
            let views = (view(&a, m, k, is_transposed[0]), view(&b, k, n, is_transposed[1]));
            let to = ViewMut::strided(&mut out, m, n, step);
            if is_added {
                add_product(to, 0.5, views.0, views.1);
            } else {
                set_product(to, 0.5, views.0, views.1);
            }
            for (at_out, (&got, &was)) in out.iter().zip(&before).enumerate() {
                let (i, j) = (at_out / step, at_out % step);
                if i >= m || j >= n {
                    prop_assert_eq!(got, was);
                    continue;
                }
                let sum: f64 = (0..k)
                    .map(|l| at(&a, i, l, is_transposed[0]) * at(&b, l, j, is_transposed[1]))
                    .sum();
                let want = 0.5 * sum + if is_added { f64::from(was) } else { 0.0 };
                prop_assert!((f64::from(got) - want).abs() < 1e-4);
            }
        }
    }

    #[test]
    #[should_panic(expected = "a matrix of 3 x 2, rows 2 apart, in 5 numbers")]
    fn a_view_beyond_its_slice_is_refused() {
        View::new(&[0.0; 5], 3, 2);
    }
}
