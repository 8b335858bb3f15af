//! Addresses, who may open them, and the headers that every page carries.
//!
//! ```text
//! /enter/SECRET            anybody: a link is exchanged for a cookie
//! /judge, /judge/TASK/…    raters, each their own tasks
//! /debate, /debate/TURN    raters, each what they may take of what waits
//! /expert, /expert/STEP    raters, each what waits for anybody
//! /admin, /run, /transcripts, /trees, /export/…    the admin
//! /static/…                anybody
//! ```

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use trimtab_run::people::{Entry, Rater, RaterRole};

use crate::clock::now;
use crate::pages::{admin, debater, expert, judge, layout, live, transcript, tree};
use crate::place::Place;
use crate::secrets::Secret;
use crate::trouble::Trouble;

/// The largest form: a reason of a few thousand characters, with room.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// What pages may load: only what comes from here, and no script or style in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Who opened a page, with the secret of their session.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) rater: Rater,
    secret: Secret,
}

impl Visitor {
    /// What their forms must bring.
    pub(crate) fn form_token(&self) -> String {
        self.secret.form_token()
    }

    /// Checks that a form is theirs.
    pub(crate) fn check_form(&self, token: &str) -> Result<(), Trouble> {
        if self.secret.owns_form(token) {
            Ok(())
        } else {
            Err(Trouble::OtherForm)
        }
    }
}

/// A visitor with a rater's cookie.
pub(crate) struct RaterVisit(pub(crate) Visitor);

/// A visitor with the admin's cookie.
pub(crate) struct AdminVisit(pub(crate) Visitor);

impl FromRequestParts<Arc<Place>> for RaterVisit {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, place: &Arc<Place>) -> Result<Self, Trouble> {
        visitor(parts, place, RaterRole::Rater).map(Self)
    }
}

impl FromRequestParts<Arc<Place>> for AdminVisit {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, place: &Arc<Place>) -> Result<Self, Trouble> {
        visitor(parts, place, RaterRole::Admin).map(Self)
    }
}

fn visitor(parts: &Parts, place: &Place, role: RaterRole) -> Result<Visitor, Trouble> {
    let name = cookie_name(place, role);
    let Some(secret) = cookie(&parts.headers, &name) else {
        return Err(Trouble::NoLink);
    };
    let at = now();
    let hash = secret.hash();
    let mut bucket = [0; 8];
    bucket.copy_from_slice(&hash.0[..8]);
    let entry = place.people().by_session(hash, at)?;
    match entry {
        Entry::Open(rater) if rater.role == role => {
            if !place.by_session.allows(bucket, at) {
                return Err(Trouble::TooMany);
            }
            Ok(Visitor { rater, secret })
        }
        other => {
            if !place.by_address.allows(address(parts), at) {
                return Err(Trouble::TooMany);
            }
            Err(match other {
                Entry::Expired => Trouble::Expired,
                Entry::Open(_) | Entry::Unknown => Trouble::NoLink,
            })
        }
    }
}

fn address(parts: &Parts) -> Option<IpAddr> {
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map(|ConnectInfo(address)| address.ip())
}

fn cookie_name(place: &Place, role: RaterRole) -> String {
    let role = match role {
        RaterRole::Rater => "rater",
        RaterRole::Admin => "admin",
    };
    format!("trimtab-{role}-{}", place.run_id)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    (headers.get_all(header::COOKIE).iter())
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| Secret::parse(value))
}

/// Everything that is served; the body of a request has come in within `patience`, or is given up.
pub(crate) fn router(place: Arc<Place>, patience: Duration) -> Router {
    let pages = Router::new()
        .route("/", get(home))
        .route("/enter/{secret}", get(enter))
        .route("/judge", get(judge::next))
        .route("/judge/{task}", get(judge::show))
        .route("/judge/{task}/step", post(judge::step))
        .route("/judge/{task}/undo", post(judge::undo))
        .route("/judge/{task}/draft", post(judge::draft))
        .route("/debate", get(debater::next))
        .route("/debate/{public}", get(debater::show).post(debater::say))
        .route("/expert", get(expert::next))
        .route("/expert/{public}", get(expert::show).post(expert::step))
        .route("/admin", get(admin::show))
        .route("/admin/raters", post(admin::add_rater))
        .route("/admin/link", post(admin::new_link))
        .route("/admin/revoke", post(admin::revoke))
        .route("/admin/trash", post(admin::trash))
        .route("/admin/judgements", get(admin::judgements))
        .route("/export/{file}", get(admin::export))
        .route("/run", get(live::show))
        .route("/run/live", get(live::watch))
        .route("/run/events", get(live::log))
        .route("/run/report", get(live::report))
        .route("/transcripts", get(transcript::list))
        .route("/transcripts/{cell}/{id}", get(transcript::show))
        .route("/trees", get(tree::list))
        .route("/trees/{cell}/{of}/{id}", get(tree::show))
        .fallback(|| async { Trouble::NotFound })
        .layer(middleware::from_fn_with_state(patience, whole))
        .layer(middleware::from_fn_with_state(Arc::clone(&place), guard));
    Router::new()
        .route("/static/{file}", get(layout::asset))
        .merge(pages)
        .layer(middleware::from_fn(headers))
        .with_state(place)
}

