//! Who may do what. Pure: names of rights, and which includes which.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a member of an organisation may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything of the organisation but its secrets.
    Viewer,
    /// Adds routers, verifies networks, writes and publishes offers.
    Editor,
    /// Invites people, makes API tokens, changes the organisation.
    Owner,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Owner];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        Self::ALL.into_iter().find(|r| r.as_str() == text).ok_or(UnknownRight)
    }
}

/// What the bearer of an API token may do. None includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look up what is shared where the directory is not open to everybody.
    ReadAreas,
    /// Get the keys that sharers give to applications.
    ReadKeys,
    /// See routers, networks, offers and reports.
    ReadFleet,
    /// Add, change and remove routers; have networks verified.
    WriteRouters,
    /// Put images, write and publish offers, say something live.
    WriteOffers,
    /// Offer and verify networks by hand and write their messages, as `welcome share` does.
    Share,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ReadAreas, Self::ReadKeys, Self::ReadFleet, Self::WriteRouters, Self::WriteOffers, Self::Share];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadAreas => "read:areas",
            Self::ReadKeys => "read:keys",
            Self::ReadFleet => "read:fleet",
            Self::WriteRouters => "write:routers",
            Self::WriteOffers => "write:offers",
            Self::Share => "share",
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or(UnknownRight)
    }
}

/// Several scopes; written with spaces between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(pub BTreeSet<Scope>);

impl Scopes {
    /// Every one of them.
    #[must_use]
    pub fn all() -> Self {
        Self(Scope::ALL.into())
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|s| s.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// What is needed to reach a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Nothing.
    Public,
    /// The signature of the router in the path.
    Router,
    /// An API token with this scope.
    Token(Scope),
    /// An API token with this scope, unless the directory is open to everybody.
    Directory,
    /// To be logged in, as whoever.
    Person,
    /// To be logged in, with this role in the organisation that is looked at.
    Member(Role),
    /// To be logged in and to administer the server.
    Admin,
}

/// No role or scope of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected one of viewer, editor, owner; or of read:areas, read:keys, read:fleet, write:routers, write:offers, share"
)]
pub struct UnknownRight;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_as_they_are_written() {
        assert_eq!(Scopes::all().to_string().parse(), Ok(Scopes::all()));
        assert!("read:areas write:all".parse::<Scopes>().is_err());
        assert_eq!(Role::ALL.map(|r| r.as_str().parse()), Role::ALL.map(Ok));
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Owner);
    }
}
