//! Batch jobs over HTTP: OpenAI's, which other servers speak too, and Anthropic's.
//!
//! What may be repeated is, as calls are: uploading a file (a file that no job is made of costs nothing), listing,
//! looking, fetching results. What makes a job is not: it is repeated only where the server says that it is too busy to
//! take it; a connection that is cut, or a server's error, may have left a job behind ([`NotSubmitted::Perhaps`]).
//!
//! Options ([`Ask::Options`]) go out as one request where the server shows log-probabilities, and else as many as are
//! sampled. Whether it does is not known of a server before it is asked: the first such call of a process is made at
//! once, for the full price.
//!
//! Answers within results are read as those of calls are, and so are errors; but what would end a run that calls one by
//! one (a spent account, a model that is not there) is a failure here, which the next process asks again: other answers
//! of the job are there. A job that comes back with nothing but rejections, twenty or more, ends the run instead.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use trimtab_core::chat::{Ask, Generation, ModelError, Options, Request, WithoutLogProbs};
use trimtab_core::{Seed, SplitMix64};

use crate::address::{ModelAddress, Provider};
use crate::answer::{n_to_show, sampling, scoring, seed_of_choice};
use crate::batch::{BatchApi, Job, JobId, JobSize, JobState, NotSubmitted};
use crate::call::Wanted;
use crate::exchange::Exchange;
use crate::job_reading::{Row, SeenJob, Stage, identifier};
use crate::job_results::{self, Results};
use crate::key::{Call, CallKey};
use crate::request_body::body;
use crate::secret::Secret;
use crate::server::{Server, Shows};
use crate::server_config::{ServerConfig, Transfer};
use crate::server_error::ServerError;
use crate::shown::shown;
use crate::source::{Answered, Source as _};
use crate::traffic::N_REJECTED;
use crate::trouble::{Again, AgainKind, Trouble};
use crate::{anthropic_jobs, openai_jobs};

/// What is around a request's body in a job, at most.
const FRAME: usize = 160;
/// Pages of a list that are read, at most.
const N_PAGES: usize = 10_000;

/// The batch jobs of a model on a server.
pub struct ServerJobs {
    server: Server,
    /// Whether anything but a rejection ever came back.
    has_completed: AtomicBool,
}

/// What a call is sent as.
enum Bodies {
    One(Bytes),
    Samples(Vec<Bytes>),
}

impl ServerJobs {
    /// Jobs of the model at `address`. The caller has looked up the key.
    ///
    /// # Errors
    ///
    /// [`ServerError`] for a setting or a key that cannot be used. Nothing is sent yet.
    pub fn new(
        address: ModelAddress,
        key: Option<Secret>,
        config: ServerConfig,
    ) -> Result<Self, ServerError> {
        // Nothing in a file of results is streamed.
        let config = ServerConfig {
            transfer: Transfer::Whole,
            ..config
        };
        Ok(Self {
            server: Server::new(address, key, config)?,
            has_completed: AtomicBool::new(false),
        })
    }

    fn exchange(&self) -> &Exchange {
        &self.server.parts().exchange
    }

    fn address(&self) -> &ModelAddress {
        self.exchange().address()
    }

    fn provider(&self) -> Provider {
        self.address().provider()
    }

    fn url(&self, path: &str) -> Url {
        self.address().endpoint(path)
    }

