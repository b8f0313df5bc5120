//! Whether a request is let in: its token, its limits, and the fault that was planned for it.

use jiff::Timestamp;
use serde_json::json;

use super::answer::End;
use super::faults::{Fault, Kind, Met};
use super::limits::{Budget, Headers, Limited};
use super::options::Access;
use super::rest::call::{Problem, Reply};
use super::serve::Incoming;
use super::state::{Shared, State};
use super::viewer::Viewer;

pub(super) fn budget(incoming: &Incoming<'_>) -> Budget {
    if incoming.kind.graphql() {
        Budget::Graphql
    } else if incoming.header("authorization").is_empty() {
        Budget::Anonymous
    } else {
        Budget::Core
    }
}

pub(super) type Admitted = (Viewer, Headers, Option<Fault>);

/// Checks everything independent of the route, and counts the request.
pub(super) fn admit(
    state: &mut State,
    incoming: &Incoming<'_>,
    ask: &str,
) -> Result<Admitted, Box<End>> {
    let refuse = |problem: Problem, headers| Box::new(End::Answer(problem.reply(), headers));
    let kind = incoming.kind;
    let met = Met {
        kind,
        path: incoming.path,
        nodes: incoming.nodes,
        body: incoming.body,
    };
    let given = incoming.header("authorization");
    let token = given.split_once(' ').filter(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")
    });
    let token = token.map(|(_, token)| token);
    let mut viewer = Viewer {
        settings: state.settings.clone(),
        known: token == Some(state.settings.token.as_str()),
        reads_source: false,
    };
    match &state.settings.source_token {
        Some(source) if token == Some(source.as_str()) => {
            viewer.known = true;
            viewer.reads_source = true;
            viewer.settings.access = Access::None;
        }
        Some(_) => {}
        None => viewer.reads_source = viewer.known,
    }
    if kind == Kind::Codeload {
        return Ok((viewer, Vec::new(), state.faults.meet(&met)));
    }
    if incoming.header("user-agent").is_empty() {
        state.log.violation(format!("no user-agent: {ask}"));
        let what = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required).";
        return Err(refuse(Problem::new(403, what), Vec::new()));
    }
    if !given.is_empty() && !viewer.known {
        state.log.violation(format!("bad credentials: {ask}"));
        return Err(refuse(Problem::new(401, "Bad credentials"), Vec::new()));
    }
    if kind.graphql() && !viewer.known {
        state.log.violation(format!("no token: {ask}"));
        let what = "This endpoint requires you to be authenticated.";
        return Err(refuse(Problem::new(401, what), Vec::new()));
    }
    let budget = budget(incoming);
    // Reading the rate limit is free.
    if incoming.route != "/rate_limit" {
        let cost = (budget, incoming.points);
        if let Err(limited) = state.limiter.take(kind, cost, incoming.at_once) {
            state.log.counters.rate_limited += 1;
            return Err(Box::new(too_many(state, limited, budget, ask)));
        }
        state.log.cost(kind.graphql(), incoming.points);
    }
    let headers = state.limiter.headers(budget);
    if incoming.body.len() > state.limiter.limits.body {
        let size = incoming.body.len();
        state
            .log
            .violation(format!("a body of {size} bytes: {ask}"));
        return Err(refuse(Problem::new(413, "Payload Too Large"), headers));
    }
    Ok((viewer, headers, state.faults.meet(&met)))
}

/// What GitHub's proxies show when nothing behind them answers.
const UNICORN: &str = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head><body><p><strong>We had issues producing the response to your request.</strong></p></body></html>\n";

const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support for help, please include the request ID.";

fn too_many(state: &mut State, limited: Limited, budget: Budget, ask: &str) -> End {
    let mut headers = state.limiter.headers(budget);
    let reply = match limited {
        Limited::Secondary(wait, what) => {
            state.log.violation(format!("too much {what}: {ask}"));
            if state.limiter.limits.says_retry_after {
                headers.push(("retry-after", wait.as_secs_f64().ceil().to_string()));
            }
            Problem::new(state.limiter.limits.secondary_status, SECONDARY).reply()
        }
        Limited::Primary => {
            state
                .log
                .violation(format!("the primary rate limit is used up: {ask}"));
            let what = "API rate limit exceeded for user ID 1.";
            if budget == Budget::Graphql {
                let errors = json!([{"type": "RATE_LIMITED", "message": what}]);
                Reply::json(200, &json!({"errors": errors}))
            } else {
                Problem::new(403, what).reply()
            }
        }
    };
    End::Answer(reply, headers)
}

/// A planned fault's response in place of the route's.
pub(super) fn strike(shared: &Shared, fault: Option<&Fault>, headers: &Headers) -> Option<End> {
    let mut headers = headers.clone();
    let reply = match fault? {
        Fault::Status(status) => Problem::new(*status, &format!("{status}: planned fault")).reply(),
        Fault::SecondaryLimit {
            status,
            retry_after,
        } => {
            headers.extend(retry_after.map(|wait| ("retry-after", wait.to_string())));
            shared.lock().log.counters.rate_limited += 1;
            Problem::new(*status, SECONDARY).reply()
        }
        Fault::PrimaryLimit { reset_in } => {
            let reset = Timestamp::now() + *reset_in;
            headers.retain(|(name, _)| {
                !matches!(*name, "x-ratelimit-remaining" | "x-ratelimit-reset")
            });
            headers.push(("x-ratelimit-remaining", "0".to_owned()));
            headers.push(("x-ratelimit-reset", (reset.as_second() + 1).to_string()));
            shared.lock().log.counters.rate_limited += 1;
            Problem::new(403, "API rate limit exceeded for user ID 1.").reply()
        }
        Fault::Answer(status, body) => Reply {
            status: *status,
            ..Reply::bytes(super::rest::call::JSON, body.clone().into_bytes())
        },
        Fault::Huge(mebibytes) => {
            let blanks = vec![b' '; mebibytes << 20];
            Reply::bytes(super::rest::call::JSON, blanks)
        }
        Fault::Html(status) => Reply {
            status: *status,
            ..Reply::bytes("text/html; charset=utf-8", UNICORN.as_bytes().to_vec())
        },
        Fault::QueryTimeout(status) => {
            let what = "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug. Please include `0400:1D3F:2A1B4C:2B5D6E:65F1A2B3` when reporting this issue.";
            Reply::json(
                *status,
                &json!({"data": null, "errors": [{"message": what}]}),
            )
        }
        Fault::ResourceLimits => {
            let what = "Resource limits for this query exceeded.";
            let error = json!({"type": "RESOURCE_LIMITS_EXCEEDED", "message": what});
            Reply::json(200, &json!({"data": null, "errors": [error]}))
        }
        Fault::Reset => return Some(End::Broken),
        _ => return None,
    };
    Some(End::Answer(reply, headers))
}
