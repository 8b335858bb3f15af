//! Batch jobs over HTTP, against the scripted server's: the answers are those of single calls, whatever goes wrong, and
//! nothing is paid for twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use trimtab_core::chat::{
    Answer, ChatModel as _, Estimator, FailureClass, ModelError, Outcome, Request, WithoutLogProbs,
};
use trimtab_llm::batch::{Job, JobId, JobSize, JobState, NotSubmitted, TakenBack, Wait};
use trimtab_llm::{
    Answered, BatchApi, BatchConfig, Batched, Call, CallKey, CallStore, Mode, ModelAddress, Secret,
    Server, ServerConfig, ServerError, ServerJobs, Service, Source, Stored,
};
use trimtab_llm_testkit::server::{echo, judge};
use trimtab_llm_testkit::{Fate, JobScript, LogProbShape, RequestView, Scripted, ScriptedServer};

use super::{choose, quick, say};

const APIS: [&str; 2] = ["openai", "anthropic"];

fn serve(
    script: impl Fn(&RequestView) -> Scripted + Send + Sync + 'static,
    jobs: JobScript,
) -> ScriptedServer {
    ScriptedServer::builder(script).jobs(jobs).start().unwrap()
}

fn address(api: &str, server: &ScriptedServer) -> ModelAddress {
    let url = server.url();
    let url = match api {
        "anthropic" => url.strip_suffix("/v1").unwrap(),
        _ => &url,
    };
    ModelAddress::parse(&format!("{api}:m@{url}")).unwrap()
}

fn jobs_of(api: &str, server: &ScriptedServer) -> Arc<dyn BatchApi> {
    let key = Some(Secret::new("right"));
    Arc::new(ServerJobs::new(address(api, server), key, quick()).unwrap())
}

/// Looks without waiting long.
fn often() -> BatchConfig {
    BatchConfig {
        poll_secs: 0.001,
        ..BatchConfig::default()
    }
}

/// What one process is answered, with the store at `path`, and what it waited for.
fn process(
    api: Arc<dyn BatchApi>,
    path: &Path,
    requests: &[Request],
) -> (Result<Vec<Outcome>, ModelError>, Vec<Wait>) {
    let store = Arc::new(CallStore::open(path).unwrap());
    let config = BatchConfig {
        max_calls: 10.try_into().unwrap(),
        ..often()
    };
    let waits = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&waits);
    let batched = Batched::new(api, Arc::clone(&store), config, std::thread::sleep).unwrap();
    let batched = batched.telling(Arc::new(move |wait: &Wait| {
        told.lock().unwrap().push(wait.clone());
    }));
    let model = Stored::new(Arc::new(batched), store, Mode::ReadWrite);
    let mut outcomes = BTreeMap::new();
    let asked = model.ask(&mut requests.iter().cloned(), &mut |i, outcome| {
        let before = outcomes.insert(i, outcome);
        assert!(before.is_none(), "{i} is answered twice");
    });
    let waits = std::mem::take(&mut *waits.lock().unwrap());
    let outcomes = asked.map(|()| {
        assert_eq!(outcomes.len(), requests.len());
        outcomes.into_values().collect()
    });
    (outcomes, waits)
}

/// What single calls are answered.
fn one_by_one(api: &str, server: &ScriptedServer, requests: &[Request]) -> Vec<Outcome> {
    let server = Server::new(address(api, server), None, quick()).unwrap();
    let answered = super::ask(&server, requests.to_vec()).unwrap();
    (answered.into_iter())
        .map(|answered| answered.outcome)
        .collect()
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    (folder, path)
}

fn source_of(error: &ModelError) -> &ServerError {
    error.source.downcast_ref().expect("ours")
}

fn classes(outcomes: &[Outcome]) -> Vec<Option<FailureClass>> {
    (outcomes.iter())
        .map(|outcome| outcome.as_ref().err().map(|failure| failure.class))
        .collect()
}

/// Replies and choices, more than one job of them.
fn requests() -> Vec<Request> {
    let replies = (0..15).map(|i| say(&format!("number {i}, ünd \"{{}}\" more")));
    let otherwise = WithoutLogProbs::Sample { n: 4 };
    let choices = (0..10).map(|i| choose(&format!("choice {i}"), &["A", "B"], otherwise));
    replies.chain(choices).collect()
}

