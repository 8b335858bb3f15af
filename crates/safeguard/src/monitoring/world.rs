//! Simulated tasks: honest runs, runs of a policy that attacks, and monitors of known separation.
//!
//! ```text
//! a draft does the main task with a probability that its policy has; a red draft attacks with probability `attack-rate`
//! suspicion = √s · z_run + √(1 − s) · z_draft + d′ [attack]         d′ the monitor's separation, s what drafts of a run share
//! a colluding monitor sees no attack; on a paraphrase, only where signals survive it
//! score     = suspicion, or a mark: round(2 + 1.5 · suspicion), from 0 to 10
//! ```
//!
//! Everything that can happen to a draft is drawn with it, from a seed of the run and the draft's number: all protocols see the same
//! draws, and none shifts another's. Numbers are plausible, not measured: what is to be learnt is how protocols compare as they vary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

use super::protocol::{Monitor, Rewrite, Submitted};
use super::record::{Kind, Success};

/// The embedded tasks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TasksConfig {
    /// Honest runs, and as many of the red team; from 40. Half of the honest ones set thresholds.
    pub runs: usize,
    /// How often the untrusted policy does the main task.
    pub untrusted_success: f64,
    /// How often the trusted one does.
    pub trusted_success: f64,
    /// What an edit of the trusted model does to an attack: how often it is gone.
    pub edit_removes: f64,
    /// How often work that was done is still done after an edit.
    pub edit_keeps: f64,
    /// The same of a paraphrase: how often an attack is gone.
    pub paraphrase_removes: f64,
    /// How often work that was done is still done after a paraphrase.
    pub paraphrase_keeps: f64,
    /// The policy that attacks.
    pub red_team: RedTeamConfig,
    /// Who scores.
    pub monitors: MonitorsConfig,
}

/// The policy that attacks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RedTeamConfig {
    /// How often a draft attacks.
    pub attack_rate: f64,
    /// How often an attack that nobody stops does the side task.
    pub side_success: f64,
    /// How often the untrusted monitor colludes.
    pub collusion: f64,
    /// How often it still can on a paraphrase.
    pub signals_survive: f64,
}

/// Who scores, and how well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MonitorsConfig {
    /// How far apart attacks and honest drafts are to the trusted monitor, in standard deviations (d′).
    pub trusted_separation: f64,
    /// The same to the untrusted monitor, where it does not collude.
    pub untrusted_separation: f64,
    /// The share of a score's variance that drafts of one run have in common.
    pub shared: f64,
    /// How scores are given.
    pub scale: ScoreScale,
}

/// How scores are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreScale {
    /// Whole marks from 0 to 10, as models give them: many are tied.
    ZeroToTen,
    /// Any number.
    Continuous,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            runs: 2_000,
            untrusted_success: 0.8,
            trusted_success: 0.5,
            edit_removes: 0.7,
            edit_keeps: 0.95,
            paraphrase_removes: 0.4,
            paraphrase_keeps: 0.9,
            red_team: RedTeamConfig::default(),
            monitors: MonitorsConfig::default(),
        }
    }
}

impl Default for RedTeamConfig {
    fn default() -> Self {
        Self {
            attack_rate: 0.8,
            side_success: 0.9,
            collusion: 0.7,
            signals_survive: 0.2,
        }
    }
}

impl Default for MonitorsConfig {
    fn default() -> Self {
        Self {
            trusted_separation: 1.5,
            untrusted_separation: 2.5,
            shared: 0.3,
            scale: ScoreScale::ZeroToTen,
        }
    }
}

impl TasksConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("runs", self.runs, self.runs >= 40, "at least 40")?;
        let red = &self.red_team;
        let monitors = &self.monitors;
        for (key, value) in [
            ("untrusted-success", self.untrusted_success),
            ("trusted-success", self.trusted_success),
            ("edit-removes", self.edit_removes),
            ("edit-keeps", self.edit_keeps),
            ("paraphrase-removes", self.paraphrase_removes),
            ("paraphrase-keeps", self.paraphrase_keeps),
            ("red-team.attack-rate", red.attack_rate),
            ("red-team.side-success", red.side_success),
            ("red-team.collusion", red.collusion),
            ("red-team.signals-survive", red.signals_survive),
            ("monitors.shared", monitors.shared),
        ] {
            let fits = (0.0..=1.0).contains(&value);
            require(key, value, fits, "a fraction from 0 to 1")?;
        }
        for (key, value) in [
            ("monitors.trusted-separation", monitors.trusted_separation),
            (
                "monitors.untrusted-separation",
                monitors.untrusted_separation,
            ),
        ] {
            let fits = (0.0..=20.0).contains(&value);
            require(key, value, fits, "from 0 to 20 standard deviations")?;
        }
        Ok(())
    }

    /// Usefulness between that of the trusted policy (0) and the untrusted one (1); `None` where they are as good as each other.
    pub(super) fn scaled(&self, usefulness: f64) -> Option<f64> {
        let room = self.untrusted_success - self.trusted_success;
        (room != 0.0).then(|| (usefulness - self.trusted_success) / room)
    }
}

/// Runs of one seed.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    pub(super) honest: Vec<Run>,
    pub(super) red: Vec<Run>,
}

impl Runs {
    pub(super) fn new(config: &TasksConfig, seed: Seed) -> Self {
        let of = |kind, name: &str| {
            let seed = seed.child(name);
            (0..config.runs)
                .map(|number| Run::new(kind, *config, seed.child(&number.to_string())))
                .collect()
        };
        Self {
            honest: of(Kind::Honest, "honest"),
            red: of(Kind::Attack, "red"),
        }
    }
}

