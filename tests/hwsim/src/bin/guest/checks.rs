//! What a story found: checks that hold or do not, and figures.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use hwsim::{FIGURES_FILE, RESULTS_DIR};
use serde_json::{Map, Value, json};

/// Prints each check as it is made and remembers whether one failed.
#[derive(Default)]
pub(crate) struct Checks {
    failed: bool,
}

impl Checks {
    /// Notes whether `what` holds; the value of a check that does is handed on.
    pub(crate) fn check<T>(&mut self, what: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                println!("PASS {what}");
                Some(value)
            }
            Err(error) => {
                println!("FAIL {what}: {error:#}");
                self.failed = true;
                None
            }
        }
    }

    /// Whether all of them held.
    pub(crate) fn all_hold(&self) -> bool {
        !self.failed
    }
}

/// Leaves figures, each with its name and unit, for `lab run --bench`.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn write_figures(figures: &[(&str, f64, &str)]) -> Result<()> {
    let rounded = |value: f64| (value * 1e3).round() / 1e3;
    let object: Map<_, _> =
        figures.iter().map(|(name, value, unit)| ((*name).to_owned(), json!([rounded(*value), unit]))).collect();
    fs::write(Path::new(RESULTS_DIR).join(FIGURES_FILE), Value::from(object).to_string()).context("leave figures")
}
