//! The discord plugin's improved rules. The contract tests compare its native rules with SourceCred's own
//! plugin.

use propsbot_sourcecred::{Unusable, WeightedGraph};
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    community::{
        ANA, BEN, BOT, CY, GENERAL, GUILD, PROPS, THREAD, member, message, quiet, reaction,
    },
    invariants, *,
};
use crate::discord::{
    DiscordConfig, DiscordRowFilter, NotArchived, Rules, discord_documents, discord_graph,
    discord_identities,
};
use propsbot_model::{GuildId, Tier, UserId};
use propsbot_rows::{GuildRow, MemberRow, ReactionRow, RowFilter as _};

fn config() -> DiscordConfig {
    let json = format!(
        r#"[{{
            "guildId": "{GUILD}", "propsChannels": ["{PROPS}"],
            "reactionWeightConfig": {{"weights": {{}}, "defaultWeight": 1, "applyAveraging": false}},
            "channelWeightConfig": {{"defaultWeight": 1, "weights": {{"{PROPS}": 3}}}}
        }}]"#
    );
    DiscordConfig::from_json(&json).unwrap()
}

fn edges(snapshot: &Snapshot, rules: Rules) -> BTreeSet<String> {
    let graph = discord_graph(snapshot, &config(), rules);
    let edges = graph.edges.keys();
    edges
        .map(|edge| {
            let parts = serde_json::to_value(edge.parts()).unwrap();
            let parts = parts.as_array().unwrap()[2..].iter();
            let parts: Vec<_> = parts.map(|part| part.as_str().unwrap()).collect();
            parts.join(" ")
        })
        .collect()
}

/// The edges that only improved rules give.
fn gained(snapshot: &Snapshot) -> BTreeSet<String> {
    let native = edges(snapshot, Rules::Native);
    let improved = edges(snapshot, Rules::Improved);
    assert!(native.is_subset(&improved), "{native:?} {improved:?}");
    &improved - &native
}

#[test]
fn improved_rules_count_members_who_left() {
    let mut snapshot = quiet();
    let by_cy = message(1, GENERAL, CY, "hi", &[(CY, 1), (BEN, 1)]);
    snapshot.reactions = vec![reaction(&by_cy, ANA, "🎉")];
    let id = by_cy.id;
    let by_ana = message(2, GENERAL, ANA, "hi", &[]);
    snapshot.reactions.push(reaction(&by_ana, CY, "👍"));
    let on = by_ana.id;
    snapshot.messages = vec![by_cy, by_ana];
    let wanted = [
        format!("AUTHORS MESSAGE user 3 200 {id}"),
        format!("MENTIONS 200 3 {id} user 3"),
        format!("AUTHORS MESSAGE user 1 200 {on}"),
        format!("ADDS_REACTION user 3 👍 200 {on}"),
        format!("REACTS_TO 👍 3 200 {on}"),
    ];
    assert_eq!(gained(&snapshot), BTreeSet::from(wanted));

    let proposed = |rules| {
        let graph = discord_graph(&snapshot, &config(), rules);
        let proposals = discord_identities(&snapshot, &config(), rules, &graph);
        proposals
            .into_iter()
            .map(|proposal| proposal.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(proposed(Rules::Native), ["Ana--", "ben-b", "PropsBot"]);
    assert_eq!(
        proposed(Rules::Improved),
        ["Ana--", "ben-b", "cy", "PropsBot"]
    );
}

#[test]
fn improved_rules_count_threads_like_their_channel() {
    let mut snapshot = quiet();
    let said = message(1, THREAD, ANA, "<@2>", &[(BEN, 1)]);
    snapshot.reactions = vec![reaction(&said, BEN, "🎉")];
    let id = said.id;
    snapshot.messages = vec![said];
    let gained = gained(&snapshot);
    assert!(
        gained.contains(&format!("PROPS 202 1 {id} user 2")),
        "{gained:?}"
    );
    let graph = discord_graph(&snapshot, &config(), Rules::Improved);
    let weights: Vec<_> = graph
        .node_weights
        .values()
        .map(|node_weight| node_weight.get())
        .collect();
    assert_eq!(weights, [3.0]);
}

#[test]
fn improved_rules_count_super_reactions_once() {
    let mut snapshot = quiet();
    let said = message(1, GENERAL, ANA, "hi", &[]);
    let burst = |user| ReactionRow {
        burst: true,
        ..reaction(&said, user, "🎉")
    };
    snapshot.reactions = vec![reaction(&said, BEN, "🎉"), burst(BEN), burst(BOT)];
    let id = said.id;
    snapshot.messages = vec![said];
    let wanted = [
        format!("ADDS_REACTION bot 9 🎉 200 {id}"),
        format!("REACTS_TO 🎉 9 200 {id}"),
    ];
    assert_eq!(gained(&snapshot), BTreeSet::from(wanted));
}

#[test]
fn improved_names_leave_room_for_a_suffix() {
    let snapshot = Snapshot {
        members: vec![
            MemberRow {
                privacy: Some(Tier::Everything),
                ..member(UserId(77), "")
            },
            member(UserId(1 << 40), &"a".repeat(40)),
        ],
        ..quiet()
    };
    let lengths = |rules| {
        let graph = WeightedGraph::default();
        let proposals = discord_identities(&snapshot, &config(), rules, &graph);
        proposals
            .iter()
            .map(|proposal| proposal.name.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths(Rules::Native), [39]);
    assert_eq!(lengths(Rules::Improved), [31]);
}

#[test]
fn system_users_count_as_bots() {
    let kind = |bot, system| {
        let row = MemberRow {
            bot,
            system,
            ..member(ANA, "ana")
        };
        crate::members::Member::of(&row).kind()
    };
    let kinds = [kind(false, None), kind(false, Some(true)), kind(true, None)];
    assert_eq!(kinds, ["user", "bot", "bot"]);
}

#[test]
fn a_guild_that_is_not_archived_is_named() {
    let mut snapshot = quiet();
    let documents = |snapshot: &Snapshot| discord_documents(snapshot, &config(), Rules::Native);
    assert_eq!(documents(&snapshot).unwrap_err(), NotArchived(GUILD));
    snapshot.guilds.push(GuildRow {
        id: GuildId(GUILD.0),
        name: "here".to_owned(),
        owner_id: ANA,
        props_channels: None,
        left_at: None,
        keep_deleted_props: None,
        excluded_channels: Vec::new(),
        included_channels: Vec::new(),
        age_restricted: None,
        reaction_thanks: Vec::new(),
        meeting_events: None,
        limits: Vec::new(),
        props_bots: Vec::new(),
    });
    assert_eq!(
        documents(&snapshot).unwrap().unusable(),
        Some(Unusable::Empty)
    );
}

proptest! {
    #[test]
    fn filtered_rows_give_the_same_graph(mut snapshot in invariants::community()) {
        snapshot.messages.sort_by_key(|message| (message.channel_id, message.id));
        snapshot.reactions.sort_by_key(|reaction| (reaction.channel_id, reaction.message_id));
        for rules in [Rules::Native, Rules::Improved] {
            let config = config();
            let mut filter = DiscordRowFilter::new(&snapshot, &config, rules);
            let mut sifted = snapshot.clone();
            sifted.reactions.retain(|reaction| filter.channel(reaction.channel_id) && filter.reaction(reaction));
            sifted.messages.retain(|message| filter.channel(message.channel_id) && filter.message(message));
            prop_assert_eq!(
                discord_graph(&sifted, &config, rules),
                discord_graph(&snapshot, &config, rules)
            );
        }
    }
}
