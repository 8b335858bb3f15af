//! Everything that is read from the environment, in one place.
//!
//! | variable | what for |
//! |---|---|
//! | `HF_HUB_CACHE`, `HF_HOME`, `HOME` | where the Hugging Face cache is: the first that is set |
//! | `HF_HUB_OFFLINE` | `1`: never ask the hub |
//! | `HF_ENDPOINT` | another hub |
//! | `OPENAI_API_KEY`, `ANTHROPIC_API_KEY` | keys of servers; they are written nowhere |
//! | `XDG_DATA_HOME`, `HOME` | where data sets and trained judges are kept: the first that is set |
//! | `TMPDIR` | where programs in sandboxes have their work folders |
//! | `NO_COLOR`, `CLICOLOR_FORCE` | whether output is coloured, when the terminal does not say |
//! | `COLUMNS` | the width of tables, when stdout is no terminal |

use std::io::IsTerminal as _;
use std::path::PathBuf;

use trimtab_data::{HubConfig, Network};
use trimtab_llm::Secret;

/// Where files are put that nobody keeps.
pub(crate) fn scratch() -> PathBuf {
    std::env::temp_dir()
}

/// What the environment says.
pub(crate) struct Environment {
    /// Columns of the terminal, or 80.
    pub(crate) width: usize,
    /// Whether stdout takes colour.
    pub(crate) colour: bool,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let columns = || variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let width = terminal_size::terminal_size()
            .map(|(terminal_size::Width(width), _)| usize::from(width))
            .filter(|_| std::io::stdout().is_terminal())
            .or_else(columns)
            .unwrap_or(80);
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Self {
            width,
            colour: choice != anstream::ColorChoice::Never,
        }
    }

    /// The same, without colour for what goes into a file.
    pub(crate) fn for_file(self) -> Self {
        Self {
            colour: false,
            ..self
        }
    }

    /// The key of a server, by the name of its variable.
    #[expect(
        clippy::unused_self,
        reason = "everything read from the environment is asked of it"
    )]
    pub(crate) fn key(&self, name: &str) -> Option<Secret> {
        variable(name).map(Secret::new)
    }

    /// Where data sets and what was learnt from them are kept between runs; none where there is no home.
    #[expect(
        clippy::unused_self,
        reason = "everything read from the environment is asked of it"
    )]
    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        let under = |name, path: &str| variable(name).map(|home| PathBuf::from(home).join(path));
        under("XDG_DATA_HOME", "trimtab").or_else(|| under("HOME", ".local/share/trimtab"))
    }

    /// The hub and its local cache; none where there is no home to keep one in.
    #[expect(
        clippy::unused_self,
        reason = "everything read from the environment is asked of it"
    )]
    pub(crate) fn hub(&self) -> Option<HubConfig> {
        let under =
            |name: &str, path: &str| variable(name).map(|home| PathBuf::from(home).join(path));
        let cache_dir = variable("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| under("HF_HOME", "hub"))
            .or_else(|| under("HOME", ".cache/huggingface/hub"))?;
        let offline = variable("HF_HUB_OFFLINE").is_some_and(|value| value != "0");
        let network = if offline {
            Network::Offline
        } else {
            Network::Online
        };
        Some(HubConfig {
            cache_dir,
            network,
            endpoint: variable("HF_ENDPOINT"),
        })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
