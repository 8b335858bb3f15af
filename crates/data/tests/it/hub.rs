//! Hub names, against a folder with the hub cache's layout and a hub that answers from memory.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use super::{Folder, rows};
use trimtab_data::{
    DataConfig, DataError, Dataset, HubConfig, Locations, Network, fingerprint, load,
};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CSV: &str = "text,label\na,0\nb,1\n";

fn locations(cache_dir: PathBuf, network: Network, endpoint: Option<String>) -> Locations {
    Locations {
        hub: Some(HubConfig {
            cache_dir,
            network,
            endpoint,
        }),
        ..Locations::new(".")
    }
}

/// A cache with one data set of the given files, at branch `main`.
fn cache(files: &[&str]) -> Folder {
    let folder = Folder::new();
    folder.write("datasets--owner--name/refs/main", COMMIT);
    for file in files {
        let blob = folder.write("datasets--owner--name/blobs/abc", CSV);
        let link = folder
            .path()
            .join("datasets--owner--name/snapshots")
            .join(COMMIT)
            .join(file);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(blob, link).unwrap();
    }
    folder
}

fn load_offline(folder: &Folder, name: &str) -> Result<Dataset, DataError> {
    let locations = locations(folder.path().to_owned(), Network::Offline, None);
    load(&DataConfig::new(name), &locations)
}

#[test]
fn cached_sets_load_offline() {
    let folder = cache(&["README.md", "data/train.csv", "data/test.csv"]);
    for name in [
        "hf:owner/name",
        "hf:owner/name:data/test.csv",
        "hf:owner/name@main:data/train.csv",
        &format!("hf:owner/name@{COMMIT}"),
    ] {
        let set = load_offline(&folder, name).unwrap();
        assert_eq!(
            (set.name.as_str(), rows(&set).len()),
            ("owner/name", 2),
            "{name}"
        );
    }
    let locations = locations(folder.path().to_owned(), Network::Offline, None);
    assert!(fingerprint(&DataConfig::new("hf:owner/name"), &locations).is_ok());
}

#[test]
fn what_is_not_cached_is_missing_offline() {
    let folder = cache(&["train.csv"]);
    for name in [
        "hf:owner/other",
        "hf:owner/name@v2",
        "hf:owner/name:test.csv",
    ] {
        let error = load_offline(&folder, name).unwrap_err();
        let expected = format!(
            "{name:?} is not in the hub cache {}",
            folder.path().display()
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
    }
}

#[test]
fn several_files_are_listed() {
    let folder = cache(&["a.csv", "b.jsonl", "LICENSE"]);
    let error = load_offline(&folder, "hf:owner/name").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"hf:owner/name\" does not say which file to read"
    );
    assert_eq!(
        error.hint().unwrap(),
        "add :file to the name; there are: a.csv, b.jsonl"
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = cache(&["train.csv"]);
    for name in [
        "hf:../name",
        "hf:owner/name:../../../x.csv",
        "hf:owner/name@../..",
        "hf:owner",
    ] {
        let error = load_offline(&folder, name).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{name:?} is no hub data set: "))
        );
    }
    // A ref whose content leads elsewhere is not followed.
    folder.write("datasets--owner--name/refs/main", "../../../..");
    let error = load_offline(&folder, "hf:owner/name").unwrap_err();
    assert!(matches!(error, DataError::HubMissing { .. }), "{error}");
}

#[test]
fn a_hub_must_be_given() {
    let error = load(&DataConfig::new("hf:owner/name"), &Locations::new(".")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"hf:owner/name\" cannot be fetched from the hub: no hub cache folder is given"
    );
}

/// Answers as the hub does, for one data set of one file; returns its address.
fn hub_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            let mut range = None;
            for line in lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
            {
                let line = line.to_ascii_lowercase();
                if let Some((start, end)) = line
                    .strip_prefix("range: bytes=")
                    .and_then(|range| range.split_once('-'))
                {
                    range = Some((start.parse::<usize>().unwrap(), end.parse::<usize>().ok()));
                }
            }
            let path = request.split(' ').nth(1).unwrap();
            let (status, headers, body) = match path {
                "/api/datasets/owner/name/revision/main" => {
                    let info = format!(
                        r#"{{"sha": "{COMMIT}", "siblings": [{{"rfilename": "README.md"}}, {{"rfilename": "data/train.csv"}}, {{"rfilename": "../train.csv"}}]}}"#
                    );
                    ("200 OK", String::new(), info)
                }
                "/datasets/owner/name/resolve/main/data/train.csv" => {
                    let (start, end) = range.unwrap_or((0, None));
                    let end = end.map_or(CSV.len(), |end| CSV.len().min(end + 1));
                    let headers = format!(
                        "ETag: \"abc\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {start}-{}/{}\r\n",
                        end - 1,
                        CSV.len()
                    );
                    ("206 Partial Content", headers, CSV[start..end].to_owned())
                }
                _ => ("404 Not Found", String::new(), String::new()),
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    address
}

#[test]
fn what_is_not_cached_is_fetched_and_then_cached() {
    let folder = Folder::new();
    let online = locations(
        folder.path().join("hub"),
        Network::Online,
        Some(hub_server()),
    );
    let config = DataConfig::new("hf:owner/name");
    assert_eq!(rows(&load(&config, &online).unwrap()).len(), 2);
    let offline = locations(folder.path().join("hub"), Network::Offline, None);
    assert_eq!(rows(&load(&config, &offline).unwrap()).len(), 2);
    let error = load(&DataConfig::new("hf:owner/nothing"), &online).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("\"hf:owner/nothing\" cannot be fetched from the hub: "),
        "{error}"
    );
}
