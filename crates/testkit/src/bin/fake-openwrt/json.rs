//! `fake-json` and `jsonfilter`, with as much of the latter's language as init scripts use: `@.name`, `['name']`, `[*]`, `.*`.

use std::io::Read as _;
use std::process::ExitCode;

use serde_json::{Map, Value};

/// Lines of kind, name and value with tabs in between become an object: `o` and `a` begin one inside, `.` ends it; `s`, `i`
/// and `b` are text, a number, a truth value.
pub(crate) fn make() -> ExitCode {
    let mut text = String::new();
    if std::io::stdin().read_to_string(&mut text).is_err() {
        return ExitCode::FAILURE;
    }
    let mut open = vec![(String::new(), Value::Object(Map::new()))];
    for line in text.lines() {
        let mut parts = line.splitn(3, '\t');
        let (kind, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = parts.next().unwrap_or_default();
        match kind {
            "o" => open.push((name.to_owned(), Value::Object(Map::new()))),
            "a" => open.push((name.to_owned(), Value::Array(Vec::new()))),
            "." if open.len() > 1 => {
                let (name, value) = open.pop().unwrap_or_default();
                put(&mut open, &name, value);
            }
            "s" => put(&mut open, name, value.into()),
            "i" => put(&mut open, name, value.parse::<i64>().unwrap_or_default().into()),
            "b" => put(&mut open, name, (value == "1").into()),
            _ => {
                eprintln!("fake-json: {line:?} is no line of it");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{}", open.remove(0).1);
    ExitCode::SUCCESS
}

fn put(open: &mut [(String, Value)], name: &str, value: Value) {
    match open.last_mut() {
        Some((_, Value::Array(list))) => list.push(value),
        Some((_, Value::Object(table))) => drop(table.insert(name.to_owned(), value)),
        _ => {}
    }
}

/// `jsonfilter [-s JSON] -e EXPRESSION`; without a text, standard input is it.
pub(crate) fn filter(arguments: &[String]) -> ExitCode {
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let text = option("-s").or_else(|| {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).is_ok().then_some(text)
    });
    let (Some(text), Some(expression)) = (text, option("-e")) else { return ExitCode::FAILURE };
    let Ok(root) = serde_json::from_str::<Value>(&text) else { return ExitCode::FAILURE };
    let mut found = vec![&root];
    for step in steps(&expression) {
        found = found.into_iter().flat_map(|value| follow(value, &step)).collect();
    }
    for value in &found {
        match value {
            Value::String(text) => println!("{text}"),
            other => println!("{other}"),
        }
    }
    if found.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn steps(expression: &str) -> Vec<String> {
    let plain = expression.trim_start_matches('@').replace(['[', ']'], ".").replace(['\'', '"'], "");
    plain.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

fn follow<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    match (value, step) {
        (Value::Array(list), "*") => list.iter().collect(),
        (Value::Object(table), "*") => table.values().collect(),
        (Value::Array(list), n) => n.parse::<usize>().ok().and_then(|n| list.get(n)).into_iter().collect(),
        (Value::Object(table), name) => table.get(name).into_iter().collect(),
        _ => Vec::new(),
    }
}
