//! The tutorials of docs/, and the page on bringing one's own: their commands are run, one after the other, in a folder of their own,
//! by the real program, and print what stands below them.
//!
//! | in a document | means |
//! |---|---|
//! | `<!-- file: NAME -->` above a fenced block | the block is written to NAME |
//! | `<!-- copy: NAME -->` | the file NAME that lies beside the document is there |
//! | `<!-- server: SCRIPT -->` | from here on a scripted server answers at [`ADDRESS`] |
//! | a fenced block `console` | `$ ` begins a command (for `sh`), and what stands below it is what it prints on stdout |
//!
//! Output is compared word by word; of numbers only the place, as in snapshots of tables: last digits differ between processors.
//! `TRIMTAB_UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use trimtab_llm_testkit::{JobScript, ScriptedServer, amplify, debate, server};

use crate::run::outline;
use crate::workplace::{Said, TRIMTAB, Workplace};

/// Where documents say that the scripted server is.
const ADDRESS: &str = "http://127.0.0.1:8000";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// What a document asks for so far.
struct Reader {
    place: Workplace,
    /// Where the document lies.
    folder: PathBuf,
    server: Option<ScriptedServer>,
    n_commands: usize,
    faults: Vec<String>,
}

impl Reader {
    fn start(&mut self, script: &str) {
        let script = match script {
            "echo" => server::echo,
            "judge" => server::judge,
            "debate" => debate::debate,
            "amplify" => amplify::amplify,
            other => panic!("no script `{other}`"),
        };
        let server = ScriptedServer::builder(script).jobs(JobScript::default());
        self.server = Some(server.start().unwrap());
    }

    /// With the address that the server really has.
    fn addressed(&self, text: &str) -> String {
        match &self.server {
            Some(server) => text.replace(ADDRESS, server.url().trim_end_matches("/v1")),
            None => text.to_owned(),
        }
    }

    /// What a command prints, as the document would show it.
    fn output_of(&mut self, command: &str) -> String {
        self.n_commands += 1;
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.addressed(command)]);
        self.place.prepare(&mut shell);
        let program = Path::new(TRIMTAB).parent().unwrap().to_owned();
        let others = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(program).chain(std::env::split_paths(&others));
        shell.env("PATH", std::env::join_paths(path).unwrap());
        let said = Said::new(&shell.output().unwrap());
        assert_eq!(said.code, Some(0), "$ {command}\n{}", said.stderr);
        match &self.server {
            Some(server) => (said.stdout).replace(server.url().trim_end_matches("/v1"), ADDRESS),
            None => said.stdout,
        }
    }

    /// The block with what its commands really print.
    fn console(&mut self, block: &str) -> String {
        let mut text = String::new();
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(first) = line.strip_prefix("$ ") else {
                panic!("output of nothing: {line}")
            };
            let mut command = first.to_owned();
            while command.ends_with('\\') {
                write!(command, "\n{}", lines.next().unwrap()).unwrap();
            }
            let mut shown = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                writeln!(shown, "{line}").unwrap();
            }
            let printed = self.output_of(&command);
            if compared(&shown) != compared(&printed) {
                self.faults.push(format!("$ {command}\n{printed}"));
            }
            write!(text, "$ {command}\n{printed}").unwrap();
        }
        text
    }
}

/// Its words, without what differs between machines and versions: numbers, hashes, and where lines are wrapped.
fn compared(text: &str) -> String {
    let is_hash = |word: &str| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit());
    let outline = outline(text);
    let words = outline.split_whitespace();
    let words: Vec<&str> = words
        .map(|word| if is_hash(word) { "#" } else { word })
        .collect();
    words.join(" ")
}

/// Does what a document asks for, from top to bottom.
#[track_caller]
fn follow(name: &str) {
    let path = docs().join(name);
    let document = std::fs::read_to_string(&path).unwrap();
    let mut reader = Reader {
        place: Workplace::new(),
        folder: path.parent().unwrap().to_owned(),
        server: None,
        n_commands: 0,
        faults: Vec::new(),
    };
    let mut anew = String::new();
    let mut file: Option<String> = None;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        writeln!(anew, "{line}").unwrap();
        let said = (line.strip_prefix("<!-- ")).and_then(|line| line.strip_suffix(" -->"));
        if let Some((what, which)) = said.and_then(|said| said.split_once(": ")) {
            match what {
                "file" => file = Some(which.to_owned()),
                "copy" => {
                    let copied = std::fs::read(reader.folder.join(which)).unwrap();
                    reader.place.write(which, copied);
                }
                "server" => reader.start(which),
                other => panic!("{name}: `{other}` means nothing here"),
            }
        }
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let mut block = String::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            writeln!(block, "{line}").unwrap();
        }
        if let Some(file) = file.take() {
            reader.place.write(&file, reader.addressed(&block));
        }
        if language == "console" {
            block = reader.console(&block);
        }
        writeln!(anew, "{block}```").unwrap();
    }
    assert!(reader.n_commands >= 2, "{name}: nothing is run");
    if std::env::var_os("TRIMTAB_UPDATE").is_some() {
        std::fs::write(&path, anew).unwrap();
        return;
    }
    assert!(
        reader.faults.is_empty(),
        "docs/{name} shows something else than what is printed; TRIMTAB_UPDATE=1 writes it anew:\n\n{}",
        reader.faults.join("\n")
    );
}

#[test]
fn the_first_run() {
    follow("tutorials/first-run.md");
}

#[test]
fn labels_of_ones_own() {
    follow("tutorials/own-labels.md");
}

#[test]
fn a_debate() {
    follow("tutorials/debate.md");
}

#[test]
fn what_is_ones_own() {
    follow("your-own.md");
}

/// A tutorial that no test follows would rot.
#[test]
fn every_tutorial_is_followed() {
    let source = include_str!("tutorials.rs");
    for entry in std::fs::read_dir(docs().join("tutorials")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap().to_str().unwrap();
            let followed = format!("follow(\"tutorials/{name}\")");
            assert!(source.contains(&followed), "{name} is not followed");
        }
    }
}
