//! A bare publisher: nothing but messages and confirmations.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Result, ensure};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm};
use uuid::Uuid;

use crate::environment::EXCHANGE;

/// Messages on their way at once: as many as the relay has.
const WINDOW: usize = 1_000;

/// Publishes persistent, mandatory messages of this size and waits for every confirmation; returns messages
/// a second.
pub(crate) async fn publish(amqp: &str, event_type: &str, count: i64, size: usize) -> Result<f64> {
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let body = vec![b'x'; size];
    let mut window: VecDeque<PublisherConfirm> = VecDeque::with_capacity(WINDOW);
    let begun = Instant::now();
    for _ in 0..count {
        if window.len() == WINDOW
            && let Some(oldest) = window.pop_front()
        {
            confirmed(oldest).await?;
        }
        window.push_back(send(&channel, event_type, Uuid::now_v7(), &body).await?);
    }
    for confirm in window {
        confirmed(confirm).await?;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    connection.close(200, "OK".into()).await?;
    Ok(rate)
}

/// Sends a persistent, mandatory message; returns the confirmation that is to come.
pub(super) async fn send(
    channel: &Channel,
    event_type: &str,
    id: Uuid,
    body: &[u8],
) -> Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/cloudevents+json".into())
        .with_message_id(id.to_string().into());
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    Ok(channel.basic_publish(EXCHANGE.into(), event_type.into(), options, body, properties).await?)
}

/// Waits until the broker has taken a message.
pub(super) async fn confirmed(confirm: PublisherConfirm) -> Result<()> {
    ensure!(matches!(confirm.await?, Confirmation::Ack(None)), "the broker did not take a message");
    Ok(())
}