#[test]
fn jobs_answer_what_single_calls_do_whatever_goes_wrong() {
    let troubled = JobScript {
        n_looks: 3,
        n_errors: 2,
        n_busy: 2,
        n_cuts: 3,
        ..JobScript::default()
    };
    for api in APIS {
        for jobs in [JobScript::default(), troubled.clone()] {
            let server = serve(judge, jobs);
            let requests = requests();
            let (_folder, path) = fresh();
            let (outcomes, waits) = process(jobs_of(api, &server), &path, &requests);
            let one_by_one = one_by_one(api, &serve(judge, JobScript::default()), &requests);
            assert_eq!(outcomes.unwrap(), one_by_one, "{api}");
            // Anthropic shows no log-probabilities: each choice is four requests, which are alike without a seed.
            let (n_requests, n_alike) = match api {
                "openai" => (25, 0),
                _ => (15 + 4 * 10, 10),
            };
            assert_eq!(server.n_jobs(), 3, "{api}");
            assert_eq!(server.log().n_answered(), n_requests, "{api}");
            assert_eq!(server.log().n_answered_again(), n_alike, "{api}");
            let wait = waits[0].to_string();
            assert!(wait.starts_with(&format!("{api}:m, batch job ")), "{wait}");
            assert!(wait.ends_with(": 0 of 10"), "{wait}");

            // Again: from the store.
            let (again, _) = process(jobs_of(api, &server), &path, &requests);
            assert_eq!(again.unwrap(), one_by_one, "{api}");
            assert_eq!(server.n_jobs(), 3, "{api}");
        }
    }
}

#[test]
fn a_server_without_log_probabilities_is_found_out_by_one_call_and_then_sampled() {
    let server = ScriptedServer::builder(judge)
        .log_probs(LogProbShape::Ignored)
        .jobs(JobScript::default())
        .start()
        .unwrap();
    let (_folder, path) = fresh();
    let (outcomes, _) = process(jobs_of("openai", &server), &path, &requests()[15..]);
    for outcome in outcomes.unwrap() {
        let Ok(Answer::Options(scores)) = outcome else {
            panic!("{outcome:?}");
        };
        let Estimator::Sampled { counts, n_other } = scores.estimator else {
            panic!("{scores:?}");
        };
        assert_eq!(counts.iter().sum::<u32>() + n_other, 4);
    }
    // The first one at once: without its log-probabilities, and four samples.
    assert_eq!(server.log().n_answered(), 1 + 4 * 10);
    let store = CallStore::open_to_read(&path).unwrap();
    let services: Vec<(Service, u64)> = (store.totals().unwrap().iter())
        .map(|total| (total.service, total.n_calls))
        .collect();
    assert_eq!(services, [(Service::Direct, 1), (Service::Batch, 9)]);
}

/// Dies when a job is sent and its id is not stored yet.
struct DiesAfterSubmit(Arc<dyn BatchApi>);

impl DiesAfterSubmit {
    fn dead(&self) -> ModelError {
        ModelError {
            model: self.name(),
            hint: None,
            source: "killed".into(),
        }
    }
}

impl BatchApi for DiesAfterSubmit {
    fn name(&self) -> String {
        self.0.name()
    }

    fn identity(&self) -> String {
        self.0.identity()
    }

    fn limits(&self) -> JobSize {
        self.0.limits()
    }

    fn size(&self, request: &Request) -> JobSize {
        self.0.size(request)
    }

    fn submit(&self, name: &str, calls: &[(CallKey, Request)]) -> Result<JobId, NotSubmitted> {
        self.0.submit(name, calls).unwrap();
        Err(NotSubmitted::Perhaps(self.dead()))
    }

    fn list(&self, _: SystemTime) -> Result<Vec<Job>, ModelError> {
        Err(self.dead())
    }

    fn poll(&self, _: &JobId) -> Result<JobState, ModelError> {
        Err(self.dead())
    }

    fn results(
        &self,
        _: &JobId,
        _: &BTreeMap<CallKey, Call>,
        _: &mut dyn FnMut(CallKey, Answered),
    ) -> Result<(), ModelError> {
        Err(self.dead())
    }
}

