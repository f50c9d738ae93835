//! A collector of traces: takes OTLP over HTTP, and shows the steps of a trace.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::eventually;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// How long spans may take to arrive on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// One step of a trace.
#[derive(Debug, Clone)]
pub struct Step {
    /// The service that took it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Which side of a call or a message it is.
    pub kind: SpanKind,
    /// The trace's id, in hexadecimal digits.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of the step that caused it; empty for the first.
    pub parent: String,
    /// The ids of further steps that it has to do with.
    pub links: Vec<String>,
    /// What it says, as texts.
    pub attributes: HashMap<String, String>,
    /// Whether it failed.
    pub is_failed: bool,
}

/// The collector.
#[derive(Clone)]
pub struct Collector {
    /// Its base address.
    pub url: String,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn spawn() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { url, steps: Arc::default() };
        let steps = Arc::clone(&collector.steps);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&steps)));
            }
        });
        collector
    }

    /// The steps that have come so far.
    ///
    /// # Panics
    /// After another panic.
    pub fn all(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    /// Those of this trace.
    ///
    /// # Panics
    /// After another panic.
    pub fn steps(&self, trace: &str) -> Vec<Step> {
        self.all().into_iter().filter(|step| step.trace == trace).collect()
    }

    /// Waits for a step of this trace, by its service and the beginning of its name.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn until(&self, trace: &str, service: &str, name: &str) -> Step {
        eventually(&format!("{service} exports {name}"), LONG, async || {
            let is_it = |step: &Step| step.service == service && step.name.starts_with(name);
            self.steps(trace).into_iter().find(is_it)
        })
        .await
    }
}

async fn serve(connection: TcpStream, steps: Arc<Mutex<Vec<Step>>>) {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut length, mut head) = (0, String::new());
        while !head.ends_with("\r\n\r\n") {
            let mut line = String::new();
            if connection.read_line(&mut line).await.unwrap_or_default() == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        steps.lock().unwrap().extend(read(&body));
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn read(body: &[u8]) -> Vec<Step> {
    let request = ExportTraceServiceRequest::decode(body).expect("an export of spans");
    let mut steps = Vec::new();
    for resource in request.resource_spans {
        let about = texts(resource.resource.unwrap_or_default().attributes);
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        steps.extend(spans.map(|span| step(&about["service.name"], span)));
    }
    steps
}

fn step(service: &str, span: Span) -> Step {
    Step {
        service: service.to_owned(),
        kind: span.kind(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        is_failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
        attributes: texts(span.attributes),
        name: span.name,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn texts(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |attribute: KeyValue| Some((attribute.key, text(attribute.value?.value?)));
    attributes.into_iter().filter_map(value).collect()
}
