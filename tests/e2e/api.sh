#!/usr/bin/env bash
# The chart against a real Kubernetes API server, without nodes: what the server accepts, and what an upgrade changes.
# Needs Go and openssl; no root. Builds the pinned commands once (minutes), then runs in seconds. Usage: tests/e2e/api.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD chart=$PWD/charts/vlm-sft release=v1.35.4
bin=$root/.tools/e2e/$(sha256sum tests/e2e/tools/go.sum | cut -c1-12)
state=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" && wait "$pid" || true; done 2>/dev/null
  rm -rf "$state"
}
trap finish EXIT

build() { # PACKAGE NAME
  local version=k8s.io/component-base/version
  [ -x "$bin/$2" ] || (cd tests/e2e/tools && CGO_ENABLED=0 nice -n 19 go build -trimpath -buildvcs=false -o "$bin/$2" \
    -ldflags "-s -w -X $version.gitVersion=$release -X $version.gitMajor=1 -X $version.gitMinor=35" "$1")
}
build go.etcd.io/etcd/server/v3 etcd
build k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver
build k8s.io/kubernetes/cmd/kubectl kubectl
echo "commands ready after $SECONDS s"

free_port() { "$root/.venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
client=http://127.0.0.1:$(free_port) peer=http://127.0.0.1:$(free_port) port=$(free_port) token=$(openssl rand -hex 16)
openssl genrsa -out "$state/sa.key" 2048 2>/dev/null
echo "$token,e2e,e2e,system:masters" >"$state/tokens.csv"
"$bin/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --listen-client-urls "$client" --advertise-client-urls "$client" \
  --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" >"$state/etcd.log" 2>&1 &
pids+=($!)
# No controllers run, so nothing makes the default service account: that admission step would refuse every pod.
"$bin/kube-apiserver" --etcd-servers "$client" --bind-address 127.0.0.1 --secure-port "$port" --cert-dir "$state" \
  --token-auth-file "$state/tokens.csv" --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 \
  --service-account-issuer https://e2e --service-account-key-file "$state/sa.key" \
  --service-account-signing-key-file "$state/sa.key" --endpoint-reconciler-type none \
  --disable-admission-plugins ServiceAccount >"$state/apiserver.log" 2>&1 &
pids=($! "${pids[@]}")
cat >"$state/kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: e2e, user: {token: $token}}]
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
current-context: e2e
EOF
export KUBECONFIG=$state/kubeconfig
k() { "$bin/kubectl" -n "$namespace" "$@"; }
namespace=default
for _ in $(seq 60); do k get --raw /readyz >/dev/null 2>&1 && break || sleep 1; done
k get --raw /readyz >/dev/null || { tail -5 "$state/apiserver.log" >&2; exit 1; }

passed=0
same() { # WHAT GOT NEED
  [ "$2" = "$3" ] || { printf 'error: %s, %s\n  got:  %s\n  need: %s\n' "$namespace" "$1" "$2" "$3" >&2; exit 1; }
  passed=$((passed + 1))
}
suspended() { k get jobs -o 'jsonpath={range .items[*]}{.metadata.name}={.spec.suspend}{"\n"}{end}'; }
train() { suspended | grep -e -train-; }

story() { # NAME HELM
  namespace=$1 helm=$2
  local file before first second
  "$bin/kubectl" create namespace "$namespace" >/dev/null
  "$bin/kubectl" label namespace "$namespace" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
  same "Pod Security warns of an open pod" \
    "$(k create job open --image=x --dry-run=server 2>&1 | grep -c 'violate PodSecurity')" 1
  for file in "$root"/values/*.yaml; do
    "$helm" template x "$chart" -n "$namespace" -f "$file" | k apply --server-side --dry-run=server -f - >"$state/dry" 2>&1 ||
      { cat "$state/dry" >&2; exit 1; }
    same "$(basename "$file") is accepted without a warning" "$(grep -vc 'serverside-applied' "$state/dry" || true)" 0
  done
  upgrade() { "$helm" upgrade --install smoke "$chart" -n "$namespace" -f values/smoke.yaml "$@" >/dev/null; }

  upgrade
  first=$(train | cut -d= -f1)
  same "training is held, preparation runs" "$(suspended | sed 's/-[0-9a-f]*=/=/' | tr '\n' ' ')" \
    "smoke-evaluate=true smoke-prepare=false smoke-train=true "
  before=$(suspended); upgrade
  same "an upgrade with the same values keeps the Jobs" "$(suspended)" "$before"

  local releaser=(--as "system:serviceaccount:$namespace:smoke-prepare")
  k patch job "$first" "${releaser[@]}" --type merge -p '{"spec":{"suspend":false}}' >/dev/null
  same "the releaser may not delete" "$(k auth can-i delete "job/$first" "${releaser[@]}" || true)" no
  same "the releaser may not release evaluation" \
    "$(k auth can-i patch "$(k get jobs -o name | grep evaluate)" "${releaser[@]}" || true)" no
  before=$(k get job "$first" -o 'jsonpath={.metadata.uid} {.metadata.generation}'); upgrade
  same "an upgrade does not suspend what was released" "$(train)" "$first=false"
  same "nor change it" "$(k get job "$first" -o 'jsonpath={.metadata.uid} {.metadata.generation}')" "$before"

  upgrade --set train.args.learning_rate=0.01
  second=$(train | cut -d= -f1)
  same "another learning rate is another Job" "$([ "$first" != "$second" ] && echo yes)" yes
  "$helm" uninstall smoke -n "$namespace" >/dev/null
  same "uninstall keeps the claims" "$(k get pvc,job,cm,role,rolebinding -o name | grep -v kube-root-ca | tr '\n' ' ')" \
    "persistentvolumeclaim/smoke-cache persistentvolumeclaim/smoke-outputs "
}
story helm3 "${HELM3:-$root/.tools/helm3/helm}"
story helm4 "${HELM4:-$root/.tools/helm4/helm}"
echo "$passed passed, 0 failed in $SECONDS s"
