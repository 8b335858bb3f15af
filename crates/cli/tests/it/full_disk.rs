//! A disk that fills up while a run writes to it, and is then made larger.

use std::process::Command;

use crate::ledger;
use crate::material::small;
use crate::workplace::{Said, TRIMTAB, Workplace, assert_narrow, say, which};

/// A disk of `$1`, made larger after the first try; the folder is copied out before and after, as the
/// disk goes with the process.
const ON_A_SMALL_DISK: &str = r#"
mkdir disk
mount -t tmpfs -o size=$1 trimtab disk
code=0
"$TRIMTAB" run small.toml --out disk/run >first.stdout 2>first.stderr || code=$?
cp -r disk/run first
echo $code >first.code
mount -o remount,size=64m disk
"$TRIMTAB" run small.toml --out disk/run --quiet
cp -r disk/run second
"#;

/// The same with a limit on the size of each file: what stands in where mounting is not allowed.
const WITH_SMALL_FILES: &str = r#"
trap "" XFSZ
code=0
(ulimit -f $1; "$TRIMTAB" run small.toml --out first >first.stdout 2>first.stderr) || code=$?
echo $code >first.code
cp -r first second
"$TRIMTAB" run small.toml --out second --quiet
"#;

/// How to get a mount name space of one's own, as root or not; none where that is forbidden.
fn unshare() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    WAYS.into_iter().find(|way| {
        Command::new("unshare")
            .args(*way)
            .args(["mount", "-t", "tmpfs", "trimtab", "/mnt"])
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

/// Runs a script and returns what the failed run said.
#[track_caller]
fn fail_then_finish(place: &Workplace, command: &mut Command) -> String {
    place.prepare(command);
    let finished = Said::new(&command.env("TRIMTAB", TRIMTAB).output().unwrap());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(
        place.read("first.code").trim(),
        "1",
        "{}",
        place.read("first.stderr")
    );
    assert_eq!(place.read("first.stdout"), "");
    let said = place.read("first.stderr");
    assert_narrow(&said);

    place.succeed(&["run", "small.toml", "--quiet"]);
    let whole = ledger::numbers(&place.path("runs/small"));
    // What was stored before the end came is there, whole, and is not computed again.
    if ledger::is_made(&place.path("first")) {
        let [first, second] = ["first", "second"].map(|run| ledger::everything(&place.path(run)));
        for cell in &first["cell"] {
            assert!(second["cell"].contains(cell), "{cell}");
        }
    }
    ledger::assert_same(&ledger::numbers(&place.path("second")), &whole);
    said
}

#[test]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    let Some(way) = unshare() else {
        say("SKIPPED a_full_disk_ends_the_run_and_loses_nothing: mounting is not allowed here");
        return;
    };
    // From no room for the manifest to room for all but the last of it.
    for kib in [4, 16, 48, 80, 112, 144, 176] {
        let place = small();
        let size = format!("{kib}k");
        let mut command = Command::new("unshare");
        command
            .args(way)
            .args(["sh", "-euc", ON_A_SMALL_DISK, "sh", &size]);
        let said = fail_then_finish(&place, &mut command);
        say(&format!("{size}: {said}"));
        assert!(
            said.contains("full") || said.contains("No space left"),
            "{said}"
        );
        assert!(
            said.contains("help: free some space and run the same command again"),
            "{said}"
        );
    }
}

#[test]
fn files_that_may_not_grow_end_the_run_and_lose_nothing() {
    let Some(bash) = which("bash") else {
        say("SKIPPED files_that_may_not_grow_end_the_run_and_lose_nothing: there is no bash");
        return;
    };
    // In KiB: from the manifest to the ledger.
    for kib in ["1", "24", "60"] {
        let place = small();
        let mut command = Command::new(&bash);
        command.args(["-euc", WITH_SMALL_FILES, "bash", kib]);
        let said = fail_then_finish(&place, &mut command);
        say(&format!("{kib}k: {said}"));
    }
}
