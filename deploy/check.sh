#!/usr/bin/env bash
# Checks the files in deploy/ and docker-compose.yml with the tools of those who read them. It needs no server and no cluster.
#
#   pip install -r deploy/requirements.txt && apt-get install prometheus    # promtool; kubectl as your system has it
#   deploy/check.sh
#
# A tool that is missing fails the run; what it would have checked is named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT

step() { printf '\n== %s\n' "$*"; "$@"; }

# Compose, by its own schema; workflows, by GitHub's.
step check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
step check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# Every object that the overlays make. Schemas of the operators' resources are not among those that the tool brings: it warns.
sh deploy/kubernetes/secrets.sh > "$built/secrets.yaml"
for overlay in deploy/kubernetes/overlays/*; do
    printf '\n== kubectl kustomize %s\n' "$overlay"
    kubectl kustomize "$overlay" > "$built/$(basename "$overlay").yaml"
done
step kubernetes-validate --strict --no-warn --quiet "$built"/*.yaml

# Rules, those of the cluster too, their tests, and that every job of prometheus.yml can be read.
sed '1,/^spec:$/d; s/^  //' deploy/kubernetes/components/monitoring/rules.yaml > "$built/rules.yml"
step promtool check rules deploy/prometheus/rules/*.yml "$built/rules.yml"
step promtool test rules deploy/prometheus/tests/*.yml
step promtool check config --syntax-only deploy/prometheus/prometheus.yml
