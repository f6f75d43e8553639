{{/* Order of the workloads: prepare -> convert (with prepare.shards) -> train -> evaluate and export. The predecessor releases a held object, which uses no GPU
     and no quota until then. The releaser and Kueue change the fields that hold an object, so an upgrade renders the fields of
     the live object. */}}

{{/* Kubernetes kind of a workload as JSON: {"apiVersion", "kind", "group", "resource"}.
     Usage: {{ include "vlm-sft.kind" (dict "root" $ "component" "train") | fromJson }} */}}
{{- define "vlm-sft.kind" -}}
{{- $launcher := eq .component "train" | ternary .root.Values.train.launcher "job" }}
{{- $kinds := dict "job" (list "batch/v1" "Job") "jobset" (list "jobset.x-k8s.io/v1alpha2" "JobSet") "trainjob" (list "trainer.kubeflow.org/v1alpha1" "TrainJob") }}
{{- $kind := get $kinds $launcher | default (list "" "") -}}
{{ dict "apiVersion" (first $kind) "kind" (last $kind) "group" (first $kind | dir) "resource" (printf "%ss" $launcher) | toJson }}
{{- end }}

{{/* Name of a workload for `vlm-sft release` and kubectl: job/NAME.
     Usage: {{ include "vlm-sft.target" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.target" -}}
{{ (include "vlm-sft.kind" . | fromJson).kind | lower }}/{{ include "vlm-sft.jobName" . }}
{{- end }}

{{/* Labels that submit a Job to its queue, as JSON; none without Kueue. */}}
{{- define "vlm-sft.queueLabels" -}}
{{- $labels := dict }}
{{- with .Values.kueue.queueName }}{{ $_ := set $labels "kueue.x-k8s.io/queue-name" . }}{{ end }}
{{- if and .Values.kueue.queueName .Values.kueue.priorityClass }}
{{- $_ := set $labels "kueue.x-k8s.io/priority-class" .Values.kueue.priorityClass }}
{{- end -}}
{{ $labels | toJson }}
{{- end }}

{{/* Labels of a Job that is not held.
     Usage: {{ include "vlm-sft.queuedLabels" (dict "root" $ "component" "rollback") }} */}}
{{- define "vlm-sft.queuedLabels" -}}
{{ include "vlm-sft.labels" . }}
{{- range $name, $value := include "vlm-sft.queueLabels" .root | fromJson }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The live object of a workload, or nothing. */}}
{{- define "vlm-sft.live" -}}
{{- $kind := include "vlm-sft.kind" . | fromJson }}
{{- lookup $kind.apiVersion $kind.kind .root.Release.Namespace (include "vlm-sft.jobName" .) | toJson }}
{{- end }}

{{/* "true" for a live object that has succeeded: Jobs and TrainJobs are Complete, JobSets are Completed. */}}
{{- define "vlm-sft.complete" -}}
{{- range ((.status | default dict).conditions | default list) }}
{{- if and (has .type (list "Complete" "Completed")) (eq .status "True") }}true{{ end }}
{{- end }}
{{- end }}

{{/* How a workload is held, as JSON: {"labels", "annotations", "suspend"}. `suspend` is missing where Kueue owns it, which is so
     for every object with a queue label. An object that is recreated after its releaser has finished is not held, because
     nothing would release it. Empty `by`: not held.
     Usage: {{ include "vlm-sft.hold" (dict "root" $ "component" "train" "by" "prepare") | fromJson }} */}}
{{- define "vlm-sft.hold" -}}
{{- $kueue := .root.Values.kueue }}
{{- $queue := include "vlm-sft.queueLabels" .root | fromJson }}
{{- $annotations := dict }}
{{- $hold := dict "labels" $queue "annotations" $annotations }}
{{- if .by }}
{{- $live := include "vlm-sft.live" . | fromJson }}
{{- $releaser := include "vlm-sft.live" (dict "root" .root "component" .by) | fromJson }}
{{- $had := ($live.metadata | default dict).annotations | default dict }}
{{- $held := not (include "vlm-sft.complete" $releaser) }}
{{- $gated := $held }}
{{- $late := $held }}
{{- if $live }}
{{- $held = get $live.spec "suspend" | default false }}
{{- $gated = hasKey $had "kueue.x-k8s.io/admission-gated-by" }}
{{- $late = hasKey $had "vlm-sft/queue-name" }}
{{- end }}
{{- if not $kueue.queueName }}
{{- $_ := set $hold "suspend" $held }}
{{- else if eq $kueue.hold "gate" }}
{{- if $gated }}{{ $_ := set $annotations "kueue.x-k8s.io/admission-gated-by" "vlm-sft/predecessor" }}{{ end }}
{{- else if $late }}
{{- $_ := set $hold "labels" dict }}
{{- $_ := set $hold "suspend" $held }}
{{- range $name, $value := $queue }}{{ $_ := set $annotations (printf "vlm-sft/%s" (base $name)) $value }}{{ end }}
{{- end }}
{{- end -}}
{{ $hold | toJson }}
{{- end }}

{{/* Arguments of kubectl that release a workload by hand.
     Usage: {{ include "vlm-sft.byHand" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.byHand" -}}
{{- $target := include "vlm-sft.target" . }}
{{- if not .root.Values.kueue.queueName -}}
patch {{ $target }} --type merge -p '{"spec":{"suspend":false}}'
{{- else if eq .root.Values.kueue.hold "gate" -}}
annotate {{ $target }} kueue.x-k8s.io/admission-gated-by-
{{- else -}}
label {{ $target }}{{ range $name, $value := include "vlm-sft.queueLabels" .root | fromJson }} {{ $name }}={{ $value }}{{ end }}
{{- end }}
{{- end }}

{{/* Head of a workload's object, up to the first fields of its spec.
     Usage: {{ include "vlm-sft.jobHead" (dict "root" $ "component" "train" "by" "prepare" "annotations" $annotations) }} */}}
{{- define "vlm-sft.jobHead" -}}
{{- $kind := include "vlm-sft.kind" . | fromJson }}
{{- $hold := include "vlm-sft.hold" . | fromJson -}}
apiVersion: {{ $kind.apiVersion }}
kind: {{ $kind.kind }}
metadata:
  name: {{ include "vlm-sft.jobName" . }}
  labels:
    {{- include "vlm-sft.labels" . | nindent 4 }}
    {{- range $name, $value := $hold.labels }}
    {{ $name }}: {{ $value | quote }}
    {{- end }}
  {{- with merge (dict) $hold.annotations (.annotations | default dict) }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if hasKey $hold "suspend" }}
  # Held until {{ .by }} finishes and releases it.
  suspend: {{ $hold.suspend }}
  {{- end }}
{{- end }}
