{{/* Image and pod spec: the parts that all pods share. */}}

{{- define "vlm-sft.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Head of a container: image and security context; `vlm-sft.fabric.capabilities` may follow.
     Usage: {{ include "vlm-sft.containerBasics" $ }} */}}
{{- define "vlm-sft.containerBasics" -}}
{{ include "vlm-sft.containerOf" (dict "root" . "image" (include "vlm-sft.image" .)) }}
{{- end }}

{{/* The same for another image. Usage: {{ include "vlm-sft.containerOf" (dict "root" $ "image" "rclone/rclone:1") }} */}}
{{- define "vlm-sft.containerOf" -}}
image: {{ include "vlm-sft.json" .image }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Labels and annotations of a pod template.
     Usage: {{ include "vlm-sft.podMetadata" (dict "root" $ "component" "train" "annotations" dict) }} */}}
{{- define "vlm-sft.podMetadata" -}}
labels:
  {{- include "vlm-sft.selectorLabels" . | nindent 2 }}
  {{- include "vlm-sft.ownLabels" .root | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.podAnnotations }}
annotations: {{ include "vlm-sft.json" . }}
{{- end }}
{{- end }}

{{/* podLabels, one line each. */}}
{{- define "vlm-sft.ownLabels" -}}
{{- range $name, $value := .Values.podLabels }}
{{ include "vlm-sft.json" $name }}: {{ include "vlm-sft.json" $value }}
{{- end }}
{{- end }}

{{/* Environment variables of the values, one item each. */}}
{{- define "vlm-sft.extraEnv" -}}
{{- range $name, $value := include "vlm-sft.given" .Values.extraEnv | fromJson }}
- {name: {{ $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | include "vlm-sft.literal" }}}
{{- end }}
{{- if or .Values.caCertificates.configMap .Values.caCertificates.secret }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "CURL_CA_BUNDLE" "AWS_CA_BUNDLE" }}
- {name: {{ . }}, value: /certificates/ca.crt}
{{- end }}
{{- end }}
{{- end }}

{{/* `envFrom` of a container, if the values name a source. `trackers` adds the Secret of the trackers.
     Usage: {{ include "vlm-sft.envFrom" (dict "root" $ "trackers" true) }} */}}
{{- define "vlm-sft.envFrom" -}}
{{- $sources := .root.Values.extraEnvFrom }}
{{- $secret := .trackers | ternary .root.Values.train.trackers.secretName "" }}
{{- if $secret }}{{ $sources = append $sources (dict "secretRef" (dict "name" $secret)) }}{{ end }}
{{- with $sources -}}
envFrom: {{ include "vlm-sft.json" . }}
{{- end }}
{{- end }}

{{/* Environment of a container. `hub` is "online", "offline" (no hub client uses the network) or "none" (no token).
     Usage: {{ include "vlm-sft.env" (dict "root" $ "hub" "online") }} */}}
{{- define "vlm-sft.env" -}}
- {name: HOME, value: /tmp}
- {name: USER, value: vlm-sft}{{/* a user id without an entry in the image has no name */}}
- {name: HF_HOME, value: /cache/hf}
- {name: MODELSCOPE_CACHE, value: /cache/modelscope}
- {name: TRITON_CACHE_DIR, value: /tmp/triton}
- {name: TORCHINDUCTOR_CACHE_DIR, value: /tmp/inductor}
- {name: MPLCONFIGDIR, value: /tmp/matplotlib}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- with include "vlm-sft.extraEnv" .root }}{{ . }}{{ end }}
{{- if eq .hub "offline" }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}
{{- with .root.Values.huggingFace.tokenSecret }}
{{- if and .name (ne $.hub "none") }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
      optional: {{ not $.root.Values.model.gated }}
{{- end }}
{{- end }}
{{- end }}

{{/* Resources of a container with its GPUs.
     Usage: {{ include "vlm-sft.resources" (dict "root" $ "resources" .Values.train.resources "gpus" 4 "more" $devices) }} */}}
{{- define "vlm-sft.resources" -}}
{{- $devices := .more | default dict }}
{{- if gt (int .gpus) 0 }}
{{- $devices = merge (dict .root.Values.gpu.resourceName (int .gpus)) $devices }}
{{- end -}}
requests: {{ merge (dict) $devices (.resources.requests | default dict) | include "vlm-sft.json" }}
limits: {{ merge (dict) $devices (.resources.limits | default dict) | include "vlm-sft.json" }}
{{- end }}

{{- define "vlm-sft.volumeMounts" -}}
- {name: cache, mountPath: /cache}
- {name: outputs, mountPath: /outputs}
- {name: tmp, mountPath: /tmp}
{{- range .Values.storage.extra }}
{{- $mount := dict "name" (printf "extra-%s" .name) "mountPath" .mountPath "readOnly" (ne (toString .readOnly) "false") }}
{{- with .subPath }}{{ $_ := set $mount "subPath" . }}{{ end }}
- {{ include "vlm-sft.json" $mount }}
{{- end }}
{{- include "vlm-sft.certificates.mount" . }}
{{- end }}

{{/* The file of caCertificates, as a mount and as a volume. */}}
{{- define "vlm-sft.certificates.mount" -}}
{{- if or .Values.caCertificates.configMap .Values.caCertificates.secret }}
- {name: certificates, mountPath: /certificates, readOnly: true}
{{- end }}
{{- end }}

{{- define "vlm-sft.certificates.volume" -}}
{{- $items := list (dict "key" .Values.caCertificates.key "path" "ca.crt") }}
{{- with .Values.caCertificates.configMap }}
- name: certificates
  configMap: {{ dict "name" . "items" $items | include "vlm-sft.json" }}
{{- end }}
{{- with .Values.caCertificates.secret }}
- name: certificates
  secret: {{ dict "secretName" . "items" $items | include "vlm-sft.json" }}
{{- end }}
{{- end }}

{{/* Volumes. `shm` [bytes] adds /dev/shm; `token` adds an API token with the pod's single permission.
     Usage: {{ include "vlm-sft.volumes" (dict "root" $ "shm" "16Gi" "token" true) }} */}}
{{- define "vlm-sft.volumes" -}}
- name: cache
  persistentVolumeClaim: {claimName: {{ include "vlm-sft.claimName" (dict "root" .root "claim" "cache") | quote }}}
- name: outputs
  persistentVolumeClaim: {claimName: {{ include "vlm-sft.claimName" (dict "root" .root "claim" "outputs") | quote }}}
- name: tmp
  emptyDir: {}
{{- range .root.Values.storage.extra }}
{{- $readOnly := ne (toString .readOnly) "false" }}
- name: extra-{{ .name }}
  {{- with .existingClaim }}
  persistentVolumeClaim: {{ dict "claimName" . "readOnly" $readOnly | include "vlm-sft.json" }}
  {{- end }}
  {{- with .nfs }}
  nfs: {{ merge (dict "readOnly" $readOnly) . | include "vlm-sft.json" }}
  {{- end }}
  {{- with .hostPath }}
  hostPath: {{ dict "path" . | include "vlm-sft.json" }}
  {{- end }}
{{- end }}
{{- include "vlm-sft.certificates.volume" .root }}
{{- with .shm }}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ . | toJson }}}
{{- end }}
{{- if .token }}
{{ include "vlm-sft.tokenVolume" .root }}
{{- end }}
{{- end }}

