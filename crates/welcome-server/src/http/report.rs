//! `POST /v1/routers/{router}/reports`: what happened there, counted once however often it is sent.

use axum::extract::State;
use http::StatusCode;
use welcome_proto::report::{MAX_REPORTS, ReportBatch, What};

use super::error::Error;
use super::guard::Signed;
use super::{Shared, parse};
use crate::app::unix_now;

pub(crate) async fn reports(State(app): Shared, signed: Signed) -> Result<StatusCode, Error> {
    let batch: ReportBatch = parse(&signed.body)?;
    if batch.reports.len() > MAX_REPORTS {
        return Err(Error::BadRequest("reports: at most 100 in one batch".to_owned()));
    }
    if !app.store.take_reports(&signed.router, &batch, unix_now()).await? {
        return Err(Error::UnknownRouter);
    }
    batch.reports.iter().for_each(|report| app.metrics.report(kind(&report.what)));
    Ok(StatusCode::NO_CONTENT)
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Arrived => "arrived",
        What::Left => "left",
        What::Shown { .. } => "shown",
        What::Acknowledged => "acknowledged",
        What::Refused { .. } => "refused",
        What::Dropped { .. } => "dropped",
    }
}
