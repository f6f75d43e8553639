{{/* Trackers of train.args.report_to, which need a package in the image and a variable from a Secret. */}}

{{/* Of each tracker: `key`: the variable that it needs; `mode`: a variable that makes it log without a server; `without`: what to
     set below train instead of the Secret. */}}
{{- define "vlm-sft.trackerTable" -}}
mlflow: {key: MLFLOW_TRACKING_URI, without: "env.MLFLOW_TRACKING_URI to a server or a folder below /outputs"}
swanlab: {key: SWANLAB_API_KEY, mode: SWANLAB_MODE, without: "args.swanlab_mode to local and train.env.SWANLAB_LOG_DIR to a folder below /outputs"}
wandb: {key: WANDB_API_KEY, mode: WANDB_MODE, without: "env.WANDB_MODE to offline and train.env.WANDB_DIR to a folder below /outputs"}
{{- end }}

{{/* Those that the values name, as a JSON list. */}}
{{- define "vlm-sft.trackers" -}}
{{- $named := get .Values.train.args "report_to" }}
{{- if not (kindIs "slice" $named) }}{{ $named = list $named }}{{ end }}
{{- $found := list }}
{{- range $tracker, $_ := include "vlm-sft.trackerTable" . | fromYaml }}
{{- if has $tracker $named }}{{ $found = append $found $tracker }}{{ end }}
{{- end -}}
{{ $found | toJson }}
{{- end }}

{{/* train.args.swanlab_mode; local needs no key. */}}
{{- define "vlm-sft.swanlabMode" -}}
{{ get .Values.train.args "swanlab_mode" | default "" }}
{{- end }}
