//! What was typed into Discord, what the bot shows there, and what a query of the tables finds.

use serde_json::json;

use super::Server;
use crate::analytics::{program, python, write_tables};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes DuckDB for Python: .ci/run has it"]
async fn duckdb_has_the_leaderboard_that_members_see() {
    let mut server = Server::start().await;
    let props = server.choose_props_channel(vec![]).await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    server.give(ana, &[ben, cho], "one").await;
    server.give(cho, &[ben], "two").await;
    let discord = server.discord();
    discord.post(ben, props, &format!("thanks <@{cho}> and <@{ben}>"));
    discord.post(ana, props, &format!("thanks <@{ben}>"));
    let seen = "1\\. **\u{2068}ben\u{2069}**: 3\n2\\. **\u{2068}cho\u{2069}**: 2";
    server
        .ask_until(ana, server.general, "leaderboard", json!({}), seen)
        .await;

    server.stop().await;
    server.mirror.export().await;
    write_tables(&server.mirror, "tables").await;
    let program = program("DuckDB") + "\nimport json\nprint(json.dumps(leaderboard.fetchall()))\n";
    let queried = python(&server.mirror, &program).await;
    assert_eq!(queried, json!([["ben", 3], ["cho", 2]]));
}
