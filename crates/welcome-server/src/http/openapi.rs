//! `GET /v1/openapi.json`: the document that says what the routes of the table take and answer, for programs that are
//! written by it. It is written by hand; a test holds it against the table.

use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

pub(crate) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=3600")], DOCUMENT)
}

const DOCUMENT: &str = include_str!("../../openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::super::{App, table};
    use super::*;

    use crate::rights::{Right, Scope};
    use crate::seal::Seal;
    use crate::store::Store;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// What stands beside `security` of an operation that takes this right.
    fn security(right: Right) -> Value {
        match right {
            Right::Public => json!([]),
            Right::Router => json!([{"signatureInput": [], "signature": []}]),
            Right::Token(scope) => json!([{"token": [scope.as_str()]}]),
            Right::Directory => json!([{}, {"token": [Scope::ReadAreas.as_str()]}]),
            other => panic!("{other:?} is no right of a program"),
        }
    }

    #[tokio::test]
    async fn the_document_has_each_route_of_the_table_with_its_right_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let seal = Seal::parse(&"a".repeat(64)).unwrap();
        let (_, routes) = table(App::of(store, seal)).finish();
        let routes = routes.into_iter().filter(|route| route.path.starts_with("/v1/"));
        let served: BTreeMap<_, _> = routes
            .map(|route| ((route.path.to_owned(), route.method.as_str().to_lowercase()), security(route.right)))
            .collect();
        let document = document();
        let told = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| ((path.clone(), method.clone()), operation["security"].clone()))
        });
        let told: BTreeMap<_, _> = told.collect();
        assert!(served.len() > 15);
        assert_eq!(told, served);
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere_and_nothing_is_there_in_vain() {
        let document = document();
        let mut named = BTreeSet::new();
        references(&document, &mut named);
        for reference in &named {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        for kind in ["parameters", "responses"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                assert!(named.contains(&format!("#/components/{kind}/{name}")), "{kind}: {name}");
            }
        }
    }

    #[test]
    fn every_path_tells_its_parameters_and_every_operation_its_own_faults() {
        let document = document();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let parameters = parameters.map(|p| {
                    let reference = p["$ref"].as_str().unwrap();
                    &document.pointer(reference.trim_start_matches('#')).unwrap()["name"]
                });
                let told: Vec<_> = parameters.map(|name| name.as_str().unwrap()).collect();
                for part in path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')) {
                    assert!(told.contains(&part), "{method} {path}: {part}");
                }
                for status in ["500", "503"] {
                    assert!(operation["responses"].get(status).is_some(), "{method} {path}: {status}");
                }
            }
        }
    }

    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    into.insert(reference.clone());
                }
                members.values().for_each(|v| references(v, into));
            }
            Value::Array(values) => values.iter().for_each(|v| references(v, into)),
            _ => {}
        }
    }
}
