//! Amplification as a supervisor: the expert chooses among a question's answers after it has asked what it wanted to know, so that a
//! student can learn from it as from any weak supervisor.
//!
//! ```text
//! p(answer i) = p(letter i | question, what was asked and what it came to) / Σ_j p(letter j | …)
//! ```
//!
//! The question is amplified first (`trees.rs`), its possible answers named in it; then the letters' probabilities are read. Nobody
//! in it sees ground truth. A question that the expert could not work at, a choice with little probability on any letter, and a
//! failed call are failed judgements. Its cost is every call of the tree and the choice.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::{
    Answer, ChatModel, Fallback, Message, OnProgress, OptionScores, Outcome, Request, Role, Usage,
    ask_rows, bounded,
};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    Cost, Distribution, Judgement, Problem, Question, Seed, Supervisor, SupervisorError, Verdict,
};
use trimtab_prompt::rendered;

use super::config::{MOST_DEPTH, TreeConfig};
use super::prompts::{Prompts, in_words, quoted, quoted_inside};
use super::reply::Reply;
use super::trees::{Participants, ProblemTree, trees};
use crate::tree::By;
use crate::unanswered::Unanswered;

/// What an expert answers with, in the order of a question's answers.
pub(crate) const LETTERS: [&str; 26] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S",
    "T", "U", "V", "W", "X", "Y", "Z",
];

/// The longest reply of a failed judgement that is kept, in bytes.
const KEPT_BYTES: usize = 2000;

/// A model that judges after amplification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmplifiedSupervisorConfig {
    /// The role that is amplified: it answers what is asked at the bottom.
    pub of: String,
    /// The role that decomposes questions, and judges. Default: the role that is amplified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expert: Option<String>,
    /// Levels at which the expert decomposes; at least 1.
    #[serde(default = "one")]
    pub depth: u32,
    /// How a question becomes a tree, and what that may cost.
    #[serde(default)]
    pub tree: TreeConfig,
    /// What to do with an expert that gives no log-probabilities: `"fail"`, or `{ sample = 8 }` replies and count.
    #[serde(default)]
    pub without_log_probs: Fallback,
    /// With less probability than this on all letters together, the expert did not answer; from 0 to 1.
    #[serde(default = "a_hundredth")]
    pub least_mass: f64,
}

fn one() -> u32 {
    1
}

fn a_hundredth() -> f64 {
    0.01
}

impl AmplifiedSupervisorConfig {
    /// The role `of`, amplified, with nothing else said about it.
    pub fn new(of: &str) -> Self {
        Self {
            of: of.into(),
            expert: None,
            depth: one(),
            tree: TreeConfig::default(),
            without_log_probs: Fallback::default(),
            least_mass: a_hundredth(),
        }
    }

    /// The role that decomposes and judges.
    pub fn expert(&self) -> &str {
        self.expert.as_deref().unwrap_or(&self.of)
    }

    /// The roles that somebody has to be bound to.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles = vec![&*self.of, self.expert()];
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let depth = self.depth;
        let fits = (1..=MOST_DEPTH).contains(&depth);
        require("depth", depth, fits, "1 to 16")?;
        if let Fallback::Sample(n) = self.without_log_probs {
            require("without-log-probs.sample", n, n > 0, "at least 1")?;
        }
        let mass = self.least_mass;
        let fits = (0.0..=1.0).contains(&mass);
        require("least-mass", mass, fits, "from 0 to 1")?;
        self.tree.check().map_err(|error| error.within("tree"))
    }
}

/// A model that judges after amplification, and who takes part in it.
pub struct AmplifiedSupervisor {
    /// How it is done.
    pub config: AmplifiedSupervisorConfig,
    /// Who decomposes and judges.
    pub expert: Arc<dyn ChatModel>,
    /// Who is amplified.
    pub assistant: Arc<dyn ChatModel>,
    /// What sampling starts from.
    pub seed: Seed,
}

impl Supervisor for AmplifiedSupervisor {
    fn name(&self) -> String {
        format!(
            "{}, amplified to depth {}",
            self.assistant.name(),
            self.config.depth
        )
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        self.judge_with(questions, &mut |_| {})
    }
}

