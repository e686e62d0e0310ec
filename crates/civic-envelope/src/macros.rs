//! What every tower service of this workspace has.

/// Defines access to the field `inner`, in an `impl<S>` block of a service that wraps an `S`.
///
/// For the crates of this workspace only; not part of the public interface.
#[doc(hidden)]
#[macro_export]
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
