//! What is counted, for Prometheus. The code that does a thing counts it; here are the counters and their text.
//!
//! A label is one of a few words that are known when this is compiled: a route, a status, a kind. Never the name of a
//! router, of a person, or anything that a peer has chosen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// All counters of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<[(&'static str, String); 3], Counter>,
    request_seconds: Family<[(&'static str, String); 1], Histogram>,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Connections that could not be accepted.
    pub(crate) accept_errors: Counter,
    /// Event streams that are open.
    pub(crate) streams: Gauge,
    /// Routers that have one.
    pub(crate) routers: Gauge,
    reports: Family<[(&'static str, &'static str); 1], Counter>,
    announces: Family<[(&'static str, &'static str); 1], Counter>,
    /// Sets of offers written to streams.
    pub(crate) offers_pushed: Counter,
    /// Messages said live, once for each stream.
    pub(crate) said: Counter,
    lookups: Family<[(&'static str, &'static str); 1], Counter>,
    /// Log-ins with a wrong name or password, or before their time.
    pub(crate) logins_refused: Counter,
    /// Requests and streams that failed because of the database.
    pub(crate) database_errors: Counter,
    jobs: Family<[(&'static str, &'static str); 2], Counter>,
    /// Until when the certificate is good, in Unix time; 0 without one.
    pub(crate) certificate_end: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("welcome");
        let metrics = Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            connections: Gauge::default(),
            accept_errors: Counter::default(),
            streams: Gauge::default(),
            routers: Gauge::default(),
            reports: Family::default(),
            announces: Family::default(),
            offers_pushed: Counter::default(),
            said: Counter::default(),
            lookups: Family::default(),
            logins_refused: Counter::default(),
            database_errors: Counter::default(),
            jobs: Family::default(),
            certificate_end: Gauge::default(),
            registry: Registry::default(),
        };
        let r = &mut registry;
        r.register("requests", "Requests answered", metrics.requests.clone());
        r.register("request_seconds", "From a request's header to its answer's head", metrics.request_seconds.clone());
        r.register("connections", "Open connections", metrics.connections.clone());
        r.register("accept_errors", "Connections that could not be accepted", metrics.accept_errors.clone());
        r.register("streams", "Open event streams", metrics.streams.clone());
        r.register("routers_connected", "Routers with an open event stream", metrics.routers.clone());
        r.register("reports", "Reports counted, by what happened", metrics.reports.clone());
        r.register("announces", "Announces, by what became of them", metrics.announces.clone());
        r.register("offers_pushed", "Sets of offers written to streams", metrics.offers_pushed.clone());
        r.register("said", "Live messages handed to streams", metrics.said.clone());
        r.register("lookups", "Look-ups answered, by kind", metrics.lookups.clone());
        r.register("logins_refused", "Log-ins refused", metrics.logins_refused.clone());
        r.register("database_errors", "Answers and streams that the database failed", metrics.database_errors.clone());
        r.register("jobs", "Runs of jobs, by job and outcome", metrics.jobs.clone());
        r.register("certificate_end_seconds", "Unix time until which the certificate is good", {
            metrics.certificate_end.clone()
        });
        r.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self { registry, ..metrics }
    }

    /// In the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // It fails if the writer fails, and a string does not.
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::warn!(%error, "failed to write the metrics");
        }
        text
    }

    /// One report was counted.
    pub(crate) fn report(&self, what: &'static str) {
        self.reports.get_or_create(&[("what", what)]).inc();
    }

    /// One announce was answered.
    pub(crate) fn announce(&self, outcome: &'static str) {
        self.announces.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// One look-up was answered.
    pub(crate) fn lookup(&self, kind: &'static str) {
        self.lookups.get_or_create(&[("kind", kind)]).inc();
    }

    /// One job has run.
    pub(crate) fn job(&self, job: &'static str, outcome: &'static str) {
        self.jobs.get_or_create(&[("job", job), ("outcome", outcome)]).inc();
    }

    fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&[("route", route.to_owned())]).observe(took.as_secs_f64());
    }
}

/// The type of [`Metrics::text`].
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Marks an answer that the database failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DatabaseFailed;

/// Counts each request that passes, by the pattern of its route and not by its path.
pub(crate) async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let method = METHODS.into_iter().find(|m| *m == request.method().as_str()).unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    metrics.request(method, route, response.status().as_u16(), began.elapsed());
    if response.extensions().get::<DatabaseFailed>().is_some() {
        metrics.database_errors.inc();
    }
    response
}

/// Any word can be a method.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
/// From a read of SQLite's cache to the deadline of an answer.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0];

/// Counts something for as long as it is there.
#[derive(Debug)]
pub(crate) struct Held(Gauge);

impl Held {
    pub(crate) fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.request("GET", "/v1/lookup/list", 200, Duration::from_millis(3));
        metrics.report("arrived");
        metrics.report("arrived");
        let held = Held::of(&metrics.connections);
        let text = metrics.text();
        for line in [
            "welcome_requests_total{method=\"GET\",route=\"/v1/lookup/list\",status=\"200\"} 1\n",
            "welcome_request_seconds_bucket{le=\"0.0025\",route=\"/v1/lookup/list\"} 0\n",
            "welcome_request_seconds_bucket{le=\"0.005\",route=\"/v1/lookup/list\"} 1\n",
            "welcome_reports_total{what=\"arrived\"} 2\n",
            "welcome_connections 1\n",
            concat!("welcome_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        drop(held);
        assert!(metrics.text().contains("welcome_connections 0\n"));
    }
}
