//! `welcome-server`: options, log, run, exit code.
//!
//! What the operator must see goes to stdout, line by line; the log goes to stderr.

mod cli;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use welcome_server::{Config, Rotated, Scopes, TlsFiles, rotate_key};

use crate::cli::{ApiToken, Cli, Command, RotateKey, Serve, Token};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // Help and errors of the command line; that they cannot be printed changes nothing about the code.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();

    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// A command that serves nothing listens nowhere.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

fn run(cli: Cli) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(options) => serve(options).await,
            Command::Token(Token { data, org, no_vouch, ttl }) => {
                let config = Config::new(NOWHERE, data);
                let token = welcome_server::add_enrolment_token(&config, org.as_deref(), !no_vouch, ttl).await?;
                say(&format!("enrolment token: {}", token.reveal()))
            }
            Command::ApiToken(ApiToken { data, org, name, scopes }) => {
                let config = Config::new(NOWHERE, data);
                let scopes = if scopes.is_empty() { Scopes::all() } else { Scopes(scopes.into_iter().collect()) };
                let token = welcome_server::add_api_token(&config, org.as_deref(), &name, scopes).await?;
                say(&format!("API token: {}", token.reveal()))
            }
            Command::RotateKey(RotateKey { data, new }) => {
                let Rotated { values, old_key } = rotate_key(&Config::new(NOWHERE, data), new.as_deref()).await?;
                say(&format!("{values} keys are sealed anew; older backups need {}", old_key.display()))
            }
        }
    })
}

async fn serve(Serve { listen, data, tls_cert, tls_key, public_url }: Serve) -> Result<()> {
    // Before anything else, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let tls = tls_cert.zip(tls_key).map(|(cert, key)| TlsFiles { cert, key });
    let ready = welcome_server::serve(Config { tls, public_url, ..Config::new(listen, data) }, shutdown).await?;
    say(&format!("listening on {}", ready.url()))?;
    if let Some(url) = ready.set_up_url() {
        say(&format!("set up at {url}"))?;
    }
    ready.finished().await
}

/// One line for whoever started us, at once even into a pipe.
fn say(line: &str) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("failed to write to stdout")
}

#[allow(clippy::print_stderr)] // The last word of a program that failed, whatever the log's filter says.
fn complain(error: &anyhow::Error) {
    eprintln!("welcome-server: {error:#}");
}
