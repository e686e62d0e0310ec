//! Host names become addresses: the seam for resolvers, that of the system, and the cache.

mod addresses;
mod cache;
#[cfg(feature = "hickory")]
mod hickory;
mod resolver;
mod system;

pub use self::addresses::Addresses;
pub(super) use self::cache::NameCache;
#[cfg(feature = "hickory")]
pub use self::hickory::HickoryResolver;
pub(crate) use self::resolver::DynResolve;
pub use self::resolver::Resolve;
pub use self::system::SystemResolver;
