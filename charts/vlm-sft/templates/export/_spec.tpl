{{- define "vlm-sft.export.spec" -}}
{{- $export := .Values.export }}
{{- $gpus := eq .Values.train.accelerator "gpu" | ternary (int $export.gpus) 0 -}}
backoffLimit: {{ $export.backoffLimit | toJson }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    - action: FailJob
      onExitCodes: {operator: In, values: [42]}
template:
  metadata: {{- include "vlm-sft.podMetadata" (dict "root" . "component" "export" "annotations" (include "vlm-sft.lengthAnnotation" . | fromJson)) | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- include "vlm-sft.podBasics" (dict "root" . "component" "export" "gpus" $gpus) | nindent 4 }}
    containers:
      - name: export
        {{- include "vlm-sft.containerBasics" . | nindent 8 }}
        command: [vlm-sft, export, {{ include "vlm-sft.runDir" . }}, --gpus={{ $gpus }}]
        env:
          {{- include "vlm-sft.env" (dict "root" . "hub" (.Values.offline | ternary "offline" "online")) | nindent 10 }}
        {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" false) }}{{ . | nindent 8 }}{{ end }}
        resources: {{- include "vlm-sft.resources" (dict "root" . "resources" $export.resources "gpus" $gpus) | nindent 10 }}
        volumeMounts: {{- include "vlm-sft.volumeMounts" . | nindent 10 }}
    volumes: {{- include "vlm-sft.volumes" (dict "root" .) | nindent 6 }}
{{- end }}
