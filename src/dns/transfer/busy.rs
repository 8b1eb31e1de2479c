//! How many transfers there are at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts transfers, up to a number. Cloning it costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<AtomicUsize>);

/// The place of one transfer, free again when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Busy {
    /// A place for one more, if there are fewer than so many.
    pub fn enter(&self, max: usize) -> Option<Place> {
        let one_more = |count: usize| (count < max).then_some(count + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, fetch, one_more).ok()?;
        Some(Place(self.0.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let busy = Busy::default();
        let (one, two) = (busy.enter(2), busy.enter(2));
        assert!(one.is_some() && two.is_some() && busy.enter(2).is_none());
        drop(one);
        assert!(busy.enter(2).is_some());
    }
}
