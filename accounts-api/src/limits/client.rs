//! Where a request comes from, as far as it counts for limits.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv6Addr};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use service_kit::problem::Problem;

use super::Limits;

/// A client: an address, or a network where one holds as many addresses as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

impl FromRequest for Client {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The peer; or, where the peer is a proxy that is trusted, the last in `X-Forwarded-For` who is none.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
        let Some(limits) = request.app_data::<web::Data<Limits>>() else { return ready(Ok(peer.into())) };
        // What is odd in it spoils nothing but itself: the client may have written the beginning.
        let headers: Vec<_> = request
            .headers()
            .get_all("x-forwarded-for")
            .map(|header| String::from_utf8_lossy(header.as_bytes()))
            .collect();
        let mut named = headers.iter().rev().flat_map(|header| header.rsplit(','));
        let mut client = peer;
        while limits.trusted.has(client) {
            // What is no address tells nothing: it counts as the proxy that has passed it on.
            let Some(next) = named.next().and_then(|name| name.trim().parse().ok()) else { break };
            client = next;
        }
        ready(Ok(client.into()))
    }
}
