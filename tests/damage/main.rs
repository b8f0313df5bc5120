//! Archives that were damaged or forged, read by `verify`, `restore` and `graph` as the program runs them. They trust
//! the same, take no more memory than the files are long, and neither panic nor hang.
//!
//! `PROPTEST_CASES` says how many archives are damaged by chance.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "tests are the outside world")]

mod archive;
mod damage;
mod edits;
mod files;
mod lies;
mod readers;

use std::cell::RefCell;

use peak_alloc::PeakAlloc;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Builder;

use crate::{archive::exported, damage::damage, lies::lies, readers::Readers};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test, because the memory that it measures is the process's.
#[test]
fn all_commands_trust_the_same_archives() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let readers = RefCell::new(runtime.block_on(async {
        let [few, many] = exported().await;
        [Readers::new(few).await, Readers::new(many).await]
    }));

    let mut wrong = Vec::new();
    for (number, lie) in lies().iter().enumerate() {
        let few = &mut readers.borrow_mut()[0];
        let mut files = few.sound().clone();
        (lie.tell)(&mut files);
        assert!(files != *few.sound(), "{}", lie.name);
        let verdicts = runtime.block_on(few.trust(files));
        if verdicts.are_trusting() != lie.is_read {
            wrong.push(lie.name);
        }
        // And as a process.
        if number % 8 == 0 {
            verdicts.assert_same(few.exit_codes());
        }
    }
    assert!(wrong.is_empty(), "judged wrongly: {wrong:#?}");

    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let is_many = prop::bool::weighted(0.1);
    let damages = (damage(), any::<(usize, usize)>(), is_many);
    let ended = TestRunner::new(config).run(&damages, |(damage, file, is_many)| {
        let readers = &mut readers.borrow_mut()[usize::from(is_many)];
        let (files, is_named) = damage.of(readers.sound(), file);
        if is_named {
            runtime.block_on(readers.trust(files));
        } else {
            runtime.block_on(readers.recognize(files));
        }
        Ok(())
    });
    ended.unwrap();
}
