//! What is put on the base: for one node, and for production.

use anyhow::Result;

use super::workload::{MAIL, PROVIDER_KEY, outside, seeds, tool};
use super::{each, fill, rules};
use crate::generate::VERSION;
use crate::registry::{Registry, Service, Tool};

/// Components, overlays, and the script that makes the secrets: each with its path in the folder.
pub(super) fn files(registry: &Registry) -> Result<Vec<(String, String)>> {
    let mut files = demo(registry);
    let component = |resources: &[&str]| {
        let listed = each(resources, |resource| format!("  - {resource}.yaml\n"));
        fill(include_str!("../templates/kubernetes/component.yaml"), &[("resources", listed)])
    };
    let others = [
        ("components/autoscaling/kustomization.yaml", autoscaling(registry)),
        ("components/autoscaling/scaling.yaml", scaling(registry)),
        ("components/monitoring/kustomization.yaml", component(&["pods", "rules"])),
        ("components/monitoring/rules.yaml", rules::rules(registry)?),
        (
            "components/monitoring/pods.yaml",
            include_str!("../templates/kubernetes/monitoring.yaml").to_owned(),
        ),
        (
            "overlays/one-node/kustomization.yaml",
            fill(
                include_str!("../templates/kubernetes/one-node.yaml"),
                &[("storefront_port", registry.storefront.port.to_string())],
            ),
        ),
        ("overlays/production/kustomization.yaml", production(registry)),
        (
            "overlays/production/ingress.yaml",
            fill(
                include_str!("../templates/kubernetes/ingress.yaml"),
                &[("storefront", registry.storefront.binary.clone())],
            ),
        ),
        ("secrets.sh", secrets(registry)),
    ];
    files.extend(others.map(|(path, text)| (path.to_owned(), text)));
    Ok(files)
}

/// Products to begin with, and what stands for the world outside.
fn demo(registry: &Registry) -> Vec<(String, String)> {
    let mut files = vec![("seeds".to_owned(), seeds(registry))];
    files.extend(registry.tools.iter().map(|one| (one.program.binary.clone(), tool(registry, one))));
    let address = |tool: &Tool| {
        let Tool { setting, program, smtp_port, .. } = tool;
        let address = tool.address(&program.binary, program.port, *smtp_port);
        let name = outside(tool);
        format!("  - name: {name}\n    behavior: merge\n    literals:\n      - {setting}={address}\n")
    };
    let gaps = [
        ("resources", each(&files, |(name, _)| format!("  - {name}.yaml\n"))),
        // Where mail goes is in a Secret.
        ("addresses", each(registry.tools.iter().filter(|tool| tool.smtp_port.is_none()), address)),
    ];
    let kustomization = fill(include_str!("../templates/kubernetes/demo.yaml"), &gaps);
    files.push(("kustomization".to_owned(), kustomization));
    files.into_iter().map(|(name, text)| (format!("components/demo/{name}.yaml"), text)).collect()
}

/// Where what the tools stand for is: names to begin with, in the base. Of a mail server, whom mails are from.
pub(super) fn addresses(registry: &Registry) -> String {
    each(&registry.tools, |tool| {
        let (name, setting) = (outside(tool), &tool.setting);
        let literal = match tool.smtp_port {
            Some(_) => format!("{}=Shop <shop@shop.example.com>", setting.replace("__URL", "__FROM")),
            None => format!("{setting}=https://{name}.example.com"),
        };
        format!("  - name: {name}\n    literals:\n      - {literal}\n")
    })
}

fn autoscaling(registry: &Registry) -> String {
    let subscribers = registry.subscribers().map(|service| &service.program);
    let unset = each([&registry.relay].into_iter().chain(subscribers), |program| {
        let name = &program.binary;
        format!(
            "  - target: {{ kind: Deployment, name: {name} }}
    patch: |
      - {{ op: remove, path: /spec/replicas }}
"
        )
    });
    fill(include_str!("../templates/kubernetes/autoscaling.yaml"), &[("unset", unset)])
}

fn scaling(registry: &Registry) -> String {
    let relay = fill(
        include_str!("../templates/kubernetes/scaled-relay.yaml"),
        &[("relay", registry.relay.binary.clone())],
    );
    let subscribers = each(registry.subscribers(), |service| {
        fill(
            include_str!("../templates/kubernetes/scaled-subscriber.yaml"),
            &[("binary", service.program.binary.clone()), ("name", service.name.to_owned())],
        )
    });
    relay + &subscribers
}

fn production(registry: &Registry) -> String {
    let programs = registry.services.iter().map(|service| &service.program);
    let images = each(programs.chain([&registry.relay, &registry.storefront]), |program| {
        let name = &program.binary;
        format!("  - {{ name: shop/{name}, newName: registry.example.com/shop/{name}, newTag: {VERSION} }}\n")
    });
    fill(include_str!("../templates/kubernetes/production.yaml"), &[("images", images)])
}

/// A line for each Secret that something refers to.
fn secrets(registry: &Registry) -> String {
    let role =
        |service: &Service| each(service.roles(), |role| format!("role {role} {}\n", service.database));
    let roles = each(&registry.services, role);
    let users = registry.broker_users().into_iter().filter(|user| *user != "admin");
    let users = each(users, |user| format!("user {user}\n"));
    let provider = registry.tools.iter().any(|tool| tool.setting == PROVIDER_KEY.0);
    let provider = if provider { "value provider key\n" } else { "" };
    let auth = if registry.issuer().is_none() { "value auth secret\n" } else { "" };
    let links = registry.services.iter().any(|service| service.links);
    let links = if links { "value links secret\n" } else { "" };
    let mail = each(registry.tools.iter().filter(|tool| tool.smtp_port.is_some()), |tool| {
        let Tool { program, smtp_port, .. } = tool;
        let demo = tool.address(&program.binary, program.port, *smtp_port);
        format!("value {MAIL} url \"${{MAIL_URL:-{demo}}}\"\n")
    });
    let calls = format!("{roles}{users}{auth}{links}{provider}{mail}");
    fill(include_str!("../templates/kubernetes/secrets.sh"), &[("calls", calls)])
}