/// Nothing is shown or taken while the run folder is away.
async fn guard(State(place): State<Arc<Place>>, request: Request, next: Next) -> Response {
    match place.is_there() {
        Ok(()) => {
            let response = next.run(request).await;
            // Sent before a handler sees it, and in plain words: no form at all.
            match response.status() {
                StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::METHOD_NOT_ALLOWED => {
                    Trouble::Invalid("That is not what a form here sends.".into()).into_response()
                }
                _ => response,
            }
        }
        Err(_) => Trouble::Gone.into_response(),
    }
}

/// Takes in what was sent before anything is made of it.
async fn whole(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(patience, to_bytes(body, MOST_BODY_BYTES)).await {
        Ok(Ok(bytes)) => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
        Ok(Err(_)) => {
            let what = "It is too long: at most a few thousand characters are taken.";
            Trouble::Invalid(what.into()).into_response()
        }
        Err(_) => Trouble::TooSlow.into_response(),
    }
}

async fn headers(request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with("/static/");
    let mut response = next.run(request).await;
    let set = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    set(
        headers,
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    let cache = if is_asset {
        "public, max-age=3600"
    } else {
        "no-store"
    };
    set(headers, header::CACHE_CONTROL, cache);
    response
}

/// To where the visitor's cookie leads.
async fn home(State(place): State<Arc<Place>>, request: Request) -> Result<Redirect, Trouble> {
    let (parts, _) = request.into_parts();
    if visitor(&parts, &place, RaterRole::Admin).is_ok() {
        return Ok(Redirect::to("/run"));
    }
    visitor(&parts, &place, RaterRole::Rater).map(|_| Redirect::to("/judge"))
}

/// Exchanges a link for a cookie, and leads on to an address without the secret.
///
/// It does so by a page, not by a redirect: a browser that follows a link from another site, such as a mail, would not send a
/// `SameSite=Strict` cookie along with the redirect.
async fn enter(
    State(place): State<Arc<Place>>,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, Trouble> {
    let (parts, _) = request.into_parts();
    let at = now();
    let entry = match Secret::parse(&secret) {
        Some(link) => place.people().by_link(link.hash(), at)?,
        None => Entry::Unknown,
    };
    let rater = match entry {
        Entry::Open(rater) => rater,
        other => {
            if !place.by_address.allows(address(&parts), at) {
                return Err(Trouble::TooMany);
            }
            return Err(match other {
                Entry::Expired => Trouble::Expired,
                Entry::Open(_) | Entry::Unknown => Trouble::NoLink,
            });
        }
    };
    let session = Secret::new()?;
    let (hash, number, expires) = (session.hash(), rater.number, rater.link_expires);
    place
        .desk
        .write(move |writing| {
            writing.forget_ended_sessions(at)?;
            writing.open_session(number, hash, expires)
        })
        .await?;
    let is_https = (parts.headers.get("x-forwarded-proto")).is_some_and(|proto| proto == "https");
    let cookie = format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}",
        cookie_name(&place, rater.role),
        session.reveal(),
        (expires - at).max(0.0) as u64,
        if is_https { "; Secure" } else { "" },
    );
    let on = match rater.role {
        RaterRole::Rater => "/judge",
        RaterRole::Admin => "/run",
    };
    let cookie =
        HeaderValue::from_str(&cookie).map_err(|error| Trouble::NotStored(error.to_string()))?;
    let mut response = layout::leading_to(on).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
