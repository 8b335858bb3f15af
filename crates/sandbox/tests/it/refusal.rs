//! Nothing is run below the level that was asked for.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use trimtab_sandbox::{BackEnd, Level, Program, SandboxError};

use crate::host::{Host, Who, is_root, outcome};

fn host(back_end: BackEnd, at_least: Level) -> Host {
    let who = if is_root() { Who::Root } else { Who::Ordinary };
    let mut host = Host::new(who, back_end);
    host.at_least = at_least;
    host
}

/// Runs `source` where the kernel has no landlock: the calls that make it are answered as such a kernel does.
fn without_landlock(host: &Host, source: &str) -> std::process::Output {
    let mut command = host.command(source);
    std::thread::spawn(move || {
        let calls = [
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_add_rule,
            libc::SYS_landlock_restrict_self,
        ];
        let filter: BpfProgram = SeccompFilter::new(
            BTreeMap::from(calls.map(|call| (call, Vec::new()))),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
            TargetArch::try_from(std::env::consts::ARCH).unwrap(),
        )
        .unwrap()
        .try_into()
        .unwrap();
        // Of this thread, and of what it starts.
        seccompiler::apply_filter(&filter).unwrap();
        command.output().unwrap()
    })
    .join()
    .unwrap()
}

#[test]
fn a_kernel_without_landlock_is_refused_or_recorded() {
    let source = "import socket\ntry: socket.socket()\nexcept OSError: print('no network')";
    let refused = without_landlock(&host(BackEnd::Landlock, Level::Files), source);
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "level files was asked for, and limits is what Landlock enforces here: not run\n"
    );
    assert!(refused.stdout.is_empty() && !refused.status.success());
    let recorded = outcome(&without_landlock(
        &host(BackEnd::Landlock, Level::Limits),
        source,
    ));
    assert_eq!(recorded.enforced, Level::Limits);
    assert_eq!(recorded.stdout, "no network\n");
}

#[test]
fn no_back_end_runs_below_what_was_asked_and_none_must_be_named() {
    let program = Program::python(&trimtab_sandbox::system_python().unwrap(), "print(1)");
    for (back_end, asked) in [
        (BackEnd::None, Level::Limits),
        (BackEnd::None, Level::Files),
        (BackEnd::Landlock, Level::Namespaces),
    ] {
        let error = host(back_end, asked).sandbox().run(&program).unwrap_err();
        assert!(
            matches!(error, SandboxError::Below { asked: a, .. } if a == asked),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("landlock"));
    }
    let named = host(BackEnd::None, Level::None)
        .sandbox()
        .run(&program)
        .unwrap();
    assert_eq!(
        (named.enforced, named.stdout.as_str()),
        (Level::None, "1\n")
    );
    assert_eq!(trimtab_sandbox::Limits::default().check(), Ok(()));
}

#[test]
fn what_cannot_be_started_is_an_error_that_says_what() {
    let host = host(BackEnd::Landlock, Level::Files);
    let run = |executable: &str| {
        let program = Program {
            executable: executable.into(),
            arguments: Vec::new(),
            files: Vec::new(),
        };
        host.sandbox().run(&program).unwrap_err()
    };
    let missing = run("/usr/bin/no-such-program");
    assert!(
        missing
            .to_string()
            .starts_with("could not start /usr/bin/no-such-program: No such file")
    );
    let mut sandbox = host.sandbox();
    sandbox.launcher.executable = "/bin/true".into();
    let program = Program::python(&trimtab_sandbox::system_python().unwrap(), "");
    let error = sandbox.run(&program).unwrap_err();
    assert!(matches!(error, SandboxError::Launcher { .. }), "{error}");
    host.is_unharmed();
}

#[test]
fn a_slow_start_is_not_the_programs_time() {
    let mut host = host(BackEnd::Landlock, Level::Files);
    host.limits.time = 1.5;
    let mut sandbox = host.sandbox();
    let late = format!(
        "/bin/sleep 3; exec {} launch \"$0\"",
        host.path("launcher").display()
    );
    sandbox.launcher.executable = "/bin/sh".into();
    sandbox.launcher.arguments = vec!["-c".into(), late.into()];
    let python = trimtab_sandbox::system_python().unwrap();
    let slept = sandbox
        .run(&Program::python(&python, "import time\ntime.sleep(60)"))
        .unwrap();
    assert_eq!(slept.limit, Some(trimtab_sandbox::Limit::Time));
    assert!(slept.enforced >= Level::Files, "it had begun");
}
