//! Where a visitor comes from.

use actix_web::HttpRequest;

/// The longest that is passed on of what proxies say, in bytes.
const CHAIN: usize = 1_000;

/// What `X-Forwarded-For` says to a service that is called for this visitor: what it said here, and who has connected. Who
/// reads it decides how much of it to believe, from the end on.
pub(crate) fn forwarded_for(request: &HttpRequest) -> Option<String> {
    let peer = request.peer_addr()?.ip().to_string();
    // The client itself may have written the beginning: what is odd or long in it spoils nothing after it.
    let said =
        request.headers().get_all("x-forwarded-for").map(|said| String::from_utf8_lossy(said.as_bytes()));
    let chain = said.chain([peer.into()]).collect::<Vec<_>>().join(", ");
    let mut end = chain.as_str();
    while end.len() > CHAIN {
        end = end.split_once(',')?.1.trim_start();
    }
    Some(end.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::forwarded_for;

    #[test]
    fn who_has_connected_stands_after_what_proxies_say() {
        let request = || TestRequest::default().peer_addr("192.0.2.1:7".parse().unwrap());
        let said = |request: TestRequest| forwarded_for(&request.to_http_request()).unwrap();
        assert_eq!(said(request()), "192.0.2.1");
        let proxied = request().insert_header(("x-forwarded-for", "198.51.100.7, 10.0.0.1"));
        assert_eq!(said(proxied), "198.51.100.7, 10.0.0.1, 192.0.2.1");
    }

    #[test]
    fn what_a_client_writes_hides_nobody_whom_a_proxy_names() {
        let said = |forged: &[u8]| {
            let header = HeaderValue::from_bytes(&[forged, b", 198.51.100.7"].concat()).unwrap();
            let request = TestRequest::default().peer_addr("192.0.2.1:7".parse().unwrap());
            forwarded_for(&request.insert_header(("x-forwarded-for", header)).to_http_request()).unwrap()
        };
        assert_eq!(said("1".repeat(2_000).as_bytes()), "198.51.100.7, 192.0.2.1");
        assert!(said("1,".repeat(2_000).as_bytes()).ends_with("1,1,, 198.51.100.7, 192.0.2.1"));
        assert_eq!(said(b"\xff"), "\u{fffd}, 198.51.100.7, 192.0.2.1");
    }
}
