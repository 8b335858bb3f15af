//! A port, the links of who may come in, and a clean end.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use trimtab_run::RunFolder;
use trimtab_run::people::{NewRater, People, PeopleError, Rater, RaterRole};

use crate::assignment::{AskingConfig, AskingError};
use crate::clock::now;
use crate::connections;
use crate::place::{OpenError, Place};
use crate::router::router;
use crate::secrets::{NoRandomness, Secret};

/// How often the run's log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// How often the run's files are looked at for new transcripts.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// How long requests that are in progress may take when the server ends.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
/// How long a request may take to come in.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the admin is called among those who may come in.
const ADMIN: &str = "admin";

/// How a run is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeOptions {
    /// The address to listen at. Default: this machine only.
    pub host: IpAddr,
    /// The port; 0 for any that is free. Default: 8017.
    pub port: u16,
    /// What links begin with, where that is not the address: behind a proxy.
    pub url: Option<String>,
    /// Raters to let in, by name; those that are there already are not made again.
    pub raters: Vec<String>,
    /// Whether everybody gets a new link.
    pub links: Links,
    /// How people are asked.
    pub asking: AskingConfig,
    /// How long the head of a request may take to come in, how long its body, and how long a connection may wait for the next
    /// request. Default: half a minute.
    pub patience: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8017,
            url: None,
            raters: Vec::new(),
            links: Links::ForNew,
            asking: AskingConfig::default(),
            patience: PATIENCE,
        }
    }
}

/// Who gets a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those who have none.
    ForNew,
    /// Everybody; older links and sessions end.
    ForAll,
}

/// A link that was made: it is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose.
    pub name: String,
    /// The address.
    pub url: String,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a run cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The run cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An option cannot be.
    #[error(transparent)]
    Asking(#[from] AskingError),
    /// A name cannot be a rater's.
    #[error("{0:?} cannot be the name of a rater")]
    Name(String),
    /// The address cannot be listened at.
    #[error("{address} cannot be listened at")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Links cannot be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl From<PeopleError> for ServerError {
    fn from(error: PeopleError) -> Self {
        Self::Open(error.into())
    }
}

impl From<trimtab_run::FolderError> for ServerError {
    fn from(error: trimtab_run::FolderError) -> Self {
        Self::Open(error.into())
    }
}

impl ServerError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => Some(error.hint()),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Some(
                "another program listens there: give another --port, or 0 for any that is free"
                    .into(),
            ),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("give a --port above 1023".into())
            }
            Self::Listen { .. } => Some("give an address of this machine with --host".into()),
            Self::Name(_) => Some(format!(
                "give 1 to 40 characters, without control characters, and not {ADMIN:?}"
            )),
            Self::Asking(_) | Self::NoRandomness(_) => None,
        }
    }
}

/// What a server runs on.
///
/// # Errors
///
/// When the operating system gives no threads.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// Listens for Ctrl-C and for the request that the process end, from now on; what it returns comes when either does.
///
/// # Errors
///
/// When the operating system does not let it listen.
#[cfg(unix)]
pub fn interrupted() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut pressed = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = pressed.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Comes when somebody presses Ctrl-C.
///
/// # Errors
///
/// None here.
#[cfg(not(unix))]
pub fn interrupted() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

/// A run that is being served.
#[derive(Debug)]
pub struct Server {
    place: Arc<Place>,
    listener: TcpListener,
    links: Vec<Link>,
    patience: Duration,
}

