//! Decides whether a page is the first of its channel's history.

use super::{
    Backfill, BackfillError,
    page_sizes::End,
    paging::{PageRequest, begins_with_channel, ids, listed_again, range},
};
use propsbot_discord::{Listing, Urgency};
use propsbot_model::{Life, MessageId};

/// Length from which a short first page of a new channel is listed twice: few channels have that
/// many messages, and a cut page may.
const LONG: usize = Listing::FULL / 2;

/// Whether older messages come before a page.
#[derive(Clone, Copy)]
pub(super) struct Bottom {
    /// Nothing comes before it.
    pub(super) is_last: bool,
    /// Believe that only if the same list comes twice: a cut page looks the same.
    pub(super) is_doubtful: bool,
}

impl Backfill {
    /// Decides what comes before a page that is shorter than others and may be cut.
    /// Uses what is known, or asks the server.
    pub(super) async fn bottom(
        &self,
        ask: &PageRequest,
        listing: &mut Listing,
    ) -> Result<Bottom, BackfillError> {
        let sure = |is_last| Bottom {
            is_last,
            is_doubtful: false,
        };
        let is_new = listing.unnamed() > 0 || ids(listing).any(|id| !ask.again.contains(&id));
        let end = self.page_sizes.end(if is_new { listing.len } else { 0 });
        let (Some(oldest), true, channel) = (listing.oldest, is_new, ask.channel) else {
            return Ok(sure(true));
        };
        let (after, _) = range(ask, listing, false);
        match end {
            End::Later => Ok(sure(false)),
            // The requested range is complete.
            End::Unknown if after <= ask.until => Ok(sure(false)),
            End::Unknown => {
                // Hold no permit while waiting for another request.
                listing.turn = None;
                let earlier = PageRequest {
                    before: Some(MessageId(after.0.saturating_add(1))),
                    witness: Some(oldest),
                    again: listed_again(listing, after),
                    ..ask.clone()
                };
                // The answer applies to all pages of this length, so they needn't ask.
                let told = self.listing(&earlier, Urgency::AtOnce).await?;
                let is_last = told.is_some_and(|(_, told)| {
                    told.unnamed() == 0 && ids(&told).all(|id| earlier.again.contains(&id))
                });
                if is_last {
                    self.page_sizes.was_last(listing.len);
                }
                Ok(Bottom {
                    is_last,
                    is_doubtful: !is_last,
                })
            }
            End::Here => {
                let known = self.read(move |store| {
                    let is_known = store
                        .messages(channel, oldest.0..=oldest.0)
                        .next()
                        .is_some();
                    for older in store.messages(channel, 0..=oldest.0.saturating_sub(1)) {
                        if matches!(older?.state, Life::Alive(..)) {
                            return Ok((is_known, true));
                        }
                    }
                    Ok((is_known, false))
                });
                let (is_known, has_older) = known.await?;
                let may_be_cut = !is_known
                    && (ask.before.is_some() || listing.len >= LONG)
                    && !begins_with_channel(listing, channel);
                Ok(Bottom {
                    is_last: !has_older,
                    is_doubtful: has_older || may_be_cut,
                })
            }
        }
    }
}
