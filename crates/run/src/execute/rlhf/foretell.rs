//! What a run of RLHF will do, without doing it: every call is counted by models that only count, and what is no call, labels and
//! trainings, is listed.
//!
//! Stages that methods share are counted once. A policy that is not there yet is asked as the role's model is; where a limit makes it try
//! again, only first tries are counted.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};
use trimtab_constitution::judge::judge;
use trimtab_constitution::preference::{PreferenceConfig, sample};
use trimtab_constitution::{ReplyPair, SampledPair, supervised};
use trimtab_core::Seed;
use trimtab_core::chat::{ChatModel, PromptRow};
use trimtab_reward::{PolicyConfig, RewardNetwork};

use super::Cell;
use crate::chat_models::ChatModels;
use crate::execute::place::Tell;
use crate::execute::{RunError, prompts};
use crate::experiment::Experiment;
use crate::rlhf::{
    ConstitutionLabels, LabelsConfig, LimitsConfig, METHOD, MethodStages, RewardedBy, Start,
    WhenReplying,
};

/// What is to be done, beside calls.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What is done, and how often, in the order in which it is first met.
    steps: Vec<(String, usize)>,
    /// Stages that are counted.
    seen: BTreeSet<String>,
    n_finished: usize,
}

impl Plan {
    pub(super) fn add(&mut self, what: String) {
        match self.steps.iter_mut().find(|(known, _)| *known == what) {
            Some((_, n)) => *n += 1,
            None => self.steps.push((what, 1)),
        }
    }

    /// Whether a stage of these inputs is met for the first time.
    fn is_new(&mut self, inputs: &Value) -> bool {
        self.seen.insert(inputs.to_string())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, n) in &self.steps {
            writeln!(f, "{n:>5} × {what}")?;
        }
        if self.n_finished > 0 {
            let n = self.n_finished;
            writeln!(f, "{n:>5} × a method under a seed, finished already")?;
        }
        Ok(())
    }
}

