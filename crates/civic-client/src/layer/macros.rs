//! What every service of this crate has.

/// Defines access to the field `inner`, inside of an `impl<S>` block.
macro_rules! inner_accessors {
    () => {
        /// Returns a reference to the inner service.
        pub const fn get_ref(&self) -> &S {
            &self.inner
        }

        /// Returns a mutable reference to the inner service.
        pub const fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// Returns the inner service.
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}

pub(crate) use inner_accessors;
