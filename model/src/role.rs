//! Roles: who may call what.

use std::fmt;

/// What a caller may do. Each but `service` includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Reads.
    Viewer = 1,
    /// Also deploys filters that emit and keep state, under quota and with an end date.
    Author = 2,
    /// Also acknowledges, silences, runs named actions, deploys triggers.
    Operator = 3,
    /// Also changes configuration, identity, rollouts.
    Admin = 4,
    /// Acts as itself: registers, renews, cancels. An admin may, too.
    Service = 5,
}

impl Role {
    /// All roles, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Author, Self::Operator, Self::Admin, Self::Service];

    /// The word users read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Author => "author",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Service => "service",
        }
    }

    /// The role with this number (as in the `.proto` files).
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u8 == number)
    }

    /// Whether a caller of this role may call what takes `needed`.
    pub const fn may(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Admin, _) | (_, Self::Viewer) => true,
            (Self::Service, Self::Service) => true,
            (Self::Service, _) | (_, Self::Service) => false,
            _ => self as u8 >= needed as u8,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_include_the_lesser_ones() {
        assert!(Role::Operator.may(Role::Author));
        assert!(!Role::Author.may(Role::Operator));
        assert!(Role::Admin.may(Role::Service));
        assert!(Role::Service.may(Role::Service) && Role::Service.may(Role::Viewer));
        assert!(!Role::Service.may(Role::Author), "a service acts as itself only");
        assert!(!Role::Operator.may(Role::Service));
    }
}
