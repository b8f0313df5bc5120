//! Permissions that are unreadable, or longer than 64 bits.

use super::*;

/// Permissions are texts of any length; bits above 64 don't concern us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignores_permission_bits_above_64() {
    let mirror = Mirror::empty().await;
    general(&mirror);
    mirror.sync().await.ok();
    mirror.export().await;
    let truth = mirror.discord.truth();
    let role = truth
        .roles
        .iter()
        .find(|role| role.id == truth.guild)
        .unwrap();
    for above in [64, 100] {
        let wide = u128::from(role.permissions) + (1 << above);
        let wide = format!("\"{wide}\"");
        mirror.discord.mutate(GUILD, &everyone(&mirror), &wide);
        mirror.sync().await.ok();
        let said = mirror.export().await.stdout;
        assert!(said.contains("nothing changed"), "{said}");
        mirror.discord.heal();
    }
    mirror.check_archive().await;
}

/// If `@everyone`'s permissions are unreadable, the last known ones apply. If they were never
/// readable, the guild is mirrored and nothing is exported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_permissions_neither_withdraw_nor_expose_channels() {
    let mirror = Mirror::empty().await;
    general(&mirror);
    mirror.sync().await.ok();
    mirror.export().await;
    for odd in ["null", "\"many\"", "[]", "1e999"] {
        mirror.discord.mutate(GUILD, &everyone(&mirror), odd);
        mirror.sync().await;
        let said = mirror.export().await.stdout;
        assert!(said.contains("nothing changed"), "{odd}: {said}");
        let failures = mirror.failures().await;
        assert!(
            failures["guild"].contains("permissions"),
            "{odd}: {failures:?}"
        );
        mirror.discord.heal();
    }

    let new = Mirror::empty().await;
    general(&new);
    new.discord.mutate(GUILD, &everyone(&new), "null");
    new.sync().await;
    assert_eq!(new.status().await["totals"]["messages"], 1);
    new.export().await;
    assert_eq!(new.archived().await.messages.len(), 0);
    new.discord.heal();
    new.sync().await.ok();
    new.check_store();
    new.export().await;
    new.check_archive().await;
}

/// A channel that turned private is withdrawn, and named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_withdrawn_channels() {
    let mirror = Mirror::empty().await;
    let channel = general(&mirror);
    mirror.sync().await.ok();
    mirror.export().await;
    let discord = &mirror.discord;
    let hidden = Overwrite {
        id: discord.guild_id(),
        member: false,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    let own = Overwrite {
        id: discord.bot_id(),
        member: true,
        allow: bit::VIEW_CHANNEL,
        deny: 0,
    };
    discord.update_channel(channel, |discord| discord.overwrites = vec![hidden, own]);
    mirror.sync().await.ok();
    let ended = mirror.export().await;
    let name = format!("#general ({channel}): not everyone in the guild can read it");
    assert!(ended.stdout.contains(&name), "{ended:#?}");
    assert!(
        ended.stderr.contains("withdrawn") && ended.stderr.contains(&name),
        "{ended:#?}"
    );
    let status = mirror.status().await;
    assert_eq!(
        status["export"]["withdrawn"][0]["name"], "general",
        "{status}"
    );
}
