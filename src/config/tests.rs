use super::*;

fn read(pairs: &[(&str, &str)], needs: Needs) -> Result<Config, Mistakes> {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read(&owned.collect(), needs)
}

#[test]
fn local_commands_need_no_variables() {
    let config = read(&[], Needs::Local).unwrap();
    assert_eq!(config.store_path, PathBuf::from("./data"));
    assert_eq!(config.export_interval, Duration::from_hours(1));
}

#[test]
fn reports_all_mistakes_at_once() {
    let variables = [
        ("DISCORD_API_URL", "ftp://example.org"),
        ("ARCHIVE", "nowhere"),
        ("EXPORT_INTERVAL", "soon"),
        ("HEALTH_ADDRESS", "localhost:9090"),
    ];
    let Mistakes(mistakes) = read(&variables, Needs::Discord).unwrap_err();
    let names: Vec<_> = mistakes.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "DISCORD_TOKEN",
            "DISCORD_API_URL",
            "ARCHIVE",
            "EXPORT_INTERVAL",
            "HEALTH_ADDRESS"
        ]
    );
}

#[test]
fn object_stores_need_keys() {
    let token = ("DISCORD_TOKEN", "MTAwMDAwMDAwMDAwMDAwMDAw.secret.secret");
    let bucket = ("ARCHIVE", "s3://props/archive");
    let Mistakes(mistakes) = read(&[token, bucket], Needs::Discord).unwrap_err();
    let names: Vec<_> = mistakes.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    let keys = [
        token,
        bucket,
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    assert!(read(&keys, Needs::Discord).is_ok());
    let server = [
        keys[0],
        keys[1],
        keys[2],
        keys[3],
        ("AWS_ENDPOINT_URL", "minio:9000"),
    ];
    // Commands that only read may read another archive.
    assert!(read(&[bucket], Needs::Local).is_ok());
    let Mistakes(mistakes) = read(&server, Needs::Discord).unwrap_err();
    assert_eq!(mistakes[0].0, "AWS_ENDPOINT_URL");
}

#[test]
fn origins_have_no_path() {
    assert_eq!(
        origin("http://127.0.0.1:3005/"),
        Ok("http://127.0.0.1:3005".to_owned())
    );
    assert!(origin("http://127.0.0.1:3005/api/v10").is_err());
    assert!(origin("127.0.0.1:3005").is_err());
}

#[test]
fn reads_ids_separated_by_commas_or_spaces() {
    assert_eq!(ids("2, 1\n3,,2", "guild"), Ok(vec![2, 1, 3]));
    for wrong in ["0", "+1", "1;2", "<@1>", "99999999999999999999"] {
        assert!(ids(wrong, "user").is_err(), "{wrong}");
    }
}

#[test]
fn env_example_names_exactly_the_known_variables() {
    let example = include_str!("../../.env.example");
    let mut named: Vec<&str> = example
        .lines()
        .filter_map(|line| {
            line.strip_prefix('#')
                .unwrap_or(line)
                .trim()
                .split_once('=')
        })
        .map(|(name, _)| name)
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .collect();
    named.sort_unstable();
    let mut read: Vec<&str> = all_variables().collect();
    read.sort_unstable();
    assert_eq!(named, read);
}
