//! `deploy/kubernetes` holds together: files, names, rights.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shop::generate::files;
use shop::home::checkout;
use shop::registry::{Registry, STOREFRONT};

pub(crate) fn folder() -> PathBuf {
    checkout().join("deploy/kubernetes")
}

/// The objects of a file.
pub(crate) fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The objects of all files of a folder, its kustomization left out.
fn objects_of(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.file_name().is_some_and(|name| name != "kustomization.yaml"));
    files.flat_map(|path| objects(&path)).collect()
}

/// Everything that there is, whichever overlay has it.
fn all_objects() -> Vec<Value> {
    let folders = ["base", "components/demo", "components/monitoring", "components/autoscaling"];
    folders.iter().flat_map(|name| objects_of(&folder().join(name))).collect()
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// All values under a key, at any depth.
fn under<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                let own = (name == key).then_some(field);
                own.into_iter().chain(under(field, key))
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| under(item, key)).collect(),
        _ => Vec::new(),
    }
}

/// The pods that Deployments, Jobs and `CronJob`s make.
fn pods(objects: &[Value]) -> Vec<(&str, &Value)> {
    let made = objects.iter().filter_map(|object| Some((name(object), &pod_template(object)?["spec"])));
    made.collect()
}

fn pod_template(object: &Value) -> Option<&Value> {
    match object["kind"].as_str() {
        Some("Deployment" | "Job") => Some(&object["spec"]["template"]),
        Some("CronJob") => Some(&object["spec"]["jobTemplate"]["spec"]["template"]),
        _ => None,
    }
}

#[test]
fn every_file_of_kubernetes_is_generated_and_named_by_the_kustomization_beside_it() {
    let registry = Registry::of_checkout().unwrap();
    let generated: BTreeSet<PathBuf> =
        files(&registry).unwrap().into_iter().map(|(path, _)| checkout().join(path)).collect();
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        let mut present = BTreeSet::new();
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end != "md") {
                assert!(generated.contains(&path), "{} is no longer generated", path.display());
                present.insert(path.canonicalize().unwrap());
            }
        }
        let kustomization = folder.join("kustomization.yaml");
        if !kustomization.exists() {
            continue;
        }
        let [own] = &objects(&kustomization)[..] else { panic!("one object") };
        let named = list(&own["resources"]).iter().chain(list(&own["components"]));
        for path in named.map(|path| folder.join(path.as_str().unwrap())) {
            assert!(path.exists(), "{} names {}", kustomization.display(), path.display());
            present.remove(&path.canonicalize().unwrap());
        }
        present.remove(&kustomization.canonicalize().unwrap());
        assert!(present.is_empty(), "{} does not name {present:?}", kustomization.display());
    }
}

#[test]
fn every_patch_and_every_scaled_object_has_something_to_change() {
    let objects = all_objects();
    let is_there = |kind: &Value, name: &Value| {
        objects
            .iter()
            .any(|object| object["kind"] == *kind && (name.is_null() || object["metadata"]["name"] == *name))
    };
    let mut checked = 0;
    for overlay in ["overlays/one-node", "overlays/production", "components/autoscaling"] {
        for own in objects_in(overlay) {
            for patch in list(&own["patches"]) {
                let target = &patch["target"];
                assert!(is_there(&target["kind"], &target["name"]), "{overlay}: {target}");
                checked += 1;
            }
        }
    }
    for scaled in objects.iter().filter(|object| object["kind"] == "ScaledObject") {
        assert!(is_there(&"Deployment".into(), &scaled["spec"]["scaleTargetRef"]["name"]), "{scaled}");
        checked += 1;
    }
    assert!(checked > 6, "{checked}");
}

fn objects_in(folder_name: &str) -> Vec<Value> {
    objects(&folder().join(folder_name).join("kustomization.yaml"))
}

