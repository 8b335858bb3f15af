//! What better annotators buy: reward models and policies over the accuracy of the simulated people who label the pairs.

use trimtab_run::rlhf::{LabelsConfig, RlhfConfig};
use trimtab_run::{Experiment, FolderError};
use trimtab_stats::Interval;

use super::methods::{Method, shared};
use super::replies::{Replies, helpful, read, reward};
use super::{How, reward_models};
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};
use crate::prompt_numbers::PromptNumbers;

/// One method with annotators of one accuracy.
struct Measured {
    name: String,
    /// Without the point of a sweep.
    method: String,
    accuracy: f64,
    reward_model: Option<Interval>,
    harmless: Option<Interval>,
    helpful: Option<Interval>,
    reward: Option<Interval>,
}

/// The section, where some method was run with annotators of several accuracies.
pub(super) fn section(
    methods: &[Method<'_>],
    how: How<'_>,
) -> Result<Option<Section>, FolderError> {
    let mut groups: Vec<(Setting, Vec<Measured>)> = Vec::new();
    for method in methods {
        let LabelsConfig::Annotator(annotator) = &method.config.labels else {
            continue;
        };
        if method.seeds.is_empty() || !method.has_gold() {
            continue;
        }
        let setting = Setting::of(method);
        let measured = measure(method, annotator.accuracy, how)?;
        match groups.iter_mut().find(|(other, _)| *other == setting) {
            Some((_, group)) => group.push(measured),
            None => groups.push((setting, vec![measured])),
        }
    }
    groups.retain(|(_, group)| group.iter().any(|m| m.accuracy != group[0].accuracy));
    if groups.is_empty() {
        return Ok(None);
    }
    for (_, group) in &mut groups {
        group.sort_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
    }
    let panels = groups.iter().map(|(setting, group)| {
        let is_called_alike = group.iter().all(|m| m.method == group[0].method);
        let algorithm = setting.config.name();
        let name = if is_called_alike {
            &group[0].method
        } else {
            &algorithm
        };
        panel(name, group)
    });
    let axis = |name: &str| Axis {
        name: name.into(),
        unit: Unit::Share,
    };
    Ok(Some(Section {
        id: "annotators".into(),
        title: "Annotator accuracy".into(),
        text: "The same methods with annotators who name the better reply more or less often: what the oversight costs that is not perfect. All shares are by gold, on held-out prompts.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Annotators", "How often one names the better reply."),
                Column::new("Reward model", "Its accuracy on held-out pairs."),
                Column::new("Harmless", "Share of the policy's replies."),
                Column::new("Helpful", "Their mean helpfulness.").spare(1),
                Column::new("Gold reward", "Their mean.").spare(2),
            ],
            rows: groups.iter().flat_map(|(_, group)| group).map(Measured::row).collect(),
        },
        curves: Some(Curves {
            caption: "Gold over the accuracy of annotators, with intervals.".into(),
            x: axis("annotator accuracy"),
            y: axis("by gold"),
            panels: panels.collect(),
        }),
    }))
}

/// All that a method is but its annotators and its name.
#[derive(PartialEq)]
struct Setting {
    config: RlhfConfig,
    experiment: Experiment,
}

impl Setting {
    fn of(method: &Method<'_>) -> Self {
        let same = RlhfConfig::default();
        Self {
            config: RlhfConfig {
                name: None,
                labels: same.labels,
                ..method.config.clone()
            },
            experiment: Experiment {
                method: Vec::new(),
                ..method.experiment.clone()
            },
        }
    }
}

fn measure(method: &Method<'_>, accuracy: f64, how: How<'_>) -> Result<Measured, FolderError> {
    let own = std::slice::from_ref(method);
    let models = reward_models::read(own, how)?;
    let reward_model = models.first().and_then(|model| model.by_gold(how));
    let mut told = Vec::new();
    for stage in shared(own, |stages| Some(&stages.after)) {
        told.extend(read(
            &stage.folders(how.run),
            true,
            &mut PromptNumbers::default(),
        )?);
    }
    let replies = Replies::new(&told);
    let mean = |number| replies.mean(number, how);
    Ok(Measured {
        name: method.name.clone(),
        method: method.config.name(),
        accuracy,
        reward_model,
        harmless: replies.harmless(how),
        helpful: mean(helpful),
        reward: mean(reward),
    })
}

impl Measured {
    fn row(&self) -> Row {
        Row {
            name: self.name.clone(),
            cells: vec![
                Cell::Share {
                    share: self.accuracy,
                },
                Cell::share_within(self.reward_model),
                Cell::share_within(self.harmless),
                Cell::share_within(self.helpful),
                Cell::number_within(self.reward, "none"),
            ],
        }
    }
}

fn panel(name: &str, group: &[Measured]) -> CurvePanel {
    let line = |name: &str, stroke, of: fn(&Measured) -> Option<Interval>| {
        let points = group.iter().filter_map(|measured| {
            let interval = of(measured)?;
            Some(Point {
                x: measured.accuracy,
                y: interval.estimate,
                ends: Some([interval.low, interval.high]),
            })
        });
        Line {
            name: name.into(),
            stroke,
            points: points.collect(),
            peak: None,
            by_seed: Vec::new(),
        }
    };
    CurvePanel {
        name: name.into(),
        lines: vec![
            line("harmless", Stroke::Solid, |measured| measured.harmless),
            line("helpful", Stroke::Dashed, |measured| measured.helpful),
            line("reward model", Stroke::Dotted, |measured| {
                measured.reward_model
            }),
        ],
    }
}