{{/* The outputs claim, read-only, for pods that run beside the experiment. */}}
{{- define "vlm-sft.outputsMounts" -}}
- {name: outputs, mountPath: /outputs, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "vlm-sft.outputsVolumes" -}}
- name: outputs
  persistentVolumeClaim: {claimName: {{ include "vlm-sft.claimName" (dict "root" . "claim" "outputs") | quote }}}
- name: tmp
  emptyDir: {}
{{- end }}

{{/* Affinity with which the pods of a component prefer separate nodes, as JSON; none for a single pod. */}}
{{- define "vlm-sft.apart" -}}
{{- $affinity := dict }}
{{- if gt (int (.nodes | default 1)) 1 }}
{{- $others := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "vlm-sft.selectorLabels" . | fromYaml)) }}
{{- $weighted := dict "weight" 100 "podAffinityTerm" $others }}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list $weighted)) }}
{{- end -}}
{{ $affinity | toJson }}
{{- end }}

{{/* Head of a pod spec: security and scheduling. It mounts no API token, whatever the service account.
     Usage: {{ include "vlm-sft.podBasics" (dict "root" $ "component" "train" "gpus" 4 "nodes" 2) }} */}}
{{- define "vlm-sft.podBasics" -}}
{{- $values := .root.Values }}
{{- $gpu := dict "nodeSelector" dict "tolerations" list "affinity" dict "runtimeClassName" "" }}
{{- if gt (int .gpus) 0 }}{{ $gpu = $values.gpu }}{{ end }}
{{- $selector := include "vlm-sft.selectorLabels" . | fromYaml -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $values.podSecurity.runAsUser | toJson }}
  runAsGroup: {{ $values.podSecurity.fsGroup | toJson }}
  fsGroup: {{ $values.podSecurity.fsGroup | toJson }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with merge (dict) $gpu.nodeSelector $values.scheduling.nodeSelector }}
nodeSelector: {{ include "vlm-sft.json" . }}
{{- end }}
{{- with concat $values.scheduling.tolerations $gpu.tolerations }}
tolerations: {{ include "vlm-sft.json" . }}
{{- end }}
{{- with merge (dict) (deepCopy $gpu.affinity) (deepCopy $values.scheduling.affinity) (include "vlm-sft.apart" . | fromJson) }}
affinity: {{ include "vlm-sft.json" . }}
{{- end }}
{{- with $values.scheduling.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" (dict "matchLabels" $selector)) .) | include "vlm-sft.json" }}
  {{- end }}
{{- end }}
{{- with $gpu.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with $values.scheduling.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.scheduling.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- end }}

{{/* A Pod of its own, named after its content.
     Usage: {{ include "vlm-sft.pod" (dict "root" $ "component" "jupyter" "spec" $spec) }} */}}
{{- define "vlm-sft.pod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "vlm-sft.hashedName" (dict "base" .root.Release.Name "component" .component "spec" .spec) }}
  labels:
    {{- include "vlm-sft.labels" . | nindent 4 }}
    {{- include "vlm-sft.ownLabels" .root | nindent 4 }}
  {{- with .root.Values.podAnnotations }}
  annotations: {{ include "vlm-sft.json" . }}
  {{- end }}
spec: {{- .spec | nindent 2 }}
{{- end }}
