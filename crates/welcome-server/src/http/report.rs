//! `POST /v1/routers/{router}/reports`: what happened there, counted once however often it is sent.

use axum::extract::State;
use http::StatusCode;
use welcome_proto::report::{MAX_REPORTS, ReportBatch};

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
    Ok(StatusCode::NO_CONTENT)
}
