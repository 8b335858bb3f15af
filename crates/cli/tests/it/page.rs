//! The page in a real browser: what is drawn, what the console says, and whether it fits.
//!
//! Needs Chromium; without it these tests say so and pass, unless `TRIMTAB_REQUIRE_CHROMIUM=1`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::material::small;
use crate::workplace::{Workplace, say, which};

struct Browser {
    program: PathBuf,
    profile: tempfile::TempDir,
}

/// What a page came to.
struct Seen {
    dom: String,
    log: String,
}

impl Browser {
    fn find(test: &str) -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let Some(program) = names.iter().find_map(which) else {
            let is_required =
                std::env::var_os("TRIMTAB_REQUIRE_CHROMIUM").is_some_and(|v| v == "1");
            assert!(
                !is_required,
                "there is no Chromium, and TRIMTAB_REQUIRE_CHROMIUM=1"
            );
            say(&format!("SKIPPED {test}: there is no Chromium"));
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        Some(Self { program, profile })
    }

    fn command(&self, width: u32) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                "--v=0",
                "--virtual-time-budget=2000",
            ])
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .arg(format!("--window-size={width},1000"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The page after its scripts have run.
    fn see(&self, page: &Path, width: u32) -> Seen {
        let mut command = self.command(width);
        command
            .arg("--dump-dom")
            .arg(format!("file://{}", page.display()));
        let output = within_a_minute(command.spawn().unwrap());
        let [dom, log] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Seen { dom, log }
    }

    fn shoot(&self, page: &Path, width: u32, to: &Path) {
        let mut command = self.command(width);
        command
            .arg(format!("--screenshot={}", to.display()))
            .arg(format!("file://{}", page.display()));
        let output = within_a_minute(command.spawn().unwrap());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Waits for a process, but not for ever.
fn within_a_minute(child: Child) -> std::process::Output {
    let (sender, receiver) = std::sync::mpsc::channel();
    let id = child.id();
    let waiting = std::thread::spawn(move || {
        let output = child.wait_with_output();
        sender.send(()).ok();
        output
    });
    if receiver.recv_timeout(Duration::from_mins(1)).is_err() {
        drop(Command::new("kill").args(["-9", &id.to_string()]).status());
    }
    waiting.join().unwrap().unwrap()
}

impl Seen {
    /// Nothing that a reader of the console would have to worry about.
    #[track_caller]
    fn assert_quiet(&self) {
        let console: Vec<&str> = self
            .log
            .lines()
            .filter(|line| line.contains("CONSOLE") || line.contains("Refused to"))
            .collect();
        assert_eq!(console, [""; 0]);
    }

    /// What the script of [`measured`] found.
    fn measures(&self) -> Value {
        let (_, rest) = self.dom.split_once("data-measures=\"").unwrap();
        let (json, _) = rest.split_once('"').unwrap();
        serde_json::from_str(&json.replace("&quot;", "\"")).unwrap()
    }
}

/// The page with a script that writes down how wide it came out. Its policy allows inline scripts, so
/// nothing else changes.
fn measured(page: &str) -> String {
    let script = r"<script>
        const root = document.documentElement, inside = root.clientWidth;
        const wide = [...document.querySelectorAll('body *')].filter((e) => {
          for (let box = e.parentElement; box; box = box.parentElement)
            if (getComputedStyle(box).overflowX !== 'visible' && box !== root && box !== document.body)
              return false;
          return e.getBoundingClientRect().right > inside + 1;
        });
        const measures = JSON.stringify({
          inside, scroll: root.scrollWidth,
          wide: wide.slice(0, 5).map((e) => e.tagName + '.' + e.className),
          shown: [...document.querySelectorAll('svg')].filter((e) => e.getClientRects().length).length,
        });
        root.dataset.measures = measures;
        window.parent.postMessage(measures, '*');
      </script>";
    assert!(page.contains("</body>"));
    page.replace("</body>", &format!("{script}</body>"))
}

/// A phone: browsers on desktops have no window as narrow.
const PHONE: &str = r#"<!DOCTYPE html><body style="margin:0"><script>
    addEventListener('message', (e) => { document.documentElement.dataset.measures = e.data; });
  </script><iframe src="measured.html" width="390" height="800" style="border:0"></iframe>"#;

/// A run on two variants, and its page.
fn run() -> (Workplace, PathBuf) {
    let place = small();
    place.succeed(&[
        "run",
        "small.toml",
        "--quiet",
        "--set",
        "sweep.data.limit=[240, 300]",
    ]);
    let page = place.path("runs/small/report.html");
    (place, page)
}

#[test]
fn the_page_is_drawn_and_fits() {
    let Some(browser) = Browser::find("the_page_is_drawn_and_fits") else {
        return;
    };
    let (place, page) = run();
    let seen = browser.see(&page, 1280);
    seen.assert_quiet();
    let n = |what: &str| seen.dom.matches(what).count();
    assert!(
        n("<table") >= 2 && n("<svg") >= 4,
        "{} tables, {} plots",
        n("<table"),
        n("<svg")
    );

    let text = std::fs::read_to_string(&page).unwrap();
    place.write("measured.html", measured(&text));
    place.write("phone.html", PHONE);
    for (file, width, inside) in [
        ("measured.html", 1280, 1280),
        ("measured.html", 500, 500),
        ("phone.html", 800, 390),
    ] {
        let seen = browser.see(&place.path(file), width);
        seen.assert_quiet();
        let measures = seen.measures();
        assert_eq!(measures["inside"], inside, "{measures}");
        assert_eq!(measures["scroll"], inside, "{measures}");
        assert_eq!(measures["wide"], serde_json::json!([]), "{inside}");
        assert!(measures["shown"].as_u64().unwrap() >= 2, "{measures}");
    }
}

#[test]
fn pictures_of_the_page_can_be_looked_at() {
    let Some(browser) = Browser::find("pictures_of_the_page_can_be_looked_at") else {
        return;
    };
    let (_place, page) = run();
    for width in [1280, 500] {
        let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{width}.png"));
        drop(std::fs::remove_file(&to));
        let began = Instant::now();
        browser.shoot(&page, width, &to);
        let png = std::fs::read(&to).unwrap();
        assert!(
            png.starts_with(b"\x89PNG") && png.len() > 10_000,
            "{} bytes",
            png.len()
        );
        say(&format!(
            "{} in {:.1} s",
            to.display(),
            began.elapsed().as_secs_f64()
        ));
    }
}
