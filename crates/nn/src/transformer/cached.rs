//! The forward pass over new tokens only: keys and values of earlier ones are remembered.
//!
//! Works on every device. Rows are padded on the left, so that all grow at the right: column c of every
//! row is written at once. Keys and values lie in buffers that are as long as the rows will ever be, and
//! are written in place, in what products are computed in. Shapes: keys and values `[n_rows, n_kv_heads, capacity, head width]`.
//!
//! The processor has a faster twin of this in [`crate::decode`]; the two are compared in
//! `tests/it/generate.rs`.

use burn_tensor::{DType, Device as BurnDevice, Int, Tensor, TensorData};

use super::{Surroundings, Transformer};
use crate::definition::Attention as Sight;

/// What a transformer remembers of the rows of a batch.
#[derive(Debug)]
pub(crate) struct Past {
    layers: Vec<LayerPast>,
    n_rows: usize,
    /// Columns there is room for, and columns written.
    capacity: usize,
    len: usize,
    /// Columns of padding at the beginning of each row.
    padding: Vec<usize>,
}

/// Keys and values of one layer.
#[derive(Debug)]
pub(super) struct LayerPast {
    /// Absent while they are written.
    keys: Option<Tensor<4>>,
    values: Option<Tensor<4>>,
    len: usize,
}

impl LayerPast {
    /// Writes keys and values of new columns, and returns those of all columns.
    pub(super) fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [n, n_heads, n_new, width] = key.dims();
        let (start, end) = (self.len, self.len + n_new);
        let write = |buffer: &mut Option<Tensor<4>>, new: Tensor<4>| {
            // Taken out, the buffer has one owner, and is written in place.
            let Some(old) = buffer.take() else {
                panic!("keys or values of a layer are gone");
            };
            let written = old.slice_assign([0..n, 0..n_heads, start..end, 0..width], new);
            *buffer = Some(written.clone());
            written.narrow(2, 0, end)
        };
        let all = (write(&mut self.keys, key), write(&mut self.values, value));
        self.len = end;
        all
    }

    fn keep(&mut self, rows: &Tensor<1, Int>) {
        for buffer in [&mut self.keys, &mut self.values] {
            *buffer = buffer.take().map(|all| all.select(0, rows.clone()));
        }
    }
}

impl Past {
    /// Nothing is remembered yet. A row begins after `padding` columns.
    pub(crate) fn new(transformer: &Transformer, padding: Vec<usize>, capacity: usize) -> Self {
        let (d, n_rows) = (&transformer.definition, padding.len());
        let buffer = || {
            let shape = [n_rows, d.n_kv_heads, capacity, d.head_width];
            let format = DType::from(transformer.precision.on_device());
            Some(Tensor::zeros(shape, (&transformer.device, format)))
        };
        let layer = |_| LayerPast {
            keys: buffer(),
            values: buffer(),
            len: 0,
        };
        Self {
            layers: (0..d.n_layers).map(layer).collect(),
            n_rows,
            capacity,
            len: 0,
            padding,
        }
    }

    /// Forgets all rows but these.
    pub(crate) fn keep(&mut self, rows: &[usize], device: &BurnDevice) {
        let indices: Vec<i64> = rows.iter().map(|&row| i64::from(row as u32)).collect();
        let indices = Tensor::from_data(TensorData::new(indices, [rows.len()]), device);
        self.layers
            .iter_mut()
            .for_each(|layer| layer.keep(&indices));
        self.padding = rows.iter().map(|&row| self.padding[row]).collect();
        self.n_rows = rows.len();
    }
}

impl Transformer {
    /// Hidden states of new columns, `[n_rows, n_new, width]`; `ids` is `[n_rows, n_new]`.
    ///
    /// # Panics
    ///
    /// When there is no room for them.
    pub(crate) fn extend(&self, past: &mut Past, ids: &[u32]) -> Tensor<3> {
        let (n_rows, n_new) = (past.n_rows, ids.len() / past.n_rows);
        let (start, end) = (past.len, past.len + n_new);
        assert!(
            ids.len() == n_rows * n_new && end <= past.capacity,
            "extend: {} ids for {n_rows} rows, {end} of {} columns",
            ids.len(),
            past.capacity,
        );
        let positions: Vec<usize> = (past.padding.iter())
            .flat_map(|&padding| (start..end).map(move |column| column.saturating_sub(padding)))
            .collect();
        let shape = [n_rows, n_new];
        let mut h = self.embed_at(shape, ids, &positions, None);
        let around = Surroundings {
            definition: &self.definition,
            precision: self.precision,
            mask: Some(self.mask_between(&past.padding, start, end)),
            rotation: self.rotation_at(shape, &positions),
        };
        for (layer, past) in self.layers.iter().zip(&mut past.layers) {
            h = layer.forward(&around, h, Some(past));
        }
        past.len = end;
        match &self.norm {
            Some(norm) => norm.forward(h),
            None => h,
        }
    }

    /// What is added to scores of queries from `start` to `end` with keys up to `end`:
    /// `[n_rows, 1, end − start, end]`.
    fn mask_between(&self, padding: &[usize], start: usize, end: usize) -> Tensor<4> {
        const HIDDEN: f32 = -1e9;
        let window = match self.definition.attention {
            Sight::Window { window } => window,
            Sight::Causal | Sight::Bidirectional => usize::MAX,
        };
        let mut mask = Vec::with_capacity(padding.len() * (end - start) * end);
        for &padding in padding {
            for query in start..end {
                mask.extend((0..end).map(|key| {
                    let is_seen = key >= padding && key <= query && query - key < window;
                    if is_seen { 0.0 } else { HIDDEN }
                }));
            }
        }
        let data = TensorData::new(mask, [padding.len(), 1, end - start, end]);
        Tensor::from_data(data, &self.device)
    }
}
