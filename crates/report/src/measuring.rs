//! How everything in a report is measured.

use std::num::NonZeroUsize;

use trimtab_core::Seed;
use trimtab_run::experiment::ReportConfig;
use trimtab_stats::{Level, Resampler};

use crate::summarise::SummaryError;

/// The level of intervals, and the resampling that they come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measuring {
    pub(crate) level: Level,
    pub(crate) resampler: Resampler,
}

impl Measuring {
    /// As an experiment asks for it.
    pub(crate) fn of(report: ReportConfig) -> Result<Self, SummaryError> {
        Ok(Self {
            level: Level::new(report.level).map_err(SummaryError::from)?,
            resampler: Resampler {
                n_resamples: NonZeroUsize::new(report.resamples as usize)
                    .unwrap_or(NonZeroUsize::MIN),
                seed: Seed(0),
            },
        })
    }
}
