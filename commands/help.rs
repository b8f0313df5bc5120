//! `/help`: the commands that a member can use.

use serenity::model::permissions::Permissions;

use super::{
    Context, Error,
    answer::{Visibility, answer, plain},
    wording,
};

/// See what I am and what you can do with me
#[poise::command(slash_command, guild_only)]
pub(super) async fn help(ctx: Context<'_>) -> Result<(), Error> {
    let poise::Context::Application(run) = ctx else {
        return Err(Error::Mistake(wording::only_in_servers()));
    };
    let member = run.interaction.member.as_ref();
    let permissions = member
        .and_then(|member| member.permissions)
        .unwrap_or_default();
    let may = |needed: Permissions| permissions.administrator() || permissions.contains(needed);
    let mut lines = Vec::new();
    for command in &ctx.framework().options().commands {
        if command.context_menu_action.is_some() || !may(command.required_permissions) {
            continue;
        }
        let of = if command.subcommands.is_empty() {
            std::slice::from_ref(command)
        } else {
            &command.subcommands
        };
        for command_or_sub in of {
            let name = if command.subcommands.is_empty() {
                command_or_sub.name.to_string()
            } else {
                format!("{} {}", command.name, command_or_sub.name)
            };
            lines.push((
                name,
                command_or_sub
                    .description
                    .as_deref()
                    .unwrap_or_default()
                    .to_owned(),
            ));
        }
    }
    let text = wording::help(&lines, may(Permissions::MANAGE_GUILD));
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}
