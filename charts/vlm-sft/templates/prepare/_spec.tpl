{{- define "vlm-sft.prepare.spec" -}}
{{- $prepare := .Values.prepare }}
{{- $steps := include "vlm-sft.prepare.steps" . | fromJsonArray }}
{{- $release := .Values.train.enabled }}
{{- if $release }}
{{- $train := include "vlm-sft.target" (dict "root" . "component" "train") }}
{{- $steps = append $steps (dict "name" "release" "command" (list "vlm-sft" "release" $train)) }}
{{- end -}}
backoffLimit: {{ $prepare.backoffLimit | toJson }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    # 2: wrong option; 42: wrong config. A retry would fail the same way.
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 42]}
template:
  metadata:
    labels: {{- include "vlm-sft.selectorLabels" (dict "root" . "component" "prepare") | nindent 6 }}
    annotations:
      # Container whose log `kubectl logs` shows.
      kubectl.kubernetes.io/default-container: {{ include "vlm-sft.prepare.mainStep" . }}
  spec:
    restartPolicy: Never
    {{- if $release }}
    serviceAccountName: {{ .Release.Name }}-prepare
    {{- end }}
    {{- include "vlm-sft.podBasics" (dict "root" . "component" "prepare" "gpus" 0) | nindent 4 }}
    {{- with initial $steps }}
    initContainers:
      {{- range . }}
      {{- include "vlm-sft.prepare.container" (dict "root" $ "step" .) | nindent 6 }}
      {{- end }}
    {{- end }}
    containers:
      {{- include "vlm-sft.prepare.container" (dict "root" . "step" (last $steps)) | nindent 6 }}
    volumes: {{- include "vlm-sft.volumes" (dict "root" . "token" $release) | nindent 6 }}
{{- end }}

{{/* Name of the step with the most useful log. */}}
{{- define "vlm-sft.prepare.mainStep" -}}
{{- $names := list }}
{{- range include "vlm-sft.prepare.steps" . | fromJsonArray }}{{ $names = append $names .name }}{{ end }}
{{- has "data" $names | ternary "data" (first $names) }}
{{- end }}

{{/* One step as a container. Usage: {{ include "vlm-sft.prepare.container" (dict "root" $ "step" $step) }} */}}
{{- define "vlm-sft.prepare.container" -}}
- name: {{ .step.name }}
  {{- include "vlm-sft.containerBasics" .root | nindent 2 }}
  command:
    {{- range .step.command }}
    - {{ include "vlm-sft.literal" . }}
    {{- end }}
  env: {{- include "vlm-sft.env" (dict "root" .root "hub" (eq .step.name "release" | ternary "none" "online")) | nindent 4 }}
  resources: {{- include "vlm-sft.resources" (dict "root" .root "resources" .root.Values.prepare.resources "gpus" 0) | nindent 4 }}
  volumeMounts:
    {{- include "vlm-sft.volumeMounts" .root | nindent 4 }}
    {{- if eq .step.name "release" }}
    {{- include "vlm-sft.tokenMount" .root | nindent 4 }}
    {{- end }}
{{- end }}