    /// Where jobs are.
    fn jobs_path(&self) -> &'static str {
        match self.provider() {
            Provider::OpenAi => "batches",
            Provider::Anthropic => "v1/messages/batches",
        }
    }

    fn job_url(&self, job: &JobId) -> Url {
        self.url(&format!("{}/{}", self.jobs_path(), job.0))
    }

    /// Whether log-probabilities are to be asked for; nothing where that is not known.
    fn shows_log_probs(&self) -> Option<bool> {
        match (self.provider(), self.server.parts().log_probs.get()) {
            (Provider::Anthropic, _) | (_, Shows::No) => Some(false),
            (_, Shows::Yes | Shows::Few) => Some(true),
            (_, Shows::Unknown) => None,
        }
    }

    fn bodies(&self, request: &Request) -> Bodies {
        let body = |generation: &Generation, top, seed| {
            let wanted = Wanted {
                generation,
                top,
                seed,
            };
            body(self.server.parts(), request, &wanted)
        };
        match &request.ask {
            Ask::Reply(generation) => {
                let top = generation.top_log_probs;
                Bodies::One(body(generation, (top > 0).then_some(top), request.seed))
            }
            Ask::Options(options) => {
                if let (Some(false), WithoutLogProbs::Sample { n }) =
                    (self.shows_log_probs(), options.otherwise)
                {
                    let generation = sampling(options);
                    let sample = |i| body(&generation, None, seed_of_choice(request, i));
                    return Bodies::Samples((0..n).map(sample).collect());
                }
                let generation = scoring(options);
                let top = Some(n_to_show(self.server.parts().log_probs.get()));
                Bodies::One(body(&generation, top, request.seed))
            }
        }
    }

    /// Every request of `calls`, with what it is sent as.
    fn requests<'a>(
        &'a self,
        calls: &'a [(CallKey, Request)],
    ) -> impl Iterator<Item = (String, Bytes)> + 'a {
        calls.iter().flat_map(|(key, request)| {
            let sent: Vec<(String, Bytes)> = match self.bodies(request) {
                Bodies::One(body) => vec![(job_results::id(key), body)],
                Bodies::Samples(bodies) => (0..)
                    .zip(bodies)
                    .map(|(i, body)| (job_results::id_of_sample(key, i), body))
                    .collect(),
            };
            sent
        })
    }

    fn error(&self, error: ServerError) -> ModelError {
        ModelError {
            model: self.name(),
            hint: Some(error.hint()),
            source: Box::new(error),
        }
    }

    /// What ends a run.
    fn ends(&self, trouble: Trouble) -> ModelError {
        let longest = self.server.parts().max_retry;
        self.error(match trouble {
            Trouble::Fatal(error) => error,
            Trouble::NotFound(message) => ServerError::NoBatchJobs {
                url: self.address().url().to_owned(),
                message,
            },
            Trouble::Failed(failure) => ServerError::RefusesJob {
                message: failure.message,
            },
            Trouble::Refused(message) | Trouble::NoLogProbs(message) => {
                ServerError::RefusesJob { message }
            }
            Trouble::Again(again) => match again.hint {
                Some(hint) if hint > longest => ServerError::AsksToWait {
                    secs: hint.as_secs(),
                    message: again.message,
                },
                _ => ServerError::KeepsFailing {
                    message: again.message,
                },
            },
        })
    }

    /// What `attempt` comes to, repeated while that may help.
    fn patiently<T>(&self, mut attempt: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let parts = self.server.parts();
        let began = Instant::now();
        let mut jitter = jitter();
        let mut n_attempts = 0;
        loop {
            n_attempts += 1;
            let again = match attempt() {
                Err(Trouble::Again(again)) => again,
                other => return other,
            };
            let wait = (parts.backoff).wait(n_attempts, jitter.next_f64(), again.hint);
            let is_late = began.elapsed().saturating_add(wait) > parts.max_retry;
            if n_attempts >= parts.config.max_attempts.get() || is_late {
                return Err(Trouble::Again(again));
            }
            std::thread::sleep(wait);
        }
    }

    /// The JSON at `url`.
    fn json(&self, url: &Url) -> Result<Value, Trouble> {
        self.patiently(|| {
            let exchange = self.exchange();
            let text = self
                .server
                .block_on(exchange.fetch(exchange.get(url.clone())))?;
            serde_json::from_str(&text).map_err(|error| malformed(&error))
        })
    }

    /// A job as the server shows it.
    fn seen(&self, value: &Value) -> Option<SeenJob> {
        match self.provider() {
            Provider::OpenAi => openai_jobs::seen(value, self.address().is_openai_itself()),
            Provider::Anthropic => anthropic_jobs::seen(value),
        }
    }

    fn look_at(&self, job: &JobId) -> Result<SeenJob, Trouble> {
        let value = self.json(&self.job_url(job))?;
        self.seen(&value).ok_or_else(|| malformed(&"no batch job"))
    }

    /// One page of the list of jobs.
    fn page(&self, after: Option<&str>) -> Result<Value, Trouble> {
        let mut url = self.url(self.jobs_path());
        let key = match self.provider() {
            Provider::OpenAi => "after",
            Provider::Anthropic => "after_id",
        };
        url.query_pairs_mut().append_pair("limit", "100");
        if let Some(after) = after {
            url.query_pairs_mut().append_pair(key, after);
        }
        self.json(&url)
    }

    /// Takes a file of requests to the server: its identifier there.
    fn upload(&self, calls: &[(CallKey, Request)]) -> Result<String, Trouble> {
        let mut file = Vec::new();
        for (id, body) in self.requests(calls) {
            openai_jobs::push_line(&mut file, &id, &body);
        }
        let (kind, form) = openai_jobs::form(&file);
        drop(file);
        let exchange = self.exchange();
        self.patiently(|| {
            let post = exchange.post(self.url("files"), form.clone());
            let fetched = exchange.fetch(post.header(CONTENT_TYPE, &kind));
            let text = self.server.block_on(fetched)?;
            let value: Value = serde_json::from_str(&text).map_err(|error| malformed(&error))?;
            identifier(&value["id"]).ok_or_else(|| malformed(&"no file"))
        })
    }

    /// Makes a job, once.
    fn create(&self, job: &Bytes) -> Result<JobId, NotSubmitted> {
        let exchange = self.exchange();
        let url = self.url(self.jobs_path());
        let sent = self.patiently(|| {
            let fetched = exchange.fetch(exchange.post(url.clone(), job.clone()));
            match self.server.block_on(fetched) {
                Ok(text) => Ok(Ok(text)),
                Err(Trouble::Again(again)) if again.kind != AgainKind::Limited => {
                    Ok(Err(again.message))
                }
                Err(trouble) => Err(trouble),
            }
        });
        let may_have =
            |message| NotSubmitted::Perhaps(self.error(ServerError::MayHaveJob { message }));
        let text = match sent {
            Ok(Ok(text)) => text,
            Ok(Err(message)) => return Err(may_have(message)),
            Err(trouble) => return Err(NotSubmitted::Surely(self.ends(trouble))),
        };
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let id = identifier(&value["id"]);
        id.map(JobId)
            .ok_or_else(|| may_have("what came back names no job".into()))
    }

    /// Where the results of a job that ended are, one address after the other.
    fn results_urls(&self, job: &JobId, seen: &SeenJob) -> Vec<Url> {
        match self.provider() {
            Provider::OpenAi => (seen.results.iter())
                .map(|file| self.url(&format!("files/{file}/content")))
                .collect(),
            Provider::Anthropic => {
                let said = seen.results.first().and_then(|url| Url::parse(url).ok());
                // The key goes to no other server, whatever this one says.
                let said = said.filter(|url| self.address().is_origin_of(url));
                let usual = || self.url(&format!("{}/{}/results", self.jobs_path(), job.0));
                vec![said.unwrap_or_else(usual)]
            }
        }
    }
}

