//! Visits over time, as SVG: a pure function of the counts.
//!
//! Bars of three widths stand in front of each other: who arrived, who was greeted, who pressed the button. The picture
//! stretches to its place, so all letters stand beside it in HTML; a table says the same in numbers.

use askama::Template;

use super::{Html, html};
use crate::console::words::{Words, fill};

/// What happened in one hour or on one day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    /// When, in full.
    pub(crate) label: String,
    /// When, below the axis; empty for most.
    pub(crate) tick: String,
    pub(crate) arrived: u64,
    pub(crate) greeted: u64,
    pub(crate) acknowledged: u64,
}

/// A chart and its table.
#[derive(Debug, Template)]
#[template(path = "console/parts/chart.html")]
pub(crate) struct Chart {
    /// Unique on its page.
    id: &'static str,
    title: &'static str,
    words: &'static Words,
    buckets: Vec<Bucket>,
    /// The value of the upper edge.
    top: u64,
    summary: String,
}

impl Chart {
    /// Oldest first.
    pub(crate) fn new(words: &'static Words, id: &'static str, title: &'static str, buckets: Vec<Bucket>) -> Self {
        let most = buckets.iter().flat_map(|b| [b.arrived, b.greeted, b.acknowledged]).max().unwrap_or(0);
        let sum = |of: fn(&Bucket) -> u64| buckets.iter().map(of).sum::<u64>();
        let summary = fill(
            words.chart_summary,
            &[
                ("arrived", &sum(|b| b.arrived)),
                ("greeted", &sum(|b| b.greeted)),
                ("acknowledged", &sum(|b| b.acknowledged)),
            ],
        );
        Self { id, title, words, buckets, top: nice_top(most), summary }
    }

    /// Renders it.
    pub(crate) fn html(&self) -> Html {
        html(self)
    }

    fn width(&self) -> usize {
        self.buckets.len().max(1) * STEP
    }

    /// The bars of a bucket, widest first: class, left edge, width, upper edge, height.
    fn bars(&self, at: &usize, bucket: &Bucket) -> [(&'static str, usize, usize, String, String); 3] {
        let left = at * STEP;
        let bar = |class, value: u64, inset: usize| {
            let height = share(value, self.top);
            (class, left + inset, STEP - 2 * inset, hundredth(HEIGHT - height), hundredth(height))
        };
        [
            bar("arrived", bucket.arrived, 1),
            bar("greeted", bucket.greeted, 3),
            bar("acknowledged", bucket.acknowledged, 5),
        ]
    }

    fn said(&self, bucket: &Bucket) -> String {
        let Bucket { label, arrived, greeted, acknowledged, .. } = bucket;
        format!(
            "{label} · {}: {arrived} · {}: {greeted} · {}: {acknowledged}",
            self.words.arrived, self.words.greeted, self.words.acknowledged
        )
    }

    /// Whether there is something to see.
    fn is_empty(&self) -> bool {
        self.buckets.iter().all(|b| b.arrived + b.greeted + b.acknowledged == 0)
    }
}

/// Units of the picture from one bucket to the next.
const STEP: usize = 14;
/// The height of the picture in hundredths of a unit.
const HEIGHT: u64 = 10_000;

/// The smallest of 4, 8, 20, 40, 80, 200 … that is not below: halves and quarters of it are whole.
fn nice_top(most: u64) -> u64 {
    let tops = (0..19).flat_map(|power| [4, 8, 20].map(|n: u64| n.saturating_mul(10u64.saturating_pow(power))));
    tops.into_iter().find(|top| *top >= most).unwrap_or(u64::MAX)
}

fn share(value: u64, top: u64) -> u64 {
    let share = u128::from(value.min(top)) * u128::from(HEIGHT) / u128::from(top.max(1));
    u64::try_from(share).unwrap_or(HEIGHT)
}

fn hundredth(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::console::words::ENGLISH;

    fn chart(counts: &[(u64, u64, u64)]) -> String {
        let bucket = |&(arrived, greeted, acknowledged): &_| Bucket {
            label: "Monday".to_owned(),
            tick: String::new(),
            arrived,
            greeted,
            acknowledged,
        };
        Chart::new(&ENGLISH, "days", "Visits per day", counts.iter().map(bucket).collect()).html().into_string()
    }

    #[test]
    fn a_bar_is_as_high_as_its_share() {
        let html = chart(&[(20, 10, 5), (0, 0, 0)]);
        for bar in
            ["y=\"0.00\" width=\"12\" height=\"100.00\"", "y=\"50.00\" width=\"8\" height=\"50.00\"", "y=\"75.00\""]
        {
            assert!(html.contains(bar), "{bar} in {html}");
        }
        assert_eq!(html.matches("<rect").count(), 3, "nothing has no bar: {html}");
    }

    #[test]
    fn it_can_be_heard_and_read_as_numbers() {
        let html = chart(&[(20, 10, 5)]);
        for part in ["role=\"img\"", "aria-labelledby=\"days-title days-desc\"", "<td>20</td>", "scope=\"row\""] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn without_visits_it_says_so() {
        let html = chart(&[(0, 0, 0)]);
        assert!(html.contains(ENGLISH.no_visits) && !html.contains("<rect"), "{html}");
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        assert_eq!([0, 4, 5, 9, 33, 41, 81, 5000].map(nice_top), [4, 4, 8, 20, 40, 80, 200, 8000]);
    }

    proptest! {
        #[test]
        fn no_bar_leaves_the_picture(counts: [u64; 3]) {
            let top = nice_top(counts.into_iter().max().unwrap_or(0));
            for value in counts {
                prop_assert!(value <= top && share(value, top) <= HEIGHT);
            }
        }
    }
}
