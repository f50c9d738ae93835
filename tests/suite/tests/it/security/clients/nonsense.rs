//! Requests that are malformed in many ways.

use fastrand::Rng;
use serde_json::{Value, json};

use super::super::operation::Operation;

const METHODS: [&str; 8] = ["get", "PATCH", "TRACE", "CONNECT", "OPTIONS", "BREW", "", "G\0T"];

const SEGMENTS: [&str; 18] = [
    "..%2f..%2fetc%2fpasswd",
    "..",
    "%00",
    "%ff%fe",
    "%",
    "%zz",
    "-1",
    "0",
    "007",
    "9223372036854775808",
    "1e9",
    "%F0%9F%92%A9",
    "'%20or%20'1'='1",
    "",
    "null",
    "{id}",
    "a b",
    "\u{e9}",
];

const PARAMETERS: [&str; 14] = [
    "pageSize",
    "pageIndex",
    "name",
    "typeId",
    "brandId",
    "ids",
    "limit",
    "state",
    "type",
    "key",
    "before",
    "lastEventId",
    "%00",
    "",
];

const VALUES: [&str; 14] = [
    "0",
    "-1",
    "1",
    "100",
    "4294967296",
    "99999999999999999999",
    "NaN",
    "true",
    "",
    "%00",
    "%ff",
    "%25%27%22",
    "1&1=1",
    "[1",
];

const HEADERS: [(&str, &str); 36] = [
    ("content-type", "text/plain"),
    ("content-type", "application/json; charset=utf-16"),
    ("content-type", "application/json;;;="),
    ("content-type", "\u{e9}"),
    ("content-length", "-1"),
    ("content-length", "+5"),
    ("content-length", "5, 5"),
    ("content-length", "0x10"),
    ("content-length", "99999999999999999999"),
    ("content-length", "3"),
    ("transfer-encoding", "chunked"),
    ("transfer-encoding", "gzip"),
    ("transfer-encoding", "chunked, chunked"),
    ("transfer-encoding", "identity"),
    ("content-encoding", "gzip"),
    ("authorization", "Bearer"),
    ("authorization", "Bearer \u{fffd}"),
    ("authorization", "Basic Og=="),
    ("if-match", "W/\"1\""),
    ("if-match", "\"99999999999999999999\""),
    ("if-match", "*, \"1"),
    ("if-none-match", "\"\0\""),
    ("if-modified-since", "yesterday"),
    ("idempotency-key", ""),
    ("idempotency-key", "\u{e9}"),
    ("last-event-id", "-1"),
    ("last-event-id", "one"),
    ("traceparent", "00-0-0-00"),
    ("x-request-id", "a b"),
    ("accept", "\0"),
    ("expect", "100-continue"),
    ("expect", "tea"),
    ("connection", "upgrade"),
    ("upgrade", "h2c"),
    ("range", "bytes=-1"),
    ("a name with spaces", "x"),
];

/// A request, as it goes over the wire.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A request for the operation, with one to three things about it that are not as they should be.
pub(super) fn nonsense(operation: &Operation, token: Option<&str>, random: &mut Rng) -> Vec<u8> {
    let path = operation.url.split('/').skip(3).collect::<Vec<_>>().join("/");
    let mut request = Request {
        method: operation.method.to_string(),
        target: format!("/{path}"),
        headers: vec![("host".into(), "shop".into())],
        body: Vec::new(),
    };
    if let Some(token) = token {
        request.headers.push(("authorization".into(), format!("Bearer {token}")));
    }
    if let Some(body) = &operation.body {
        request.headers.push(("content-type".into(), "application/json".into()));
        request.body = body.to_string().into();
    }
    for _ in 0..random.u8(1..=3) {
        match random.u8(0..6) {
            0 => request.method = any(&METHODS, random).to_owned(),
            1 => change_target(&mut request.target, random),
            2 => change_headers(&mut request.headers, random),
            3 => request.body = bytes(request.body, random),
            _ => {
                if let Some(body) = &operation.body {
                    request.body = json_text(body.clone(), random).into();
                }
            }
        }
    }
    let mut wire = request.wire();
    if random.u8(0..8) == 0 {
        wire = bytes(wire, random);
    }
    wire
}

