//! The weights of addresses in order.

use std::{
    collections::{BTreeMap, btree_map},
    iter::Peekable,
};

use crate::{EdgeAddress, NodeAddress};

/// Looks up the weights of addresses that come in order: an address has those of all its prefixes,
/// multiplied from the shortest to the longest.
///
/// In that order, the prefixes of an address are those of the address before it that still fit, and more
/// that lie between the two. So nothing has to be searched.
pub(super) struct InOrder<'a, A, W> {
    weights: Peekable<btree_map::Iter<'a, A, W>>,
    /// The prefixes of the last address, each with the product of its weight and those before it.
    prefixes: Vec<(&'a A, W)>,
    product: fn(W, W) -> W,
    one: W,
}

/// Addresses that can have prefixes.
pub(super) trait Prefixed: Ord {
    fn starts_with(&self, prefix: &Self) -> bool;
}

impl Prefixed for NodeAddress {
    fn starts_with(&self, prefix: &Self) -> bool {
        self.has_prefix(prefix)
    }
}

impl Prefixed for EdgeAddress {
    fn starts_with(&self, prefix: &Self) -> bool {
        self.has_prefix(prefix)
    }
}

impl<'a, A: Prefixed, W: Copy> InOrder<'a, A, W> {
    pub(super) fn new(weights: &'a BTreeMap<A, W>, one: W, product: fn(W, W) -> W) -> Self {
        Self {
            weights: weights.iter().peekable(),
            prefixes: Vec::new(),
            product,
            one,
        }
    }

    /// The weight of an address that isn't before the last one.
    pub(super) fn of(&mut self, address: &A) -> W {
        while self
            .prefixes
            .pop_if(|(prefix, _)| !address.starts_with(prefix))
            .is_some()
        {}
        while let Some((prefix, weight)) = self.weights.next_if(|(prefix, _)| *prefix <= address) {
            if address.starts_with(prefix) {
                let product = (self.product)(self.last(), *weight);
                self.prefixes.push((prefix, product));
            }
        }
        self.last()
    }

    fn last(&self) -> W {
        self.prefixes
            .last()
            .map_or(self.one, |(_, product)| *product)
    }
}
