//! Parses how long servers tell us to wait. All such numbers come in here.

use std::time::Duration;

/// Converts seconds to a wait between zero and `most`; `None` for NaN.
///
/// Servers have sent 1e9 seconds, and 1e19, which overflows any clock.
pub fn told_wait(seconds: f64, most: Duration) -> Option<Duration> {
    if seconds.is_nan() {
        return None;
    }
    let told = Duration::try_from_secs_f64(seconds.max(0.0));
    Some(told.unwrap_or(Duration::MAX).min(most))
}

/// Parses a header value as [`told_wait`] does.
pub fn told_wait_text(text: &str, most: Duration) -> Option<Duration> {
    told_wait(text.trim().parse().ok()?, most)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    const MOST: Duration = Duration::from_hours(1);

    proptest! {
        #[test]
        fn any_wait_can_be_added_to_a_clock(seconds in any::<f64>(), text in ".*") {
            for wait in [told_wait(seconds, MOST), told_wait_text(&text, MOST)].into_iter().flatten() {
                prop_assert!(wait <= MOST);
                let _ = Instant::now() + wait;
            }
            prop_assert_eq!(told_wait(seconds, MOST).is_none(), seconds.is_nan());
            prop_assert_eq!(told_wait_text(&seconds.to_string(), MOST), told_wait(seconds, MOST));
        }

        #[test]
        fn keeps_sensible_waits(millis in 0_u32..3_600_000) {
            let wait = Duration::from_millis(millis.into());
            let told = told_wait(wait.as_secs_f64(), MOST).unwrap();
            prop_assert!(told.abs_diff(wait) < Duration::from_micros(1));
        }
    }

    #[test]
    fn clamps_or_rejects_odd_texts() {
        for (text, wait) in [
            ("1e9", Some(MOST)),
            ("1e19", Some(MOST)),
            ("1e400", Some(MOST)),
            ("inf", Some(MOST)),
            ("-1e9", Some(Duration::ZERO)),
            ("-inf", Some(Duration::ZERO)),
            ("NaN", None),
            ("soon", None),
            ("", None),
            (" 1.5 ", Some(Duration::from_millis(1500))),
        ] {
            assert_eq!(told_wait_text(text, MOST), wait, "{text}");
        }
    }
}