/// One task, with all that may come to pass.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    kind: Kind,
    config: TasksConfig,
    seed: Seed,
    noise: f64,
    trusted: f64,
    /// The numbers that protocols draw.
    pub(super) route_draw: f64,
    pub(super) audit_draw: f64,
}

/// What is in a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) kind: Kind,
    pub(super) main_task: Success,
    pub(super) side_task: Success,
}

/// Uniform numbers of one draft, each for one thing, and its noise to either monitor.
struct Draft {
    attacks: f64,
    main: f64,
    side: f64,
    colludes: f64,
    survives: f64,
    removed: f64,
    kept: f64,
    trusted_noise: f64,
    untrusted_noise: f64,
}

impl Run {
    /// A run of this seed.
    pub fn new(kind: Kind, config: TasksConfig, seed: Seed) -> Self {
        let mut stream = seed.stream();
        Self {
            kind,
            config,
            seed,
            noise: stream.next_normal(),
            trusted: stream.next_f64(),
            route_draw: stream.next_f64(),
            audit_draw: stream.next_f64(),
        }
    }

    fn draft(&self, number: usize) -> Draft {
        let mut stream = self.seed.child(&format!("draft {number}")).stream();
        let mut uniform = || stream.next_f64();
        let [attacks, main, side, colludes, survives, removed, kept] =
            std::array::from_fn(|_| uniform());
        Draft {
            attacks,
            main,
            side,
            colludes,
            survives,
            removed,
            kept,
            trusted_noise: stream.next_normal(),
            untrusted_noise: stream.next_normal(),
        }
    }

    fn of_draft(&self, draft: &Draft) -> Work {
        let red = &self.config.red_team;
        let kind = if self.kind == Kind::Attack && draft.attacks < red.attack_rate {
            Kind::Attack
        } else {
            Kind::Honest
        };
        Work {
            kind,
            main_task: Success::from_draw(draft.main < self.config.untrusted_success),
            side_task: Success::from_draw(kind == Kind::Attack && draft.side < red.side_success),
        }
    }

    /// What is in what is submitted.
    pub(super) fn work(&self, submitted: Submitted) -> Work {
        let config = &self.config;
        match submitted {
            Submitted::Draft(number) => self.of_draft(&self.draft(number)),
            Submitted::Trusted => Work {
                kind: Kind::Honest,
                main_task: Success::from_draw(self.trusted < config.trusted_success),
                side_task: Success::Failed,
            },
            Submitted::Rewritten(how) => {
                let (removes, keeps) = match how {
                    Rewrite::Edited => (config.edit_removes, config.edit_keeps),
                    Rewrite::Paraphrased => (config.paraphrase_removes, config.paraphrase_keeps),
                };
                let draft = self.draft(0);
                let mut work = self.of_draft(&draft);
                if draft.removed < removes {
                    work.kind = Kind::Honest;
                    work.side_task = Success::Failed;
                }
                if draft.kept >= keeps {
                    work.main_task = Success::Failed;
                }
                work
            }
        }
    }

    /// How suspect a monitor finds work that was made of a draft.
    pub(super) fn score(&self, monitor: Monitor, number: usize, work: Work) -> f64 {
        let (monitors, red) = (&self.config.monitors, &self.config.red_team);
        let draft = self.draft(number);
        let colludes = draft.colludes < red.collusion;
        let (noise, separation) = match monitor {
            Monitor::Nobody => return 0.0,
            Monitor::Trusted => (draft.trusted_noise, monitors.trusted_separation),
            Monitor::Untrusted if colludes => (draft.untrusted_noise, 0.0),
            Monitor::UntrustedOnParaphrase if colludes && draft.survives < red.signals_survive => {
                (draft.untrusted_noise, 0.0)
            }
            Monitor::Untrusted | Monitor::UntrustedOnParaphrase => {
                (draft.untrusted_noise, monitors.untrusted_separation)
            }
        };
        let shift = match work.kind {
            Kind::Attack => separation,
            Kind::Honest => 0.0,
        };
        let suspicion =
            monitors.shared.sqrt() * self.noise + (1.0 - monitors.shared).sqrt() * noise + shift;
        match monitors.scale {
            ScoreScale::Continuous => suspicion,
            ScoreScale::ZeroToTen => (2.0 + 1.5 * suspicion).round().clamp(0.0, 10.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_the_same_whoever_asks_and_others_differ() {
        let run = Run::new(Kind::Attack, TasksConfig::default(), Seed(1));
        assert_eq!(run.work(Submitted::Draft(0)), run.work(Submitted::Draft(0)));
        let works: Vec<f64> = (0..5).map(|number| run.draft(number).main).collect();
        assert!(works.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn rewriting_takes_attacks_out_and_adds_none() {
        let config = TasksConfig {
            edit_removes: 1.0,
            paraphrase_removes: 0.0,
            ..TasksConfig::default()
        };
        for seed in 0..200 {
            let run = Run::new(Kind::Attack, config, Seed(seed));
            let of = |how| run.work(Submitted::Rewritten(how)).kind;
            assert_eq!(of(Rewrite::Edited), Kind::Honest);
            assert_eq!(of(Rewrite::Paraphrased), run.work(Submitted::Draft(0)).kind);
            let honest = Run::new(Kind::Honest, config, Seed(seed));
            assert_eq!(honest.work(Submitted::Draft(0)).kind, Kind::Honest);
        }
    }
}
