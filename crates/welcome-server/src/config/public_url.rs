//! The address of the server as people reach it.

use std::fmt;
use std::str::FromStr;

/// The address of the server as people reach it, without a path.
///
/// ```
/// use welcome_server::PublicUrl;
/// assert_eq!("https://Welcome.example/".parse::<PublicUrl>().unwrap().to_string(), "https://welcome.example");
/// assert_eq!("https://welcome.example:8443".parse::<PublicUrl>().unwrap().host(), "welcome.example");
/// for bad in ["welcome.example", "https://", "https://a/b", "https://u@a", "ftp://a", "https://a b", "https://a/?x"] {
///     assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Whether it begins with `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// The host alone: a name, or an address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.0.split("://").nth(1).unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }
}

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "expected https://NAME or https://NAME:PORT";
        let uri: http::Uri = text.parse().map_err(|_| WRONG)?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(WRONG)?;
        let is_bare = uri.path_and_query().is_none_or(|p| p.as_str() == "/") && !authority.as_str().contains('@');
        if !matches!(scheme, "http" | "https") || !is_bare || authority.as_str().len() > 259 {
            return Err(WRONG);
        }
        Ok(Self(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase())))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
