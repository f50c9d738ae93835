//! A user of the broker with few rights.

use harness::Broker;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Vhost;

/// A user with rights in one virtual host alone. Deleted when dropped.
pub struct User {
    /// The AMQP URL of the virtual host, as this user.
    pub url: String,
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    broker: Broker,
}

impl Vhost {
    /// Makes a user without any right, whose name begins like this.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn user(&self, name: &str) -> User {
        let (name, password) =
            (format!("{name}-{}", Uuid::new_v4().simple()), Uuid::new_v4().simple().to_string());
        let body = json!({"password": password, "tags": ""});
        self.broker.manage(Method::PUT, &format!("users/{name}"), &body).await.unwrap();
        let (scheme, rest) = self.url.split_once("://").expect("a URL");
        let server = rest.split_once('@').expect("a URL with a user").1;
        let url = format!("{scheme}://{name}:{password}@{server}");
        User { url, name, password, broker: self.broker.clone() }
    }

    /// Gives a user these rights (configure, write, read) and no others.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn permit(&self, user: &User, [configure, write, read]: [&str; 3]) {
        let rights = json!({"configure": configure, "write": write, "read": read});
        self.put("permissions", &format!("/{}", user.name), &rights).await;
    }

    /// The arguments of a queue.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn arguments(&self, queue: &str) -> Value {
        let path = format!("queues/{}/{queue}", self.name);
        self.broker.manage(Method::GET, &path, &Value::Null).await.unwrap()["arguments"].clone()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let (broker, path) = (self.broker.clone(), format!("users/{}", self.name));
        // Dropped in or out of a runtime: a thread of its own has one in any case.
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(broker.delete(&path)).ok()
        });
        drop(deleting.join());
    }
}
