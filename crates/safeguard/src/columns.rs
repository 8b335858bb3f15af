//! Features of questions as the networks here take them: a sample a column.

use nalgebra::{DMatrix, DVector};
use trimtab_core::{FeatureError, NamedFeatures, Question};

/// Rows of a feature table as columns: `[dim, n]`.
///
/// # Errors
///
/// [`FeatureError`] names the first question without features.
pub fn columns<'q>(
    features: &NamedFeatures,
    questions: impl IntoIterator<Item = &'q Question>,
) -> Result<DMatrix<f64>, FeatureError> {
    let rows = features.table.rows(questions)?;
    let mut values = vec![0.0_f32; rows.len() * rows.dim()];
    rows.read(0..rows.len(), rows.dim(), &mut values);
    let values = values.into_iter().map(f64::from);
    Ok(DMatrix::from_iterator(rows.dim(), rows.len(), values))
}

/// Mean and spread of every feature, over the samples that were learnt from.
pub(crate) struct Scale {
    mean: DVector<f64>,
    spread: DVector<f64>,
}

impl Scale {
    pub(crate) fn of(inputs: &DMatrix<f64>) -> Self {
        let mean = inputs.column_mean();
        let spread = (inputs.column_variance()).map(|variance| variance.sqrt().max(1e-9));
        Self { mean, spread }
    }

    pub(crate) fn applied(&self, mut inputs: DMatrix<f64>) -> DMatrix<f64> {
        for mut column in inputs.column_iter_mut() {
            column -= &self.mean;
            column.component_div_assign(&self.spread);
        }
        inputs
    }
}