impl Server {
    /// Opens the run folder `run`, lets raters in, and listens.
    ///
    /// # Errors
    ///
    /// [`ServerError`] when there is no run, or nobody can listen there.
    pub async fn open(run: &Path, options: ServeOptions) -> Result<Self, ServerError> {
        options.asking.check()?;
        for name in &options.raters {
            let n_chars = name.chars().count();
            if name.trim().is_empty()
                || n_chars > 40
                || name == ADMIN
                || name.chars().any(char::is_control)
            {
                return Err(ServerError::Name(name.clone()));
            }
        }
        let folder = RunFolder::open(run)?;
        let address = SocketAddr::new(options.host, options.port);
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let base = match options.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", listener.local_addr().map_err(listen)?),
        };
        let mut people = People::open(folder.path())?;
        let links = let_in(
            &mut people,
            &base,
            &options.raters,
            options.links,
            options.asking.link_days,
        )?;
        let place = Arc::new(Place::new(&folder, people, options.asking, base)?);
        place.follow();
        Ok(Self {
            place,
            listener,
            links,
            patience: options.patience,
        })
    }

    /// Links that were made: whoever opened the server shows them once.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// What links begin with.
    pub fn url(&self) -> &str {
        &self.place.base
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Transcripts and pairs that can be judged.
    pub fn n_items(&self) -> usize {
        self.place.catalogue().candidates().len()
    }

    /// Steps that wait for people as the expert of iterated amplification; some may have been taken already.
    pub fn n_waiting(&self) -> usize {
        self.place.catalogue().waiting().len()
    }

    /// Turns of debates that wait for people; some may have been taken already.
    pub fn n_turns(&self) -> usize {
        self.place.catalogue().turns().len()
    }

    /// Questions of active querying that wait for people; some may have been answered already.
    pub fn n_questions(&self) -> usize {
        let catalogue = self.place.catalogue();
        (catalogue.questions().iter())
            .filter(|question| question.waits)
            .count()
    }

    /// Its pages, to be called without a port.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.place), self.patience)
    }

    /// Serves until `end` comes. What was handed in is stored before it returns.
    ///
    pub async fn run(self, end: impl Future<Output = ()> + Send + 'static) {
        let Self {
            place,
            listener,
            patience,
            ..
        } = self;
        let following = tokio::spawn(follow(Arc::clone(&place)));
        let ending = place.ending.clone();
        let serving = connections::serve(
            listener,
            router(Arc::clone(&place), patience),
            patience,
            ending.subscribe(),
        );
        let last = async move {
            end.await;
            ending.send_replace(true);
            tokio::time::sleep(LAST_REQUESTS).await;
        };
        tokio::select! {
            () = serving => {}
            // A connection that never ends does not keep the server.
            () = last => {}
        }
        following.abort();
    }
}

/// Looks at the log and at the run's files from time to time.
async fn follow(place: Arc<Place>) {
    let mut refreshed = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(FOLLOW_EVERY).await;
        let there = Arc::clone(&place);
        let is_due = refreshed.elapsed() >= REFRESH_EVERY;
        if is_due {
            refreshed = tokio::time::Instant::now();
        }
        let look = move || {
            there.follow();
            if is_due && there.is_there().is_ok() {
                // Files that cannot be read now are looked at again; pages that need them say why.
                drop(there.refresh());
            }
        };
        if tokio::task::spawn_blocking(look).await.is_err() {
            return;
        }
    }
}

/// Makes the raters that are not there yet, the admin among them, and links for those who get one.
fn let_in(
    people: &mut People,
    base: &str,
    names: &[String],
    links: Links,
    days: f64,
) -> Result<Vec<Link>, ServerError> {
    let at = now();
    let expires = at + days * 86_400.0;
    let there = people.raters()?;
    let mut made = Vec::new();
    let mut writing = people.write()?;
    let link_of = |name: &str, secret: &Secret| Link {
        name: name.to_owned(),
        url: format!("{base}/enter/{}", secret.reveal()),
    };
    if links == Links::ForAll {
        for Rater { number, name, .. } in &there {
            let secret = Secret::new()?;
            writing.set_link(*number, secret.hash(), expires)?;
            made.push(link_of(name, &secret));
        }
    }
    let all = std::iter::once((ADMIN, RaterRole::Admin))
        .chain(names.iter().map(|name| (name.as_str(), RaterRole::Rater)));
    for (name, role) in all {
        if there.iter().any(|rater| rater.name == name) || made.iter().any(|link| link.name == name)
        {
            continue;
        }
        let secret = Secret::new()?;
        let new = NewRater {
            name,
            role,
            link: secret.hash(),
            link_expires: expires,
        };
        writing.add_rater(&new, at)?;
        made.push(link_of(name, &secret));
    }
    writing.commit()?;
    Ok(made)
}
