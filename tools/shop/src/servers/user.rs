//! Who the servers run as.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

use crate::process::RunAs;

/// The user for a server: `name` if this is root (PostgreSQL refuses to be root, and no server should be),
/// or `None`, the user of this process, if it is not.
///
/// Fails if this is root and there is no such user.
pub(super) fn server_user(name: &str) -> Result<Option<RunAs>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    find(&users, name).map(Some).with_context(|| {
        format!(
            "this is root, and there is no user {name:?} to run the server as: run cargo shop as another user"
        )
    })
}

fn find(users: &str, name: &str) -> Option<RunAs> {
    let fields: Vec<&str> =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
    Some(RunAs { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

/// Gives a file or directory to the server's user.
pub(super) fn give(path: &Path, user: Option<RunAs>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    chown(path, Some(user.uid), Some(user.gid))
        .with_context(|| format!("cannot give {} away", path.display()))
}

/// Whether every user can pass through this directory and all above it.
pub fn is_open_to_all(dir: &Path) -> bool {
    dir.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|dir| dir.mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:7::/:/bin/sh\npostgres:x:109:117::/var/lib/postgresql:/bin/bash\n";
        assert_eq!(find(users, "postgres"), Some(RunAs { uid: 109, gid: 117 }));
        assert_eq!(find(users, "rabbitmq"), None);
    }
}
