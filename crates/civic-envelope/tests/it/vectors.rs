//! Byte equality with what a NestJS 11 service on Node 20 answered (`responses.json`).

use std::time::SystemTime;

use civic_envelope::{Envelope, ErrorBody, ErrorKind, unwrap_envelope};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Vectors {
    responses: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    name: String,
    status: u16,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

fn recorded() -> Vec<Recorded> {
    let vectors: Vectors = serde_json::from_str(include_str!("responses.json")).unwrap();
    assert_eq!(vectors.responses.len(), 15);
    vectors.responses
}

impl Recorded {
    /// The text of `data`, where Node's service wrote an envelope with one.
    fn data(&self) -> Option<&str> {
        let end = self.body.len().checked_sub(40)?;
        self.body
            .starts_with(r#"{"success":true,"data":"#)
            .then(|| &self.body[23..end])
    }

    fn timestamp(&self) -> SystemTime {
        let start = self.body.rfind(r#","timestamp":""#).unwrap() + 14;
        self.body[start..start + 24]
            .parse::<jiff::Timestamp>()
            .unwrap()
            .into()
    }
}

#[test]
fn unwrapping_nodes_bytes_gives_nodes_data() {
    let mut enveloped = 0;
    for answer in recorded() {
        let Some(data) = answer.data() else { continue };
        enveloped += 1;
        let raw: &RawValue = unwrap_envelope(answer.body.as_bytes()).unwrap();
        assert_eq!(raw.get(), data, "{}", answer.name);
        let value: Value = unwrap_envelope(answer.body.as_bytes()).unwrap();
        assert_eq!(
            value,
            serde_json::from_str::<Value>(data).unwrap(),
            "{}",
            answer.name
        );
    }
    assert_eq!(enveloped, 9);
}

#[test]
fn serializing_nodes_data_gives_nodes_bytes() {
    for answer in recorded() {
        let Some(data) = answer.data() else { continue };
        let data = RawValue::from_string(data.to_owned()).unwrap();
        let envelope = Envelope::new(data).with_timestamp(answer.timestamp());
        assert_eq!(envelope.to_json().unwrap(), answer.body, "{}", answer.name);
    }
}

#[test]
fn answers_without_data_are_told_apart() {
    let of = |name: &str| {
        recorded()
            .into_iter()
            .find(|answer| answer.name == name)
            .unwrap()
            .body
    };

    let raw = of("not enveloped");
    let value: Value = unwrap_envelope(raw.as_bytes()).unwrap();
    assert_eq!(value, serde_json::from_str::<Value>(&raw).unwrap());

    let nothing = of("handler returned nothing");
    assert_eq!(
        unwrap_envelope::<Option<Value>>(nothing.as_bytes()).unwrap(),
        None
    );

    let failure = of("success false at 200");
    let error = unwrap_envelope::<Value>(failure.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.message(), Some("Assessment roll is being recomputed"));
}

#[test]
fn error_bodies_are_nodes_bytes_in_both_directions() {
    let errors: Vec<_> = recorded()
        .into_iter()
        .filter(|answer| answer.status >= 400)
        .collect();
    assert_eq!(errors.len(), 3);
    for answer in errors {
        let read = ErrorBody::from_json(StatusCode::IM_A_TEAPOT, answer.body.as_bytes()).unwrap();
        assert_eq!(read.to_json(), answer.body, "{}", answer.name);
        assert_eq!(read.status().as_u16(), answer.status, "{}", answer.name);

        let written = ErrorBody::new(StatusCode::from_u16(answer.status).unwrap(), read.message())
            .with_correlation_id(read.correlation_id().cloned())
            .with_timestamp(answer.timestamp())
            .into_response::<bytes::Bytes>();
        assert_eq!(written.body(), &answer.body, "{}", answer.name);
        assert_eq!(
            written.headers()["content-type"],
            answer.headers["content-type"]
        );
    }
}

#[cfg(feature = "layer")]
#[tokio::test]
async fn wrapping_nodes_data_gives_nodes_response() {
    use civic_envelope::EnvelopeLayer;
    use http::{Request, Response};
    use http_body::Body;
    use http_body_util::{BodyExt, Full};
    use tower::{Layer, ServiceExt, service_fn};

    for answer in recorded() {
        let Some(data) = answer.data() else { continue };
        let (status, data, now) = (answer.status, data.to_owned(), answer.timestamp());
        let handler = service_fn(move |_: Request<()>| {
            let body = Full::new(bytes::Bytes::from(data.clone()));
            let response = Response::builder().status(status);
            async {
                response
                    .header("content-type", "application/json; charset=utf-8")
                    .body(body)
            }
        });
        let layer = EnvelopeLayer::new().with_clock(move || now);
        let response = layer
            .layer(handler)
            .oneshot(Request::new(()))
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), answer.status);
        assert_eq!(
            response.headers()["content-type"],
            answer.headers["content-type"]
        );
        let length = response.body().size_hint().exact().unwrap().to_string();
        assert_eq!(length, answer.headers["content-length"], "{}", answer.name);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, answer.body, "{}", answer.name);
    }
}
