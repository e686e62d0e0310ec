//! Roles, and what "at least" means between them.
//!
//! | level | roles |
//! |---|---|
//! | 0 | `READ_ONLY`, `AUDITOR` |
//! | 1 | `COUNTER_STAFF`, `TAX_CLERK` |
//! | 2 | `ASSESSOR`, `COLLECTIONS_OFFICER` |
//! | 3 | `FINANCE_OFFICER` |
//! | 4 | `TAX_MANAGER` |
//! | 5 | `TREASURER` |
//! | 6 | `SYSTEM_ADMIN` |
//! | 7 | `SERVICE_ACCOUNT` |
//!
//! A requirement means "this level or higher". A role that is not in the table has no level and
//! satisfies no requirement.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// A role of the platform.
///
/// Several roles may share a level. A requirement means "this level or higher".
///
/// The enum is exhaustive on purpose: the table is the platform's, and a `match` over it should
/// notice a new row.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// `READ_ONLY`, level 0.
    ReadOnly,
    /// `AUDITOR`, level 0.
    Auditor,
    /// `COUNTER_STAFF`, level 1.
    CounterStaff,
    /// `TAX_CLERK`, level 1.
    TaxClerk,
    /// `ASSESSOR`, level 2.
    Assessor,
    /// `COLLECTIONS_OFFICER`, level 2.
    CollectionsOfficer,
    /// `FINANCE_OFFICER`, level 3.
    FinanceOfficer,
    /// `TAX_MANAGER`, level 4.
    TaxManager,
    /// `TREASURER`, level 5.
    Treasurer,
    /// `SYSTEM_ADMIN`, level 6.
    SystemAdmin,
    /// `SERVICE_ACCOUNT`, level 7: another service, never a person.
    ServiceAccount,
}

impl Role {
    /// Lists every role, from the lowest to the highest.
    pub const ALL: [Self; 11] = [
        Self::ReadOnly,
        Self::Auditor,
        Self::CounterStaff,
        Self::TaxClerk,
        Self::Assessor,
        Self::CollectionsOfficer,
        Self::FinanceOfficer,
        Self::TaxManager,
        Self::Treasurer,
        Self::SystemAdmin,
        Self::ServiceAccount,
    ];

    /// Returns the name on the wire, for example `TAX_CLERK`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "READ_ONLY",
            Self::Auditor => "AUDITOR",
            Self::CounterStaff => "COUNTER_STAFF",
            Self::TaxClerk => "TAX_CLERK",
            Self::Assessor => "ASSESSOR",
            Self::CollectionsOfficer => "COLLECTIONS_OFFICER",
            Self::FinanceOfficer => "FINANCE_OFFICER",
            Self::TaxManager => "TAX_MANAGER",
            Self::Treasurer => "TREASURER",
            Self::SystemAdmin => "SYSTEM_ADMIN",
            Self::ServiceAccount => "SERVICE_ACCOUNT",
        }
    }

    /// Returns the level, 0 to 7. Two roles may share a level.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::ReadOnly | Self::Auditor => 0,
            Self::CounterStaff | Self::TaxClerk => 1,
            Self::Assessor | Self::CollectionsOfficer => 2,
            Self::FinanceOfficer => 3,
            Self::TaxManager => 4,
            Self::Treasurer => 5,
            Self::SystemAdmin => 6,
            Self::ServiceAccount => 7,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or(UnknownRole(()))
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'_, str>::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

/// The error of a name that is not one of the platform's roles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownRole(());

impl fmt::Display for UnknownRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown role: the roles are")?;
        for (index, role) in Role::ALL.iter().enumerate() {
            let separator = if index == 0 { " " } else { ", " };
            write!(f, "{separator}{role}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownRole {}

/// The role that a token names.
///
/// The enum is exhaustive on purpose: a role is known or it is not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RoleClaim {
    /// One of the platform's roles.
    Known(Role),
    /// A name that this version does not know. It has no level and satisfies no requirement.
    Unknown(Box<str>),
}

impl RoleClaim {
    /// Returns the role, if it is one of the platform's.
    #[must_use]
    pub fn known(&self) -> Option<Role> {
        match self {
            Self::Known(role) => Some(*role),
            Self::Unknown(_) => None,
        }
    }

    /// Returns the name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(role) => role.as_str(),
            Self::Unknown(name) => name,
        }
    }
}

impl From<&str> for RoleClaim {
    fn from(name: &str) -> Self {
        name.parse()
            .map_or_else(|_| Self::Unknown(name.into()), Self::Known)
    }
}

impl fmt::Display for RoleClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RoleClaim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RoleClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'_, str>::deserialize(deserializer).map(|name| Self::from(&*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_platforms_and_names_round_trip() {
        let levels: Vec<_> = Role::ALL
            .iter()
            .map(|role| (role.as_str(), role.level()))
            .collect();
        assert_eq!(
            levels,
            [
                ("READ_ONLY", 0),
                ("AUDITOR", 0),
                ("COUNTER_STAFF", 1),
                ("TAX_CLERK", 1),
                ("ASSESSOR", 2),
                ("COLLECTIONS_OFFICER", 2),
                ("FINANCE_OFFICER", 3),
                ("TAX_MANAGER", 4),
                ("TREASURER", 5),
                ("SYSTEM_ADMIN", 6),
                ("SERVICE_ACCOUNT", 7),
            ]
        );
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(RoleClaim::from(role.as_str()).known(), Some(role));
        }
    }

    #[test]
    fn json_holds_a_role_by_its_name() {
        for role in Role::ALL {
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(json, format!("\"{role}\""));
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role);
            assert_eq!(
                serde_json::from_str::<RoleClaim>(&json).unwrap(),
                RoleClaim::Known(role)
            );
        }
        let mayor: RoleClaim = serde_json::from_str(r#""MAYOR""#).unwrap();
        assert_eq!(mayor, RoleClaim::Unknown("MAYOR".into()));
        let error = serde_json::from_str::<Role>(r#""MAYOR""#).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("unknown role: the roles are READ_ONLY, AUDITOR,"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_role_has_no_level() {
        for name in ["", "tax_clerk", "TAX_CLERK ", "MAYOR"] {
            assert!(name.parse::<Role>().is_err(), "{name:?}");
            assert_eq!(RoleClaim::from(name).known(), None, "{name:?}");
            assert_eq!(RoleClaim::from(name).as_str(), name);
        }
    }
}
