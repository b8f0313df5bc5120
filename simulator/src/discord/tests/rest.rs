//! REST: pages, permissions, posts.

use serde_json::{Value, json};

use super::client::{ask, get, id};
use super::empty;
use crate::discord::{Discord, Draft, Overwrite, bit, event_status, kind};

#[tokio::test]
async fn message_pages_are_newest_first_and_exclusive() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let ids = discord
        .post_many((0..250).map(|n| Draft::new(discord.owner_id(), channel, format!("{n}"))));
    let list = async |query: &str| {
        get(&discord, &format!("/channels/{channel}/messages{query}"))
            .await
            .ids()
    };
    let newest_first =
        |range: std::ops::Range<usize>| ids[range].iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(list("").await, newest_first(200..250));
    assert_eq!(
        list(&format!("?limit=100&before={}", ids[100])).await,
        newest_first(0..100)
    );
    assert_eq!(
        list(&format!("?limit=100&after={}", ids[99])).await,
        newest_first(100..200)
    );
    assert_eq!(
        list(&format!("?limit=5&around={}", ids[100])).await,
        newest_first(98..103)
    );
    assert_eq!(list("?limit=100&after=0").await, newest_first(0..100));
    assert_eq!(
        get(&discord, &format!("/channels/{channel}/messages?limit=101"))
            .await
            .status,
        400
    );
    assert_eq!(
        get(
            &discord,
            &format!("/channels/{channel}/messages/{}", ids[7])
        )
        .await
        .body["content"],
        "7"
    );
    assert_eq!(discord.violations(), [""; 0]);
}

#[tokio::test]
async fn reactions_are_paged_by_user_and_sort() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let message = discord.post(discord.owner_id(), channel, "thanks");
    let users: Vec<u64> = (0..130)
        .map(|n| discord.join(&format!("user {n}")))
        .collect();
    for user in users.iter().rev() {
        assert!(discord.react(*user, channel, message, "#️⃣", false));
        assert!(
            !discord.react(*user, channel, message, "#️⃣", false),
            "only once"
        );
    }
    discord.react(users[3], channel, message, "#️⃣", true);
    discord.react(
        users[4],
        channel,
        message,
        "gone:1004030188551540827",
        false,
    );
    let path = format!("/channels/{channel}/messages/{message}/reactions");
    let keycap = "%23%EF%B8%8F%E2%83%A3";
    let first = get(&discord, &format!("{path}/{keycap}?limit=100"))
        .await
        .ids();
    assert_eq!(first, users[..100]);
    let rest = get(
        &discord,
        &format!("{path}/{keycap}?limit=100&after={}", first[99]),
    )
    .await
    .ids();
    assert_eq!(rest, users[100..]);
    assert_eq!(
        get(&discord, &format!("{path}/{keycap}?type=1"))
            .await
            .ids(),
        [users[3]]
    );
    assert_eq!(
        get(&discord, &format!("{path}/anything:1004030188551540827"))
            .await
            .ids(),
        [users[4]]
    );
    let shown = get(&discord, &format!("/channels/{channel}/messages/{message}"))
        .await
        .body;
    assert_eq!(shown["reactions"][0]["count"], 131);
    assert_eq!(
        shown["reactions"][0]["count_details"],
        json!({"burst": 1, "normal": 130})
    );
    assert_eq!(discord.violations().len(), 0);
    // An unescaped `#️⃣`: the URL ends at the `#`.
    assert_eq!(get(&discord, &format!("{path}/")).await.status, 404);
    let unknown = get(&discord, &format!("{path}/nonsense")).await;
    assert_eq!(
        (unknown.status, &unknown.body["code"]),
        (404, &json!(10014))
    );
    assert_eq!(discord.violations().len(), 2);
}

/// Lists can be shortened and counters wrong, independently.
#[tokio::test]
async fn reaction_lists_and_counters_can_disagree() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let message = discord.post(discord.owner_id(), channel, "thanks");
    let users: Vec<u64> = (0..130)
        .map(|n| discord.join(&format!("user {n}")))
        .collect();
    for user in &users {
        discord.react(*user, channel, message, "👍", false);
    }
    let path = format!("/channels/{channel}/messages/{message}");
    let list = async |after: u64| {
        let path = format!("{path}/reactions/%F0%9F%91%8D?limit=100&after={after}");
        get(&discord, &path).await.ids()
    };
    let count = async || {
        let shown = get(&discord, &path).await.body;
        shown["reactions"][0]["count_details"]["normal"].as_u64()
    };
    discord.short_lists(message, 40, 1);
    assert_eq!(list(0).await, users[..60]);
    assert_eq!(list(users[59]).await, users[60..]);
    discord.short_lists(message, usize::MAX, 2);
    assert_eq!(
        (list(0).await, list(0).await),
        (vec![], vec![]),
        "twice, and no more"
    );
    assert_eq!(list(0).await, users[..100]);
    discord.short_lists(message, 1, usize::MAX);
    discord.heal();
    assert_eq!(list(users[99]).await, users[100..]);

    for stuck in [7, 200] {
        discord.stick_counter(channel, message, "👍", Some(stuck));
        assert_eq!(count().await, Some(stuck as u64));
        assert!(discord.unreact(users[0], channel, message, "👍", false));
        assert!(discord.react(users[0], channel, message, "👍", false));
        assert_eq!(count().await, Some(stuck as u64));
    }
    discord.stick_counter(channel, message, "👍", Some(0));
    assert_eq!(count().await, None);
    discord.stick_counter(channel, message, "👍", None);
    assert_eq!(count().await, Some(130));
    discord.clear_reactions(channel, message);
    discord.stick_counter(channel, message, "👍", Some(3));
    assert_eq!((count().await, list(0).await), (Some(3), vec![]));
    assert_eq!(discord.violations(), [""; 0]);
}