fn malformed(why: &dyn std::fmt::Display) -> Trouble {
    Trouble::Again(Again {
        kind: AgainKind::Malformed,
        message: format!(
            "what came back could not be read: {}",
            shown(&why.to_string())
        ),
        hint: None,
    })
}

/// Jitter is of this process and moment, so that two processes do not come back at the same time.
fn jitter() -> SplitMix64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).as_nanos() as u64;
    Seed(now ^ (u64::from(std::process::id()) << 32)).stream()
}

impl BatchApi for ServerJobs {
    fn name(&self) -> String {
        self.server.name()
    }

    fn identity(&self) -> String {
        self.server.identity()
    }

    fn limits(&self) -> JobSize {
        match self.provider() {
            Provider::OpenAi => openai_jobs::LIMITS,
            Provider::Anthropic => anthropic_jobs::LIMITS,
        }
    }

    fn size(&self, request: &Request) -> JobSize {
        let bodies = match self.bodies(request) {
            Bodies::One(body) => vec![body],
            Bodies::Samples(bodies) => bodies,
        };
        JobSize {
            n_requests: bodies.len(),
            n_bytes: bodies.iter().map(|body| body.len() + FRAME).sum(),
        }
    }

    fn ask_first(&self, request: &Request) -> Result<Option<Answered>, ModelError> {
        let Ask::Options(Options { otherwise, .. }) = &request.ask else {
            return Ok(None);
        };
        match (self.shows_log_probs(), otherwise) {
            (Some(true), _) | (Some(false), WithoutLogProbs::Sample { .. }) => return Ok(None),
            // How it is to be sent is not known, or there is nothing to send.
            (None, _) | (Some(false), WithoutLogProbs::Fail) => {}
        }
        let mut answer = None;
        let mut request = std::iter::once(request.clone());
        (self.server).ask(&mut request, &mut |_, answered| answer = Some(answered))?;
        Ok(answer)
    }

