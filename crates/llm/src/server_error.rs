//! Why nothing more can be asked of a server, and what to do about it.

use crate::address::AddressError;
use crate::server_config::ConfigError;

/// What is wrong with a server, or with how it is called.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key cannot be sent.
    #[error("the key has characters that no key has")]
    BadKey,
    /// The client could not be made: a proxy's address, threads.
    #[error("no HTTP client: {message}")]
    NoClient {
        /// What happened.
        message: String,
    },
    /// Nothing answers at the address.
    #[error("nothing answers at {url}: {message}")]
    Unreachable {
        /// Where.
        url: String,
        /// What happened.
        message: String,
    },
    /// What answers is a web page.
    #[error("{url} answers with a web page")]
    WebPage {
        /// Where.
        url: String,
    },
    /// What answers sends one elsewhere.
    #[error("the server is elsewhere: {message}")]
    Elsewhere {
        /// What it says.
        message: String,
    },
    /// It took none of the first requests.
    #[error("the server takes none of the requests: {message}")]
    TakesNothing {
        /// What it says to the last.
        message: String,
    },
    /// The key is missing, wrong, or may not do this.
    #[error("the server refuses the key: {message}")]
    WrongKey {
        /// What the server says.
        message: String,
    },
    /// The key was not given.
    #[error("the server wants a key: {message}")]
    NoKey {
        /// Where the caller looks for one.
        variable: &'static str,
        /// What the server says.
        message: String,
    },
    /// The server has other models.
    #[error("the server has no model `{model}`: {message}")]
    NoSuchModel {
        /// What was asked for.
        model: String,
        /// What the server says.
        message: String,
        /// What it has, the likeliest first, as far as it says.
        models: Vec<String>,
    },
    /// Money or quota is spent.
    #[error("nothing is left to spend: {message}")]
    Spent {
        /// What the server says.
        message: String,
    },
    /// Nothing was answered for too long.
    #[error("the server keeps failing: {message}")]
    KeepsFailing {
        /// What came last.
        message: String,
    },
    /// It knows nothing of batch jobs.
    #[error("there are no batch jobs at {url}: {message}")]
    NoBatchJobs {
        /// Where.
        url: String,
        /// What it says.
        message: String,
    },
    /// It does not take a batch job.
    #[error("the server refuses a batch job: {message}")]
    RefusesJob {
        /// What it says.
        message: String,
    },
    /// It may have taken a batch job, and did not say so.
    #[error("a batch job may have been sent, and the server did not say so: {message}")]
    MayHaveJob {
        /// What happened.
        message: String,
    },
    /// It limits, for longer than one waits.
    #[error("the server asks to wait {secs} seconds: {message}")]
    AsksToWait {
        /// How long.
        secs: u64,
        /// What it says.
        message: String,
    },
}

impl ServerError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Address(error) => error.hint().into(),
            Self::Config(error) => error.hint().into(),
            Self::BadKey => "a key is one line of visible ASCII characters".into(),
            Self::NoClient { .. } => "is `proxy` an address like http://HOST:PORT?".into(),
            Self::Unreachable { .. } => {
                "is the server running, and are host and port right?".into()
            }
            Self::WebPage { .. } => {
                "the address of an API often ends in /v1: openai:NAME@http://HOST:PORT/v1".into()
            }
            Self::Elsewhere { .. } => {
                "redirections are not followed, for the key's sake: write https:// or the whole address".into()
            }
            Self::TakesNothing { .. } => {
                "`leave-out` and `extra-body` change what is sent: `leave-out = [\"temperature\"]`".into()
            }
            Self::WrongKey { .. } => {
                "look at the key, and at what it may do; it is not shown here".into()
            }
            Self::NoKey { variable, .. } => format!("set {variable}"),
            Self::NoSuchModel { models, .. } if models.is_empty() => {
                "look at the model's name, and whether the address ends as the server's API does (often /v1)".into()
            }
            Self::NoSuchModel { models, .. } => {
                let named: Vec<String> = models.iter().map(|name| format!("`{name}`")).collect();
                format!("it has {}", named.join(", "))
            }
            Self::Spent { .. } => "look at the account's billing; what was answered is kept".into(),
            Self::KeepsFailing { .. } => {
                "look at the server's log, then go on; or raise `max-retry-secs`".into()
            }
            Self::NoBatchJobs { .. } => {
                "leave `batch-jobs` out, and calls go out one by one; or look at the address, which often ends in /v1".into()
            }
            Self::RefusesJob { .. } => {
                "`max-calls` of `batch-jobs` says how much is in a job, `leave-out` and `extra-body` what is sent".into()
            }
            Self::MayHaveJob { .. } => {
                "run the same command again in a minute: it looks the job up, and sends it only if it is not there".into()
            }
            Self::AsksToWait { .. } => {
                "go on later, or raise `max-retry-secs`; what was answered is kept".into()
            }
        }
    }
}
