{{/* Pod template of the server. vLLM needs its own image, and reads its arguments from the same file. */}}
{{- define "vlm-sft.serve.template" -}}
{{- $serve := .Values.serve }}
{{- $vllm := eq $serve.engine "vllm" }}
{{- $gpus := eq .Values.train.accelerator "gpu" | ternary (int $serve.gpus) 0 -}}
metadata: {{- include "vlm-sft.podMetadata" (dict "root" . "component" "serve") | nindent 2 }}
spec:
  {{- include "vlm-sft.podBasics" (dict "root" . "component" "serve" "gpus" $gpus) | nindent 2 }}
  containers:
    - name: serve
      {{- include "vlm-sft.containerOf" (dict "root" . "image" ($serve.image | default (include "vlm-sft.image" .))) | nindent 6 }}
      command:
        - {{ $vllm | ternary "vllm" "vlm-sft" }}
        - serve
        - {{ include "vlm-sft.literal" $serve.model }}
        - --config=/config/serve.yaml
        - --port=8000
        {{- if $vllm }}
        - --tensor-parallel-size={{ max 1 $gpus }}
        {{- end }}
      env:
        {{- include "vlm-sft.env" (dict "root" . "hub" (.Values.offline | ternary "offline" "online")) | nindent 8 }}
        {{- with $serve.apiKeySecret }}
        {{- if .name }}
        - name: {{ $vllm | ternary "VLLM_API_KEY" "VLM_SFT_API_KEY" }}
          valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}}
        {{- end }}
        {{- end }}
      {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" false) }}{{ . | nindent 6 }}{{ end }}
      ports:
        - {name: http, containerPort: 8000}
      # One hour: loading takes minutes, and a first download takes longer.
      startupProbe:
        httpGet: {path: /health, port: http}
        periodSeconds: 10
        failureThreshold: 360
      readinessProbe:
        httpGet: {path: /health, port: http}
      resources: {{- include "vlm-sft.resources" (dict "root" . "resources" $serve.resources "gpus" $gpus) | nindent 8 }}
      volumeMounts:
        {{- include "vlm-sft.volumeMounts" . | nindent 8 }}
        - {name: shm, mountPath: /dev/shm}
        - {name: config, mountPath: /config, readOnly: true}
  volumes:
    {{- include "vlm-sft.volumes" (dict "root" . "shm" $serve.shmSize) | nindent 4 }}
    - name: config
      configMap: {name: {{ include "vlm-sft.serve.configName" . }}}
{{- end }}

{{/* serve.yaml, for `swift deploy` or `vllm serve`; the served model has the name of the release. */}}
{{- define "vlm-sft.serve.config" -}}
{{- $vllm := eq .Values.serve.engine "vllm" }}
{{- $args := dict (ternary "served-model-name" "served_model_name" $vllm) .Release.Name }}
{{- range $name, $value := include "vlm-sft.given" .Values.serve.args | fromJson }}{{ $_ := set $args $name $value }}{{ end }}
{{- $env := dict }}
{{- if not $vllm }}{{ $env = include "vlm-sft.given" .Values.train.env | fromJson }}{{ end }}
{{- include "vlm-sft.swiftYaml" (dict "args" $args "env" $env) | trim }}
{{- end }}

{{- define "vlm-sft.serve.configName" -}}
{{ .Release.Name }}-serve-config-{{ include "vlm-sft.serve.config" . | sha256sum | trunc 8 }}
{{- end }}
