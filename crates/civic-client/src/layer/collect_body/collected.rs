//! What was read of a body.

use std::mem;

use bytes::{Bytes, BytesMut};

/// What was read so far. A body of a single frame, as most are, is never copied.
#[derive(Debug)]
pub(super) enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    /// Adds as much of `data` as `cap` allows, and returns whether that was all of it.
    pub(super) fn push(&mut self, mut data: Bytes, cap: usize) -> bool {
        let remaining = cap - self.len();
        let fits = data.len() <= remaining;
        data.truncate(remaining);
        *self = match mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut many = BytesMut::with_capacity(first.len() + data.len());
                many.extend_from_slice(&first);
                many.extend_from_slice(&data);
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.extend_from_slice(&data);
                Self::Many(many)
            }
        };
        fits
    }

    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    pub(super) fn take(&mut self) -> Bytes {
        match mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
