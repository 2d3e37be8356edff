//! `welcome-server`: options, log, run, exit code.
//!
//! What the operator must see goes to stdout, line by line; the log goes to stderr.

mod cli;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use welcome_server::{Config, TlsFiles};

use crate::cli::{Cli, Command, Serve, Token};

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

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

fn run(cli: Cli) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(options) => serve(options).await,
            Command::Token(Token { data, operator: true, .. }) => {
                let token = welcome_server::replace_operator_token(&data).await?;
                say(&format!("operator token: {}", token.reveal()))
            }
            Command::Token(Token { data, no_vouch, ttl, .. }) => {
                let token = welcome_server::add_enrolment_token(&data, !no_vouch, ttl).await?;
                say(&format!("enrolment token: {}", token.reveal()))
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
    let ready = welcome_server::serve(Config { listen, data, tls, public_url }, shutdown).await?;
    say(&format!("listening on {}", ready.url()))?;
    if let Some(first) = &ready.first {
        say(&format!("enrolment token: {}", first.enrolment.reveal()))?;
        say(&format!("operator token: {}", first.operator.reveal()))?;
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
