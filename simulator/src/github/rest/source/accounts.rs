//! Accounts, and repositories of the world.

use serde_json::json;

use super::super::call::{Answer, Call, Problem, Reply};
use super::super::repository::extend;
use super::list::{Keys, page, sort};
use super::{here, wire};
use crate::github::world::{Account, Repository, time};

pub(in super::super) fn repository(call: &Call<'_>) -> Answer {
    let mut shown = wire::repository(call.view(), here(call)?);
    extend(
        &mut shown,
        json!({"network_count": 0, "subscribers_count": 0}),
    );
    Ok(Reply::json(200, &shown))
}

/// A repository by its id that there isn't: the others are found by their names.
pub(in super::super) fn no_repository(_: &Call<'_>) -> Answer {
    Err(Problem::not_found())
}

fn named<'c>(call: &Call<'c>) -> Result<&'c Account, Problem> {
    let login = call.param(0).trim_end_matches("[bot]");
    call.world
        .account_named(login)
        .ok_or_else(Problem::not_found)
}

fn shown(call: &Call<'_>, of: &Account) -> Reply {
    let owned = call
        .world
        .repositories()
        .filter(|one| one.owner == of.id && !one.private);
    let mut shown = wire::account(call.view(), of);
    let more = json!({
        "name": of.name, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
        "twitter_username": null, "public_repos": owned.count(), "public_gists": 0, "followers": 0, "following": 0,
        "created_at": time(of.created), "updated_at": time(of.created),
    });
    extend(&mut shown, more);
    Reply::json(200, &shown)
}

pub(in super::super) fn user(call: &Call<'_>) -> Answer {
    Ok(shown(call, named(call)?))
}

pub(in super::super) fn user_by_id(call: &Call<'_>) -> Answer {
    let id = call.param(0).parse().map_err(|_| Problem::not_found())?;
    let found = call.world.account(id).ok_or_else(Problem::not_found)?;
    Ok(shown(call, found))
}

/// The repositories of an account that the token sees.
pub(in super::super) fn repositories(call: &Call<'_>) -> Answer {
    let account = named(call)?;
    let all = call.world.repositories();
    let mut owned: Vec<_> = all
        .filter(|one| one.owner == account.id && call.viewer.sees(one))
        .collect();
    let keys = |one: &&Repository| Keys {
        created: one.created,
        updated: one.updated,
        id: one.id,
    };
    sort(call, &mut owned, true, keys);
    let kind = if call.path.starts_with("/orgs") {
        "orgs"
    } else {
        "users"
    };
    let path = format!("/{kind}/{}/repos", account.login);
    Ok(page(call, &path, &owned, |one| {
        wire::repository(call.view(), one)
    }))
}
