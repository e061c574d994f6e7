//! gRPC over these connections: channels for clients, for servers a stream of connections whose peers are known, and how
//! calls end.

mod authority;
mod calls;
mod channel;
mod ending;
mod incoming;
mod limits;
mod network;
mod proxy;
mod served;
mod silent;
mod strangers;

pub use authority::AnyAuthority;
pub use calls::{Call, Calls};
pub(crate) use channel::tcp_channel;
pub use channel::{ChannelError, ChannelOptions, channel, unix_channel};
pub use ending::{code_name, until_end};
pub use incoming::{Incoming, incoming, incoming_behind, incoming_within};
pub use limits::IncomingLimits;
pub use network::{IpNetwork, NotANetwork, client_network, site};
pub use proxy::TrustedProxies;
pub use served::{Served, TlsConnectInfo};

/// The application protocol of gRPC (RFC 7301), for `alpn` in the options of both sides.
pub const ALPN_H2: &[u8] = b"h2";
