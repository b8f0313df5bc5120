//! Records how fast Discord allows requests, according to its answers.
//!
//! For estimates only: `budget` and the buckets do the waiting.

use std::time::Duration;

use twilight_http_ratelimiting::RateLimitHeaders;

use super::{Route, budget::PER_SECOND};

/// A number of requests per time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub requests: u16,
    pub per: Duration,
}

/// How fast history can be read; `None` means unlimited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Across all routes.
    pub global: Option<Rate>,
    /// Pages of messages, per channel.
    pub pages: Option<Rate>,
    /// Lists of reactors, per channel.
    pub lists: Option<Rate>,
}

impl Pace {
    pub const UNLIMITED: Self = Self {
        global: None,
        pages: None,
        lists: None,
    };

    /// Discord's usual limits, until answers show others. It publishes only the global one; the
    /// others were observed.
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

    /// Learns from an answer. Only a window's first answer shows the window's length.
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
    fn learns_from_the_first_answer_of_a_window() {
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