#[test]
fn every_secret_and_every_config_map_that_a_pod_refers_to_is_made() {
    let objects = all_objects();
    let script = fs::read_to_string(folder().join("secrets.sh")).unwrap();
    // What the operator of PostgreSQL makes by itself.
    let mut secrets: BTreeSet<String> = ["postgres-ca", "postgres-superuser"].map(str::to_owned).into();
    for line in script.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["role", role, _] => secrets.insert(format!("postgres-{}", role.replace('_', "-"))),
            ["user", user] => secrets.insert(format!("rabbitmq-{user}")),
            ["value", name, _, ..] => secrets.insert(name.to_owned()),
            _ => false,
        };
    }
    let [base] = &objects_in("base")[..] else { panic!("one object") };
    let generated = list(&base["configMapGenerator"]).iter().map(|map| map["name"].as_str().unwrap());
    let maps: BTreeSet<&str> = generated.chain(["provision"]).collect();
    let mut referred = BTreeSet::new();
    for object in &objects {
        for key in ["secret", "secretKeyRef", "passwordSecret", "importCredentialsSecret"] {
            for secret in under(object, key) {
                let name = secret["name"].as_str().or(secret["secretName"].as_str()).unwrap();
                assert!(secrets.contains(name), "{}: nobody makes the Secret {name}", self::name(object));
                referred.insert(name.to_owned());
            }
        }
        for key in ["configMapRef", "configMap"] {
            for map in under(object, key) {
                let name = map["name"].as_str().unwrap();
                assert!(maps.contains(name), "{}: nobody makes the ConfigMap {name}", self::name(object));
            }
        }
    }
    assert_eq!(referred, secrets, "a Secret that nothing refers to");
}

#[test]
fn every_pod_is_locked_down_and_what_serves_is_probed_bounded_and_protected_from_eviction() {
    let objects = all_objects();
    let pods = pods(&objects);
    for (name, pod) in &pods {
        let security = &pod["securityContext"];
        assert_eq!(
            (&security["runAsNonRoot"], &security["runAsUser"]),
            (&true.into(), &65532.into()),
            "{name}"
        );
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        for container in list(&pod["containers"]) {
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        }
    }
    for deployment in objects.iter().filter(|object| object["kind"] == "Deployment") {
        let (name, pod) = (name(deployment), &deployment["spec"]["template"]["spec"]);
        let container = &pod["containers"][0];
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert!(container[probe]["httpGet"]["path"].is_string(), "{name}: {probe}");
        }
        assert_eq!(list(&pod["topologySpreadConstraints"]).len(), 2, "{name}");
        for kind in ["Service", "PodDisruptionBudget", "NetworkPolicy"] {
            let beside = |object: &&Value| object["kind"] == kind && self::name(object) == name;
            assert_eq!(objects.iter().filter(beside).count(), 1, "{name}: {kind}");
        }
    }
    let registry = Registry::of_checkout().unwrap();
    assert_eq!(
        objects.iter().filter(|object| object["kind"] == "Deployment").count(),
        registry.all_programs().count()
    );
    for service in &registry.services {
        let migrate = format!("{}-migrate", service.name);
        assert!(pods.iter().any(|(name, _)| *name == migrate), "{migrate}");
    }
}

#[test]
fn a_program_may_talk_to_what_the_registry_says_and_to_nothing_else() {
    let registry = Registry::of_checkout().unwrap();
    let objects = all_objects();
    let peers = |binary: &str, way: &str, side: &str| -> BTreeSet<String> {
        let own = |object: &&Value| object["kind"] == "NetworkPolicy" && name(object) == binary;
        let policy = objects.iter().find(own).unwrap();
        let peers = list(&policy["spec"][way]).iter().flat_map(|rule| list(&rule[side]));
        let labels = peers.map(|peer| &peer["podSelector"]["matchLabels"]);
        let known = labels.filter_map(|labels| {
            labels["app.kubernetes.io/name"].as_str().or(labels["cnpg.io/cluster"].as_str())
        });
        known.map(str::to_owned).collect()
    };
    let issuer = registry.issuer().unwrap().program.binary.clone();
    for service in &registry.services {
        // Whoever checks tokens asks the issuer for its keys.
        let mut expected: BTreeSet<String> = ["postgres".to_owned(), issuer.clone()].into();
        assert!(peers(&issuer, "ingress", "from").contains(&service.program.binary), "{}", service.name);
        expected.extend(service.broker_user().map(|_| "rabbitmq".to_owned()));
        // Whoever writes addresses of pages does not ask for them.
        for called in service.calls.iter().filter(|called| *called != STOREFRONT) {
            let program = registry.service(called).map(|service| &service.program).ok();
            let program = program.or(registry.tool(called).map(|tool| &tool.program)).unwrap();
            expected.insert(program.binary.clone());
            assert!(peers(&program.binary, "ingress", "from").contains(&service.program.binary), "{called}");
        }
        assert_eq!(peers(&service.program.binary, "egress", "to"), expected, "{}", service.name);
    }
    let relay = peers(&registry.relay.binary, "egress", "to");
    assert_eq!(relay, ["postgres", "rabbitmq", &issuer].map(str::to_owned).into());
    let called: BTreeSet<String> =
        registry.services.iter().map(|service| service.program.binary.clone()).collect();
    let storefront = peers(&registry.storefront.binary, "egress", "to");
    assert_eq!(storefront, called.into_iter().chain([registry.relay.binary.clone()]).collect());
    let denied = objects.iter().find(|object| name(object) == "default-deny").unwrap();
    assert_eq!(denied["spec"]["podSelector"], Value::Object(serde_json::Map::new()));
}

