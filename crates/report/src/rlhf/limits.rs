//! Hard limits, method by method: how they were kept when the policy replied, what that cost, and what was broken all the same.

use trimtab_reward::{InTraining, PolicyConfig};
use trimtab_run::rlhf::{PolicyReply, Rule, WhenReplying};
use trimtab_run::{FolderError, RlhfConfig};
use trimtab_stats::{Clusters, clustered_share};

use super::How;
use super::methods::{Method, shared};
use super::replies::Worth;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::prompt_numbers::PromptNumbers;

pub(super) fn section(
    methods: &[Method<'_>],
    how: How<'_>,
) -> Result<Option<Section>, FolderError> {
    let limited: Vec<&Method<'_>> = (methods.iter())
        .filter(|method| !method.config.limits.rules.is_empty() && !method.seeds.is_empty())
        .collect();
    if limited.is_empty() {
        return Ok(None);
    }
    let has_gold = limited.iter().any(|method| method.has_gold());
    let rows = (limited.into_iter())
        .map(|method| row(method, has_gold, how))
        .collect::<Result<_, _>>()?;
    Ok(Some(Section {
        id: "limits".into(),
        title: "Hard limits".into(),
        text: "Replies to held-out prompts, read by the rules of each method. Filtering samples from the policy given that rules are kept, and refuses where that takes too many tries; \
               constrained decoding refuses nothing, and leans to beginnings after which much is forbidden."
            .into(),
        table: Table {
            columns: columns(has_gold),
            rows,
        },
        curves: None,
    }))
}

fn columns(has_gold: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::new("Method", ""),
        Column::new("Kept by", "What keeps the rules when the finished policy replies."),
        Column::new("In training", "What a violation meant while the policy learnt.").spare(2),
        Column::new(
            "Break a rule",
            "Share of all prompts whose reply, as it was given, breaks one; a refusal breaks none.",
        ),
        Column::new("Refused", "Share of all prompts of which every try broke a rule."),
        Column::new("Tries", "Replies sampled for a prompt, on average.").spare(1),
        Column::new(
            "No token left",
            "Replies that ended because every token would have broken a rule; none where the policy can end its texts.",
        )
        .spare(4),
    ];
    if has_gold {
        columns.push(
            Column::new(
                "Gold where said",
                "Mean gold reward of what was not refused.",
            )
            .spare(3),
        );
    }
    columns
}

fn row(method: &Method<'_>, has_gold: bool, how: How<'_>) -> Result<Row, FolderError> {
    let config = method.config;
    let rules: &[Rule] = &config.limits.rules;
    let mut prompts = PromptNumbers::default();
    let (mut numbers, mut broken, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let (mut n_tried, mut n_stuck) = (0.0, 0);
    let (mut said, mut gold) = (Vec::new(), Vec::new());
    let own = std::slice::from_ref(method);
    for stage in shared(own, |stages| Some(&stages.after)) {
        for (_, folder) in stage.folders(how.run) {
            folder.for_each("replies.jsonl", |reply: PolicyReply| {
                let number = prompts.of(&reply.id);
                let text = reply.said.text();
                numbers.push(number);
                refused.push(reply.is_refused);
                broken.push(
                    !reply.is_refused
                        && text.is_some_and(|text| {
                            rules.iter().any(|rule| rule.is_broken(&reply.prompt, text))
                        }),
                );
                n_tried += f64::from(n_tries(config, &reply));
                n_stuck += usize::from(reply.is_stuck());
                if method.has_gold() && !reply.is_refused {
                    said.push(number);
                    gold.push(Worth::of(&reply.prompt, text).reward);
                }
            })?;
        }
    }
    let clusters = Clusters::new(numbers.iter().copied());
    let share = |which: &[bool]| Cell::share_within(clustered_share(which, &clusters, how.level));
    let mut cells = vec![
        Cell::words(kept_by(config)),
        Cell::words(in_training(config)),
        share(&broken),
        share(&refused),
        if numbers.is_empty() {
            Cell::absent("none")
        } else {
            Cell::Number {
                value: n_tried / numbers.len() as f64,
                decimals: 2,
            }
        },
        Cell::count(n_stuck),
    ];
    if has_gold {
        let clusters = Clusters::new(said.iter().copied());
        let replicates = how.resampler.clustered_mean(&gold, &clusters);
        let interval = replicates.map(|replicates| replicates.interval(how.level));
        cells.push(Cell::number_within(interval, "none"));
    }
    Ok(Row {
        name: method.name.clone(),
        cells,
    })
}

/// How many replies were sampled for a prompt.
fn n_tries(config: &RlhfConfig, reply: &PolicyReply) -> u32 {
    match (&config.policy, config.limits.when_replying) {
        (PolicyConfig::BestOfN(best_of), _) => best_of.n as u32,
        (_, WhenReplying::Filter) => reply.n_violating + u32::from(!reply.is_refused),
        (_, WhenReplying::ConstrainedDecoding | WhenReplying::Ignored) => 1,
    }
}

fn kept_by(config: &RlhfConfig) -> String {
    let tries = config.limits.tries;
    match (&config.policy, config.limits.when_replying) {
        (PolicyConfig::BestOfN(best_of), WhenReplying::Filter) => {
            format!("a filter of {} replies", best_of.n)
        }
        (_, WhenReplying::Filter) => format!("a filter, {tries} tries"),
        (_, WhenReplying::ConstrainedDecoding) => "constrained decoding".into(),
        (_, WhenReplying::Ignored) => "nothing".into(),
    }
}

fn in_training(config: &RlhfConfig) -> String {
    if config.policy.rollouts().is_none() {
        return "nothing".into();
    }
    match config.limits.in_training {
        InTraining::Ignored {} => "nothing".into(),
        InTraining::Reward { value } => format!("a reward of {value}"),
        InTraining::Lagrangian(config) => format!("a price, limit {}", config.limit),
    }
}
