//! Maps and sets in sorted vectors, with the names and the order of those in `std::collections`.
//!
//! A `BTreeMap` costs some 8 kB of code on a MIPS router for every kind of key and value it is made of, mostly to split
//! and merge nodes; with the thirty kinds of an agent that is a tenth of the program. These cost a binary search and
//! `Vec::insert`. What is put into them one by one in no order moves what stands behind it, so they are for hundreds of
//! entries, and for thousands that come in order; the crates that do the same build from unordered input by sorting,
//! which costs as much code again.
//!
//! ```
//! use sorted::{SortedMap, SortedSet};
//! let mut here = SortedMap::from([("yard", 2), ("cafe", 1)]);
//! *here.entry("bar").or_default() += 5;
//! assert_eq!(here.iter().collect::<Vec<_>>(), [(&"bar", &5), (&"cafe", &1), (&"yard", &2)]);
//! assert_eq!(here.keys().copied().collect::<SortedSet<_>>(), SortedSet::from(["yard", "bar", "cafe"]));
//! ```

mod map;
#[cfg(feature = "serde")]
mod serde;
mod set;

pub use map::{Entry, SortedMap};
pub use set::SortedSet;