#[test]
fn a_daily_check_has_the_way_of_the_relay_and_is_not_taken_for_one() {
    let registry = Registry::of_checkout().unwrap();
    let objects = all_objects();
    let checks: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "CronJob").collect();
    assert_eq!(checks.iter().map(|check| name(check)).collect::<Vec<_>>(), ["relay-status", "relay-audit"]);
    for check in checks {
        let labels = &pod_template(check).unwrap()["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], registry.relay.binary.as_str());
        let component = labels["app.kubernetes.io/component"].as_str().unwrap();
        assert!(!["service", "relay", "storefront"].contains(&component), "{component}");
    }
}

#[test]
fn the_broker_of_the_cluster_has_the_rights_and_policies_of_the_definitions() {
    let objects = objects(&folder().join("base/rabbitmq.yaml"));
    let text = fs::read_to_string(checkout().join("deploy/rabbitmq/definitions.json")).unwrap();
    let definitions: Value = serde_json::from_str(&text).unwrap();
    let of = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
    // One user is the operator's own: the administrator.
    for (list_name, kind, less) in [
        ("vhosts", "Vhost", 0),
        ("users", "User", 1),
        ("permissions", "Permission", 1),
        ("topic_permissions", "TopicPermission", 0),
        ("exchanges", "Exchange", 0),
        ("queues", "Queue", 0),
        ("bindings", "Binding", 0),
        ("policies", "Policy", 0),
    ] {
        assert_eq!(of(kind).len() + less, list(&definitions[list_name]).len(), "{kind}");
    }
    for right in list(&definitions["permissions"]).iter().filter(|right| right["user"] != "admin") {
        let own =
            of("Permission").into_iter().find(|own| own["spec"]["userReference"]["name"] == right["user"]);
        let own = &own.unwrap()["spec"]["permissions"];
        for key in ["configure", "write", "read"] {
            assert_eq!(own[key], right[key], "{right}");
        }
    }
    for policy in list(&definitions["policies"]) {
        let own = of("Policy").into_iter().find(|own| own["spec"]["name"] == policy["name"]).unwrap();
        assert_eq!(own["spec"]["definition"], policy["definition"], "{policy}");
    }
    let events =
        of("Exchange").into_iter().find(|exchange| exchange["spec"]["name"] == "shop.events").unwrap();
    assert_eq!(events["spec"]["arguments"]["alternate-exchange"], "shop.unrouted");
    assert!(of("Queue").iter().all(|queue| queue["spec"]["type"] == "quorum"));
}

#[test]
fn accounts_counts_the_clients_that_the_storefront_names_and_not_the_storefront() {
    let compose = fs::read_to_string(checkout().join("docker-compose.yml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&compose).unwrap();
    let setting = "APP__SIGN_IN__TRUSTED_PROXIES";
    for (service, definition) in compose["services"].as_object().unwrap() {
        let is_issuer = service.starts_with("accounts-");
        let named = &definition["environment"][setting];
        assert_eq!(named.as_str(), is_issuer.then_some("storefront"), "{service}");
    }

    let base = folder().join("base");
    let kustomization = objects(&base.join("kustomization.yaml")).remove(0);
    let is_proxies = |map: &&Value| map["name"] == "proxies";
    let map = list(&kustomization["configMapGenerator"]).iter().find(is_proxies).unwrap();
    assert_eq!(list(&map["literals"]), [Value::from(format!("{setting}=storefront-pods"))]);
    let accounts = objects(&base.join("accounts-api.yaml"));
    let deployment = accounts.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let maps = under(&deployment["spec"], "configMapRef");
    assert!(maps.iter().any(|map| map["name"] == "proxies"), "{maps:?}");
    // A name of the pods, and not of what stands before them.
    let storefront = objects(&base.join("storefront.yaml"));
    let pods = storefront.iter().find(|object| name(object) == "storefront-pods").unwrap();
    let deployment = storefront.iter().find(|object| object["kind"] == "Deployment").unwrap();
    assert_eq!((&pods["kind"], &pods["spec"]["clusterIP"]), (&"Service".into(), &"None".into()));
    assert_eq!(pods["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
}
