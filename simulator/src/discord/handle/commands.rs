//! Using commands as a member, and reading the client's responses.

use std::time::Duration;

use serde_json::Value;

use crate::discord::Discord;
use crate::discord::interactions::Answer;
use crate::discord::interactions::Interaction;
use crate::discord::interactions::InteractionId;
use crate::discord::interactions::Occasion;
use crate::discord::state::State;

/// How long [`Discord::answer`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

impl Discord {
    /// A member runs a slash command: `"props"`, or `"settings set"` with its subcommand. Options are an object; the
    /// registered command determines their types.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json!({..}) in place"
    )]
    pub fn slash(&self, user: u64, channel: u64, command: &str, options: Value) -> InteractionId {
        self.act(|state| state.slash(user, channel, command, &options, None))
    }

    /// A member types into an option with autocompletion.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json!({..}) in place"
    )]
    pub fn autocomplete(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        options: Value,
        focused: &str,
    ) -> InteractionId {
        self.act(|state| state.slash(user, channel, command, &options, Some(focused)))
    }

    /// A member runs a command from a user's context menu.
    pub fn user_command(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        target: u64,
    ) -> InteractionId {
        self.act(|state| state.context_menu(user, channel, command, 2, target))
    }

    /// A member runs a command from a message's context menu.
    pub fn message_command(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        message: u64,
    ) -> InteractionId {
        self.act(|state| state.context_menu(user, channel, command, 3, message))
    }

    /// A member presses a button or uses a select menu under a message. `values` is empty for a button.
    pub fn click(
        &self,
        user: u64,
        channel: u64,
        message: u64,
        custom_id: &str,
        values: &[&str],
    ) -> InteractionId {
        let name = custom_id.to_owned();
        self.act(|state| {
            let kind = state.component_type(channel, message, custom_id);
            let kind = kind.unwrap_or(if values.is_empty() { 2 } else { 3 });
            let data = serde_json::json!({
                "custom_id": custom_id, "component_type": kind, "values": values, "resolved": {},
            });
            let message = Some(message);
            state.interact(Occasion {
                kind: 3,
                name,
                user,
                channel,
                data,
                target: None,
                message,
            })
        })
    }

    /// A member submits a modal: field ids and texts.
    pub fn submit(
        &self,
        user: u64,
        channel: u64,
        custom_id: &str,
        fields: &[(&str, &str)],
    ) -> InteractionId {
        let field = |(id, text): &(&str, &str)| serde_json::json!({"type": 1, "components": [{"type": 4, "custom_id": id, "value": text}]});
        let data = serde_json::json!({"custom_id": custom_id, "components": fields.iter().map(field).collect::<Vec<_>>()});
        let name = custom_id.to_owned();
        self.act(|state| {
            state.interact(Occasion {
                kind: 5,
                name,
                user,
                channel,
                data,
                target: None,
                message: None,
            })
        })
    }

    /// Sends an interaction of any shape. Sets its `id` and `token`.
    pub fn interact_raw(&self, event: Value) -> InteractionId {
        self.act(|state| state.interact_raw(event))
    }

    /// The client's response; waits up to ten seconds for more than a deferral. None if there was none.
    pub async fn answer(&self, interaction: InteractionId) -> Option<Answer> {
        self.answer_within(interaction, PATIENCE).await
    }

    /// As [`Discord::answer`], with another timeout.
    pub async fn answer_within(
        &self,
        interaction: InteractionId,
        patience: Duration,
    ) -> Option<Answer> {
        let settled = |state: &State| {
            state
                .interactions
                .all
                .get(&interaction.0)
                .is_some_and(Interaction::settled)
        };
        self.wait(patience, |discord| settled(&discord.shared.lock()))
            .await;
        self.answer_so_far(interaction)
    }

    /// The client's response so far, including deferrals.
    pub fn answer_so_far(&self, interaction: InteractionId) -> Option<Answer> {
        self.shared
            .lock()
            .interactions
            .all
            .get(&interaction.0)
            .and_then(|interaction| interaction.answer.clone())
    }

    /// Expires the tokens of all interactions so far, as Discord does after 15 minutes.
    pub fn expire_tokens(&self) {
        self.act(|state| {
            for interaction in state.interactions.all.values_mut() {
                interaction.expired = true;
            }
        });
    }

    /// The registered commands, global ones first.
    pub fn commands(&self) -> Vec<Value> {
        let state = self.shared.lock();
        state
            .interactions
            .global
            .iter()
            .chain(&state.interactions.local)
            .cloned()
            .collect()
    }
}
