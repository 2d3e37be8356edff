//! `welcome`: reads the command line, runs, and ends with a status that scripts can rely on.

use clap::Parser as _;
use clap::error::ErrorKind;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use welcome_cli::cli::Cli;
use welcome_cli::exit::Failure;
use welcome_cli::output::Output;
use welcome_cli::run::run;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody reads what cannot be printed.
            drop(error.print());
            let is_wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if is_wanted { 0 } else { 64 });
        }
    };
    let level = if cli.common.verbose { tracing::Level::DEBUG } else { tracing::Level::WARN };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    let output = Output::standard(cli.common.json);
    match begin(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(&output);
            ExitCode::from(failure.code())
        }
    }
}

fn begin(cli: Cli, output: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("failed to start"))?;
    let result = runtime.block_on(async {
        let mut signals = Vec::new();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let one =
                signal(kind).map_err(|error| anyhow::Error::new(error).context("failed to listen for signals"))?;
            signals.push(one);
        }
        let interrupt = std::future::poll_fn(move |context| {
            if signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        });
        run(cli.command, cli.common, output, interrupt).await
    });
    // A name that is still being looked up must not keep us.
    runtime.shutdown_background();
    result
}
