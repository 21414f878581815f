//! Why a request was refused.

use http::StatusCode;

/// The rule that a request broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request line is not `METHOD SP TARGET SP HTTP/1.x CRLF`.
    Line,
    /// A version that is not served.
    Version,
    /// A line ends without CRLF, or a CR stands alone.
    LineEnd,
    /// A field's name is no token, or a space stands before the colon.
    FieldName,
    /// A field's value holds a control character.
    FieldValue,
    /// A field goes on in the next line.
    Folded,
    /// More than [`super::MOST_FIELDS`] fields.
    ManyFields,
    /// A head larger than [`super::MOST_HEAD`].
    LargeHead,
    /// A request line longer than [`super::MOST_LINE`].
    LongLine,
    /// The head did not arrive in time.
    SlowHead,
    /// The method is no token.
    Method,
    /// CONNECT or TRACE.
    MethodNotServed,
    /// The target is neither a path nor an absolute URL, or holds what no URL may hold.
    Target,
    /// The target names another host than `Host`.
    TargetHost,
    /// The path can be read in two ways.
    Path,
    /// No `Host`.
    NoHost,
    /// More than one `Host`.
    SeveralHosts,
    /// `Host` is not `name[:port]`.
    Host,
    /// `Host` differs from `:authority`.
    HostIsNotAuthority,
    /// More than one `Content-Length`.
    SeveralLengths,
    /// More than one `Transfer-Encoding`.
    SeveralCodings,
    /// Both of them.
    LengthAndCoding,
    /// `Transfer-Encoding` in HTTP/1.0.
    CodingBefore11,
    /// A `Transfer-Encoding` other than `chunked`.
    Coding,
    /// `Content-Length` is no number.
    Length,
    /// `Connection` lists a field that it must not.
    ConnectionOption,
    /// An unknown `Expect`.
    Expectation,
    /// The chunked body is malformed.
    Chunk,
    /// The trailer section is malformed or too large.
    Trailer,
}

impl Refusal {
    /// The answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::ManyFields | Self::LargeHead => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::LongLine => StatusCode::URI_TOO_LONG,
            Self::SlowHead => StatusCode::REQUEST_TIMEOUT,
            Self::MethodNotServed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Version => "version",
            Self::LineEnd => "line_end",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::Folded => "folded",
            Self::ManyFields => "many_fields",
            Self::LargeHead => "large_head",
            Self::LongLine => "long_line",
            Self::SlowHead => "slow_head",
            Self::Method => "method",
            Self::MethodNotServed => "method_not_served",
            Self::Target => "target",
            Self::TargetHost => "target_host",
            Self::Path => "path",
            Self::NoHost => "no_host",
            Self::SeveralHosts => "several_hosts",
            Self::Host => "host",
            Self::HostIsNotAuthority => "host_is_not_authority",
            Self::SeveralLengths => "several_lengths",
            Self::SeveralCodings => "several_codings",
            Self::LengthAndCoding => "length_and_coding",
            Self::CodingBefore11 => "coding_before_1_1",
            Self::Coding => "coding",
            Self::Length => "length",
            Self::ConnectionOption => "connection_option",
            Self::Expectation => "expectation",
            Self::Chunk => "chunk",
            Self::Trailer => "trailer",
        }
    }
}
