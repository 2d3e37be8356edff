//! What a request is answered with: ubus' own list of codes.

/// The code at the end of every answer. Whoever answers may also send a code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Status {
    /// 0.
    #[error("ok")]
    Ok,
    /// 1.
    #[error("invalid command")]
    InvalidCommand,
    /// 2. From ubusd to `ADD_OBJECT`: the name is taken, or not allowed.
    #[error("invalid argument")]
    InvalidArgument,
    /// 3.
    #[error("method not found")]
    MethodNotFound,
    /// 4. From ubusd to `SUBSCRIBE`: there is no such object, or it is not allowed.
    #[error("not found")]
    NotFound,
    /// 5.
    #[error("no data")]
    NoData,
    /// 6.
    #[error("permission denied")]
    PermissionDenied,
    /// 7.
    #[error("timeout")]
    Timeout,
    /// 8.
    #[error("not supported")]
    NotSupported,
    /// 9.
    #[error("unknown error")]
    UnknownError,
    /// 10.
    #[error("connection failed")]
    ConnectionFailed,
    /// 11.
    #[error("out of memory")]
    NoMemory,
    /// 12.
    #[error("message could not be parsed")]
    ParseError,
    /// 13.
    #[error("system error")]
    SystemError,
    /// Any other.
    #[error("status {0}")]
    Other(u32),
}

/// In the order of their codes.
const NAMED: [Status; 14] = [
    Status::Ok,
    Status::InvalidCommand,
    Status::InvalidArgument,
    Status::MethodNotFound,
    Status::NotFound,
    Status::NoData,
    Status::PermissionDenied,
    Status::Timeout,
    Status::NotSupported,
    Status::UnknownError,
    Status::ConnectionFailed,
    Status::NoMemory,
    Status::ParseError,
    Status::SystemError,
];

impl Status {
    /// The code as it travels.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::InvalidCommand => 1,
            Self::InvalidArgument => 2,
            Self::MethodNotFound => 3,
            Self::NotFound => 4,
            Self::NoData => 5,
            Self::PermissionDenied => 6,
            Self::Timeout => 7,
            Self::NotSupported => 8,
            Self::UnknownError => 9,
            Self::ConnectionFailed => 10,
            Self::NoMemory => 11,
            Self::ParseError => 12,
            Self::SystemError => 13,
            Self::Other(code) => code,
        }
    }
}

impl From<u32> for Status {
    fn from(code: u32) -> Self {
        usize::try_from(code).ok().and_then(|code| NAMED.get(code)).copied().unwrap_or(Self::Other(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_there_and_back_is_the_same_code() {
        for code in (0..20).chain([255, u32::MAX]) {
            assert_eq!(Status::from(code).code(), code);
        }
        assert_eq!(Status::from(6), Status::PermissionDenied);
        assert_eq!(Status::from(255), Status::Other(255));
    }
}
