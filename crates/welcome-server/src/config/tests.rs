use std::collections::BTreeMap;

use super::raw::Value;
use super::*;

fn checked(text: &str, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let files: BTreeMap<_, _> = files.iter().copied().collect();
    let outside = Outside {
        variable: &|name| variables.get(name).map(|&v| v.to_owned()),
        file: &|path| files.get(path.to_str().unwrap()).map(|&v| v.to_owned()).ok_or(io::ErrorKind::NotFound.into()),
    };
    let problems = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
    raw::parse(text).and_then(|raw| check::check(raw, &outside)).map_err(problems)
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(checked("", &[], &[]).unwrap(), Config::default());
}

#[test]
fn every_key_is_taken() {
    let text = r#"
        listen = "[::]:443"
        public_url = "https://welcome.example"
        data = "/d"
        database = "postgres://u:p@h/w"
        master_key_file = "/k"
        behind_proxy = ["127.0.0.1", "10.0.0.0/8"]
        tls = { cert = "/c", key = "/p" }
        log = { filter = "warn", format = "json" }
        metrics.listen = "127.0.0.1:9"
        limits = { connections = 100, streams = 50 }
        retention = { reports = 1, audit = 2, sessions = 3 }
        directory = { open = false, lookups_a_minute = 7 }
    "#;
    let config = checked(text, &[], &[]).unwrap();
    assert_eq!(
        config,
        Config {
            listen: "[::]:443".parse().unwrap(),
            public_url: Some("https://welcome.example".parse().unwrap()),
            data: "/d".into(),
            database: Some(Secret::new("postgres://u:p@h/w")),
            tls: Some(TlsFiles { cert: "/c".into(), key: "/p".into() }),
            behind_proxy: vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            master_key: MasterKey::File("/k".into()),
            log: Log { filter: "warn".to_owned(), format: LogFormat::Json },
            metrics: Some("127.0.0.1:9".parse().unwrap()),
            limits: Limits { connections: 100, streams: 50 },
            retention: Retention { reports: 1, audit: 2, sessions: 3 },
            open_directory: false,
            lookups_a_minute: 7,
        }
    );
    assert!(!format!("{config:?}").contains("u:p"), "a password is never shown");
}

#[test]
fn all_problems_are_said_at_once_with_line_key_value_and_what_would_be_right() {
    let text = "listen = \"here\"\nlisten_on = 1\n[tls]\ncert = \"c\"\n[log]\nformat = \"xml\"\nfilter = \"a=b=c\"\n\
                [limits]\nstreams = 0\nconnections = 0x20\n[retention]\naudit = \"long\"\n[directory]\nopen = 1\n[odd]\n";
    let problems = checked(text, &[], &[]).unwrap_err();
    let expected = [
        "1: listen: \"here\": expected IP:PORT, e.g. 127.0.0.1:8480 or [::]:443",
        "2: listen_on: unknown key; did you mean `listen`?",
        "4: tls.cert: needs `tls.key` beside it",
        "6: log.format: \"xml\": expected text or json",
        "7: log.filter: \"a=b=c\": expected a level or a filter, e.g. info or info,welcome_server=debug",
        "9: limits.streams: 0: expected a number from 1 to 1000000",
        "10: limits.connections: a TOML integer: expected a number from 16 to 1000000",
        "12: retention.audit: \"long\": expected a number from 1 to 3650",
        "14: directory.open: 1: expected true or false",
        "15: odd: unknown key; welcome-server.toml(5) lists those that there are",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn keys_that_do_not_go_together_are_said() {
    for (text, expected) in [
        ("listen = \"1.1.1.1:1\"\nmetrics.listen = \"1.1.1.1:1\"", "2: metrics.listen: is the address of `listen`"),
        ("limits.streams = 20000", "1: limits.streams: 20000 streams do not fit into 16384 connections"),
        ("limits.connections = 100", "1: limits.connections: 12000 streams do not fit into 100 connections"),
        ("database = \"sqlite\"\ndatabase_file = \"/f\"", "2: database_file: stands beside `database`"),
    ] {
        let problems = checked(text, &[], &[("/f", "sqlite")]).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn secrets_come_from_files_and_from_the_environment_and_are_not_repeated() {
    let url = |text: &str| Some(Secret::new(text));
    let of_file = checked("database_file = \"/f\"", &[], &[("/f", "postgres://a:b@c/d\n")]).unwrap();
    assert_eq!(of_file.database, url("postgres://a:b@c/d"));
    let variables = [("WELCOME_DATABASE", "postgresql://e@f/g"), ("WELCOME_MASTER_KEY", "0123")];
    let of_both = checked("database_file = \"/absent\"\nmaster_key_file = \"/k\"", &variables, &[]).unwrap();
    assert_eq!(of_both.database, url("postgresql://e@f/g"), "the environment goes first");
    assert_eq!(of_both.master_key, MasterKey::Given(Secret::new("0123")));

    let problems = checked("database_file = \"/absent\"", &[], &[]).unwrap_err();
    assert_eq!(problems, ["1: database_file: /absent: cannot be read: entity not found"]);
    for wrong in ["mysql://root:hunter2@x", "postgres://", "postgres://root:hunter2 @x/y"] {
        let of_file = checked("database_file = \"/f\"", &[], &[("/f", wrong)]).unwrap_err();
        let of_variable = checked("", &[("WELCOME_DATABASE", wrong)], &[]).unwrap_err();
        for problem in [&of_file, &of_variable] {
            assert!(problem.len() == 1 && problem[0].contains("expected \"sqlite\" or \"postgres://"), "{problem:?}");
            assert!(!problem[0].contains("hunter2"), "{problem:?}");
        }
        assert!(of_variable[0].starts_with("WELCOME_DATABASE: database: "), "{of_variable:?}");
    }
}

#[test]
fn the_command_line_goes_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "listen = \"nonsense\"\ndata = \"/of-the-file\"\n").unwrap();
    let mut over = Raw::default();
    over.set("listen", Origin::Option("--listen"), Value::Text("127.0.0.1:7".to_owned()));
    let config = Config::load(Some(&file), over).unwrap();
    assert_eq!((config.listen.port(), config.data.to_str()), (7, Some("/of-the-file")));

    let absent = Config::load(Some(&dir.path().join("absent")), Raw::default()).unwrap_err().to_string();
    assert!(absent.contains("absent: cannot be read"), "{absent}");
    let wrong = Config::load(Some(&file), Raw::default()).unwrap_err().to_string();
    assert!(wrong.contains("config.toml:1: listen: \"nonsense\": expected"), "{wrong}");
}
