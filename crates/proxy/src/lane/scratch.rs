//! Buffers that the connections of a thread share: an idle connection has none of its own.

use std::cell::RefCell;

use super::head::Fields;
use crate::gate::MOST_HEAD;

/// A head that was larger leaves no larger buffer behind.
const MOST_KEPT: usize = 64 * 1024;

/// What is read goes here first.
pub(super) struct Reading {
    pub(super) bytes: Box<[u8]>,
    pub(super) fields: Fields,
}

thread_local! {
    static READING: RefCell<Reading> = RefCell::new(Reading {
        bytes: vec![0; MOST_HEAD].into_boxed_slice(),
        fields: Fields::new(),
    });
    static HEAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the buffer for reading. `work` must not come back here.
pub(super) fn reading<T>(work: impl FnOnce(&mut Reading) -> T) -> T {
    READING.with_borrow_mut(work)
}

/// Lends an empty buffer for a head that is written. `work` must not come back here.
pub(super) fn head<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    HEAD.with_borrow_mut(|head| {
        head.clear();
        let outcome = work(head);
        if head.capacity() > MOST_KEPT {
            *head = Vec::new();
        }
        outcome
    })
}