impl Request {
    fn wire(&self) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let has = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if !self.body.is_empty() && !has("content-length") && !has("transfer-encoding") {
            lines.push(format!("content-length: {}", self.body.len()));
        }
        [lines.join("\r\n").as_bytes(), b"\r\n\r\n", &self.body].concat()
    }
}

fn change_target(target: &mut String, random: &mut Rng) {
    if random.bool() {
        let join = if target.contains('?') { '&' } else { '?' };
        target.push(join);
        *target += &[any(&PARAMETERS, random), any(&VALUES, random)].join("=");
        return;
    }
    let mut segments: Vec<&str> = target.split('/').collect();
    let long = "a".repeat(5_000);
    let at = random.usize(1..segments.len());
    segments[at] = if random.u8(0..20) == 0 { &long } else { any(&SEGMENTS, random) };
    *target = segments.join("/");
}

fn change_headers(headers: &mut Vec<(String, String)>, random: &mut Rng) {
    match random.u8(0..20) {
        0 => headers.clear(),
        1 => headers.push(("x-long".into(), "x".repeat(random.usize(1_000..200_000)))),
        2 => headers.extend((0..random.u8(50..200)).map(|number| (format!("x-{number}"), "x".into()))),
        3 => headers.extend(headers.clone()),
        _ => {
            let (name, value) = *random.choice(HEADERS.iter()).unwrap();
            headers.retain(|(known, _)| known != name);
            headers.push((name.into(), value.into()));
        }
    }
}

/// JSON with something in it that does not belong there.
fn json_text(mut body: Value, random: &mut Rng) -> String {
    let value = match random.u8(0..14) {
        0 => Value::Null,
        1 => json!(random.i64(..)),
        2 => json!(1e300),
        3 => json!(-0.001),
        4 => json!(""),
        5 => json!("a\0b"),
        6 => json!("\u{202e}\u{1f4a9}"),
        7 => json!("x".repeat(random.usize(1..70_000))),
        8 => json!([]),
        9 => json!({"$ref": "#"}),
        10 => json!("-1.00"),
        11 => json!("1e400"),
        12 => json!(true),
        _ => {
            let depth = random.usize(10..20_000);
            return format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        }
    };
    let Some(fields) = body.as_object_mut().filter(|fields| !fields.is_empty()) else {
        return value.to_string();
    };
    let name = random.choice(fields.keys()).unwrap().clone();
    match random.u8(0..6) {
        0 => drop(fields.remove(&name)),
        1 => drop(fields.insert("unitPrice".to_owned(), value)),
        2 => return format!("{{\"{name}\":{value},{}", &body.to_string()[1..]),
        3 => return value.to_string(),
        _ => drop(fields.insert(name, value)),
    }
    body.to_string()
}

/// Bytes of which some are cut off, others, more, or far too many.
fn bytes(mut bytes: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    match random.u8(0..6) {
        0 => bytes.truncate(random.usize(0..=bytes.len())),
        1 => bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(200).collect::<Vec<_>>()),
        2 => bytes = [b"\xEF\xBB\xBF".as_slice(), &bytes].concat(),
        3 => bytes.resize(bytes.len() + 70_000, b' '),
        _ => {
            for _ in 0..random.u8(1..8) {
                if !bytes.is_empty() {
                    let at = random.usize(0..bytes.len());
                    bytes[at] = random.u8(..);
                }
            }
        }
    }
    bytes
}

fn any<'a>(all: &[&'a str], random: &mut Rng) -> &'a str {
    all[random.usize(0..all.len())]
}
