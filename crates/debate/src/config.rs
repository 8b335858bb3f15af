//! What is asked of a method of debate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::{Fallback, Generation};
use trimtab_core::setting::{ConfigError, Sampling, require};

use crate::person::PEOPLE;
use crate::protocol::{Cast, JudgeAsks, Position, Protocol, ProtocolName, Round, Turns};

/// How speeches are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpeechConfig {
    /// The longest speech that a speaker is told it may make, in words. What is longer by half is cut.
    pub max_words: u32,
    /// A speech of fewer words is asked for again.
    pub min_words: u32,
    /// Whether a speech without a quote is asked for again, where there is a passage.
    pub quotes: Quotes,
    /// What of a reply is the speech.
    pub form: Form,
    /// From 0 to 2; 0 takes the likeliest token.
    pub temperature: f64,
    /// The longest reply with what is thought in it, in tokens.
    pub max_tokens: u32,
    /// How often a speaker is asked before it has nothing to say.
    pub n_attempts: u32,
    /// So many candidates are made for every speech, and the one is spoken after which the judge is likeliest to believe its
    /// side, shown in both orders, where the opponent says nothing to the point (Khan et al. 2024). 1 takes the first.
    pub best_of: u32,
    /// So many critiques are made of a speech, the most helpful is followed, and the speech is made again. 0 leaves it.
    pub n_critiques: u32,
}

impl Default for SpeechConfig {
    fn default() -> Self {
        Self {
            max_words: 100,
            min_words: 1,
            quotes: Quotes::default(),
            form: Form::default(),
            temperature: 0.5,
            max_tokens: 600,
            n_attempts: 3,
            best_of: 1,
            n_critiques: 0,
        }
    }
}

/// Whether quotes are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quotes {
    /// A speech may quote.
    #[default]
    Allowed,
    /// A speech quotes.
    Required,
}

/// What of a reply is the speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// What stands between `<argument>` and `</argument>`; a reply without is asked for again.
    #[default]
    Tagged,
    /// All but what stands between `<thinking>` and `</thinking>`: for models that do not keep to tags.
    Plain,
}

/// How transcripts are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeConfig {
    /// What is read of the judge.
    pub reads: JudgeReading,
    /// What to do with a judge that gives no log-probabilities: `"fail"`, or `{ sample = 8 }` replies and count.
    pub without_log_probs: Fallback,
    /// Whether it reasons first, and is then asked for its answer.
    pub reasons: Reasons,
    /// In which orders answers are shown.
    pub orders: Orders,
    /// After which rounds it says what it believes.
    pub beliefs: Beliefs,
    /// With less probability than this on A and B together, the judge did not answer; from 0 to 1.
    pub least_mass: f64,
    /// The temperature of answers in words, and of reasons.
    pub temperature: f64,
    /// The longest reasons, in tokens.
    pub reasons_max_tokens: u32,
    /// The longest answer in words, in tokens.
    pub max_tokens: u32,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self {
            reads: JudgeReading::default(),
            without_log_probs: Fallback::default(),
            reasons: Reasons::default(),
            orders: Orders::default(),
            beliefs: Beliefs::default(),
            least_mass: 0.01,
            temperature: 0.0,
            reasons_max_tokens: 400,
            max_tokens: 10,
        }
    }
}

/// What is read of a judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JudgeReading {
    /// How likely it is to go on with A, and with B.
    #[default]
    LogProbs,
    /// The letter that it writes: all or nothing.
    Text,
    /// The probability that it writes.
    Percent,
}

/// Whether the judge reasons first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reasons {
    /// It answers at once.
    #[default]
    None,
    /// It writes its reasons, and is then asked for its answer.
    First,
}

/// In which orders answers are shown to the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Orders {
    /// Both: twice the calls, and the effect of the order is known and taken out.
    #[default]
    Both,
    /// One, drawn for each transcript.
    Random,
}

/// After which rounds a judge says what it believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Beliefs {
    /// The last.
    #[default]
    Final,
    /// None, and every one: a call more for each.
    EveryRound,
}

/// Several speeches at a turn, each to go on as a debate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Branching {
    /// Speeches at a turn that branches; at least 2.
    pub n: u32,
    /// Where debates branch.
    #[serde(default)]
    pub at: BranchAt,
}

/// Where debates branch (Arnesen et al. 2024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BranchAt {
    /// At every turn: as many debates as `n` to the power of the turns.
    EveryTurn,
    /// At the turns of one side, drawn for every question.
    #[default]
    OneSide,
    /// At one turn, drawn for every question.
    OneTurn,
}

/// Debates between several roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tournament {
    /// The roles that debate; at least 2.
    pub debaters: Vec<String>,
    /// Who meets whom.
    #[serde(default)]
    pub pairing: PairingRule,
}

