//! The capture, and the default subscriber of the process that makes it reliable.

use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing::{Subscriber, span};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, fmt};

use super::record::{Event, Fields, Span};

/// Captures what is logged on this thread while this value lives, at every level.
///
/// A span that outlives the capture is still captured until it ends. A capture that is started
/// while another one lives on the same thread captures everything until it is dropped, and the
/// other one captures nothing meanwhile.
#[derive(Debug)]
pub struct Capture {
    text: Text,
    records: Records,
    _default: DefaultGuard,
    /// The default subscriber is the thread's: dropped on another thread, this value would leave it
    /// behind.
    _not_send: PhantomData<*const ()>,
}

/// The text of a capture; a writer for the subscriber.
#[derive(Clone, Debug, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

/// The spans and events of a capture; a layer of the subscriber.
#[derive(Clone, Debug, Default)]
struct Records(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    spans: Vec<Span>,
    events: Vec<Event>,
}

/// Where in [`Recorded::spans`] a span is; kept with the span in the registry.
#[derive(Clone, Copy, Debug)]
struct Index(usize);

/// Makes a subscriber without a filter the default of this process, so that `tracing` never
/// remembers of a callsite that no one listens to it.
///
/// [`Capture::start`] does this. It is exact where nothing is logged before it: while it runs, a
/// thread that reaches a callsite for the first time may still store the old answer, until the next
/// capture starts. A test helper that is called before anything is logged may call it for that
/// reason.
///
/// # Panics
///
/// Panics if the process has another default subscriber already.
pub fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        tracing::subscriber::set_global_default(Registry::default())
            .expect("no one else sets a default subscriber in a test's process");
    });
}

// ===== impl Capture =====

impl Capture {
    /// Starts to capture what is logged on this thread.
    ///
    /// # Panics
    ///
    /// Panics as [`install`].
    #[must_use = "the capture ends when it is dropped"]
    pub fn start() -> Self {
        install();
        let text = Text::default();
        let records = Records::default();
        let lines = fmt::layer()
            .with_ansi(false)
            .with_span_events(FmtSpan::FULL)
            .with_writer(text.clone());
        let subscriber = Registry::default().with(lines).with(records.clone());
        Self {
            text,
            records,
            _default: tracing::subscriber::set_default(subscriber),
            _not_send: PhantomData,
        }
    }

    /// Returns what was logged, as the lines of a log. The beginning, each entry, each exit and the
    /// end of a span are lines too.
    ///
    /// # Panics
    ///
    /// Panics if a line is not UTF-8, which no value that is formatted can bring about.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.text.lock().clone()).expect("formatted text is UTF-8")
    }

    /// Returns the spans, in the order in which they began.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.records.lock().spans.clone()
    }

    /// Returns the events, in the order in which they happened.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.records.lock().events.clone()
    }
}

// ===== impl Text =====

impl Text {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Text {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

// ===== impl Records =====

impl Records {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the place of the span `id` among the recorded ones.
fn index<S>(context: &Context<'_, S>, id: &span::Id) -> Option<Index>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    context.span(id)?.extensions().get::<Index>().copied()
}

impl<S> Layer<S> for Records
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let index = {
            let mut recorded = self.lock();
            recorded
                .spans
                .push(Span::new(attributes.metadata(), fields));
            Index(recorded.spans.len() - 1)
        };
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(index);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(Index(index)) = index(&context, id) {
            self.lock().spans[index].fields.extend(fields);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut recorded = self.lock();
        let spans = context.event_scope(event).map_or_else(Vec::new, |scope| {
            scope
                .from_root()
                .filter_map(|span| span.extensions().get::<Index>().copied())
                .map(|Index(index)| recorded.spans[index].clone())
                .collect()
        });
        recorded
            .events
            .push(Event::new(event.metadata(), fields, spans));
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        if let Some(Index(index)) = index(&context, &id) {
            self.lock().spans[index].closed = true;
        }
    }
}
