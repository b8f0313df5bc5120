//! Tests of the time left, and of the order in which channels are read.

use super::*;

mod communities;

const PACE: Pace = Pace::USUAL;

/// A channel of 1,000 seconds whose newest part was read, in pages of equal length.
fn course(pages: u32, share: f64, found: u32, done: u32) -> Course {
    let mut course = Course {
        reads: true,
        ..Course::default()
    };
    let id = |second: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousands"
        )]
        MessageId(((1e6 + second * 1e3) as u64) << 22)
    };
    let read = [Read {
        after: MessageId(0),
        to: None,
    }];
    for page in 1..=pages {
        let oldest = 1e3 * (1.0 - share * f64::from(page) / f64::from(pages));
        course.read(&read, (id(0.0), id(1e3)), (0, id(oldest)), 100);
    }
    (course.found, course.done) = (found, done);
    course
}

/// Rounded to a tenth of a second.
fn left(courses: &[Course], pace: &Pace, measured: Option<f64>) -> Option<f64> {
    let left = time_left(courses, &Finished::default(), pace, measured);
    left.map(|left| (left.as_secs_f64() * 10.0).round() / 10.0)
}

#[test]
fn the_slowest_limit_determines_the_time() {
    // 10 pages cover half: 10 more, at one per second.
    let pages = course(10, 0.5, 0, 0);
    assert_eq!(left(&[pages], &PACE, None), Some(10.0));
    // 100 lists on those 10 pages: 100 more on the other 10, and 50 known ones.
    let lists = course(10, 0.5, 100, 50);
    assert_eq!(left(std::slice::from_ref(&lists), &PACE, None), Some(37.5));
    // 60 such channels have 60 × 160 requests: more than 48 per second allow.
    assert_eq!(left(&vec![lists; 60], &PACE, None), Some(200.0));
    // Finished channels add nothing.
    assert_eq!(left(&[course(7, 1.0, 5, 5)], &PACE, None), Some(0.0));
    assert_eq!(left(&[Course::default()], &PACE, None), Some(0.0));
}

#[test]
fn no_estimate_without_evidence() {
    // Not read yet.
    assert_eq!(left(&[course(0, 0.0, 0, 0)], &PACE, None), None);
    // After a single page, or a small part of the time, there may be nothing left.
    assert_eq!(left(&[course(1, 0.5, 0, 0)], &PACE, None), None);
    assert_eq!(left(&[course(10, 0.4, 0, 0)], &PACE, None), None);
    // Threads are assumed to be short, unless the store knows.
    let thread = Course {
        thread: true,
        ..course(0, 0.0, 0, 0)
    };
    assert_eq!(left(&[thread], &PACE, None), Some(1.0));
    let expected = Course {
        expected: Some(3),
        ..course(1, 0.001, 0, 0)
    };
    assert_eq!(left(&[expected], &PACE, None), Some(2.0));
}

#[test]
fn uses_the_measured_speed_without_limits() {
    let (all, free) = (&[course(10, 0.5, 0, 0)], &Pace::UNLIMITED);
    assert_eq!(left(all, free, None), None);
    assert_eq!(left(all, free, Some(0.0)), None);
    assert_eq!(left(all, free, Some(5.0)), Some(2.0));
}

#[test]
fn props_first_then_unknown_then_longest() {
    let urgency = |course: &Course| course.urgency(&PACE);
    let (long, short) = (course(1, 0.01, 0, 0), course(1, 0.5, 0, 0));
    let unknown = course(0, 0.0, 0, 0);
    let props = Course {
        props: true,
        ..short.clone()
    };
    let thread = Course {
        thread: true,
        ..unknown.clone()
    };
    assert!(urgency(&props) > urgency(&unknown));
    assert!(urgency(&unknown) > urgency(&long));
    assert!(urgency(&long) > urgency(&short));
    assert!(urgency(&long) > urgency(&thread));
}

#[test]
fn measures_the_share_of_the_time_to_read() {
    let id = |ms: u64| MessageId(ms << 22);
    let read = |after, to: Option<u64>| Read {
        after: id(after),
        to: to.map(id),
    };
    let share = |reads: &[Read], (reading, oldest): (usize, u64)| {
        let mut course = Course::default();
        course.read(reads, (id(100), id(500)), (reading, id(oldest)), 100);
        format!("{:.0} %", course.share() * 100.0)
    };
    // Everything, from the channel's beginning at 100.
    let whole = [read(0, None)];
    assert_eq!(share(&whole, (0, 400)), "25 %");
    assert_eq!(share(&whole, (0, 100)), "100 %");
    // Two gaps of 100 each; a page may reach below its gap.
    let gaps = [read(400, None), read(200, Some(300))];
    assert_eq!(share(&gaps, (0, 350)), "50 %");
    assert_eq!(share(&gaps, (1, 250)), "75 %");
    assert_eq!(share(&[], (0, 250)), "100 %");
}

#[test]
fn rounds_times_for_people() {
    let said = |seconds| About(Duration::from_secs(seconds)).to_string();
    assert_eq!(said(3), "a few seconds");
    assert_eq!(said(41), "about 50 s");
    assert_eq!(said(240), "about 4 min");
    assert_eq!(said(12_000), "about 3 h 20 min");
}
