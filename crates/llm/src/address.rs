//! The address of a model: `openai:NAME@URL`, `anthropic:NAME`.

use std::fmt;

use reqwest::Url;

/// Whose API a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// OpenAI's chat completions, which vLLM, SGLang, llama.cpp and Ollama speak too.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
}

impl Provider {
    /// As addresses begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    fn default_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
        }
    }
}

/// Which model, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelAddress {
    provider: Provider,
    model: String,
    url: Url,
    is_default_url: bool,
}

/// The environment variable that a key is looked up in, by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyVariable {
    /// Nothing is answered without a key.
    Needed(&'static str),
    /// A server of one's own may want none.
    Optional(&'static str),
}

impl KeyVariable {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Needed(name) | Self::Optional(name) => name,
        }
    }
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin with a provider.
    #[error("`{address}` names no provider")]
    NoProvider {
        /// What was given.
        address: String,
    },
    /// It begins with something else.
    #[error("no provider is called `{provider}`")]
    UnknownProvider {
        /// What was given.
        provider: String,
    },
    /// Which model?
    #[error("`{address}` names no model")]
    NoModel {
        /// What was given.
        address: String,
    },
    /// The URL cannot be read, or is none of HTTP.
    #[error("`{url}` is no address of a server: {why}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The URL has a name or a password in it, which is not repeated here.
    #[error("the URL has a user name or a password in it")]
    Password,
}

impl AddressError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoProvider { .. } | Self::UnknownProvider { .. } | Self::NoModel { .. } => {
                "write openai:NAME, openai:NAME@http://HOST:PORT/v1 or anthropic:NAME"
            }
            Self::BadUrl { .. } => "write it as http://HOST:PORT/v1 or https://HOST/v1",
            Self::Password => {
                "give the key in the environment: OPENAI_API_KEY or ANTHROPIC_API_KEY"
            }
        }
    }
}

impl ModelAddress {
    /// Reads `PROVIDER:NAME` or `PROVIDER:NAME@URL`. Names may contain `:`, `/` and `@`.
    ///
    /// # Errors
    ///
    /// [`AddressError`], which says what is missing.
    pub fn parse(address: &str) -> Result<Self, AddressError> {
        let address = address.trim();
        let (provider, rest) = address
            .split_once(':')
            .ok_or_else(|| AddressError::NoProvider {
                address: address.into(),
            })?;
        let provider = match provider {
            "openai" => Provider::OpenAi,
            "anthropic" => Provider::Anthropic,
            _ => {
                return Err(AddressError::UnknownProvider {
                    provider: provider.into(),
                });
            }
        };
        let (model, url) = split_url(rest);
        if model.is_empty() {
            return Err(AddressError::NoModel {
                address: format!("{}:", provider.name()),
            });
        }
        Ok(Self {
            provider,
            model: model.into(),
            url: read_url(url.unwrap_or(provider.default_url()))?,
            is_default_url: url.is_none(),
        })
    }

    /// Whose API it is.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Where the caller looks for a key.
    pub fn key_variable(&self) -> KeyVariable {
        let name = match self.provider {
            Provider::OpenAi => "OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
        };
        if self.is_default_url {
            KeyVariable::Needed(name)
        } else {
            KeyVariable::Optional(name)
        }
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.url.host_str().is_some_and(|host| {
            let host = host.trim_matches(['[', ']']);
            let is_loopback = |ip: std::net::IpAddr| ip.is_loopback();
            host == "localhost" || host.parse().is_ok_and(is_loopback)
        })
    }

    /// Whether it is OpenAI itself, not a server that speaks like it.
    pub(crate) fn is_openai_itself(&self) -> bool {
        self.url.host_str() == Some("api.openai.com")
    }

    /// Whether `url` is on the same server, so that the key may go there.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.url.origin() == url.origin()
    }

    /// The base URL with `path` under it; the query, where there is one, stays.
    pub(crate) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let base = self.url.path().trim_end_matches('/');
        url.set_path(&format!("{base}/{path}"));
        url
    }
}

impl fmt::Display for ModelAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider.name(), self.model)?;
        if !self.is_default_url {
            write!(f, "@{}", self.url)?;
        }
        Ok(())
    }
}

/// The name, and the URL after the last `@` that one follows.
fn split_url(rest: &str) -> (&str, Option<&str>) {
    let schemes = ["@http://", "@https://"];
    if let Some(at) = schemes.iter().filter_map(|s| rest.find(s)).min() {
        return (&rest[..at], Some(&rest[at + 1..]));
    }
    // A host without its scheme, rather than a name with `@` in it.
    match rest.rsplit_once('@') {
        Some((model, host))
            if host.contains(':') || host.contains('/') || host.starts_with("localhost") =>
        {
            (model, Some(host))
        }
        _ => (rest, None),
    }
}

fn read_url(text: &str) -> Result<Url, AddressError> {
    let bad = |why: &str| AddressError::BadUrl {
        url: text.into(),
        why: why.into(),
    };
    if text.split_once("://").is_some_and(|(_, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        host.contains('@')
    }) {
        return Err(AddressError::Password);
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(bad("it does not begin with http:// or https://"));
    }
    let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    let path = url.path().trim_end_matches('/');
    let path = ["/chat/completions", "/v1/messages"]
        .iter()
        .find_map(|end| path.strip_suffix(end))
        .unwrap_or(path)
        .to_owned();
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, model: &str, url: &str) {
        let parsed = ModelAddress::parse(address).unwrap();
        assert_eq!((parsed.model(), parsed.url()), (model, url), "{address}");
    }

    #[test]
    fn names_may_have_anything_in_them() {
        check("openai:gpt-5", "gpt-5", "https://api.openai.com/v1");
        check(
            "openai:org/name:8b@http://localhost:8000/v1/",
            "org/name:8b",
            "http://localhost:8000/v1",
        );
        check(
            "openai:m@https://h/v1/chat/completions?api-version=1",
            "m",
            "https://h/v1?api-version=1",
        );
        check("anthropic:c@2024", "c@2024", "https://api.anthropic.com/");
        check("anthropic:c@http://[::1]:9", "c", "http://[::1]:9/");
    }

    #[test]
    fn bad_addresses_say_what_is_missing() {
        let fails = |address: &str| ModelAddress::parse(address).unwrap_err();
        assert!(matches!(fails("gpt"), AddressError::NoProvider { .. }));
        assert!(matches!(
            fails("olama:x"),
            AddressError::UnknownProvider { .. }
        ));
        assert!(matches!(
            fails("openai:@http://h"),
            AddressError::NoModel { .. }
        ));
        let error = fails("openai:m@localhost:8000/v1");
        assert_eq!(
            error.to_string(),
            "`localhost:8000/v1` is no address of a server: it does not begin with http:// or https://"
        );
        assert_eq!(
            fails("openai:m@https://me:secret@host/v1"),
            AddressError::Password
        );
    }

    #[test]
    fn servers_of_ones_own_need_no_key() {
        let of = |address: &str| ModelAddress::parse(address).unwrap();
        let theirs = of("openai:m");
        assert_eq!(theirs.key_variable(), KeyVariable::Needed("OPENAI_API_KEY"));
        let own = of("anthropic:m@http://127.0.0.1:9");
        assert_eq!(
            own.key_variable(),
            KeyVariable::Optional("ANTHROPIC_API_KEY")
        );
        assert!(own.is_loopback() && !theirs.is_loopback());
        assert_eq!(
            own.endpoint("v1/messages").as_str(),
            "http://127.0.0.1:9/v1/messages"
        );
        assert_eq!(own.to_string(), "anthropic:m@http://127.0.0.1:9/");
    }
}
