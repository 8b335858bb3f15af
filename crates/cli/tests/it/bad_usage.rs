//! Command lines that mean nothing.

use std::fmt::Write as _;

use crate::material::small;

#[test]
fn unknown_words_are_answered_with_known_ones() {
    let place = small();
    let mut gallery = String::new();
    for arguments in [
        &["rnu", "small.toml"][..],
        &["run", "small.toml", "--quite"],
        &["run"],
        &["run", "small.toml", "--jobs", "0"],
        &["report", "runs/small", "--format", "pdf"],
    ] {
        let refused = place.refuse(arguments);
        writeln!(gallery, "━━ trimtab {}\n{refused}", arguments.join(" ")).unwrap();
    }
    insta::assert_snapshot!(gallery);
    // No command at all is a question.
    let said = place.run(&[]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(
        said.stderr.contains("Usage: trimtab <COMMAND>"),
        "{}",
        said.stderr
    );
}
