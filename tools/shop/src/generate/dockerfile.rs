//! The images.

use super::{VERSION, fill};
use crate::registry::{Program, Registry};

/// `deploy/Dockerfile`.
pub(super) fn dockerfile(registry: &Registry) -> String {
    let list = |prefix: &str| {
        let programs: Vec<String> =
            registry.binaries().into_iter().map(|binary| format!("{prefix}{binary}")).collect();
        programs.join(" ")
    };
    let images: Vec<String> = registry.all_programs().map(image).collect();
    fill(
        include_str!("templates/Dockerfile"),
        &[
            ("version", VERSION.to_owned()),
            ("options", list("--bin ")),
            ("programs", list("target/release/")),
            ("images", images.join("\n")),
        ],
    )
}

fn image(program: &Program) -> String {
    let Program { binary, port, summary } = program;
    format!(
        r#"FROM runtime AS {binary}
LABEL org.opencontainers.image.title="{binary}" \
      org.opencontainers.image.description="{summary}"
COPY --from=build /programs/{binary} /usr/local/bin/{binary}
ENV APP__HTTP__PORT={port}
EXPOSE {port}
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/{binary}", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/{binary}"]
CMD ["run"]
"#
    )
}
