//! The Kubernetes files.

use serde_json::Value;

use crate::support::{files, read, yaml};

/// Variables that services read besides those of the fleet.
const OF_THE_CRATES: [&str; 1] = ["CIVIC_LOCK_STORE"];

/// The members that Kubernetes knows of an object, by its name and that of the object around it:
/// of the kinds that are used here.
fn known(around: &str, name: &str) -> &'static [&'static str] {
    match (around, name) {
        ("", _) => &["apiVersion", "kind", "metadata", "spec"],
        (_, "metadata") => &["annotations", "labels", "name", "namespace"],
        ("Deployment", "spec") => &[
            "minReadySeconds",
            "paused",
            "progressDeadlineSeconds",
            "replicas",
            "revisionHistoryLimit",
            "selector",
            "strategy",
            "template",
        ],
        ("PodDisruptionBudget", "spec") => &[
            "maxUnavailable",
            "minAvailable",
            "selector",
            "unhealthyPodEvictionPolicy",
        ],
        ("Service", "spec") => &[
            "clusterIP",
            "externalTrafficPolicy",
            "internalTrafficPolicy",
            "ipFamilies",
            "ipFamilyPolicy",
            "ports",
            "publishNotReadyAddresses",
            "selector",
            "sessionAffinity",
            "type",
        ],
        (_, "selector") => &["matchExpressions", "matchLabels"],
        (_, "strategy") => &["rollingUpdate", "type"],
        (_, "rollingUpdate") => &["maxSurge", "maxUnavailable"],
        (_, "template") => &["metadata", "spec"],
        ("template", "spec") => &[
            "affinity",
            "automountServiceAccountToken",
            "containers",
            "enableServiceLinks",
            "imagePullSecrets",
            "initContainers",
            "nodeSelector",
            "priorityClassName",
            "restartPolicy",
            "securityContext",
            "serviceAccountName",
            "terminationGracePeriodSeconds",
            "tolerations",
            "topologySpreadConstraints",
            "volumes",
        ],
        (_, "containers") => &[
            "args",
            "command",
            "env",
            "envFrom",
            "image",
            "imagePullPolicy",
            "lifecycle",
            "livenessProbe",
            "name",
            "ports",
            "readinessProbe",
            "resources",
            "securityContext",
            "startupProbe",
            "volumeMounts",
            "workingDir",
        ],
        (_, "env") => &["name", "value", "valueFrom"],
        (_, "valueFrom") => &[
            "configMapKeyRef",
            "fieldRef",
            "resourceFieldRef",
            "secretKeyRef",
        ],
        (_, "secretKeyRef" | "configMapKeyRef") => &["key", "name", "optional"],
        (_, "fieldRef") => &["apiVersion", "fieldPath"],
        ("containers", "ports") => &["containerPort", "hostIP", "hostPort", "name", "protocol"],
        ("spec", "ports") => &[
            "appProtocol",
            "name",
            "nodePort",
            "port",
            "protocol",
            "targetPort",
        ],
        (_, "livenessProbe" | "readinessProbe" | "startupProbe") => &[
            "exec",
            "failureThreshold",
            "grpc",
            "httpGet",
            "initialDelaySeconds",
            "periodSeconds",
            "successThreshold",
            "tcpSocket",
            "terminationGracePeriodSeconds",
            "timeoutSeconds",
        ],
        (_, "httpGet") => &["host", "httpHeaders", "path", "port", "scheme"],
        (_, "resources") => &["claims", "limits", "requests"],
        (_, "limits" | "requests") => &["cpu", "ephemeral-storage", "memory"],
        ("containers", "securityContext") => &[
            "allowPrivilegeEscalation",
            "capabilities",
            "privileged",
            "procMount",
            "readOnlyRootFilesystem",
            "runAsGroup",
            "runAsNonRoot",
            "runAsUser",
            "seLinuxOptions",
            "seccompProfile",
        ],
        (_, "capabilities") => &["add", "drop"],
        (_, "seccompProfile") => &["localhostProfile", "type"],
        _ => &[],
    }
}