#[test]
fn a_death_between_sent_and_stored_loses_no_job_and_sends_none_twice() {
    for api in APIS {
        let server = serve(echo, JobScript::default());
        // Somebody else's jobs, of another size and of this one: several pages of them.
        for n in [2, 3, 5, 5, 1] {
            let others: Vec<Request> = (0..n).map(|i| say(&format!("other {n} {i}"))).collect();
            let (_folder, path) = fresh();
            process(jobs_of(api, &server), &path, &others).0.unwrap();
        }
        let requests: Vec<Request> = (0..5).map(|i| say(&format!("ours {i}"))).collect();
        let (_folder, path) = fresh();
        let dies = Arc::new(DiesAfterSubmit(jobs_of(api, &server)));
        assert!(process(dies, &path, &requests).0.is_err());
        let n_jobs = server.n_jobs();
        let n_answered = server.log().n_answered();
        // Somebody else again.
        let (_other_folder, other) = fresh();
        process(jobs_of(api, &server), &other, &[say("last")])
            .0
            .unwrap();
        let outcomes = process(jobs_of(api, &server), &path, &requests).0.unwrap();
        assert_eq!(super::reply_of(&outcomes[4]).text, "ours 4");
        assert_eq!(server.n_jobs(), n_jobs + 1, "{api}");
        assert_eq!(server.log().n_answered(), n_answered + 1, "{api}");
    }
}

#[test]
fn a_job_whose_making_was_cut_off_is_found_by_its_name_or_by_the_next_process() {
    let of = |api| {
        let jobs = JobScript {
            n_resets: 1,
            ..JobScript::default()
        };
        let server = serve(echo, jobs);
        let (_folder, path) = fresh();
        let requests = [say("hello")];
        let first = process(jobs_of(api, &server), &path, &requests).0;
        let second = process(jobs_of(api, &server), &path, &requests).0;
        assert!(second.unwrap()[0].is_ok());
        assert_eq!(
            (server.n_jobs(), server.log().n_answered()),
            (1, 1),
            "{api}"
        );
        first
    };
    assert!(of("openai").unwrap()[0].is_ok());
    let error = of("anthropic").unwrap_err();
    assert!(
        matches!(source_of(&error), ServerError::MayHaveJob { .. }),
        "{error:?}"
    );
    assert!(error.hint.unwrap().contains("run the same command again"));
}

#[test]
fn what_expires_or_is_left_out_is_sent_again_by_the_next_process_and_nothing_else() {
    fn fate(view: &RequestView) -> Fate {
        match view.last_message() {
            "1" => Fate::Expired,
            "2" => Fate::LeftOut,
            _ => Fate::Answered,
        }
    }
    for api in APIS {
        let jobs = JobScript {
            fate,
            ..JobScript::default()
        };
        let server = serve(echo, jobs);
        let requests: Vec<Request> = (0..4).map(|i| say(&i.to_string())).collect();
        let (_folder, path) = fresh();
        let outcomes = process(jobs_of(api, &server), &path, &requests).0.unwrap();
        let unavailable = Some(FailureClass::Unavailable);
        let wanted = [None, unavailable, unavailable, None];
        assert_eq!(classes(&outcomes), wanted, "{api}");
        let why = outcomes[1].as_ref().unwrap_err().to_string();
        assert!(why.contains("expired"), "{why}");

        let well = serve(echo, JobScript::default());
        let again = process(jobs_of(api, &well), &path, &requests).0.unwrap();
        assert!(again.iter().all(Result::is_ok), "{api}");
        assert_eq!((well.n_jobs(), well.log().n_answered()), (1, 2), "{api}");
    }
}

#[test]
fn errors_within_results_have_the_classes_of_calls() {
    for api in APIS {
        let script = move |view: &RequestView| {
            let fails = |status, kind: &str, message: &str| match api {
                "openai" => Scripted::openai_error(status, kind, message),
                _ => Scripted::anthropic_error(status, kind, message),
            };
            match view.last_message() {
                "long" => fails(400, "invalid_request_error", "prompt is too long: 9 > 8"),
                "bad" => fails(400, "invalid_request_error", "bad temperature"),
                "broken" => fails(500, "api_error", "internal"),
                "gone" => fails(404, "not_found_error", "no such model"),
                _ => Scripted::text("x"),
            }
        };
        let server = serve(script, JobScript::default());
        let requests = ["long", "bad", "broken", "gone", "well"].map(say);
        let (_folder, path) = fresh();
        let outcomes = process(jobs_of(api, &server), &path, &requests).0.unwrap();
        let wanted = [
            Some(FailureClass::TooLong),
            Some(FailureClass::Rejected),
            Some(FailureClass::Unavailable),
            Some(FailureClass::Unavailable),
            None,
        ];
        assert_eq!(classes(&outcomes), wanted, "{api}");
    }
}

