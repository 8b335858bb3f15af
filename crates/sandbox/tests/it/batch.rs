//! Many programs, and their order.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use trimtab_sandbox::{BackEnd, Program, system_python};

use crate::host::{Host, Who};

#[test]
fn outcomes_come_in_order_and_stop_when_told() {
    let host = Host::new(Who::Root, BackEnd::Landlock);
    let python = system_python().unwrap();
    // Earlier ones take longer.
    let programs: Vec<Program> = (0..6)
        .map(|i| {
            let source = format!(
                "import time\ntime.sleep({})\nprint({i})",
                0.3 - 0.05 * f64::from(i)
            );
            Program::python(&python, &source)
        })
        .collect();
    let jobs = NonZeroUsize::new(3).unwrap();
    let mut printed = Vec::new();
    let all = host.sandbox().run_all(&programs, jobs, |outcome| {
        printed.push(outcome.unwrap().stdout);
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(all, ControlFlow::Continue(()));
    assert_eq!(printed.concat(), "0\n1\n2\n3\n4\n5\n");
    let stopped = host.sandbox().run_all(&programs, jobs, |outcome| {
        ControlFlow::Break(outcome.unwrap().stdout)
    });
    assert_eq!(stopped, ControlFlow::Break("0\n".to_owned()));
    host.is_unharmed();
}

/// Its file may be held open for writing for a moment: by what wrote it, or by a process that another thread has just forked.
#[test]
fn a_launcher_that_is_busy_is_waited_for() {
    let host = Host::new(Who::Root, BackEnd::Landlock);
    let held = std::fs::OpenOptions::new()
        .append(true)
        .open(host.path("launcher"))
        .unwrap();
    let holding = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(held);
    });
    let program = Program::python(&system_python().unwrap(), "print('there')");
    let outcome = host.sandbox().run(&program).unwrap();
    assert_eq!(outcome.stdout, "there\n");
    holding.join().unwrap();
}
