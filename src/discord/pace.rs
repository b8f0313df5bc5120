//! How fast Discord lets itself be asked, as its answers tell.
//!
//! Owns what is known of the limits, for whoever wants to know how long something will take.
//! Refuses to wait for anything: that is the business of `budget` and of the buckets.

use std::time::Duration;

use twilight_http_ratelimiting::RateLimitHeaders;

use super::{Route, budget::PER_SECOND};

/// So many requests in so long a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// How many.
    pub requests: u16,
    /// In how long.
    pub per: Duration,
}

/// How fast history can be read. Where nothing limits it, that is nowhere to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Over all routes.
    pub global: Option<Rate>,
    /// Pages of messages, in each channel.
    pub pages: Option<Rate>,
    /// Lists of reactors, in each channel.
    pub lists: Option<Rate>,
}

impl Pace {
    /// As nothing limits.
    pub const UNLIMITED: Self = Self {
        global: None,
        pages: None,
        lists: None,
    };

    /// As Discord usually is, until its answers tell. It publishes only the first: the others are
    /// what bots have seen.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the figure of the global limit is small"
    )]
    pub const USUAL: Self = Self {
        global: Some(Rate {
            requests: PER_SECOND.get() as u16,
            per: Duration::from_secs(1),
        }),
        pages: Some(Rate {
            requests: 5,
            per: Duration::from_secs(5),
        }),
        lists: Some(Rate {
            requests: 1,
            per: Duration::from_millis(250),
        }),
    };

    /// Learns from an answer. Only the first of a window tells how long windows are.
    pub(super) fn learn(&mut self, route: &Route<'_>, limits: &RateLimitHeaders, per: Duration) {
        let rate = match route {
            Route::Messages(..) => &mut self.pages,
            Route::Reactors { .. } => &mut self.lists,
            _ => return,
        };
        if limits.limit > 0
            && !per.is_zero()
            && limits.remaining.checked_add(1) == Some(limits.limit)
        {
            let requests = limits.limit;
            *rate = Some(Rate { requests, per });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use propsbot_model::ChannelId;

    #[test]
    fn the_first_answer_of_a_window_tells_its_length() {
        let mut pace = Pace::USUAL;
        let mut answer = |remaining, seconds| {
            let per = Duration::from_secs(seconds);
            let limits = RateLimitHeaders {
                bucket: Vec::new(),
                limit: 10,
                remaining,
                reset_at: Instant::now() + per,
            };
            pace.learn(&Route::Messages(ChannelId(1), None), &limits, per);
            pace.pages.map(|page| (page.requests, page.per.as_secs()))
        };
        assert_eq!(answer(8, 3), Some((5, 5)));
        assert_eq!(answer(9, 4), Some((10, 4)));
        assert_eq!(answer(0, 1), Some((10, 4)));
        assert_eq!(pace.lists, Pace::USUAL.lists);
    }
}