#[test]
fn what_is_wrong_with_all_of_a_job_is_an_error_and_no_data() {
    let rejects = |_: &RequestView| Scripted::openai_error(400, "bad", "bad temperature");
    let server = serve(rejects, JobScript::default());
    let mut requests = (0..40).map(|i| say(&i.to_string()));
    let (_folder, path) = fresh();
    let store = Arc::new(CallStore::open(&path).unwrap());
    let jobs = jobs_of("openai", &server);
    let batched = Batched::new(jobs, store, often(), std::thread::sleep).unwrap();
    let asked = batched.ask(&mut requests, &mut |i, _| panic!("{i} is answered"));
    let error = asked.unwrap_err();
    assert!(
        matches!(source_of(&error), ServerError::TakesNothing { .. }),
        "{error:?}"
    );
    assert!(error.source.to_string().contains("40 of 40"), "{error:?}");

    let jobs = JobScript {
        taken_back: Some("enqueued token limit reached".into()),
        ..JobScript::default()
    };
    let server = serve(echo, jobs);
    let (_folder, path) = fresh();
    let asked = process(jobs_of("openai", &server), &path, &[say("x")]).0;
    let error = asked.unwrap_err();
    let taken_back: &TakenBack = error.source.downcast_ref().unwrap();
    assert_eq!(taken_back.why, "enqueued token limit reached (scripted)");
}

#[test]
fn a_wrong_key_and_a_server_without_jobs_are_said_at_once() {
    let (_folder, path) = fresh();
    for api in APIS {
        let locked = ScriptedServer::builder(echo)
            .key("another")
            .jobs(JobScript::default())
            .start()
            .unwrap();
        let asked = process(jobs_of(api, &locked), &path, &[say("x")]).0;
        match source_of(&asked.unwrap_err()) {
            ServerError::WrongKey { message } => assert!(!message.contains("right"), "{message}"),
            other => panic!("{other:?}"),
        }
        let without = ScriptedServer::builder(echo).start().unwrap();
        let asked = process(jobs_of(api, &without), &path, &[say("x")]).0;
        let error = asked.unwrap_err();
        assert!(
            matches!(source_of(&error), ServerError::NoBatchJobs { .. }),
            "{error:?}"
        );
        assert!(error.hint.unwrap().contains("batch-jobs"));
        // Nothing is left that would have to be looked for.
        let well = serve(echo, JobScript::default());
        assert!(process(jobs_of(api, &well), &path, &[say(api)]).0.is_ok());
    }
}

#[test]
fn an_address_without_jobs_does_not_make_sent_jobs_forgotten() {
    let jobs = JobScript {
        n_looks: 1000,
        ..JobScript::default()
    };
    let server = serve(echo, jobs);
    let (_folder, path) = fresh();
    let requests = [say("x")];
    let store = Arc::new(CallStore::open(&path).unwrap());
    let killed = |_: Duration| std::panic::resume_unwind(Box::new("killed"));
    let batched = Batched::new(jobs_of("openai", &server), store, often(), killed).unwrap();
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        batched.ask(&mut requests.clone().into_iter(), &mut |_, _| ())
    }));
    assert!(asked.is_err());
    drop(batched);
    let without = ScriptedServer::builder(echo).start().unwrap();
    let asked = process(jobs_of("openai", &without), &path, &requests).0;
    let error = asked.unwrap_err();
    assert!(
        matches!(source_of(&error), ServerError::NoBatchJobs { .. }),
        "{error:?}"
    );
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT COUNT(*) FROM batch WHERE NOT closed AND job IS NOT NULL";
    let n_open: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(n_open, 1);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let (_folder, path) = fresh();
    let store = Arc::new(CallStore::open(&path).unwrap());
    let server = serve(echo, JobScript::default());
    let config = BatchConfig {
        poll_secs: 0.0,
        ..BatchConfig::default()
    };
    let refused = Batched::new(jobs_of("openai", &server), store, config, |_| ()).err();
    assert_eq!(refused.unwrap().field, "poll-secs");
    let read: ServerConfig = toml::from_str("batch-jobs = {}").unwrap();
    assert_eq!(read.batch_jobs, Some(BatchConfig::default()));
    let read: ServerConfig = toml::from_str("batch-jobs.max-jobs = 3").unwrap();
    assert_eq!(read.batch_jobs.unwrap().max_jobs.get(), 3);
    assert!(toml::from_str::<ServerConfig>("batch-jobs.window = 1").is_err());
}
