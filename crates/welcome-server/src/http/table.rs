//! The table of routes: each with the right that it takes. Nothing is served that is not in it.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use http::Method;

use super::App;
use super::guard::{Guard, guard};
use crate::rights::Right;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) right: Right,
}

/// Routes as they are put together.
pub(crate) struct Table {
    app: Arc<App>,
    router: Router<Arc<App>>,
    routes: Vec<Route>,
}

impl Table {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app, router: Router::new(), routes: Vec::new() }
    }

    /// Adds a route; its handler runs only for who has the right.
    pub(crate) fn route<H, T>(mut self, method: Method, path: &'static str, right: Right, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method of the table is one of HTTP's own");
        let guard = from_fn_with_state(Guard { app: Arc::clone(&self.app), right }, guard);
        self.router = self.router.route(path, on(filter, handler).route_layer(guard));
        self.routes.push(Route { method, path, right });
        self
    }

    /// Adds another table's routes.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.routes.extend(other.routes);
        self
    }

    /// Changes all routes so far.
    pub(crate) fn map(mut self, change: impl FnOnce(Router<Arc<App>>) -> Router<Arc<App>>) -> Self {
        self.router = change(self.router);
        self
    }

    /// The routes, to serve them; and their list.
    pub(crate) fn finish(self) -> (Router<Arc<App>>, Vec<Route>) {
        (self.router, self.routes)
    }
}
