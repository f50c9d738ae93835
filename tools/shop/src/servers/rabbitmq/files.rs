//! The files and variables that make a broker private.

use std::path::Path;

use anyhow::Result;

use super::Rabbitmq;
use crate::home::{create_dir, random, write_private};
use crate::servers::user::give;

impl Rabbitmq {
    /// Writes its configuration anew; its data, if it has any, stays.
    pub(super) fn write_files(&self, definitions: &[u8]) -> Result<()> {
        for dir in [self.dir.clone(), self.dir.join("data"), self.dir.join("log"), self.dir.join("conf.d")] {
            create_dir(&dir, 0o700)?;
            give(&dir, self.user)?;
        }
        for (name, content) in [
            ("rabbitmq.conf", self.configuration().as_bytes()),
            ("advanced.config", b"[].\n".as_slice()),
            ("enabled_plugins", b"[rabbitmq_management].\n".as_slice()),
            ("definitions.json", definitions),
        ] {
            let path = self.dir.join(name);
            write_private(&path, content)?;
            give(&path, self.user)?;
        }
        Ok(())
    }

    fn configuration(&self) -> String {
        let definitions = self.dir.join("definitions.json");
        let alone = format!(
            "listeners.tcp.default = 127.0.0.1:{}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {}\n\
             load_definitions = {}\n\
             cluster_name = shop\n\
             disk_free_limit.absolute = 50MB\n\
             log.console = true\n\
             log.file = false\n",
            self.amqp,
            self.management,
            definitions.display(),
        );
        if self.nodes == 1 {
            return alone;
        }
        // A node that sees fewer than half of the others stops until it sees them again: two halves must not both go on.
        let cluster = "cluster_partition_handling = pause_minority\n\
                       cluster_formation.peer_discovery_backend = classic_config\n";
        let peers = (1..=self.nodes)
            .map(|node| format!("cluster_formation.classic_config.nodes.{node} = {}\n", node_name(node)));
        [alone, cluster.to_owned()].into_iter().chain(peers).collect()
    }

    /// Makes the directory that the nodes share, and in it the secret by which they let each other in, unless it is there.
    pub(super) fn share_cookie(&self) -> Result<()> {
        create_dir(&self.shared, 0o700)?;
        give(&self.shared, self.user)?;
        let cookie = self.shared.join(".erlang.cookie");
        if !cookie.exists() {
            write_private(&cookie, random()?.as_bytes())?;
            give(&cookie, self.user)?;
        }
        Ok(())
    }

    fn erlang_arguments(&self) -> String {
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        if self.nodes == 1 {
            return loopback.to_owned();
        }
        // Several nodes share this machine, and one that does not answer is noticed after ten seconds, not a minute.
        format!("{loopback} -kernel net_ticktime 10 +S 1:1")
    }

    /// Every place that RabbitMQ would otherwise look for or leave something outside its directory.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let at = |name: &str| path(&self.dir.join(name));
        vec![
            // Where Erlang keeps the cookie that lets its own tools in.
            ("HOME", path(&self.shared)),
            ("RABBITMQ_NODENAME", node_name(self.node)),
            ("RABBITMQ_USE_LONGNAME", "false".to_owned()),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            ("RABBITMQ_CONFIG_FILES", at("conf.d")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
            ("RABBITMQ_MNESIA_BASE", at("data")),
            ("RABBITMQ_LOG_BASE", at("log")),
            ("RABBITMQ_PID_FILE", at("pid")),
            ("RABBITMQ_LOG", "info,-color".to_owned()),
            ("RABBITMQ_DIST_PORT", self.distribution.to_string()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", self.erlang_arguments()),
            ("ERL_EPMD_PORT", self.port_mapper.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("ERL_CRASH_DUMP_SECONDS", "0".to_owned()),
            // Makes the start script become the broker instead of staying in front of it: signals then
            // reach the broker itself.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ]
    }
}

/// What a node is called among the others.
fn node_name(node: u8) -> String {
    if node == 1 { "shop@localhost".to_owned() } else { format!("shop-{node}@localhost") }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
