//! Where a visitor comes from.

use actix_web::HttpRequest;

/// The longest that is passed on of what proxies say.
const CHAIN: usize = 1_000;

/// What `X-Forwarded-For` says to a service that is called for this visitor: what it said here, and who has connected. Who
/// reads it decides how much of it to believe, from the end on.
pub(crate) fn forwarded_for(request: &HttpRequest) -> Option<String> {
    let peer = request.peer_addr()?.ip().to_string();
    let said = request.headers().get_all("x-forwarded-for").map(|said| said.to_str().unwrap_or("unknown"));
    let chain = said.chain([peer.as_str()]).collect::<Vec<_>>().join(", ");
    Some(if chain.len() <= CHAIN { chain } else { peer })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::forwarded_for;

    #[test]
    fn who_has_connected_stands_after_what_proxies_say() {
        let request = || TestRequest::default().peer_addr("192.0.2.1:7".parse().unwrap());
        let said = |request: TestRequest| forwarded_for(&request.to_http_request()).unwrap();
        assert_eq!(said(request()), "192.0.2.1");
        let proxied = request().insert_header(("x-forwarded-for", "198.51.100.7, 10.0.0.1"));
        assert_eq!(said(proxied), "198.51.100.7, 10.0.0.1, 192.0.2.1");
        assert_eq!(said(request().insert_header(("x-forwarded-for", "1".repeat(2_000)))), "192.0.2.1");
    }
}
