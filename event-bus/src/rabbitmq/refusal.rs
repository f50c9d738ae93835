//! What the broker means when it closes a channel because of something that was published.

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

/// Why the broker closed a channel on which events were in flight. The connection stays open.
///
/// All events in flight on a channel end with it, and the broker does not say which one it means. The outcome of each
/// is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The broker's words.
    pub reason: String,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault a [`Refusal`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// One event's: it is too large, or a property of it is wrong.
    Event,
    /// All events of one type: the user may not publish to this topic. `None` where the broker's words do not fit
    /// into its answer.
    Type(Option<String>),
}

impl Refusal {
    /// `None` where no event is at fault. The exchange is missing or the user may not publish to it at all, which is
    /// an outage: it hits all events alike and ends without any of them being changed.
    pub(crate) fn of(error: &lapin::Error) -> Option<Self> {
        match error.kind() {
            lapin::ErrorKind::ProtocolError(error) => {
                let AMQPErrorKind::Soft(kind) = error.kind() else { return None };
                let reason = error.get_message().to_string();
                let fault = match kind {
                    AMQPSoftError::ACCESSREFUSED => topic_fault(&reason)?,
                    AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::CONTENTTOOLARGE => Fault::Event,
                    _ => return None,
                };
                Some(Self { reason, fault })
            }
            // Sent when the channel was closed already: another event is the cause.
            lapin::ErrorKind::InvalidChannelState(..) => {
                Some(Self { reason: "the channel is closed".to_owned(), fault: Fault::Event })
            }
            _ => None,
        }
    }
}

/// The fault of a refusal that is about a topic.
fn topic_fault(reason: &str) -> Option<Fault> {
    let (_, rest) = reason.split_once("access to topic '")?;
    Some(Fault::Type(rest.rsplit_once("' in exchange '").map(|(topic, _)| topic.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_topic_is_read_from_the_words_of_every_broker() {
        let named = |topic: &str| Some(Fault::Type(Some(topic.to_owned())));
        for reason in [
            "ACCESS_REFUSED - access to topic 'a.b.v1' in exchange 'e' in vhost '/' refused for user 'u'",
            "ACCESS_REFUSED - write access to topic 'a.b.v1' in exchange 'e' in vhost '/' refused for user 'u'",
        ] {
            assert_eq!(topic_fault(reason), named("a.b.v1"));
        }
        assert_eq!(topic_fault("access to topic 'it's' in exchange 'e'"), named("it's"));
        let cut_off = "ACCESS_REFUSED - access to topic 'a.very.long.na...";
        assert_eq!(topic_fault(cut_off), Some(Fault::Type(None)));
        let exchange = "ACCESS_REFUSED - access to exchange 'e' in vhost '/' refused for user 'u'";
        assert_eq!(topic_fault(exchange), None, "no event's fault");
    }
}
