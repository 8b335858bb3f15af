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
