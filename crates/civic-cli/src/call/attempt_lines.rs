//! One line of JSON per attempt, on stderr.
//!
//! The client opens one span per attempt, with the field names of OpenTelemetry. This subscriber
//! reads them, and needs nothing else from the client.

use std::time::Instant;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The name of the client's span per attempt.
const ATTEMPT: &str = "http.client.attempt";

/// Prints each attempt when it ends.
#[derive(Debug, Default)]
pub(super) struct AttemptLines {
    _private: (),
}

/// The fields that a span has recorded so far.
#[derive(Debug)]
struct Attempt {
    began: Instant,
    fields: Map<String, Value>,
}

impl<S> Layer<S> for AttemptLines
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id).filter(|span| span.name() == ATTEMPT) {
            let mut attempt = Attempt {
                began: Instant::now(),
                fields: Map::new(),
            };
            attributes.record(&mut attempt);
            span.extensions_mut().insert(attempt);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(attempt) = span.extensions_mut().get_mut::<Attempt>()
        {
            values.record(attempt);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && let Some(attempt) = span.extensions().get::<Attempt>()
        {
            eprintln!("{}", attempt.line());
        }
    }
}

// ===== impl Attempt =====

impl Attempt {
    fn line(&self) -> Value {
        let field = |name: &str| self.fields.get(name).cloned().unwrap_or_default();
        // Absent on the first attempt.
        let resends = field("http.request.resend_count").as_u64().unwrap_or(0);
        json!({
            "attempt": resends + 1,
            "method": field("http.request.method"),
            "status": field("http.response.status_code"),
            "error": field("error.type"),
            "elapsedMs": self.began.elapsed().as_millis() as u64,
            "correlationId": field("correlation_id"),
        })
    }
}

impl Visit for Attempt {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields
            .insert(field.name().to_owned(), format!("{value:?}").into());
    }
}
