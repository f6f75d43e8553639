{{/* The Job `prepare`, one pod; and with prepare.shards the Job `convert`, whose pods divide the rows. */}}

{{- define "vlm-sft.prepare.spec" -}}
backoffLimit: {{ .Values.prepare.backoffLimit | toJson }}
{{ include "vlm-sft.prepare.template" (dict "root" . "component" "prepare") }}
{{- end }}

{{- define "vlm-sft.convert.spec" -}}
completionMode: Indexed
completions: {{ .Values.prepare.shards | toJson }}
parallelism: {{ .Values.prepare.shards | toJson }}
# Failed pods are counted for each part, so that a part that fails is repeated alone.
backoffLimitPerIndex: {{ .Values.prepare.backoffLimit | toJson }}
{{ include "vlm-sft.prepare.template" (dict "root" . "component" "convert") }}
{{- end }}

{{/* Failure policy and pod template of both Jobs. A pod of `convert` releases the next workload only when all parts are written.
     Usage: {{ include "vlm-sft.prepare.template" (dict "root" $ "component" "prepare") }} */}}
{{- define "vlm-sft.prepare.template" -}}
{{- $steps := include (printf "vlm-sft.%s.steps" .component) .root | fromJsonArray }}
{{- $pods := eq .component "convert" | ternary .root.Values.prepare.shards 1 }}
{{- $names := list }}
{{- range $steps }}{{ $names = append $names .name }}{{ end }}
{{- $released := include "vlm-sft.prepare.releases" . | fromJsonArray }}
{{- range $released }}
{{- $command := list "vlm-sft" "release" (include "vlm-sft.target" (dict "root" $.root "component" .)) }}
{{- if eq $.component "convert" }}
{{- $command = concat $command (list "--when" (printf "%s/stats.json" (include "vlm-sft.prepared" $.root | fromJson).outputDir)) }}
{{- end }}
{{- $steps = append $steps (dict "name" "release" "command" $command) }}
{{- end -}}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    # 2: wrong option; 42: wrong config. A retry would fail the same way.
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 42]}
template:
  # default-container: `kubectl logs` shows the step with the most useful log.
  {{- $annotations := dict "kubectl.kubernetes.io/default-container" (has "data" $names | ternary "data" (first $names)) }}
  metadata: {{- include "vlm-sft.podMetadata" (merge (dict "annotations" $annotations) .) | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- if $released }}
    serviceAccountName: {{ include "vlm-sft.releaserName" . | quote }}
    {{- end }}
    {{- include "vlm-sft.podBasics" (dict "root" .root "component" .component "gpus" 0 "nodes" $pods) | nindent 4 }}
    {{- with initial $steps }}
    initContainers:
      {{- range . }}
      {{- include "vlm-sft.prepare.container" (dict "root" $.root "step" . "pods" $pods) | nindent 6 }}
      {{- end }}
    {{- end }}
    containers:
      {{- include "vlm-sft.prepare.container" (dict "root" .root "step" (last $steps) "pods" $pods) | nindent 6 }}
    volumes: {{- include "vlm-sft.volumes" (dict "root" .root "token" $released) | nindent 6 }}
{{- end }}

{{/* One step as a container. The data step of several pods gets its part from the index that an Indexed Job sets; with --verify it
     gets the variables of training, which limit the tokens of an image; `trackers` gets those and the Secret.
     Usage: {{ include "vlm-sft.prepare.container" (dict "root" $ "step" $step "pods" 1) }} */}}
{{- define "vlm-sft.prepare.container" -}}
{{- $isData := eq .step.name "data" -}}
- name: {{ .step.name }}
  {{- include "vlm-sft.containerBasics" .root | nindent 2 }}
  command:
    {{- range .step.command }}
    - {{ include "vlm-sft.literal" . }}
    {{- end }}
    {{- if and $isData (gt (int .pods) 1) }}
    - --shard
    - $(JOB_COMPLETION_INDEX)/{{ .pods | toJson }}
    {{- end }}
  env:
    {{- include "vlm-sft.env" (dict "root" .root "hub" (eq .step.name "release" | ternary "none" "online")) | nindent 4 }}
    {{- if or (eq .step.name "trackers") (and $isData (include "vlm-sft.verifies" .root)) }}
    {{- range $name, $value := include "vlm-sft.given" .root.Values.train.env | fromJson }}
    - {name: {{ $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | include "vlm-sft.literal" }}}
    {{- end }}
    {{- end }}
  {{- if eq .step.name "trackers" }}
    {{- with include "vlm-sft.swanlabMode" .root }}
    - {name: SWANLAB_MODE, value: {{ include "vlm-sft.literal" . }}}
    {{- end }}
  {{- end }}
  {{- with include "vlm-sft.envFrom" (dict "root" .root "trackers" (eq .step.name "trackers")) }}{{ . | nindent 2 }}{{ end }}
  resources: {{- include "vlm-sft.resources" (dict "root" .root "resources" .root.Values.prepare.resources "gpus" 0) | nindent 4 }}
  volumeMounts:
    {{- include "vlm-sft.volumeMounts" .root | nindent 4 }}
    {{- if eq .step.name "release" }}
    {{- include "vlm-sft.tokenMount" .root | nindent 4 }}
    {{- end }}
{{- end }}