impl AmplifiedSupervisor {
    /// The same, telling how far it is.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Chat`] when nothing more can be asked.
    ///
    /// # Panics
    ///
    /// When a model leaves a request without an outcome: a bug in it.
    pub fn judge_with(
        &self,
        questions: &[Question],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Judgement>, SupervisorError> {
        let on_progress = RefCell::new(on_progress);
        let tell =
            &mut |progress: trimtab_core::chat::Progress<'_>| (on_progress.borrow_mut())(progress);
        // Nobody is asked what no letter could answer.
        let askable: Vec<&Question> = (questions.iter())
            .filter(|question| question.answers.len() <= LETTERS.len())
            .collect();
        let problems: Vec<Problem> = askable.iter().map(|question| problem(question)).collect();
        let participants = Participants {
            expert: &*self.expert,
            assistant: &*self.assistant,
        };
        let Self { config, seed, .. } = self;
        let trees = trees(
            &config.tree,
            config.depth,
            participants,
            &problems,
            seed.child("trees"),
            tell,
        )?;

        let due: Vec<(&Question, &ProblemTree)> = (askable.iter().copied().zip(&trees))
            .filter(|(_, tree)| failed(tree).is_none())
            .collect();
        let request = |&(question, tree): &(&Question, &ProblemTree)| Request {
            messages: vec![choice(question, tree)],
            ask: (config.without_log_probs).ask(&LETTERS[..question.answers.len()]),
            sample_idx: 0,
            seed: seed.child("choice").child(question.id.as_str()),
        };
        let outcomes = ask_rows(&*self.expert, "choice", &due, request, tell)?;

        let (mut trees, mut outcomes) = (trees.iter(), outcomes.into_iter());
        let judgements = questions.iter().map(|question| {
            let n = question.answers.len();
            let Some(tree) = (n <= LETTERS.len()).then(|| trees.next()).flatten() else {
                let message = format!("{n} answers, more than the {} letters", LETTERS.len());
                return (question, Verdict::Error { message }, Cost::default());
            };
            let mut cost = cost(tree);
            let verdict = failed(tree).unwrap_or_else(|| {
                let outcome = outcomes.next();
                let outcome = outcome.expect("what has not failed was asked");
                let (verdict, usage) = self.verdict(outcome, n);
                cost.calls += 1;
                cost.judge_calls += 1;
                cost.tokens += usage.total();
                verdict
            });
            (question, verdict, cost)
        });
        Ok(judgements
            .map(|(question, verdict, cost)| Judgement {
                id: question.id.clone(),
                verdict,
                cost,
            })
            .collect())
    }

    fn verdict(&self, outcome: Outcome, n: usize) -> (Verdict, Usage) {
        match outcome {
            Ok(Answer::Options(scores)) => (self.of_scores(&scores, n), scores.usage),
            Ok(Answer::Reply(reply)) => (
                Verdict::Unparsed {
                    reply: bounded(&reply.text, KEPT_BYTES),
                },
                reply.usage,
            ),
            Err(failure) => (
                Verdict::Error {
                    message: failure.to_string(),
                },
                Usage::default(),
            ),
        }
    }

    fn of_scores(&self, scores: &OptionScores, n: usize) -> Verdict {
        let error = |message: String| Verdict::Error { message };
        let numbers = scores.log_probs.iter().map(|log_prob| log_prob.value());
        if scores.log_probs.len() != n || numbers.clone().any(|l| l.is_nan() || l > 1e-6) {
            return error("the model gave no log-probabilities of the letters".into());
        }
        let mass = scores.mass();
        let enough =
            mass >= self.config.least_mass && numbers.clone().any(|l| l > f64::NEG_INFINITY);
        if !enough {
            return Verdict::Unparsed {
                reply: format!("(probability {mass:.4} on all letters together: no answer)"),
            };
        }
        match Distribution::new(&scores.probabilities()) {
            Ok(distribution) => Verdict::Decided(distribution),
            Err(why) => error(why.to_string()),
        }
    }
}

/// The question as one to work at, with the answers that it may have.
fn problem(question: &Question) -> Problem {
    let prompts = Prompts::embedded();
    let text = match &question.candidates {
        None => {
            let names: Vec<&str> = question.answers.names().collect();
            let answers = names.join(", ");
            let values = [
                ("text", &*quoted_inside(&question.text)),
                ("answers", &answers),
            ];
            rendered(&prompts.classify, &values)
        }
        Some(candidates) => {
            let mut replies = String::new();
            for (letter, reply) in LETTERS.iter().zip(candidates.iter()) {
                let tag = format!("reply_{}", letter.to_lowercase());
                let reply = quoted_inside(reply);
                let _infallible = write!(replies, "<{tag}>\n{reply}\n</{tag}>\n\n");
            }
            let values = [
                ("prompt", &*quoted_inside(&question.text)),
                ("candidates", replies.trim_end()),
            ];
            rendered(&prompts.compare, &values)
        }
    };
    Problem {
        id: question.id.clone(),
        text: text.into(),
        level: None,
    }
}

/// What is asked last.
fn choice(question: &Question, ProblemTree { tree, .. }: &ProblemTree) -> Message {
    let found = match &tree.answer {
        Ok(Reply { text, .. }) => {
            format!(
                "From this you worked out:\n\n<answer>\n{}\n</answer>\n\n",
                quoted(text)
            )
        }
        Err(_) => String::new(),
    };
    let answers: Vec<String> = (LETTERS.iter().zip(question.answers.names()))
        .map(|(letter, name)| match &question.candidates {
            None => format!("{letter}. {}", quoted(name)),
            Some(_) => format!("{letter}. Reply {letter}"),
        })
        .collect();
    let values = [
        ("question", &*quoted(tree.question.as_str())),
        ("exchanges", &in_words(tree.exchanges())),
        ("found", &found),
        ("answers", &answers.join("\n")),
    ];
    Message::new(Role::User, rendered(&Prompts::embedded().choose, &values))
}

/// Why there is nothing to choose from. Who does not know what the answer is can still say how likely each is.
fn failed(ProblemTree { tree, .. }: &ProblemTree) -> Option<Verdict> {
    match tree.answer.as_ref().err()? {
        Unanswered::DontKnow => None,
        Unanswered::Refused { reply } => Some(Verdict::Refused {
            reply: reply.clone(),
        }),
        Unanswered::Error { message } => Some(Verdict::Error {
            message: message.clone(),
        }),
        Unanswered::Unparsed { reply } => Some(Verdict::Unparsed {
            reply: reply.clone(),
        }),
        other => Some(Verdict::Unparsed {
            reply: format!("({})", other.in_words()),
        }),
    }
}

fn cost(ProblemTree { tree, .. }: &ProblemTree) -> Cost {
    let (calls, usage) = tree.cost();
    let mut judge_calls = 0;
    tree.walk(&mut |node, _| {
        if node.by == By::Expert {
            judge_calls += u64::from(node.calls);
        }
    });
    Cost {
        calls,
        // The expert oversees; the assistant is the model.
        judge_calls,
        tokens: usage.total(),
        cpu_secs: 0.0,
    }
}
