//! The page around a view, the menu, and translations: what LuCI's dispatcher and theme make. Pure but for the reading
//! of files.

use std::path::Path;

use serde_json::{Value, json};

use super::session::Session;

/// Where our pages are.
pub(super) const BASE: &str = "/cgi-bin/luci";
/// Where LuCI's client code finds the rule for plurals; all else it finds by a hash.
const PLURALS: &str = "00000000";

/// The menu with what this session may open.
pub(super) fn menu(app: &Path, session: &Session) -> Value {
    let mut tree = json!({ "satisfied": true, "children": {} });
    for (path, title) in [("admin", "Administration"), ("admin/services", "Services")] {
        *node(&mut tree, path) = json!({ "title": title, "satisfied": true, "order": 10, "children": {} });
    }
    let text = read(&app.join("root/usr/share/luci/menu.d/luci-app-welcomed.json"));
    let menu: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut entries: Vec<_> = menu.as_object().into_iter().flatten().collect();
    // Who is above comes first.
    entries.sort_by_key(|(path, _)| path.matches('/').count());
    for (path, entry) in entries {
        let groups = entry["depends"]["acl"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let rights: Vec<_> = groups.map(|group| session.group(group)).collect();
        if rights.iter().any(Option::is_none) {
            continue;
        }
        let mut entry = entry.clone();
        entry["satisfied"] = json!(true);
        entry["readonly"] = json!(!rights.is_empty() && rights.iter().all(|writes| *writes == Some(false)));
        entry["children"] = json!({});
        *node(&mut tree, path) = entry;
    }
    tree
}

fn node<'a>(tree: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('/').fold(tree, |node, name| &mut node["children"][name])
}

/// The page of a view. Nothing if there is none here.
pub(super) fn page(app: &Path, session: &Session, id: &str, path: &str, language: &str) -> Option<String> {
    let mut tree = menu(app, session);
    let node = node(&mut tree, path);
    // Who only reads has its rights from above, as LuCI's dispatcher hands them down.
    let view = node["action"]["path"].as_str()?.to_owned();
    let words: Vec<_> = path.split('/').collect();
    let environment = json!({
        "media": "/luci-static/bootstrap", "resource": "/luci-static/resources", "scriptname": BASE,
        "pathinfo": format!("/{path}"), "documentroot": "/www", "requestpath": words, "dispatchpath": words,
        "pollinterval": 1, "ubuspath": "/ubus", "cgi_base": "/cgi-bin", "sessionid": id, "token": id,
        "nodespec": node, "apply_rollback": 90, "apply_holdoff": 1, "apply_timeout": 5, "apply_display": 1.5,
    });
    let environment = environment.to_string().replace('/', "\\/");
    let words = catalogue(&read(&app.join(format!("po/{language}/welcomed.po"))));
    let words = serde_json::to_string(&words).unwrap_or_default().replace('/', "\\/");
    let lang = language.replace('_', "-");
    Some(format!(
        "<!DOCTYPE html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>OpenWrt - LuCI</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/luci-static/bootstrap/cascade.css\">\
         <link rel=\"stylesheet\" media=\"only screen and (max-device-width: 854px)\" \
         href=\"/luci-static/bootstrap/mobile.css\">\
         <script src=\"/luci-static/resources/cbi.js\"></script>\
         <script>for (const [from, to] of {words}) (window.TR ??= {{}})[from === '{PLURALS}' ? from : sfh(from)] = to;</script></head>\
         <body class=\"lang_{language}\" data-page=\"{}\">\
         <script src=\"/luci-static/resources/luci.js\"></script><script>L = new LuCI({environment});</script>\
         <header><a class=\"brand\" href=\"/\">OpenWrt</a><ul class=\"nav\" id=\"topmenu\" style=\"display:none\"></ul>\
         <div id=\"indicators\" class=\"pull-right\"></div></header>\
         <div id=\"maincontent\" class=\"container\"><div id=\"tabmenu\" style=\"display:none\"></div>\
         <div id=\"view\"><div class=\"spinning\">Loading…</div>\
         <script>L.require('ui').then((ui) => ui.instantiateView('{view}'));</script></div></div>\
         <footer><ul class=\"breadcrumb pull-right\" id=\"modemenu\" style=\"display:none\"></ul></footer>\
         <script>L.require('menu-bootstrap')</script></body></html>",
        path.replace('/', "-")
    ))
}

/// What is translated of a `.po` file, as LuCI's client code looks for it: a form of a plural by its number, the rule for
/// them by zeros.
pub(super) fn catalogue(po: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut from, mut is_text) = (String::new(), false);
    for line in po.lines() {
        let (word, rest) = line.split_once('"').unwrap_or((line, ""));
        let text: String = serde_json::from_str(&format!("\"{rest}")).unwrap_or_default();
        match word.trim_end() {
            "msgid" => (from, is_text) = (text, false),
            "" if is_text => pairs.last_mut().into_iter().for_each(|(_, to)| to.push_str(&text)),
            "" => from.push_str(&text),
            "msgstr" => pairs.push((from.clone(), text)),
            word => match word.strip_prefix("msgstr[").and_then(|rest| rest.strip_suffix(']')) {
                Some(form) => pairs.push((format!("{from}\u{2}{form}"), text)),
                None => continue,
            },
        }
        is_text |= word.starts_with("msgstr");
    }
    for (from, to) in &mut pairs {
        if let Some((_, rule)) = to.split_once("Plural-Forms: ").filter(|_| from.is_empty()) {
            *from = PLURALS.to_owned();
            *to = rule.split_once(';').map_or("", |(_, rule)| rule).lines().next().unwrap_or_default().to_owned();
        }
    }
    pairs.retain(|(from, to)| !from.is_empty() && !to.is_empty());
    pairs
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_has_what_is_translated_over_all_its_lines() {
        let po = "msgid \"\"\nmsgstr \"\"\n\"Language: zh\\n\"\n\"Plural-Forms: nplurals=1; plural=0;\\n\"\n\n\
                  #: a.js:1\nmsgid \"\"\n\"one \"\n\"\\\"two\\\"\"\nmsgstr \"一\"\n\"二\"\n\n\
                  msgid \"%d dog\"\nmsgid_plural \"%d dogs\"\nmsgstr[0] \"%d 只狗\"\n\nmsgid \"not yet\"\nmsgstr \"\"\n";
        let expected = [("00000000", " plural=0;"), ("one \"two\"", "一二"), ("%d dog\u{2}0", "%d 只狗")];
        let found = catalogue(po);
        assert_eq!(found.iter().map(|(from, to)| (&**from, &**to)).collect::<Vec<_>>(), expected);
    }
}