/// Who meets whom. Every two that meet debate every question twice, each for either answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairingRule {
    /// Everybody everybody else, and itself: accuracy against Elo needs both.
    #[default]
    RoundRobin,
    /// Everybody itself.
    SelfPlay,
    /// Everybody itself, and who has as many wins in as many rounds as find one winner; the first judge says who wins.
    Swiss,
}

/// Questions with two answers are argued about, or not, and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebateConfig {
    /// What it is called in tables. Default: the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who argues what.
    pub protocol: ProtocolName,
    /// The role that debates, or advises; in open protocols, that chooses. `"people"` speak on the pages of `trimtab serve`: the
    /// run stops where a turn waits for them, and goes on when it is run again.
    pub debater: String,
    /// The role that it debates against, each for either answer in turn; or `"people"`. Default: the debater.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opponent: Option<String>,
    /// The role that finds faults. Default: the debater.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critic: Option<String>,
    /// The roles that judge, each for itself. The first asks, and scores candidates. `"random"` draws its verdicts,
    /// `"oracle"` knows the answer, and `"trained"` is a classifier of words that learnt from debates about other passages which
    /// answer was right: these are no roles.
    pub judges: Vec<String>,
    /// Rounds of speeches; in naive, expert and propaganda it counts nothing.
    pub n_rounds: u32,
    /// Whether debaters hear each other's speech of the same round.
    pub turns: Turns,
    /// Whether the judge asks before later rounds.
    pub judge_asks: JudgeAsks,
    /// Debates between all of these roles, instead of `debater` and `opponent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tournament: Option<Tournament>,
    /// Whether several speeches are tried at a turn, each to go on as a debate of its own. Default: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branching: Option<Branching>,
    /// How speeches are made.
    pub speech: SpeechConfig,
    /// How transcripts are judged.
    pub judging: JudgeConfig,
}

impl Default for DebateConfig {
    fn default() -> Self {
        Self {
            name: None,
            protocol: ProtocolName::Debate,
            debater: "debater".into(),
            opponent: None,
            critic: None,
            judges: vec!["judge".into()],
            n_rounds: 2,
            turns: Turns::default(),
            judge_asks: JudgeAsks::default(),
            tournament: None,
            branching: None,
            speech: SpeechConfig::default(),
            judging: JudgeConfig::default(),
        }
    }
}

impl DebateConfig {
    /// A judge that draws.
    pub const RANDOM: &'static str = "random";
    /// A judge that knows.
    pub const ORACLE: &'static str = "oracle";
    /// A judge that learnt from other debates.
    pub const TRAINED: &'static str = "trained";

    /// Whether a judge of this name is a role, to which a model is bound.
    fn is_role(judge: &str) -> bool {
        ![Self::RANDOM, Self::ORACLE, Self::TRAINED].contains(&judge)
    }

    /// What it is called in tables.
    pub fn name(&self) -> String {
        (self.name.clone()).unwrap_or_else(|| self.protocol.name().into())
    }

    /// Who is debated against.
    pub fn opponent(&self) -> &str {
        self.opponent.as_deref().unwrap_or(&self.debater)
    }

    /// Who finds faults.
    pub fn critic(&self) -> &str {
        self.critic.as_deref().unwrap_or(&self.debater)
    }

    /// The roles that somebody has to be bound to.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles = Vec::new();
        let protocol = self.as_protocol();
        if let Some(tournament) = &self.tournament {
            roles.extend(tournament.debaters.iter().map(String::as_str));
        } else {
            if protocol.cast != Cast::Nobody {
                roles.push(&*self.debater);
            }
            if let Cast::Debaters(_) = protocol.cast {
                roles.push(self.opponent());
            }
        }
        if protocol.rounds.contains(&Round::Criticism) {
            roles.push(self.critic());
        }
        roles.extend(self.judges.iter().map(String::as_str));
        roles.retain(|role| Self::is_role(role) && *role != PEOPLE);
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Whether people speak.
    pub fn asks_people(&self) -> bool {
        let cast = self.as_protocol().cast;
        cast != Cast::Nobody && self.debater == PEOPLE
            || matches!(cast, Cast::Debaters(_)) && self.opponent() == PEOPLE
    }

    /// Its protocol as data.
    pub fn as_protocol(&self) -> Protocol {
        Protocol::new(self.protocol, self.n_rounds, self.turns, self.judge_asks)
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rounds = self.n_rounds;
        require("n-rounds", rounds, (1..=20).contains(&rounds), "1 to 20")?;
        self.check_more_than_two()?;
        self.check_people()?;
        let judges = &self.judges;
        let differ = judges
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            == judges.len();
        let fits = !judges.is_empty() && differ;
        require(
            "judges",
            format!("{judges:?}"),
            fits,
            "one role or more, each once",
        )?;
        let asks = self.judge_asks == JudgeAsks::EveryRound
            || self.speech.best_of > 1
            || self.speech.n_critiques > 1;
        let model = judges.iter().any(|judge| Self::is_role(judge));
        require(
            "judges",
            format!("{judges:?}"),
            model || !asks,
            "a role among them, for it asks or scores",
        )?;
        self.speech
            .check()
            .map_err(|error| error.within("speech"))?;
        self.judging
            .check()
            .map_err(|error| error.within("judging"))
    }
}

