//! `trimtab sandbox`: one program, many, and what is refused.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::workplace::Workplace;

#[test]
fn a_program_is_run_and_its_outcome_printed() {
    let place = Workplace::new();
    place.write("program.py", "print('hello')\nopen('/etc/passwd')\n");
    let said = place.succeed(&["sandbox", "program.py"]).stdout;
    assert!(said.starts_with("exited with 1; "), "{said}");
    assert!(said.contains("enforced: "), "{said}");
    assert!(said.contains("--- stdout\nhello\n--- stderr\n"), "{said}");
    assert!(said.contains("PermissionError"), "{said}");
    let json = place
        .succeed(&["sandbox", "program.py", "--format", "json"])
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["stdout"], "hello\n");
    assert_eq!(json["status"]["exited"], 1);
    assert_eq!(json["limit"], Value::Null);
}

#[test]
fn what_a_program_prints_does_not_steer_the_terminal() {
    let place = Workplace::new();
    place.write("program.py", "print('\\x1b[2J\\x07gone')\n");
    let said = place.succeed(&["sandbox", "program.py"]).stdout;
    assert!(said.contains("\\u{1b}[2J\\u{7}gone"), "{said}");
    place.write("program.py", "print('\\u202eenog')\n");
    let said = place.succeed(&["sandbox", "program.py"]).stdout;
    assert!(said.contains("\\u{202e}enog"), "{said}");
}

#[test]
fn many_programs_have_a_line_each_in_order() {
    let place = Workplace::new();
    let line = |i: u32| format!("{{\"id\": \"p{i}\", \"source\": \"print({i})\", \"other\": 1}}\n");
    place.write("many.jsonl", (0..5).map(line).collect::<Vec<_>>().concat());
    let said = place
        .succeed(&["sandbox", "--programs", "many.jsonl", "--jobs", "2"])
        .stdout;
    let rows: Vec<Value> = (said.lines().map(|line| serde_json::from_str(line).unwrap())).collect();
    assert_eq!(rows.len(), 5);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row["id"], format!("p{i}"));
        assert_eq!(row["stdout"], format!("{i}\n"));
    }
}

#[test]
fn what_cannot_be_enforced_or_read_is_refused() {
    let place = Workplace::new();
    place.write("program.py", "print(1)\n");
    place.write(
        "bad.jsonl",
        "{\"source\": \"pass\"}\n{\"program\": \"pass\"}\n",
    );
    let below = [
        "sandbox",
        "program.py",
        "--level",
        "namespaces",
        "--back-end",
        "landlock",
    ];
    let said = place.refuse(&below);
    assert!(said.contains("level namespaces was asked for"), "{said}");
    let said = place.refuse(&["sandbox", "program.py", "--time", "0"]);
    assert!(said.contains("time is 0"), "{said}");
    let said = place.refuse(&["sandbox", "--programs", "bad.jsonl"]);
    assert!(
        said.contains("bad.jsonl, line 2: missing field `source`"),
        "{said}"
    );
    let said = place.refuse(&["sandbox", "nothing.py"]);
    assert!(said.contains("nothing.py"), "{said}");
}