impl Cell<'_> {
    /// Asks models that only count, and plans the rest.
    pub(super) fn foretell(
        &self,
        models: &mut ChatModels<'_>,
        plan: &mut Plan,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        let done: Option<MethodStages> = self.method.document(METHOD)?;
        if done.is_some_and(|done| done.run_id == self.run_id) {
            plan.n_finished += 1;
            return Ok(());
        }
        let config = self.config;
        let seed = self.seed.child("rlhf");
        let (learnt_on, held_out) = prompts::split(self.prompts, &self.experiment.data, seed);
        let policy = models.open(&self.experiment.roles[Experiment::POLICY].model)?;
        let of_seed = json!({ "variant": self.place.variant, "seed": self.place.seed });

        let mut before = json!([of_seed, "as it is"]);
        if plan.is_new(&json!([before, config.evaluation])) {
            self.replies_of(&*policy, &held_out, 1, "as it is", tell)?;
        }
        if config.start == Start::Supervised {
            before = json!([before, config.supervised, config.tune, config.constitution]);
            if plan.is_new(&before) {
                let constitution = self.constitution()?;
                self.place.heard(tell, |on_progress| {
                    let (revise, seed) = (&config.supervised, self.seed.child("supervised"));
                    supervised::run(
                        revise,
                        &constitution,
                        &*policy,
                        &learnt_on,
                        seed,
                        on_progress,
                    )
                })?;
                plan.add("a policy that learns its own revisions".into());
            }
            if plan.is_new(&json!([before, config.evaluation])) {
                self.replies_of(&*policy, &held_out, 1, "after revisions", tell)?;
            }
        }
        let labels = json!([before, config.pairs, config.labels, config.constitution]);
        let pairs = self.labels_foretold(&labels, &*policy, &learnt_on, models, plan, tell)?;
        let reward = json!([labels, config.reward]);
        if plan.is_new(&reward) {
            plan.add(self.reward_in_words());
        }
        let limits = &config.limits;
        let learnt = limits.in_training_only();
        let made = json!([reward, config.policy, learnt, config.rewarded_by]);
        if plan.is_new(&made) {
            self.policy_foretold(&pairs, &*policy, &learnt_on, models, plan, tell)?;
        }
        if plan.is_new(&json!([made, config.evaluation, limits])) {
            if !limits.rules.is_empty() {
                plan.add(limits_in_words(limits));
            }
            let n = match &config.policy {
                PolicyConfig::BestOfN(best_of) => best_of.n,
                _ => 1,
            };
            self.replies_of(&*policy, &held_out, n, &config.name(), tell)?;
        }
        Ok(())
    }

    /// `n` replies to each held-out prompt, by a policy that is called so.
    fn replies_of(
        &self,
        policy: &dyn ChatModel,
        held_out: &[PromptRow],
        n: usize,
        who: &str,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        for nth in 0..n {
            // Another policy says another thing, though the model that counts is the same.
            let seed = self.seed.child(who).child(&nth.to_string());
            let generation = self.generation();
            self.place.replies(
                policy,
                held_out,
                &generation,
                seed,
                "held-out replies",
                tell,
            )?;
        }
        Ok(())
    }

    /// Pairs and their labels; pairs as a model that counts says them.
    fn labels_foretold(
        &self,
        stage: &Value,
        policy: &dyn ChatModel,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        plan: &mut Plan,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<ReplyPair>, RunError> {
        let config = self.config.pairs.clone();
        if let LabelsConfig::File(file) = &self.config.labels {
            if plan.is_new(stage) {
                plan.add(format!("the labelled pairs of {}", file.path));
            }
            return Ok(Vec::new());
        }
        let sampled = self.place.heard(tell, |on_progress| {
            let sampling = PreferenceConfig {
                n_pairs: config.n_sampled(),
                temperature: config.temperature,
                max_tokens: config.max_tokens,
                ..PreferenceConfig::default()
            };
            let seed = self.seed.child("pairs");
            sample(&sampling, policy, prompts, seed, on_progress)
        })?;
        let pairs: Vec<ReplyPair> = sampled.iter().filter_map(SampledPair::pair).collect();
        if !plan.is_new(stage) {
            return Ok(pairs);
        }
        match &self.config.labels {
            LabelsConfig::Annotator(annotator) => {
                let who = format!("an annotator of accuracy {}", annotator.accuracy);
                let n = prompts.len() * config.n_pairs as usize;
                plan.add(match config.replies {
                    2 => format!("{n} pairs, labelled by {who}"),
                    k => {
                        let of_each = k * (k - 1) / 2;
                        format!("{n} rankings of {k} replies ({of_each} pairs each) by {who}")
                    }
                });
            }
            LabelsConfig::Constitution(labels) => {
                plan.add(format!(
                    "{} pairs, labelled under a constitution",
                    pairs.len()
                ));
                let seed = self.seed.child("labels");
                self.judged_foretold(labels, &pairs, seed, models, tell)?;
            }
            LabelsConfig::File(_) => {}
        }
        Ok(pairs)
    }

    fn judged_foretold(
        &self,
        labels: &ConstitutionLabels,
        pairs: &[ReplyPair],
        seed: Seed,
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        let constitution = self.constitution()?;
        let model = models.open(self.judge_role())?;
        self.place.heard(tell, |on_progress| {
            judge(
                &labels.judge,
                &constitution,
                &*model,
                pairs,
                seed,
                on_progress,
            )
        })?;
        Ok(())
    }

    fn reward_in_words(&self) -> String {
        let reward = &self.config.reward;
        let network = match reward.network {
            RewardNetwork::Frozen => "a frozen network".to_owned(),
            RewardNetwork::Tuned => {
                let epochs = reward.optimiser.epochs;
                format!("a network that is tuned over {}", in_epochs(epochs))
            }
        };
        match reward.heads.members.get() {
            1 => format!("a reward model: a head on {network}"),
            n => format!("a reward model: {n} heads on {network}"),
        }
    }

    fn policy_foretold(
        &self,
        pairs: &[ReplyPair],
        policy: &dyn ChatModel,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        plan: &mut Plan,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        let config = &self.config.policy;
        let algorithm = config.name();
        let Some(rollouts) = config.rollouts() else {
            match config {
                PolicyConfig::None => plan.add("a policy that stays as it starts".into()),
                PolicyConfig::BestOfN(best_of) => {
                    plan.add(format!("a policy that says the best of {}", best_of.n));
                }
                _ => {
                    let n_epochs = match config {
                        PolicyConfig::Dpo(direct) => direct.optimiser.epochs,
                        _ => 1,
                    };
                    plan.add(format!(
                        "a policy, trained by {algorithm} over {} of the pairs",
                        in_epochs(n_epochs)
                    ));
                }
            }
            return Ok(());
        };
        let n = rollouts.iterations * rollouts.n_prompts * rollouts.group_size;
        plan.add(format!(
            "a policy, trained by {algorithm}: {} iterations, {n} sampled replies of at most {} tokens",
            rollouts.iterations, rollouts.max_tokens
        ));
        if let (RewardedBy::Judge, LabelsConfig::Constitution(labels)) =
            (self.config.rewarded_by, &self.config.labels)
        {
            let seed = self.seed.child("what the policy said as it started");
            let (generation, stage) = (self.generation(), "replies to compare with");
            self.place
                .replies(policy, prompts, &generation, seed, stage, tell)?;
            // Every sampled reply is compared with one; what it will say, nobody knows.
            let compared: Vec<ReplyPair> = (pairs.iter().cycle().take(n).enumerate())
                .map(|(number, pair)| ReplyPair {
                    id: format!("rollout {number}"),
                    ..pair.clone()
                })
                .collect();
            let seed = self.seed.child("rewards");
            self.judged_foretold(labels, &compared, seed, models, tell)?;
        }
        Ok(())
    }
}

/// How a policy replies under limits.
fn limits_in_words(limits: &LimitsConfig) -> String {
    match limits.when_replying {
        WhenReplying::Filter => format!(
            "a policy that replies within limits: at most {} tries a prompt, then a refusal",
            limits.tries
        ),
        WhenReplying::ConstrainedDecoding => {
            "a policy that replies within limits: by constrained decoding, once a prompt".into()
        }
        WhenReplying::Ignored => {
            "a policy that replies as it likes: violations of limits are counted".into()
        }
    }
}

fn in_epochs(n: usize) -> String {
    match n {
        1 => "1 epoch".into(),
        n => format!("{n} epochs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_counted_together() {
        let mut plan = Plan::default();
        assert_eq!(plan.to_string(), "");
        for what in ["a reward model", "a policy", "a reward model"] {
            plan.add(what.into());
        }
        plan.n_finished = 12;
        assert_eq!(
            plan.to_string(),
            "    2 × a reward model\n    1 × a policy\n   12 × a method under a seed, finished already\n"
        );
        let stage = json!(["a"]);
        assert!(plan.is_new(&stage) && !plan.is_new(&stage));
    }
}
