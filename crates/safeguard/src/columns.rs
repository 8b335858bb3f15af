//! Features of questions as the networks here take them: a sample a column.

use nalgebra::DMatrix;
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