/// The members of an object, and of all in it, that Kubernetes does not know.
fn unknown(around: &str, name: &str, value: &Value) -> Vec<String> {
    // Names of one's own, not of Kubernetes. A Service selects by labels alone.
    let is_free = matches!(name, "annotations" | "labels" | "matchLabels");
    match value {
        Value::Array(items) => {
            let found = items.iter().flat_map(|item| unknown(around, name, item));
            found.collect()
        }
        Value::Object(_) if is_free => Vec::new(),
        Value::Object(members) => {
            let known = known(around, name);
            let mut found = Vec::new();
            for (member, value) in members {
                if !known.contains(&member.as_str()) {
                    found.push(format!("{name}.{member}"));
                } else if (around, name, member.as_str()) != ("Service", "spec", "selector") {
                    found.extend(unknown(name, member, value));
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

/// A deployment of a file, and the name of the file.
fn deployments() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for file in files("deploy/kubernetes", ".yaml") {
        for document in yaml(&file) {
            if document["kind"] == "Deployment" {
                found.push((file.clone(), document));
            }
        }
    }
    found
}

fn container(deployment: &Value) -> &Value {
    let containers = &deployment["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().expect("containers").len(), 1);
    &containers[0]
}

fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    let variables = container["env"].as_array()?;
    variables.iter().find(|variable| variable["name"] == name)
}

/// A number of seconds in a default of civic-server.
fn default_of(name: &str) -> u64 {
    let settings = read("crates/civic-server/src/serve/settings.rs");
    let mark = format!("{name}: Duration::from_secs(");
    let rest = settings.split(&mark).nth(1).expect("a default");
    let number = rest.split(')').next().expect("its end");
    number.parse().expect("a number")
}

#[test]
fn every_member_is_one_that_kubernetes_knows() {
    for file in files("deploy/kubernetes", ".yaml") {
        for document in yaml(&file) {
            let kind = document["kind"].as_str().expect("a kind");
            assert_eq!(unknown("", kind, &document), [""; 0], "{file}");
        }
    }
    let mut document = deployments().remove(0).1;
    let pod = &mut document["spec"]["template"]["spec"];
    pod["terminationGracePeriod"] = 30.into();
    pod["containers"][0]["readinessProbe"]["httpGet"]["url"] = "/".into();
    assert_eq!(
        unknown("", "Deployment", &document),
        ["httpGet.url", "spec.terminationGracePeriod"]
    );
}

#[test]
fn every_object_has_what_its_kind_needs() {
    for file in files("deploy/kubernetes", ".yaml") {
        for document in yaml(&file) {
            let kind = document["kind"].as_str().expect("a kind");
            let name = document["metadata"]["name"].as_str().expect("a name");
            let version = match kind {
                "Deployment" => "apps/v1",
                "PodDisruptionBudget" => "policy/v1",
                "Service" => "v1",
                other => panic!("{file}: {other}"),
            };
            assert_eq!(document["apiVersion"], version, "{file}");
            let selected = match kind {
                "Service" => &document["spec"]["selector"],
                _ => &document["spec"]["selector"]["matchLabels"],
            };
            assert_eq!(selected["app"], name, "{file}: what it selects");
            if kind == "Deployment" {
                let labels = &document["spec"]["template"]["metadata"]["labels"];
                assert_eq!(labels, selected, "{file}: the pods have the labels");
                assert!(document["spec"]["replicas"].as_u64() >= Some(2), "{file}");
            }
        }
    }
}

#[test]
fn a_replica_has_longer_to_stop_than_the_drain_takes() {
    let drain = default_of("drain_delay") + default_of("drain_limit");
    assert!(drain >= 10, "the defaults were read: {drain}");
    let rest = 5;
    for (file, deployment) in deployments() {
        let pod = &deployment["spec"]["template"]["spec"];
        let grace = pod["terminationGracePeriodSeconds"]
            .as_u64()
            .expect("it is set");
        let container = container(&deployment);
        assert!(
            container["lifecycle"]["preStop"].is_null(),
            "{file}: nothing is added"
        );
        assert!(
            variable(container, "CIVIC_DRAIN_DELAY_MS").is_none(),
            "{file}"
        );
        assert!(
            grace >= drain + rest,
            "{file}: {grace} s, and the drain takes {drain} s"
        );
    }
}

#[test]
fn readiness_and_liveness_are_asked_of_different_paths() {
    for (file, deployment) in deployments() {
        let container = container(&deployment);
        if container["ports"].is_null() {
            continue;
        }
        for (probe, path) in [
            ("startupProbe", "/health"),
            ("livenessProbe", "/health"),
            ("readinessProbe", "/health/ready"),
        ] {
            let asked = &container[probe]["httpGet"];
            assert_eq!(asked["path"], path, "{file}: {probe}");
            assert_eq!(
                asked["port"], container["ports"][0]["name"],
                "{file}: {probe}"
            );
        }
        let port = variable(container, "PORT").expect("it is set");
        assert_eq!(
            port["value"],
            container["ports"][0]["containerPort"].to_string(),
            "{file}"
        );
        let host = variable(container, "HOST").expect("it is set");
        assert_eq!(host["value"], "0.0.0.0", "{file}: others reach it");
        let ready = &container["readinessProbe"];
        let unready = ready["periodSeconds"].as_u64().expect("a period")
            * ready["failureThreshold"].as_u64().expect("a threshold");
        assert!(
            unready < default_of("drain_delay"),
            "{file}: it is noticed in the drain"
        );
    }
}

#[test]
fn credentials_come_from_the_secret_and_a_lock_needs_redis() {
    for (file, deployment) in deployments() {
        let container = container(&deployment);
        for name in ["JWT_SECRET", "REDIS_URL"] {
            if let Some(variable) = variable(container, name) {
                let source = &variable["valueFrom"]["secretKeyRef"];
                assert!(variable["value"].is_null(), "{file}: {name} is no value");
                assert!(
                    source["name"].is_string() && source["key"].is_string(),
                    "{file}"
                );
                assert_ne!(source["optional"], true, "{file}: {name} is needed");
            }
        }
        let service = container["args"][0].as_str().expect("a service");
        if service != "assessment-roll" {
            assert!(variable(container, "REDIS_URL").is_some(), "{file}");
            let store = variable(container, "CIVIC_LOCK_STORE").expect("it is set");
            assert_eq!(
                store["value"], "redis",
                "{file}: without Redis it refuses to start"
            );
        }
    }
}

#[test]
fn every_variable_is_one_that_the_services_read() {
    let manual = read("crates/civic-fleet/README.md");
    for (file, deployment) in deployments() {
        let container = container(&deployment);
        for variable in container["env"].as_array().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            let is_known = OF_THE_CRATES.contains(&name) || manual.contains(&format!("`{name}`"));
            assert!(is_known, "{file}: {name}");
        }
        let service = container["args"][0].as_str().expect("a service");
        assert!(
            manual.contains(&format!("## `civic-fleet {service}`")),
            "{file}: {service}"
        );
    }
}

#[test]
fn no_container_runs_as_root_or_writes_to_its_image() {
    for (file, deployment) in deployments() {
        let container = container(&deployment);
        let context = &container["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{file}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{file}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{file}");
        assert_eq!(context["capabilities"]["drop"][0], "ALL", "{file}");
        assert!(
            container["resources"]["limits"]["memory"].is_string(),
            "{file}"
        );
    }
}
