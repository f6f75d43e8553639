#!/usr/bin/env bash
# The chart on a real Kubernetes API server without nodes: what the server accepts, and what an upgrade changes.
# It needs Go and openssl, no root. It builds the pinned commands once (minutes). Usage: tests/e2e/api.sh
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
# Without controllers there is no default service account, and this admission plug-in would refuse every pod.
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

# Objects of the clusters in values/clusters; the server refuses pods that name missing ones.
k create -f - >/dev/null <<'EOF'
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: nvidia}
handler: nvidia
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: opportunistic}
value: -1
EOF

passed=0
same() { # WHAT GOT NEED
  [ "$2" = "$3" ] || { printf 'error: %s, %s\n  got:  %s\n  need: %s\n' "$namespace" "$1" "$2" "$3" >&2; exit 1; }
  passed=$((passed + 1))
}
# `vlm-sft release` as in a pod of the chart: with the token of the service account and the server's certificate.
release() { # ACCOUNT ARGUMENTS...
  local account=$state/account
  mkdir -p "$account"
  k create token "$1" >"$account/token"
  printf %s "$namespace" >"$account/namespace"
  cp "$state/apiserver.crt" "$account/ca.crt"
  KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=$port VLM_SFT_SERVICE_ACCOUNT_DIR=$account \
    "$root/.venv/bin/vlm-sft" release "${@:2}"
}
complete() { # JOB: sets its status, as no controllers run
  local now
  now=$(date -u +%FT%TZ)
  k patch job "$1" --subresource=status --type merge -p "{\"status\":{\"startTime\":\"$now\",\"completionTime\":\"$now\",
    \"succeeded\":1,\"conditions\":[{\"type\":\"SuccessCriteriaMet\",\"status\":\"True\"},{\"type\":\"Complete\",\"status\":\"True\"}]}}" >/dev/null
}
# Helm waits for its hooks, and no pod runs here: run the command of each hook's Job and complete the Job.
hooks() {
  local job command ended
  for job in smoke-rollback-evaluate smoke-rollback-export smoke-rollback-train; do
    until ended=$(k get job "$job" -o 'jsonpath={.status.completionTime}' 2>/dev/null) && [ -z "$ended" ]; do sleep 0.2; done
    mapfile -t command < <(k get job "$job" -o 'jsonpath={range .spec.template.spec.containers[0].command[2:]}{@}{"\n"}{end}')
    release "$(k get job "$job" -o 'jsonpath={.spec.template.spec.serviceAccountName}')" "${command[@]}"
    complete "$job"
  done
}
rollback() { # REVISION
  hooks 2>"$state/hooks" & pids+=($!)
  "$helm" rollback smoke "$1" -n "$namespace" --timeout 60s >/dev/null
}
# A namespace with a quota refuses pods without a request for a counted resource. Without controllers, set its status here.
quota() { # NAME RESOURCE=AMOUNT...
  local hard
  hard=$(printf '"%s",' "${@:2}" | sed 's/=/":"/g; s/,$//')
  k create quota "$1" --hard "$(printf '%s,' "${@:2}" | sed 's/,$//')" >/dev/null
  k patch quota "$1" --subresource=status --type merge \
    -p "{\"status\":{\"hard\":{$hard},\"used\":{$(sed 's/":"[^"]*"/":"0"/g' <<<"$hard")}}}" >/dev/null
}
quotas() {
  local file message
  quota plenty requests.{cpu,memory}=4Ti limits.{cpu,memory}=4Ti requests.nvidia.com/gpu=64 pods=99
  for file in "$root"/values/*.yaml "$root"/tests/data/chart/{everything,shards}.yaml; do
    "$helm" template x "$chart" -n "$namespace" -f "$file" | "$root/.venv/bin/python" tests/e2e/pods.py >"$state/pods"
    k create --dry-run=server -f "$state/pods" >"$state/dry" 2>&1 || { cat "$state/dry" >&2; exit 1; }
    same "a quota admits each pod of $(basename "$file")" \
      "$(grep -c 'created (server dry run)' "$state/dry")" "$(grep -o '"kind": "Pod"' "$state/pods" | wc -l)"
  done
  k delete quota plenty >/dev/null
  quota few requests.nvidia.com/gpu=3
  message=$("$helm" template x "$chart" -n "$namespace" -f values/fire-4gpu.yaml |
    "$root/.venv/bin/python" tests/e2e/pods.py | k create --dry-run=server -f - 2>&1 || true)
  same "a quota of three GPUs refuses four" "$(grep -o 'exceeded quota: few, requested: requests.nvidia.com/gpu=4' <<<"$message")" \
    "exceeded quota: few, requested: requests.nvidia.com/gpu=4"
  k delete quota few >/dev/null
}
suspended() { k get jobs -o 'jsonpath={range .items[*]}{.metadata.name}={.spec.suspend}{"\n"}{end}'; }
train() { suspended | grep -e -train-; }

story() { # NAME HELM
  namespace=$1 helm=$2
  local file cluster before first second uid
  "$bin/kubectl" create namespace "$namespace" >/dev/null
  "$bin/kubectl" label namespace "$namespace" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
  same "Pod Security warns about an unrestricted pod" \
    "$(k create job open --image=x --dry-run=server 2>&1 | grep -c 'violate PodSecurity')" 1
  for file in "$root"/values/*.yaml; do
    for cluster in "" "$root"/values/clusters/*.yaml; do
      "$helm" template x "$chart" -n "$namespace" ${cluster:+-f "$cluster"} -f "$file" |
        k apply --server-side --dry-run=server -f - >"$state/dry" 2>&1 || { cat "$state/dry" >&2; exit 1; }
      same "$(basename "$file") is accepted without a warning${cluster:+ on $(basename "$cluster")}" \
        "$(grep -vc 'serverside-applied' "$state/dry" || true)" 0
    done
  done
  quotas
  upgrade() { "$helm" upgrade --install smoke "$chart" -n "$namespace" -f values/smoke.yaml "$@" >/dev/null; }

  upgrade
  first=$(train | cut -d= -f1)
  same "training is held, preparation runs" "$(suspended | sed 's/-[0-9a-f]*=/=/' | tr '\n' ' ')" \
    "smoke-evaluate=true smoke-export=true smoke-prepare=false smoke-train=true "
  before=$(suspended); upgrade
  same "an upgrade with the same values keeps the Jobs" "$(suspended)" "$before"

  local releaser=(--as "system:serviceaccount:$namespace:smoke-prepare")
  release smoke-prepare "job/$first" 2>/dev/null
  same "the release leaves no field manager of suspend" \
    "$(k get job "$first" --show-managed-fields -o 'jsonpath={.metadata.managedFields[*].manager}' | tr ' ' '\n' | grep -c vlm-sft || true)" 0
  same "the releaser may not delete" "$(k auth can-i delete "job/$first" "${releaser[@]}" || true)" no
  same "the releaser may not release evaluation" \
    "$(k auth can-i patch "$(k get jobs -o name | grep evaluate)" "${releaser[@]}" || true)" no
  uid=$(k get job "$first" -o 'jsonpath={.metadata.uid} {.metadata.generation}'); upgrade
  same "an upgrade keeps a released Job released" "$(train)" "$first=false"
  same "and unchanged" "$(k get job "$first" -o 'jsonpath={.metadata.uid} {.metadata.generation}')" "$uid"

  # A rollback renders Jobs as held, as at the install; those released since are released again.
  complete "$(k get jobs -o name | grep -e -prepare- | cut -d/ -f2)"
  before=$(suspended)
  upgrade --set networkPolicy.enabled=true
  same "a change of other objects keeps the Jobs" "$(suspended)" "$before"
  rollback 1
  local stays="stays held: job/smoke-train is not complete, and will release it when it is"
  same "a rollback leaves the Jobs as they were" "$(suspended)" "$before"
  same "its hooks released training only" "$(sed 's/-[0-9a-f]\{8\}//g' "$state/hooks" | sort | tr '\n' ' ')" \
    "job/smoke-evaluate: $stays job/smoke-export: $stays job/smoke-train: released "
  same "the rolled back Job is the same one" "$(k get job "$first" -o 'jsonpath={.metadata.uid}')" "${uid%% *}"
  upgrade
  same "an upgrade after the rollback keeps the Jobs" "$(suspended)" "$before"

  upgrade --set train.args.learning_rate=0.01
  second=$(train | cut -d= -f1)
  same "another learning rate is another Job" "$([ "$first" != "$second" ] && echo yes)" yes
  rollback 1
  same "a rollback of the learning rate restores the earlier Job" "$(train)" "$first=true"
  same "the restored preparation will release it" "$(suspended | sed 's/-[0-9a-f]*=/=/' | tr '\n' ' ')" \
    "smoke-evaluate=true smoke-export=true smoke-prepare=false smoke-train=true "
  "$helm" uninstall smoke -n "$namespace" >/dev/null
  same "uninstall keeps the claims" "$(k get pvc,job,cm,role,rolebinding -o name | grep -v kube-root-ca | tr '\n' ' ')" \
    "persistentvolumeclaim/smoke-cache persistentvolumeclaim/smoke-outputs "
}
story helm3 "${HELM3:-$root/.tools/helm3/helm}"
story helm4 "${HELM4:-$root/.tools/helm4/helm}"
echo "$passed passed, 0 failed in $SECONDS s"
