//! The pages in Chromium: a session by mouse, one by keyboard, two raters at once, blinding and injection, phone and desktop.
//!
//! Needs Chromium and chromedriver; without them these tests say so and pass, unless `TRIMTAB_REQUIRE_CHROMEDRIVER=1`. Pictures are
//! written into the folder that `TRIMTAB_SHOTS` names, to be looked at.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions, MouseActions, PointerAction};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::oneshot;
use trimtab_amplify::language::ProblemTree;
use trimtab_core::SampleId;
use trimtab_run::People;
use trimtab_run::people::{ExpertSays, Said, TaskKind};
use trimtab_server::{AskingConfig, Server};

use crate::debaters::{CELL as DEBATE, Workplace};
use crate::experts::make_waiting;
use crate::material::{HOSTILE, SECRETS, SMALL, Size, make_run};
use crate::questions::make_asked;
use crate::trees::{CELL, node, write_trees};
use crate::visit::options;

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A chromedriver of our own, which ends with its browsers.
struct Driver {
    process: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    /// Starts one; none, said loudly, where there is no Chromium.
    async fn start(test: &str) -> Option<Self> {
        let found = ["chromium", "chromium-browser", "google-chrome"]
            .iter()
            .any(|name| which(name).is_some());
        let Some(program) = which("chromedriver").filter(|_| found) else {
            let is_required =
                std::env::var_os("TRIMTAB_REQUIRE_CHROMEDRIVER").is_some_and(|v| v == "1");
            assert!(
                !is_required,
                "no Chromium with chromedriver, and TRIMTAB_REQUIRE_CHROMEDRIVER=1"
            );
            say(&format!(
                "SKIPPED {test}: there is no Chromium with chromedriver"
            ));
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new(program)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let driver = Self {
            process,
            port,
            profile,
        };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(driver);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("chromedriver does not listen");
    }

    /// A browser with a profile of its own.
    async fn browser(&self, name: &str, width: u32, height: u32) -> Client {
        let binary = ["chromium", "chromium-browser", "google-chrome"]
            .iter()
            .find_map(|n| which(n))
            .unwrap();
        let options = serde_json::json!({
            "goog:chromeOptions": {
                "binary": binary,
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                    format!("--user-data-dir={}", self.profile.path().join(name).display()),
                    format!("--window-size={width},{height}"),
                ],
                "mobileEmulation": if width < 500 {
                    serde_json::json!({"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2.0, "touch": true, "mobile": true}})
                } else {
                    serde_json::Value::Null
                },
            },
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let mut capabilities = options.as_object().unwrap().clone();
        let chrome = capabilities
            .get_mut("goog:chromeOptions")
            .unwrap()
            .as_object_mut()
            .unwrap();
        chrome.retain(|_, value| !value.is_null());
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

#[expect(
    clippy::print_stderr,
    reason = "the harness shows it; nothing else can"
)]
fn say(line: &str) {
    eprintln!("{line}");
}

/// A server at a port.
struct AtPort {
    folder: tempfile::TempDir,
    links: Vec<(String, String)>,
    end: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

impl AtPort {
    async fn new(size: Size, asking: AskingConfig) -> Self {
        Self::of(|run| make_run(run, size), asking).await
    }

    /// A run that `make` makes.
    async fn of(make: impl FnOnce(&Path), asking: AskingConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        make(&run);
        let server = Server::open(&run, options(asking)).await.unwrap();
        let links = (server.links().iter())
            .map(|link| (link.name.clone(), link.url.clone()))
            .collect();
        let (end, ends) = oneshot::channel();
        let served = tokio::spawn(async move {
            server.run(async { ends.await.unwrap_or_default() }).await;
        });
        Self {
            folder,
            links,
            end: Some(end),
            served,
        }
    }

    fn link(&self, name: &str) -> &str {
        &self.links.iter().find(|(n, _)| n == name).unwrap().1
    }

    fn said(&self, kind: TaskKind) -> Vec<Said> {
        let people = People::open_to_read(&self.folder.path().join("run"))
            .unwrap()
            .unwrap();
        people.said(kind).unwrap()
    }

    async fn end(mut self) {
        self.end.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .unwrap()
            .unwrap();
    }
}

/// Somebody before a browser.
struct Person(Client);

impl Person {
    async fn come_in(driver: &Driver, name: &str, link: &str, width: u32, height: u32) -> Self {
        let browser = driver.browser(name, width, height).await;
        browser.goto(link).await.unwrap();
        let person = Self(browser);
        person.see("#go-on, .cards, #answers, #speech").await;
        assert!(
            !person
                .0
                .current_url()
                .await
                .unwrap()
                .path()
                .contains("/enter/")
        );
        person
    }

    /// Goes on with Tab, as somebody without a mouse does, until the focus is at such an element.
    async fn tab_to(&self, css: &str) {
        let tab = char::from(Key::Tab);
        for _ in 0..30 {
            self.press(&[tab]).await;
            let is_there = format!("return document.activeElement.matches({css:?})");
            if self.run(&is_there).await == true {
                return;
            }
        }
        panic!("Tab does not come to {css}");
    }

    /// Marks text with the mouse, from before `from` to after `to` in the element.
    async fn mark(&self, css: &str, from: &str, to: &str) {
        let place = format!(
            "const text = document.querySelector({css:?}).firstChild;
             const at = text.data.indexOf({from:?});
             const range = document.createRange();
             range.setStart(text, at);
             range.setEnd(text, text.data.indexOf({to:?}, at) + {});
             const all = [...range.getClientRects()];
             const [first, last] = [all[0], all[all.length - 1]];
             return [first.left + 1, first.top + first.height / 2, last.right + 1, last.top + last.height / 2];",
            to.chars().count()
        );
        self.run(&format!(
            "document.querySelector({css:?}).scrollIntoView({{block: 'center', behavior: 'instant'}})"
        ))
        .await;
        let place = self.run(&place).await;
        let at = |i: usize| place[i].as_f64().unwrap();
        let to = |x: f64, y: f64| PointerAction::MoveTo {
            duration: Some(Duration::from_millis(80)),
            x,
            y,
        };
        let button = fantoccini::actions::MOUSE_BUTTON_LEFT;
        let actions = MouseActions::new("mouse".into())
            .then(to(at(0), at(1)))
            .then(PointerAction::Down { button })
            .then(to(at(2), at(3)))
            .then(PointerAction::Up { button });
        self.0.perform_actions(actions).await.unwrap();
    }

    /// Waits until there is such an element.
    async fn see(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.0.wait().at_most(PATIENCE);
        match wait.for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("no {css}: {error}\n{}", self.0.source().await.unwrap()),
        }
    }

    async fn click(&self, css: &str) {
        self.see(css).await.click().await.unwrap();
    }

    /// Presses keys, wherever the focus is.
    async fn press(&self, keys: &[char]) {
        let mut actions = KeyActions::new("keyboard".into());
        for key in keys {
            actions = actions
                .then(KeyAction::Down { value: *key })
                .then(KeyAction::Up { value: *key });
        }
        self.0.perform_actions(actions).await.unwrap();
    }

    async fn source(&self) -> String {
        self.0.source().await.unwrap()
    }

    async fn run(&self, script: &str) -> serde_json::Value {
        self.0.execute(script, Vec::new()).await.unwrap()
    }

    /// The step that the page is at.
    async fn step(&self) -> u64 {
        let step = self.see("#panel").await.attr("data-step").await.unwrap();
        step.unwrap().parse().unwrap()
    }

    async fn at_step(&self, step: u64) {
        self.see(&format!("#panel[data-step=\"{step}\"]")).await;
    }

    /// Nothing wider than the page, and nothing that a reader of the console would worry about.
    async fn assert_fits(&self) {
        let wide = self
            .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await;
        assert_eq!(wide, 0, "wider than the window");
    }

    async fn assert_not_owned(&self) {
        let title = self.0.title().await.unwrap();
        assert!(!title.contains("OWNED"), "a script of a model ran");
        let loaded = self
            .run("return performance.getEntriesByType('resource').map((e) => e.name)")
            .await;
        for name in loaded.as_array().unwrap() {
            assert!(
                name.as_str().unwrap().starts_with("http://127.0.0.1:"),
                "{name}"
            );
        }
        let images = self.run("return document.images.length").await;
        assert_eq!(images, 0);
    }

    async fn shoot(&self, name: &str) {
        if let Some(folder) = std::env::var_os("TRIMTAB_SHOTS") {
            let picture = self.0.screenshot().await.unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), picture).unwrap();
        }
    }

    /// Moves the slider by the mouse to a share of its width.
    async fn drag(&self, share: f64) {
        let slider = self.see(".slider").await;
        self.run("document.querySelector('.slider').scrollIntoView({block: 'center', behavior: 'instant'})").await;
        let (x, y, width, height) = slider.rectangle().await.unwrap();
        let top = self.run("return [scrollX, scrollY]").await;
        let scrolled = |i: usize| top[i].as_f64().unwrap();
        let (left, middle) = (x - scrolled(0), y - scrolled(1) + height / 2.0);
        let to = |share: f64| PointerAction::MoveTo {
            duration: Some(Duration::from_millis(50)),
            x: left + width * share,
            y: middle,
        };
        let actions = MouseActions::new("mouse".into())
            .then(to(0.5))
            .then(PointerAction::Down {
                button: fantoccini::actions::MOUSE_BUTTON_LEFT,
            })
            .then(to(share))
            .then(PointerAction::Up {
                button: fantoccini::actions::MOUSE_BUTTON_LEFT,
            });
        self.0.perform_actions(actions).await.unwrap();
    }
}

/// One item from the prior to the judgement, by mouse alone; the reason has to be typed.
async fn judge_by_mouse(person: &Person, shots: Option<&str>) {
    let shoot = async |name: &str| {
        if let Some(prefix) = shots {
            person.shoot(&format!("{prefix}-{name}")).await;
        }
    };
    person.at_step(0).await;
    shoot("1-prior").await;
    assert!(
        !person.see("#go-on").await.is_enabled().await.unwrap(),
        "no belief is set"
    );
    person.drag(0.2).await;
    assert!(
        person
            .see(".belief.set.to-a")
            .await
            .is_displayed()
            .await
            .unwrap()
    );
    person.click("#go-on").await;
    person.at_step(1).await;
    shoot("2-round-1").await;
    person.click(".key[data-percent=\"35\"]").await;
    person.click("#go-on").await;
    person.at_step(2).await;
    person.click("#undo").await;
    person.at_step(1).await;
    person.click(".key[data-percent=\"65\"]").await;
    person.click("#go-on").await;
    person.at_step(2).await;
    person.drag(0.9).await;
    assert!(
        !person.see("#go-on").await.is_enabled().await.unwrap(),
        "no reason is given"
    );
    person
        .see("textarea")
        .await
        .send_keys("the quote shows it")
        .await
        .unwrap();
    shoot("3-judgement").await;
    person.click("#go-on").await;
    person.see("dialog[open]").await;
    shoot("4-confirm").await;
    person.click("#confirm-no").await;
    person.at_step(2).await;
    person.click("#go-on").await;
    person.click("#confirm-yes").await;
    person.see("body.stored").await;
    shoot("5-stored").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_by_mouse() {
    let Some(driver) = Driver::start("a_session_by_mouse").await else {
        return;
    };
    let server = AtPort::new(SMALL, AskingConfig::default()).await;
    let person = Person::come_in(&driver, "mouse", server.link("rater-1"), 1280, 900).await;
    for item in 0..4 {
        judge_by_mouse(&person, (item == 0).then_some("desktop")).await;
        person.click("#go-on").await;
    }
    person.see("body.message").await;
    assert!(person.source().await.contains("All 4 items are judged"));
    let said = server.said(TaskKind::Debate);
    assert_eq!(said.len(), 4);
    for said in &said {
        let percents: Vec<u8> = said.steps.iter().map(|step| step.percent.get()).collect();
        assert!((75..=85).contains(&percents[0]), "{percents:?}");
        assert_eq!(percents[1], 65, "the undone step does not count");
        assert!(percents[2] <= 15, "{percents:?}");
        assert_eq!(said.task.revision, 1);
        assert!(said.steps.iter().all(|step| step.active_secs.is_some()));
    }
    person.0.close().await.unwrap();
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_by_keyboard() {
    let Some(driver) = Driver::start("a_session_by_keyboard").await else {
        return;
    };
    let server = AtPort::new(SMALL, AskingConfig::default()).await;
    let person = Person::come_in(&driver, "keyboard", server.link("rater-1"), 1280, 900).await;
    let [enter, right, escape] = [Key::Enter, Key::Right, Key::Escape].map(char::from);
    for _ in 0..4 {
        person.at_step(0).await;
        // Without a belief Enter leads nowhere.
        person.press(&[enter]).await;
        assert_eq!(person.step().await, 0);
        person.press(&['3', enter]).await;
        person.at_step(1).await;
        person.press(&['3', right, right, enter]).await;
        person.at_step(2).await;
        person.press(&['k', 'j', 'u']).await;
        person.at_step(1).await;
        person.press(&['6', enter]).await;
        person.at_step(2).await;
        person.press(&['0', 'r']).await;
        person
            .press(&"9 quotes show it".chars().collect::<Vec<_>>())
            .await;
        person.press(&[escape, enter]).await;
        person.see("dialog[open]").await;
        person.press(&[escape]).await;
        person.press(&[enter]).await;
        person.see("dialog[open]").await;
        person.press(&[enter]).await;
        person.see("body.stored").await;
        person.press(&[enter]).await;
    }
    person.see("body.message").await;
    let said = server.said(TaskKind::Debate);
    assert_eq!(said.len(), 4);
    for said in &said {
        let percents: Vec<u8> = said.steps.iter().map(|step| step.percent.get()).collect();
        assert_eq!(percents, [75, 45, 5]);
        assert_eq!(
            said.last().unwrap().reason.as_deref(),
            Some("9 quotes show it")
        );
    }
    person.0.close().await.unwrap();
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_raters_at_once_and_two_tabs_of_one() {
    let Some(driver) = Driver::start("two_raters_at_once_and_two_tabs_of_one").await else {
        return;
    };
    let server = AtPort::new(SMALL, AskingConfig::default()).await;
    let (one, other) = tokio::join!(
        Person::come_in(&driver, "one", server.link("rater-1"), 1280, 900),
        Person::come_in(&driver, "other", server.link("rater-2"), 1280, 900),
    );
    tokio::join!(judge_by_mouse(&one, None), judge_by_mouse(&other, None));
    let said = server.said(TaskKind::Debate);
    let judges: Vec<&str> = said.iter().map(|said| said.judge.as_str()).collect();
    assert_eq!(judges, ["rater-1", "rater-2"]);

    // Two tabs show one step; both say something: the first counts, the second is told.
    one.click("#go-on").await;
    one.at_step(0).await;
    let address = one.0.current_url().await.unwrap();
    let first = one.0.window().await.unwrap();
    let second = one.0.new_window(true).await.unwrap().handle;
    one.0.switch_to_window(second).await.unwrap();
    one.0.goto(address.as_str()).await.unwrap();
    one.at_step(0).await;
    one.0.switch_to_window(first).await.unwrap();
    one.press(&['2']).await;
    one.click("#go-on").await;
    one.at_step(1).await;
    let windows = one.0.windows().await.unwrap();
    one.0.switch_to_window(windows[1].clone()).await.unwrap();
    one.press(&['9']).await;
    one.click("#go-on").await;
    one.see("body.message").await;
    assert!(one.source().await.contains("You said A 85 % here before"));
    one.click(".button.primary").await;
    one.at_step(1).await;

    // A draft survives a reload.
    one.press(&['4']).await;
    one.0.refresh().await.unwrap();
    one.see(".key[data-percent=\"65\"][aria-pressed=\"true\"]")
        .await;
    one.0.close().await.unwrap();
    other.0.close().await.unwrap();
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blind_and_inert_on_a_phone() {
    let Some(driver) = Driver::start("blind_and_inert_on_a_phone").await else {
        return;
    };
    let server = AtPort::new(SMALL, AskingConfig::default()).await;
    let person = Person::come_in(&driver, "phone", server.link("rater-2"), 390, 844).await;
    for step in 0..3 {
        person.at_step(step).await;
        let source = person.source().await;
        for secret in SECRETS {
            assert!(!source.contains(secret), "{secret:?} at step {step}");
        }
        person.assert_not_owned().await;
        person.assert_fits().await;
        person.shoot(&format!("phone-{step}")).await;
        person
            .run("document.getElementById('panel').scrollIntoView({behavior: 'instant'})")
            .await;
        person.shoot(&format!("phone-{step}-panel")).await;
        person.click(".key[data-percent=\"85\"]").await;
        if step < 2 {
            person.click("#go-on").await;
        }
    }
    person.0.close().await.unwrap();
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_and_the_admins_pages() {
    let Some(driver) = Driver::start("pairs_and_the_admins_pages").await else {
        return;
    };
    let size = Size {
        questions: 2,
        pairs: 2,
        ..SMALL
    };
    let server = AtPort::new(size, AskingConfig::default()).await;
    let person = Person::come_in(&driver, "rater", server.link("rater-1"), 1280, 900).await;
    let enter = char::from(Key::Enter);
    let mut n_pairs = 0;
    for _ in 0..4 {
        person.see("#panel").await;
        if person.source().await.contains("Which reply is better?") {
            person.assert_not_owned().await;
            person.shoot("desktop-pair").await;
            n_pairs += 1;
            person.press(&['t']).await;
            person.see(".key.tie[aria-pressed=\"true\"]").await;
            person.shoot("desktop-pair-tie").await;
            person.press(&['8', enter]).await;
            person.see("dialog[open]").await;
            person.press(&[enter]).await;
            person.see("body.stored").await;
        } else {
            judge_by_mouse(&person, None).await;
        }
        person.click("#go-on").await;
    }
    assert_eq!((n_pairs, server.said(TaskKind::Pair).len()), (2, 2));

    for (width, name) in [(1280, "desktop"), (390, "phone")] {
        let admin = Person::come_in(
            &driver,
            &format!("admin-{width}"),
            server.link("admin"),
            width,
            900,
        )
        .await;
        let base = server
            .link("admin")
            .split("/enter/")
            .next()
            .unwrap()
            .to_owned();
        for (address, page) in [
            ("/run", "run"),
            ("/transcripts", "transcripts"),
            (
                "/transcripts/0-0-two-sided/question-0%2FAsListed%2FBoth",
                "transcript",
            ),
            ("/admin?answers=show", "people"),
            ("/admin/judgements", "judgements"),
        ] {
            admin.0.goto(&format!("{base}{address}")).await.unwrap();
            admin.see("main").await;
            admin.assert_not_owned().await;
            admin.assert_fits().await;
            admin.shoot(&format!("{name}-{page}")).await;
        }
        // The run's page follows the log.
        admin.0.goto(&format!("{base}/run")).await.unwrap();
        admin.see("#live").await;
        let event = serde_json::json!({"at": 5.0, "event": "loaded", "set": format!("set-{width}"), "n_rows": 7, "cached": false});
        let mut file = std::fs::File::options()
            .append(true)
            .open(server.folder.path().join("run/events.jsonl"))
            .unwrap();
        std::io::Write::write_all(&mut file, format!("{event}\n").as_bytes()).unwrap();
        let shown = format!("//*[@id='live']//li[contains(., 'set-{width} is loaded')]");
        admin
            .0
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::XPath(&shown))
            .await
            .unwrap();
        admin.0.close().await.unwrap();
    }
    person.0.close().await.unwrap();
    // A watched page does not keep the server from ending.
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_active_querying_by_keyboard() {
    let Some(driver) = Driver::start("questions_of_active_querying").await else {
        return;
    };
    let server = AtPort::of(make_asked, AskingConfig::default()).await;
    let enter = char::from(Key::Enter);
    let person = Person::come_in(&driver, "asked", server.link("rater-1"), 390, 844).await;
    person.assert_fits().await;
    person.assert_not_owned().await;
    person.shoot("phone-question").await;
    // Enter asks once more, and then it is stored.
    for key in ['c', '2'] {
        person.press(&[key, enter]).await;
        person.see("dialog[open]").await;
        person.press(&[enter]).await;
        person.see("body.stored").await;
        let says_so = person.source().await.contains("that you cannot say");
        assert_eq!(says_so, key == 'c');
        if key == 'c' {
            person.press(&['u']).await;
            person.see("#panel[data-revision=\"1\"]").await;
        }
    }
    person.press(&[enter]).await;
    person.see("#panel[data-revision=\"0\"]").await;
    person.assert_not_owned().await;
    let said = server.said(TaskKind::Annotation);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].last().unwrap().percent.get(), 85);
    assert!(said[0].secs() > 0.0);
    person.0.close().await.unwrap();
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_as_the_expert_and_a_deep_tree_on_a_phone() {
    let Some(driver) = Driver::start("a_person_as_the_expert").await else {
        return;
    };
    let long = format!("{HOSTILE} {}", "unbroken".repeat(60));
    let mut tree = node("The last?", Ok("1"), Vec::new());
    for _ in 0..16 {
        let beside = node(&long, Ok(&long), Vec::new());
        tree = node(&long, Ok("1"), vec![tree, beside]);
    }
    let id = SampleId::new("deep");
    let make = |run: &Path| {
        make_waiting(run, 2);
        write_trees(run, &[ProblemTree { id, tree }]);
    };
    let server = AtPort::of(make, AskingConfig::default()).await;

    let person = Person::come_in(&driver, "person", server.link("rater-1"), 390, 844).await;
    person.assert_fits().await;
    person.assert_not_owned().await;
    person.shoot("phone-expert").await;
    let first = person.0.current_url().await.unwrap();
    let questions = person.see("#questions").await;
    questions
        .send_keys("What is 1 + 1?\nWhat is 2?")
        .await
        .unwrap();
    person.click("#ask").await;
    person.see("progress[value=\"1\"]").await;
    assert_ne!(person.0.current_url().await.unwrap(), first);
    person.see("#answer").await.send_keys("7").await.unwrap();
    person.click("#answers").await;
    person.see("body.message").await;
    assert!(person.source().await.contains("All 2 steps are taken"));
    let people = People::open_to_read(&server.folder.path().join("run"))
        .unwrap()
        .unwrap();
    let said: Vec<ExpertSays> = (people.expert_said(None).unwrap().into_iter())
        .map(|said| said.says)
        .collect();
    let questions = ["What is 1 + 1?", "What is 2?"].map(str::to_owned);
    assert!(
        said.contains(&ExpertSays::Asks(questions.to_vec())),
        "{said:?}"
    );
    assert!(said.contains(&ExpertSays::Answers("7".into())), "{said:?}");

    let admin = Person::come_in(&driver, "admin", server.link("admin"), 390, 844).await;
    let address = admin.0.current_url().await.unwrap();
    let tree = address
        .join(&format!("/trees/{CELL}/amplified-0/deep"))
        .unwrap();
    admin.0.goto(tree.as_str()).await.unwrap();
    admin.see(".node").await;
    admin.shoot("phone-tree").await;
    admin
        .run("for (const node of document.querySelectorAll('details')) node.open = true")
        .await;
    admin.assert_fits().await;
    admin.assert_not_owned().await;
    admin.shoot("phone-tree-open").await;
    for browser in [person, admin] {
        browser.0.close().await.unwrap();
    }
    server.end().await;
}

/// What no page of a debater holds: method, sample, opponent.
async fn assert_debater_is_blind(person: &Person) {
    let source = person.source().await;
    for secret in ["secret", "rater-", "0-0-", "right answer is", "random"] {
        assert!(!source.contains(secret), "{secret:?} in {source}");
    }
    person.assert_not_owned().await;
    person.assert_fits().await;
}

/// Speaks by keyboard alone: markup that is words.
async fn speak_by_keyboard(one: &Person) {
    let enter = char::from(Key::Enter);
    assert_debater_is_blind(one).await;
    one.shoot("desktop-debater-1-turn").await;
    one.tab_to("#speech").await;
    one.press(
        &"<b>I</b> say: <img src=x onerror=alert(1)> <script>document.title='OWNED'</script>"
            .chars()
            .collect::<Vec<_>>(),
    )
    .await;
    let count = one.see("#count").await.text().await.unwrap();
    assert!(count.contains("of at most 15 words"), "{count}");
    one.0.refresh().await.unwrap();
    one.see("#speech").await;
    let kept = one
        .run("return document.getElementById('speech').value")
        .await;
    assert!(
        kept.as_str().unwrap().contains("OWNED"),
        "the draft is kept: {kept}"
    );
    one.tab_to("#say").await;
    one.press(&[enter]).await;
    one.see("body.message").await;
    assert!(one.source().await.contains("it is on the disk"));
    assert_debater_is_blind(one).await;
    one.shoot("desktop-debater-2-stored").await;
    one.tab_to("#go-on").await;
    one.press(&[enter]).await;
    one.see("body.message .button").await;
    one.shoot("desktop-debater-3-nothing-waits").await;
}

/// Speaks by mouse, with a quote that is marked in the text.
async fn speak_by_mouse(two: &Person) {
    two.see("#speech")
        .await
        .send_keys("It says: ")
        .await
        .unwrap();
    two.mark("#passage", "lit the lamp", "in the hall").await;
    two.click("#quote").await;
    let typed = two
        .run("return document.getElementById('speech').value")
        .await;
    assert_eq!(typed, "It says: <quote>lit the lamp in the hall</quote>");
    two.click("#look").await;
    two.see("#preview .quote.verified").await;
    assert_debater_is_blind(two).await;
    two.run("document.getElementById('panel').scrollIntoView({behavior: 'instant'})")
        .await;
    two.shoot("desktop-debater-4-preview").await;
    two.click("#say").await;
    two.see("body.message .quote.verified").await;
}

/// Hears what both said in the first round, as text, and ends the debate.
async fn speak_again(person: &Person, name: &str) {
    person.click(".button").await;
    person.see("#round-1").await;
    assert_debater_is_blind(person).await;
    let heard = person.see("#round-1").await.text().await.unwrap();
    for part in [
        "<script>document.title='OWNED'</script>",
        "lit the lamp in the hall",
    ] {
        assert!(heard.contains(part), "{part:?} in {heard}");
    }
    person
        .run("document.getElementById('round-1').scrollIntoView({behavior: 'instant'})")
        .await;
    person.shoot(&format!("{name}-debater-5-round-2")).await;
    person
        .see("#speech")
        .await
        .send_keys("I have nothing to add.")
        .await
        .unwrap();
    person.click("#say").await;
    person.see("#go-on").await;
}

/// The admin sees who spoke.
async fn see_who_spoke(admin: Person, width: u32) {
    let address = admin.0.current_url().await.unwrap();
    let list = address
        .join(&format!("/transcripts?cell={DEBATE}"))
        .unwrap();
    admin.0.goto(list.as_str()).await.unwrap();
    admin.click("tbody a").await;
    admin.see("article .by").await;
    let source = admin.source().await;
    assert_eq!(source.matches(" · rater-1<").count(), 2, "{source}");
    assert_eq!(source.matches(" · rater-2<").count(), 2, "{source}");
    admin.assert_not_owned().await;
    admin.assert_fits().await;
    admin.shoot(&format!("admin-{width}-debate")).await;
    admin.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_debate_by_keyboard_and_by_mouse() {
    let Some(driver) = Driver::start("two_people_debate").await else {
        return;
    };
    let place = Workplace::of(1, "simultaneous");
    let make = |run: &Path| assert_eq!(place.run_in(run), (2, false));
    let server = AtPort::of(make, AskingConfig::default()).await;
    let run = server.folder.path().join("run");
    let come = async |name: &str, width: u32, height: u32| {
        let who = format!("{name}-{width}");
        Person::come_in(&driver, &who, server.link(name), width, height).await
    };
    let one = come("rater-1", 1280, 900).await;
    speak_by_keyboard(&one).await;

    // On a phone the same turn is there to be read.
    let phone = come("rater-2", 390, 844).await;
    assert_debater_is_blind(&phone).await;
    phone.shoot("phone-debater-1-turn").await;
    phone
        .run("document.getElementById('panel').scrollIntoView({behavior: 'instant'})")
        .await;
    phone.shoot("phone-debater-2-panel").await;
    let two = come("rater-2", 1280, 900).await;
    speak_by_mouse(&two).await;
    // What the phone still shows comes too late, and comes back.
    phone
        .see("#speech")
        .await
        .send_keys("Too late for this turn.")
        .await
        .unwrap();
    phone.click("#say").await;
    let back = phone.see("#kept").await.text().await.unwrap();
    assert_eq!(back, "Too late for this turn.");
    phone.assert_fits().await;
    phone.shoot("phone-debater-3-too-late").await;

    assert_eq!(place.run_in(&run), (2, false));
    for (person, name) in [(&one, "desktop"), (&phone, "phone")] {
        speak_again(person, name).await;
    }
    assert_eq!(place.run_in(&run), (0, true));
    for width in [1280, 390] {
        see_who_spoke(come("admin", width, 900).await, width).await;
    }
    for browser in [one, two, phone] {
        browser.0.close().await.unwrap();
    }
    server.end().await;
}
