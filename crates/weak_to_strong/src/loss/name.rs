//! Short names, for the first column of tables.

use super::{ConfidenceMeasure, Labels, LossConfig, Preset};

impl LossConfig {
    /// A short name: the kind, and what is unusual about it.
    pub fn name(&self) -> String {
        match self {
            Self::Naive(config) if config.labels == Labels::Hard => "naive, hard labels".into(),
            Self::Naive(_) => "naive".into(),
            Self::Entropy(config) if config.coefficient < 0.0 => "entropy penalised".into(),
            Self::Entropy(_) => "entropy rewarded".into(),
            Self::Confidence(config) => match config.preset {
                Preset::Paper => "confidence, paper".into(),
                Preset::Openai => "confidence, openai".into(),
                Preset::Eleuther => "confidence, eleuther".into(),
                Preset::Raven => "confidence, raven".into(),
            },
            Self::ConfidenceWeighted(config) if config.measure == ConfidenceMeasure::Margin => {
                "confidence-weighted, margin".into()
            }
            _ => self.kind().into(),
        }
    }
}
