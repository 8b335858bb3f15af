//! `trimtab serve RUN`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use trimtab_server::{AskingConfig, Link, Links, ServeOptions, Server, ServerError};

use crate::failure::{Failure, note, print, printable};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The run folder
    run: PathBuf,
    /// The address to listen at
    #[arg(long, default_value_t = ServeOptions::default().host)]
    host: IpAddr,
    /// The port; 0 takes any that is free
    #[arg(long, default_value_t = ServeOptions::default().port)]
    port: u16,
    /// What links begin with, where that is not the address: behind a proxy
    #[arg(long)]
    url: Option<String>,
    /// People who judge, called rater-1, rater-2 and so on: each gets a link
    #[arg(long, value_name = "N", default_value_t = 0)]
    raters: u32,
    /// One who judges, by name; may be given again
    #[arg(long, value_name = "NAME")]
    rater: Vec<String>,
    /// Make new links for everybody; older ones end
    #[arg(long)]
    new_links: bool,
    /// Most items a rater [default: one question of every passage]
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,
    /// Share of items that are asked again, to see whether raters agree with themselves
    #[arg(long, value_name = "SHARE", default_value_t = AskingConfig::default().repeat_share)]
    repeat_share: f64,
    /// Items at the start after which the right answer is told
    #[arg(long, value_name = "N", default_value_t = AskingConfig::default().gold)]
    gold: u32,
    /// Rounds after which a judge may decide without reading the rest [default: all are read]
    #[arg(long, value_name = "N")]
    min_rounds: Option<u32>,
    /// What orders are drawn from
    #[arg(long, default_value_t = AskingConfig::default().seed)]
    seed: u64,
    /// Days after which links end
    #[arg(long, value_name = "DAYS", default_value_t = AskingConfig::default().link_days)]
    link_days: f64,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let numbered = (1..=arguments.raters).map(|number| format!("rater-{number}"));
    let options = ServeOptions {
        host: arguments.host,
        port: arguments.port,
        url: arguments.url,
        raters: numbered.chain(arguments.rater).collect(),
        links: if arguments.new_links {
            Links::ForAll
        } else {
            Links::ForNew
        },
        asking: AskingConfig {
            tasks: arguments.tasks,
            repeat_share: arguments.repeat_share,
            gold: arguments.gold,
            min_rounds: arguments.min_rounds,
            seed: arguments.seed,
            link_days: arguments.link_days,
        },
        ..ServeOptions::default()
    };
    let is_open = !options.host.is_loopback();
    let runtime = trimtab_server::runtime().map_err(|error| Failure::other(error, None))?;
    runtime.block_on(async {
        let failed = |error: ServerError| {
            let hint = error.hint();
            Failure::other(error, hint)
        };
        let server = Server::open(&arguments.run, options).await.map_err(failed)?;
        if is_open {
            note(
                "warning: whoever can reach this machine can reach this server, and what is sent is not encrypted; put a proxy with https before it",
            )?;
        }
        let end = trimtab_server::interrupted().map_err(|error| Failure::other(error, None))?;
        announce(&server)?;
        server.run(end).await;
        Ok::<_, Failure>(())
    })?;
    note("everything that was handed in is stored")
}

/// The address and the links on stdout, one a line; what else there is to know on stderr.
fn announce(server: &Server) -> Result<(), Failure> {
    let mut lines = vec![format!("serving\t{}", server.url())];
    for link in server.links() {
        let Link { name, url } = link;
        lines.push(format!("{}\t{url}", printable(name)));
    }
    print(&(lines.join("\n") + "\n"))?;
    note(&format!(
        "{} transcripts and pairs can be judged; Ctrl-C ends",
        server.n_items()
    ))?;
    if server.n_waiting() > 0 {
        note(&format!(
            "{} steps of an expert wait for people, at the raters' links",
            server.n_waiting()
        ))?;
    }
    if server.n_turns() > 0 {
        note(&format!(
            "{} turns of debates wait for people, at the raters' links",
            server.n_turns()
        ))?;
    }
    if server.n_questions() > 0 {
        note(&format!(
            "{} questions wait for people, at the raters' links",
            server.n_questions()
        ))?;
    }
    if server.links().is_empty() {
        note("links were given before and still work; --new-links makes new ones")
    } else {
        note("links are shown this once; whoever has one can come in")
    }
}
