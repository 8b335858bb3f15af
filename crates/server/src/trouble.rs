//! Why a page cannot be shown, and the page that says so.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::catalogue::CatalogueError;
use crate::desk::NotStored;
use crate::pages::layout;
use trimtab_run::people::PeopleError;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody came in by a link.
    NoLink,
    /// The link has ended, or was taken back.
    Expired,
    /// There is no such page, or not for this visitor.
    NotFound,
    /// The form is not of this session.
    OtherForm,
    /// Too many requests.
    TooMany,
    /// What was sent did not come in.
    TooSlow,
    /// The run folder is not where it was.
    Gone,
    /// What was sent is not stored.
    NotStored(String),
    /// What was sent cannot be taken as it is.
    Conflict {
        /// What is the matter.
        what: String,
        /// Where to go on.
        on: String,
        /// The words that came too late: they are handed back.
        words: Option<String>,
    },
    /// What was sent is not what a form sends.
    Invalid(String),
    /// The run cannot be read.
    Unreadable(String),
}

impl From<PeopleError> for Trouble {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Gone { .. } => Self::Gone,
            error => Self::Unreadable(format!("{error}. {}", error.hint())),
        }
    }
}

impl From<CatalogueError> for Trouble {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::NoSuchItem { .. } => Self::NotFound,
            error => Self::Unreadable(format!("{error}. {}", error.hint())),
        }
    }
}

impl From<NotStored> for Trouble {
    fn from(error: NotStored) -> Self {
        match error {
            NotStored::Transaction { is_gone: true, .. } => Self::Gone,
            error => Self::NotStored(error.to_string()),
        }
    }
}

impl From<crate::secrets::NoRandomness> for Trouble {
    fn from(error: crate::secrets::NoRandomness) -> Self {
        Self::NotStored(error.to_string())
    }
}

impl Trouble {
    /// Words came after others that count; `is_own`: the visitor's.
    pub(crate) fn another_first(is_own: bool, taken: &str, on: &str) -> Self {
        Self::Conflict {
            what: if is_own {
                "You said something else here before, perhaps in another tab, and that counts: what came now is not stored.".into()
            } else {
                format!(
                    "Somebody else took this {taken} before you, and that counts: what came now is not stored."
                )
            },
            on: on.into(),
            words: None,
        }
    }

    /// The same, which hands back what somebody wrote.
    pub(crate) fn with_words(mut self, wrote: &str) -> Self {
        if let Self::Conflict { words, .. } = &mut self {
            *words = (!wrote.is_empty()).then(|| wrote.to_owned());
        }
        self
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoLink => StatusCode::UNAUTHORIZED,
            Self::Expired => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherForm => StatusCode::FORBIDDEN,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Gone | Self::NotStored(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, and what to do about it.
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::NoLink => (
                "You need your link",
                "Pages here are opened with a personal link. Open the one that you were given; if it does not work, ask whoever gave it to you for a new one.".into(),
            ),
            Self::Expired => (
                "This link has ended",
                "What you judged with it is stored. Ask whoever gave it to you for a new one: you go on where you stopped.".into(),
            ),
            Self::NotFound => (
                "There is no such page",
                "It may belong to somebody else, or have been taken away.".into(),
            ),
            Self::OtherForm => (
                "This form has ended",
                "It belongs to another visit, such as one before you opened a new link. Nothing was stored. Go back, reload the page and send it again: what you wrote is kept.".into(),
            ),
            Self::TooMany => (
                "Too many requests",
                "Wait a few seconds and reload the page. Nothing is lost.".into(),
            ),
            Self::TooSlow => (
                "This did not come in",
                "The connection was too slow, or broke off: nothing that you sent just now is stored. Go back and send it again; your words are kept in this browser.".into(),
            ),
            Self::Gone => (
                "The run folder is not there",
                "It was moved or deleted while it was served. Nothing that you sent just now is stored; your words are kept in this browser. Whoever runs the server can put the folder back where it was: then reload this page and send it again.".into(),
            ),
            Self::NotStored(why) => (
                "This is not stored",
                format!("Nothing that you sent just now is stored: {why}. Go back and send it again in a moment; your words are kept in this browser."),
            ),
            Self::Conflict { what, .. } => ("Something else came first", what.clone()),
            Self::Invalid(what) => ("This cannot be taken", what.clone()),
            Self::Unreadable(why) => ("The run cannot be read", why.clone()),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (title, text) = self.words();
        let (on, kept) = match &self {
            Self::Conflict { on, words, .. } => (Some(("Go on", on.as_str())), words.as_deref()),
            Self::NotFound => (Some(("To the start", "/")), None),
            _ => (None, None),
        };
        let page = layout::message(title, &text, kept, on);
        let mut response = (self.status(), page).into_response();
        if matches!(self, Self::Gone | Self::NotStored(_) | Self::TooMany) {
            let seconds = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
