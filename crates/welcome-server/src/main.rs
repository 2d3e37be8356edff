//! `welcome-server`: options, configuration, log, run, exit code.
//!
//! What the operator must see goes to stdout, line by line; the log goes to stderr.

mod cli;
mod logging;
#[cfg(test)]
mod manual;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use welcome_server::config::LoadError;
use welcome_server::{Config, Keys, Level, Overwrite, Reload, Scopes};

use crate::cli::{ApiToken, Cli, Command, Organisation, Token};

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
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(if error.is::<LoadError>() { EXIT_CONFIG } else { 1 })
        }
    }
}

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;
/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

fn run(cli: Cli) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the runtime")?;
    let config = match &cli.command {
        Command::Serve(serve) | Command::Check(serve) => serve.load(),
        Command::Token(Token { at, .. }) | Command::ApiToken(ApiToken { at, .. }) => at.load(),
        Command::Organisation(Organisation { at, .. }) => at.load(),
        Command::Backup(backup) => backup.at.load(),
        Command::Restore(restore) => restore.at.load(),
    }?;
    logging::install(&config.log);
    runtime.block_on(async {
        match cli.command {
            Command::Serve(_) => serve(config).await,
            Command::Check(_) => check(&config).await,
            Command::Token(Token { org, no_vouch, ttl, .. }) => {
                let token = welcome_server::add_enrolment_token(&config, org.as_deref(), !no_vouch, ttl).await?;
                say(&format!("enrolment token: {}", token.reveal()))
            }
            Command::Organisation(Organisation { name, .. }) => {
                let org = welcome_server::add_organisation(&config, &name).await?;
                say(&format!("organisation: {org}"))
            }
            Command::ApiToken(ApiToken { org, name, scopes, .. }) => {
                let scopes = if scopes.is_empty() { Scopes::all() } else { Scopes(scopes.into_iter().collect()) };
                let token = welcome_server::add_api_token(&config, org.as_deref(), &name, scopes).await?;
                say(&format!("API token: {}", token.reveal()))
            }
            Command::Backup(backup) => {
                let keys = if backup.without_keys { Keys::LeftOut } else { Keys::Included };
                welcome_server::backup(&config, &backup.file, keys, progress("copied")).await?;
                say(&match keys {
                    Keys::Included => {
                        format!("{}: the database and its keys; keep it as secret as the server", backup.file.display())
                    }
                    Keys::LeftOut => format!(
                        "{}: the database alone; of no use without the keys, keep them elsewhere",
                        backup.file.display()
                    ),
                })
            }
            Command::Restore(restore) => {
                let overwrite = if restore.force { Overwrite::Force } else { Overwrite::Refuse };
                welcome_server::restore(&config, &restore.file, overwrite, progress("restored")).await?;
                say(&format!("{}: restored; start the server", config.data.display()))
            }
        }
    })
}

async fn serve(config: Config) -> Result<()> {
    // Before anything else, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let hang_up = signal(SignalKind::hangup()).context("failed to listen for SIGHUP")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        notify(&[NotifyState::Stopping]);
    };
    let ready = welcome_server::serve(config, shutdown).await?;
    tokio::spawn(reload_on(hang_up, ready.reload()));
    say(&format!("listening on {}", ready.url()))?;
    if let Some(addr) = ready.metrics {
        tracing::info!(%addr, "metrics and health");
    }
    if let Some(url) = ready.set_up_url() {
        say(&format!("set up at {url}"))?;
    }
    notify(&[NotifyState::Ready]);
    ready.finished().await
}

async fn reload_on(mut hang_up: Signal, reload: Reload) {
    while hang_up.recv().await.is_some() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "no clock for systemd"),
        }
        match reload.certificate() {
            Ok(true) => tracing::info!("took the certificate from its files"),
            Ok(false) => tracing::info!("nothing to reload: no certificate is configured"),
            Err(error) => tracing::error!("keeping the former certificate: {error:#}"),
        }
        notify(&[NotifyState::Ready]);
    }
}

/// Tells systemd, if it has started us.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

async fn check(config: &Config) -> Result<()> {
    let found = welcome_server::examine(config).await;
    for finding in &found {
        let level = match finding.level {
            Level::Good => "good",
            Level::Warning => "warning",
            Level::Bad => "bad",
        };
        say(&format!("{level:7} {:8} {}", finding.what, finding.text))?;
    }
    match found.iter().filter(|finding| finding.level == Level::Bad).count() {
        0 => Ok(()),
        bad => bail!("{bad} of {} things are bad", found.len()),
    }
}

#[allow(clippy::print_stderr)] // For who waits at a terminal; the result goes to stdout.
fn progress(word: &'static str) -> impl Fn(u64, u64) {
    move |done, all| eprintln!("{word} {} of {} MiB", done.div_ceil(MEBIBYTE), all.div_ceil(MEBIBYTE))
}

const MEBIBYTE: u64 = 1024 * 1024;

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
