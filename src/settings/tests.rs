use super::*;

/// Flags, variables and the file, as `key=value` lines each; what became of the keys asked for, or the message.
fn check(flags: &[(&'static str, &str)], variables: &[(&str, &str)], file: &str, expected: Result<Settings, &str>) {
    let flags: Vec<_> = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let file = (!file.is_empty()).then_some((Path::new("seatgraph.toml"), file));
    let found = read(&flags, &variables, file).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned));
}

fn with(change: impl FnOnce(&mut Settings)) -> Result<Settings, &'static str> {
    let mut settings = Settings::default();
    change(&mut settings);
    Ok(settings)
}

#[cfg(unix)]
#[test]
fn a_variable_of_other_letters_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let check = |name: &str, expected: Result<Vec<(String, String)>, SettingsError>| {
        let value = OsString::from_vec(b"caf\xe9.db".to_vec());
        assert_eq!(texts([(name.into(), value)].into_iter()), expected);
    };
    let variable = "SEATGRAPH_DATABASE".to_owned();
    check("SEATGRAPH_DATABASE", Err(SettingsError::NotText { variable }));
    check("SEATGRAPH_CONFIG", Ok(Vec::new()));
    check("OTHER", Ok(Vec::new()));
}

#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_file() {
    check(&[], &[], "", with(|_| ()));
    check(
        &[],
        &[],
        "listen = \"0.0.0.0:1\"",
        with(|set| set.listen = "0.0.0.0:1".into()),
    );
    check(
        &[],
        &[("SEATGRAPH_LISTEN", "b:2")],
        "listen = \"a:1\"",
        with(|set| set.listen = "b:2".into()),
    );
    check(
        &[("listen", "c:3")],
        &[("SEATGRAPH_LISTEN", "b:2")],
        "listen = \"a:1\"",
        with(|set| set.listen = "c:3".into()),
    );
}

