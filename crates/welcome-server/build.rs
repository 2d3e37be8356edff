//! Has the migrations embedded again when a file is added.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