impl DebateConfig {
    /// Where people cannot take part: what they would have to do there has no page.
    fn check_people(&self) -> Result<(), ConfigError> {
        let named = |role: &str| role == PEOPLE;
        let judges = !self.judges.iter().any(|judge| named(judge));
        let expected =
            "roles: people judge every transcript that they are served, whoever else does";
        require("judges", format!("{:?}", self.judges), judges, expected)?;
        let in_tournament = (self.tournament.iter())
            .any(|tournament| tournament.debaters.iter().any(|role| named(role)));
        let expected = "roles: people debate as `debater` or `opponent`";
        require("tournament.debaters", PEOPLE, !in_tournament, expected)?;
        if !self.asks_people() {
            return Ok(());
        }
        let protocol = self.as_protocol();
        let expected = "a protocol in which answers are drawn, where people speak";
        require(
            "protocol",
            self.protocol.name(),
            !protocol.is_open(),
            expected,
        )?;
        let expected = "nothing, where people speak";
        require("branching", "a table", self.branching.is_none(), expected)?;
        let finds_faults = protocol.rounds.contains(&Round::Criticism);
        let expected = "a role: people find no faults";
        require(
            "critic",
            self.critic(),
            !finds_faults || !named(self.critic()),
            expected,
        )
    }

    fn check_more_than_two(&self) -> Result<(), ConfigError> {
        let protocol = self.as_protocol();
        if let Some(Branching { n, .. }) = self.branching {
            require("branching.n", n, (2..=16).contains(&n), "2 to 16")?;
            let n = self.speech.best_of;
            let expected = "1 where debates branch";
            require("speech.best-of", n, n == 1, expected)?;
            let n = self.speech.n_critiques;
            require("speech.n-critiques", n, n == 0, "0 where debates branch")?;
            let speaks = protocol.cast != Cast::Nobody;
            let expected = "a protocol in which somebody speaks, where debates branch";
            require("protocol", self.protocol.name(), speaks, expected)?;
        }
        if let Some(Tournament { debaters, pairing }) = &self.tournament {
            let differ: std::collections::BTreeSet<_> = debaters.iter().collect();
            let fits = debaters.len() >= 2 && differ.len() == debaters.len();
            let got = format!("{debaters:?}");
            require(
                "tournament.debaters",
                got,
                fits,
                "two roles or more, each once",
            )?;
            let debates = protocol.cast == Cast::Debaters(Position::Assigned);
            let expected = "\"debate\" in a tournament";
            require("protocol", self.protocol.name(), debates, expected)?;
            let judge = self.judges.first().map_or("", String::as_str);
            let knows = [Self::ORACLE, Self::TRAINED].contains(&judge);
            let fits = *pairing != PairingRule::Swiss || !knows;
            let expected = "one that does not know any answer first: it says who meets whom";
            require("judges", format!("{:?}", self.judges), fits, expected)?;
        }
        Ok(())
    }
}

impl SpeechConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let max = self.max_words;
        require("max-words", max, (1..=5000).contains(&max), "1 to 5000")?;
        let min = self.min_words;
        require("min-words", min, (1..=max).contains(&min), "1 to max-words")?;
        let n = self.n_attempts;
        require("n-attempts", n, (1..=20).contains(&n), "1 to 20")?;
        let n = self.best_of;
        require("best-of", n, (1..=64).contains(&n), "1 to 64")?;
        let n = self.n_critiques;
        require("n-critiques", n, n <= 32, "0 to 32")?;
        Sampling {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
        }
        .check("")
    }

    /// How speeches are sampled.
    pub(crate) fn generation(&self) -> Generation {
        Generation {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            ..Generation::default()
        }
    }

    /// Words after which a speech is cut.
    pub(crate) fn cut_at(&self) -> usize {
        (self.max_words + self.max_words / 2) as usize
    }
}

impl JudgeConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if let Fallback::Sample(n) = self.without_log_probs {
            require("without-log-probs.sample", n, n > 0, "at least 1")?;
        }
        let mass = self.least_mass;
        let fits = (0.0..=1.0).contains(&mass);
        require("least-mass", mass, fits, "from 0 to 1")?;
        Sampling {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
        }
        .check("")?;
        Sampling {
            temperature: self.temperature,
            max_tokens: self.reasons_max_tokens,
        }
        .check("reasons-")
    }
}