#[tokio::test]
async fn members_and_archived_threads_are_paged() {
    let discord = Discord::start(empty()).await.expect("starts");
    let parent = discord.create_channel(kind::TEXT, "props", vec![]);
    for n in 0..30 {
        discord.join(&format!("user {n}"));
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().copied().unwrap_or(0);
        let page = get(
            &discord,
            &format!(
                "/guilds/{}/members?limit=10&after={after}",
                discord.guild_id()
            ),
        )
        .await
        .body;
        let page: Vec<u64> = page
            .as_array()
            .expect("a list")
            .iter()
            .map(|m| id(&m["user"]["id"]))
            .collect();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(
        seen,
        discord
            .members()
            .into_iter()
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    );

    let threads: Vec<u64> = (0..7)
        .map(|n| discord.create_thread(parent, discord.owner_id(), &format!("t{n}")))
        .collect();
    for thread in &threads[..5] {
        discord.archive_thread(*thread);
    }
    let active = get(
        &discord,
        &format!("/guilds/{}/threads/active", discord.guild_id()),
    )
    .await
    .body;
    assert_eq!(active["threads"].as_array().map(Vec::len), Some(2));
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = get(
            &discord,
            &format!("/channels/{parent}/threads/archived/public?limit=2{before}"),
        )
        .await
        .body;
        for thread in page["threads"].as_array().expect("a list") {
            found.push(id(&thread["id"]));
            let at = thread["thread_metadata"]["archive_timestamp"]
                .as_str()
                .expect("a time")
                .replace('+', "%2B");
            before = format!("&before={at}");
        }
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(
        found,
        threads[..5].iter().rev().copied().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn permissions_limit_responses() {
    let discord = Discord::start(empty()).await.expect("starts");
    let everyone = discord.guild_id();
    let deny = |bits| vec![Overwrite::role(everyone, 0, bits)];
    let own = discord
        .truth()
        .roles
        .iter()
        .find(|role| role.name == "propsbot")
        .expect("its role")
        .id;
    let private = vec![
        Overwrite::role(everyone, 0, bit::VIEW_CHANNEL),
        Overwrite::role(own, bit::VIEW_CHANNEL, 0),
    ];
    let mute = vec![
        Overwrite::role(everyone, 0, bit::READ_MESSAGE_HISTORY),
        Overwrite::role(own, 0, bit::READ_MESSAGE_HISTORY),
    ];
    let make = |kind, name: &str, overwrites| {
        let channel = discord.create_channel(kind, name, overwrites);
        discord.post(discord.owner_id(), channel, "said");
        channel
    };
    let allowed = make(kind::TEXT, "private", private);
    let hidden = make(kind::TEXT, "hidden", deny(bit::VIEW_CHANNEL));
    let mute = make(kind::TEXT, "mute", mute);
    let voice = make(kind::VOICE, "voice", deny(bit::CONNECT));
    let forum = discord.create_channel(kind::FORUM, "forum", vec![]);
    let list = async |channel: u64| {
        let answer = get(&discord, &format!("/channels/{channel}/messages")).await;
        (
            answer.status,
            answer.body["code"].as_u64(),
            answer.body.as_array().map(Vec::len),
        )
    };
    assert_eq!(list(allowed).await, (200, None, Some(1)));
    assert_eq!(list(hidden).await, (403, Some(50001), None));
    assert_eq!(
        list(mute).await,
        (200, None, Some(0)),
        "no history: empty, no error"
    );
    assert_eq!(list(voice).await, (403, Some(50001), None));
    assert_eq!(list(forum).await.0, 400);
    assert_eq!(list(5).await, (404, Some(10003), None));
    let private_thread = discord.create_private_thread(allowed, discord.owner_id(), "quiet");
    assert_eq!(list(private_thread).await, (403, Some(50001), None));
    discord.join_thread(private_thread, discord.bot_id());
    assert_eq!(list(private_thread).await, (200, None, Some(0)));
    let archived = get(
        &discord,
        &format!("/channels/{allowed}/threads/archived/private"),
    )
    .await;
    assert_eq!(
        (archived.status, &archived.body["code"]),
        (403, &json!(50013))
    );
    assert_eq!(discord.counters().invalid, 4);
    let readable = |name: &str| {
        discord
            .truth()
            .channels
            .iter()
            .any(|c| c.name == name && c.readable)
    };
    assert_eq!(
        ["private", "hidden", "mute", "voice", "forum", "quiet"].map(readable),
        [true, false, false, false, false, true]
    );
}

#[tokio::test]
async fn bots_can_post_react_and_delete() {
    let discord = Discord::start(empty()).await.expect("starts");
    let channel = discord.create_channel(kind::TEXT, "props", vec![]);
    let to = discord.post(discord.owner_id(), channel, "hello");
    let body = json!({
        "content": format!("hi <@{}>", discord.owner_id()), "message_reference": {"message_id": to.to_string()},
        "allowed_mentions": {"parse": []}, "embeds": [{"title": "a", "description": "b"}],
    });
    let posted = ask(
        &discord,
        "POST",
        &format!("/channels/{channel}/messages"),
        body,
    )
    .await
    .body;
    assert_eq!(
        (&posted["type"], &posted["mentions"]),
        (&json!(19), &json!([]))
    );
    assert_eq!(id(&posted["referenced_message"]["id"]), to);
    let path = format!("/channels/{channel}/messages/{}", id(&posted["id"]));
    let edited = ask(&discord, "PATCH", &path, json!({"content": "again"}))
        .await
        .body;
    assert_eq!(
        (
            &edited["content"],
            edited["embeds"].as_array().map(Vec::len)
        ),
        (&json!("again"), Some(1))
    );
    assert!(edited["edited_timestamp"].is_string());
    discord.update_role(discord.guild_id(), |role| {
        role.permissions |= bit::ADD_REACTIONS;
    });
    assert_eq!(
        ask(
            &discord,
            "PUT",
            &format!("{path}/reactions/%F0%9F%91%8D/@me"),
            Value::Null
        )
        .await
        .status,
        204
    );
    assert_eq!(get(&discord, &path).await.body["reactions"][0]["me"], true);
    assert_eq!(
        ask(
            &discord,
            "DELETE",
            &format!("{path}/reactions"),
            Value::Null
        )
        .await
        .body["code"],
        50013
    );
    assert_eq!(
        ask(&discord, "DELETE", &path, Value::Null).await.status,
        204
    );
    assert_eq!(get(&discord, &path).await.body["code"], 10008);
    assert_eq!(
        ask(
            &discord,
            "POST",
            &format!("/channels/{channel}/messages"),
            json!({"content": ""})
        )
        .await
        .body["code"],
        50006
    );
}

#[tokio::test]
async fn events_and_the_interested_are_listed() {
    let discord = Discord::start(empty()).await.expect("starts");
    let guild = discord.guild_id();
    let hidden = Overwrite::role(guild, 0, bit::VIEW_CHANNEL);
    let secret = discord.create_channel(kind::VOICE, "secret", vec![hidden]);
    let start = 1_800_000_000_000;
    let (owner, path) = (
        discord.owner_id(),
        format!("/guilds/{guild}/scheduled-events"),
    );
    let unseen = discord.schedule(owner, "hidden", start, Some(secret));
    let event = discord.schedule(owner, "call", start, None);
    let users: Vec<u64> = (0..130)
        .map(|n| discord.join(&format!("user {n}")))
        .collect();
    for user in &users {
        discord.set_interest(event, *user, true);
    }
    let listed = get(&discord, &path).await;
    assert_eq!(listed.ids(), [event]);
    assert_eq!(listed.body[0].get("user_count"), None);
    let counted = get(&discord, &format!("{path}?with_user_count=true")).await;
    assert_eq!(counted.body[0]["user_count"], 130);
    let page = async |after: u64| {
        let path = format!("{path}/{event}/users?limit=100&after={after}");
        let page = get(&discord, &path).await.body;
        let ids = page.as_array().expect("a list").iter();
        ids.map(|of| id(&of["user_id"])).collect::<Vec<_>>()
    };
    assert_eq!(page(0).await, users[..100]);
    assert_eq!(page(users[99]).await, users[100..]);
    for (path, status, code) in [
        (format!("{path}/{event}/users?limit=101"), 400, 50035),
        (format!("{path}/{unseen}/users"), 404, 10070),
        (format!("{path}/1/users"), 404, 10070),
    ] {
        let refused = get(&discord, &path).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (status, &json!(code))
        );
    }
    discord.update_event(event, |event| event.status = event_status::COMPLETED);
    assert_eq!(get(&discord, &path).await.body, json!([]), "it is over");
}
