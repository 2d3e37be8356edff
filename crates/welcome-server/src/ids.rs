//! Names of the server's own: organisations, people, API tokens. Networks, routers and areas have theirs in `welcome-proto`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// One that nothing has yet.
            #[must_use]
            pub fn random() -> Self {
                Self(format!(concat!($prefix, "-{}"), crate::token::random_hex::<10>()))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let rest = text.strip_prefix(concat!($prefix, "-")).ok_or(BadId)?;
                let is_word = (1..=40).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric());
                if is_word { Ok(Self(text.to_owned())) } else { Err(BadId) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

own_id!(
    /// An organisation, e.g. `o-0f3c…`: whoever shares networks and speaks to their guests.
    OrgId, "o"
);
own_id!(
    /// Somebody who logs in, e.g. `p-0f3c…`.
    PersonId, "p"
);
own_id!(
    /// An API token by its name, which is no secret, e.g. `t-0f3c…`.
    TokenId, "t"
);

/// Not a name of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name that this server gave")]
pub struct BadId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_its_kind_and_nothing_else() {
        let org = OrgId::random();
        assert_eq!(org.as_str().parse(), Ok(org.clone()));
        assert!(org.as_str().parse::<PersonId>().is_err());
        for bad in ["", "o-", "o", "o-a b", "o-a/b", "o-é", "x-1", &format!("o-{}", "a".repeat(41))] {
            assert_eq!(bad.parse::<OrgId>(), Err(BadId), "{bad}");
        }
        assert!(serde_json::from_str::<TokenId>("\"o-1\"").is_err());
    }
}