#[test]
fn every_kind_of_value_is_read_from_every_layer() {
    check(
        &[],
        &[
            ("SEATGRAPH_LIMITS__PAGE_MAX", "50"),
            ("SEATGRAPH_LOG__REQUESTS", "true"),
            ("SEATGRAPH_CORS__ORIGINS", "https://a.example, https://b.example"),
            ("SEATGRAPH_DATABASE", "memory:"),
            ("SEATGRAPH_TOKEN", "sg_1"),
            ("SEATGRAPH_ADMIN_TOKEN", "x"),
            ("SEATGRAPH_PORT", "tcp://10.0.0.1:8080"),
            ("SEATGRAPH_SERVICE_HOST", "10.0.0.1"),
            ("SEATGRAPH_SERVICE_PORT", "8080"),
            ("SEATGRAPH_SERVICE_PORT_HTTP", "8080"),
            ("SEATGRAPH_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("SEATGRAPH_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("SEATGRAPH_PORT_8080_TCP_PORT", "8080"),
            ("SEATGRAPH_PORT_8080_TCP_PROTO", "tcp"),
            ("SEATGRAPH_METRICS_SERVICE_HOST", "10.0.0.2"),
            ("SEATGRAPH_METRICS_SERVICE_PORT", "9090"),
            ("SEATGRAPH_METRICS_SERVICE_PORT_HTTP_2", "9090"),
            ("SEATGRAPH_METRICS_PORT", "tcp://10.0.0.2:9090"),
            ("SEATGRAPH_DB_PORT", "udp://10.0.0.3:5432"),
            ("SEATGRAPH_DB_PORT_5432_TCP_ADDR", "10.0.0.3"),
            ("SEATGRAPH_PORT_DB_PORT_5432_UDP", "udp://10.0.0.3:5432"),
            ("HOME", "/"),
        ],
        "",
        with(|set| {
            set.limits.page_max = 50;
            set.log.requests = true;
            set.cors_origins = vec!["https://a.example".into(), "https://b.example".into()];
            set.database = "memory:".into();
        }),
    );
    check(
        &[],
        &[],
        "public_url = 'https://seats.example'\n[log]\nlevel = 'debug'\nformat = 'json'\nslow_ms = 0\n\
         [limits]\npage = 7\n[cors]\norigins = ['https://a.example']",
        with(|set| {
            set.public_url = Some("https://seats.example".into());
            set.log = Log {
                level: "debug".into(),
                format: "json".into(),
                requests: false,
                slow_ms: 0,
            };
            set.limits.page = 7;
            set.cors_origins = vec!["https://a.example".into()];
        }),
    );
}

#[test]
fn what_is_not_understood_stops_the_start() {
    let file = |text: &str, message: &str| check(&[], &[], text, Err(message));
    let variable = |name: &str, value: &str, message: &str| check(&[], &[(name, value)], "", Err(message));
    file(
        "lisen = 'a:1'",
        "unknown setting `lisen` in `seatgraph.toml`, did you mean `listen`?",
    );
    file(
        "[limits]\npages_max = 1",
        "unknown setting `limits.pages_max` in `seatgraph.toml`, did you mean `limits.page_max`?",
    );
    file(
        "page = 7",
        "unknown setting `page` in `seatgraph.toml`, did you mean `limits.page`?",
    );
    file("[colour]\nsky = 'blue'", "unknown setting `colour` in `seatgraph.toml`");
    file(
        "[doors]\nnarnia = true",
        "unknown setting `doors.narnia` in `seatgraph.toml`",
    );
    file(
        "listen = 8080",
        "the setting `listen` in `seatgraph.toml` must be a text, not `8080`",
    );
    file(
        "[log]\nlevel = 'loud'",
        "the setting `log.level` in `seatgraph.toml` must be one of `error`, `warn`, `info`, `debug`, `trace`, not `loud`",
    );
    for url in [
        "nonsense",
        "seats.example",
        "ftp://seats.example",
        "https://",
        "https:///x",
        "http://[::1",
        "http://[x]",
        "http://a.example:99999",
        "http://a.example:",
        "https://a.example/\"x",
        "https://u:p@a.example",
        "https://a.example:0",
        "https://..",
        "https://a.example/%zz",
        "https://a.example/%2",
    ] {
        let why = format!(
            "the setting `public_url` in the variable `SEATGRAPH_PUBLIC_URL` must be a URL, as `https://seats.example`, not `{url}`"
        );
        variable("SEATGRAPH_PUBLIC_URL", url, &why);
    }
    for origins in [
        "not a url",
        "https://app.example/",
        "https://a.example,b.example",
        "https://*.example",
        "[\"https://a.example\"]",
        "https://u@a.example",
        "https://a.example:x",
        "https://ä.example",
    ] {
        let why = format!(
            "the setting `cors.origins` in the variable `SEATGRAPH_CORS__ORIGINS` must be a list of origins, as `https://app.example`, or `*`, not `{origins}`"
        );
        variable("SEATGRAPH_CORS__ORIGINS", origins, &why);
    }
    file(
        "[limits]\npage = \"5\"",
        "the setting `limits.page` in `seatgraph.toml` must be a whole number, 1 or more, not `\"5\"`",
    );
    variable(
        "SEATGRAPH_LIMITS__QUEUE",
        "18446744073709551615",
        "the setting `limits.queue` in the variable `SEATGRAPH_LIMITS__QUEUE` must be a whole number from 1 to 9223372036854775807, not `18446744073709551615`",
    );
    file("limits = 3", "unknown setting `limits` in `seatgraph.toml`");
    file(
        "[limits]\nnesting = 100000",
        "the setting `limits.nesting` in `seatgraph.toml` must be a whole number from 1 to 256, not `100000`",
    );
    variable(
        "SEATGRAPH_LIMITS_PAGE_MAX",
        "5",
        "unknown setting `SEATGRAPH_LIMITS_PAGE_MAX` in the variable `SEATGRAPH_LIMITS_PAGE_MAX`, did you mean `SEATGRAPH_LIMITS__PAGE_MAX`?",
    );
    variable(
        "SEATGRAPH_PORT_HTTP",
        "80",
        "unknown setting `SEATGRAPH_PORT_HTTP` in the variable `SEATGRAPH_PORT_HTTP`",
    );
    variable(
        "SEATGRAPH_METRICS_PORT",
        "9090",
        "unknown setting `SEATGRAPH_METRICS_PORT` in the variable `SEATGRAPH_METRICS_PORT`",
    );
    variable(
        "SEATGRAPH_DB_REPORT",
        "tcp://10.0.0.3:5432",
        "unknown setting `SEATGRAPH_DB_REPORT` in the variable `SEATGRAPH_DB_REPORT`",
    );
    variable(
        "SEATGRAPH_LIMITS__PAGE",
        "none",
        "the setting `limits.page` in the variable `SEATGRAPH_LIMITS__PAGE` must be a whole number, 1 or more, not `none`",
    );
    file(
        "[limits]\npage = 51\npage_max = 50",
        "the setting `limits.page` is 51, more than `limits.page_max`, which is 50",
    );
    variable(
        "SEATGRAPH_METRICS__OPEN",
        "maybe",
        "the setting `metrics.open` in the variable `SEATGRAPH_METRICS__OPEN` must be `true` or `false`, not `maybe`",
    );
    variable(
        "SEATGRAPH_LOG__REQUESTS",
        "yes",
        "the setting `log.requests` in the variable `SEATGRAPH_LOG__REQUESTS` must be `true` or `false`, not `yes`",
    );
    // What tests are told is for tests: no server is started with it.
    variable(
        "SEATGRAPH_TESTS",
        "all",
        "unknown setting `SEATGRAPH_TESTS` in the variable `SEATGRAPH_TESTS`",
    );
}

/// `docs/running.md` has a row for each key, and names each limit with its default.
#[test]
fn every_setting_stands_in_the_documents() {
    let page = include_str!("../../docs/running.md");
    // A line may end within what is looked for.
    let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in KEYS {
        assert!(
            page.contains(&format!("\n| `{}` | ", key.name)),
            "`{}` has no row",
            key.name
        );
    }
    for (name, default) in Limits::ALL {
        let said = format!("`{name}` ({default})");
        assert!(text.contains(&said), "{said} is not there");
    }
    for name in NOT_SETTINGS {
        let said = format!("`SEATGRAPH_{name}`");
        assert!(*name == "MUTANT" || text.contains(&said), "{said} is not there");
    }
}

#[test]
fn what_is_not_known_is_told_what_is() {
    let file = Path::new("seatgraph.toml");
    for (text, expected) in [
        ("lisen = 'a:1'", "known here: listen, database, "),
        ("[log]\nlevl = 'info'", "known here: log."),
        ("[limits]\npages_max = 1", "known here: limits."),
        ("[colour]\nsky = 'blue'", "known here: listen, database, "),
    ] {
        let help = read(&[], &[], Some((file, text))).err().and_then(|error| error.help());
        assert!(
            help.as_ref().is_some_and(|help| help.starts_with(expected)),
            "{text}: {help:?}"
        );
    }
    let variable = [("SEATGRAPH_LOUD".to_owned(), "1".to_owned())];
    let help = read(&[], &variable, None).err().and_then(|error| error.help());
    assert!(help.is_some_and(|help| help.contains("SEATGRAPH_LISTEN, ")));
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    let found = read(&[], &[], Some((Path::new("seatgraph.toml"), "listen =")));
    let message = found.map(|_| ()).map_err(|error| error.to_string());
    assert!(
        message
            .as_ref()
            .is_err_and(|text| text.starts_with("`seatgraph.toml` is not TOML: TOML parse error at line 1")),
        "{message:?}"
    );
}