    fn submit(&self, name: &str, calls: &[(CallKey, Request)]) -> Result<JobId, NotSubmitted> {
        let job = match self.provider() {
            Provider::OpenAi => {
                let file = self.upload(calls);
                let file = file.map_err(|trouble| NotSubmitted::Surely(self.ends(trouble)))?;
                openai_jobs::job(&file, name)
            }
            Provider::Anthropic => anthropic_jobs::job(self.requests(calls)),
        };
        self.create(&job)
    }

    fn list(&self, since: SystemTime) -> Result<Vec<Job>, ModelError> {
        let mut jobs: Vec<Job> = Vec::new();
        let mut ids = HashSet::new();
        let mut after: Option<String> = None;
        for _ in 0..N_PAGES {
            let page = self.page(after.as_deref());
            let page = page.map_err(|trouble| self.ends(trouble))?;
            let listed = page["data"].as_array().map_or(&[][..], Vec::as_slice);
            let seen: Vec<SeenJob> = listed.iter().filter_map(|job| self.seen(job)).collect();
            let made = |seen: Option<&SeenJob>| seen.and_then(|seen| seen.made);
            let (first, last) = (made(seen.first()), made(seen.last()));
            // Lists begin with what is newest; one that does not is read to its end.
            let is_old = last < first && last.is_some_and(|made| made < since);
            after = identifier(&page["last_id"]).or(seen.last().map(|seen| seen.id.clone()));
            let n_before = ids.len();
            for seen in seen {
                if ids.insert(seen.id.clone()) {
                    jobs.push(Job {
                        id: JobId(seen.id),
                        name: seen.name,
                        made: seen.made,
                        n_requests: seen.counts.map(|counts| counts.n_requests),
                    });
                }
            }
            let has_more = page["has_more"].as_bool().unwrap_or_default();
            if !has_more || is_old {
                return Ok(jobs);
            }
            if ids.len() == n_before {
                break;
            }
        }
        // Half a list would make sent jobs look as if they were not.
        Err(self.ends(malformed(&"the list of jobs does not end")))
    }

    fn poll(&self, job: &JobId) -> Result<JobState, ModelError> {
        match self.look_at(job) {
            Ok(seen) => Ok(match seen.stage {
                Stage::Running => JobState::Running(seen.counts),
                Stage::Ended => JobState::Ended,
                Stage::Archived => JobState::Gone,
                Stage::TakenBack(why) => JobState::TakenBack(why),
            }),
            // The job is not there, or there are no jobs at this address: the list tells.
            Err(Trouble::NotFound(_)) => match self.page(None) {
                Ok(_) => Ok(JobState::Gone),
                Err(trouble) => Err(self.ends(trouble)),
            },
            Err(trouble) => Err(self.ends(trouble)),
        }
    }

    fn results(
        &self,
        job: &JobId,
        calls: &BTreeMap<CallKey, Call>,
        got: &mut dyn FnMut(CallKey, Answered),
    ) -> Result<(), ModelError> {
        let seen = self.look_at(job).map_err(|trouble| self.ends(trouble))?;
        let row: fn(&Value) -> Option<Row> = match self.provider() {
            Provider::OpenAi => openai_jobs::row,
            Provider::Anthropic => anthropic_jobs::row,
        };
        let exchange = self.exchange();
        let has_completed = self.has_completed.load(Ordering::Relaxed);
        let mut results = Results::new(calls, has_completed, got);
        for url in self.results_urls(job, &seen) {
            // Rows that came before a connection broke off come again, and count once.
            let read = self.patiently(|| {
                let mut on_line = |line: &str| {
                    let line = exchange.clean(line.to_owned());
                    results.line(&line, row, |trouble| exchange.scrub(trouble));
                };
                let lines = exchange.lines(exchange.get(url.clone()), &mut on_line);
                self.server.block_on(lines)
            });
            match read {
                // Results are kept for a while only.
                Ok(()) | Err(Trouble::NotFound(_)) => {}
                Err(trouble) => return Err(self.ends(trouble)),
            }
        }
        match results.end(N_REJECTED as usize) {
            Ok(has_completed) => {
                self.has_completed.store(has_completed, Ordering::Relaxed);
                Ok(())
            }
            Err(nothing) => {
                let message = format!("{} of {}: {}", nothing.n, nothing.n, nothing.message);
                Err(self.error(ServerError::TakesNothing { message }))
            }
        }
    }
}
