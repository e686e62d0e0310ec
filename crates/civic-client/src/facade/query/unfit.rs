//! Why something is not a query parameter.

use std::fmt::{self, Display};

/// Why something is not a query parameter. Contains names of fields, never a value.
#[derive(Debug)]
pub(super) struct Unfit(String);

impl Unfit {
    /// Names the field that the reason is about.
    pub(super) fn in_field(self, name: &str) -> Self {
        Self(format!("field `{name}`: {}", self.0))
    }
}

impl Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Defines methods of a serializer that refuse what they are given.
macro_rules! refuse {
    ($why:expr => generic $($method:ident($($argument:ty),*);)*) => {
        $(fn $method<T: Serialize + ?Sized>(
            self,
            $(_: $argument,)*
            _: &T,
        ) -> Result<Self::Ok, Unfit> {
            Err(Unfit::custom($why))
        })*
    };
    ($why:expr => $($method:ident($($argument:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$ok, Unfit> {
            Err(Unfit::custom($why))
        })*
    };
}

pub(super) use refuse;
