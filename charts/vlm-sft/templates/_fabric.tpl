{{/* Network settings of multi-node training pods. Each define is empty on a single node. */}}

{{/* Environment for NCCL and libfabric; numbers and booleans become strings, as Kubernetes requires. */}}
{{- define "vlm-sft.fabric.env" -}}
{{- if gt (int .Values.train.nodes) 1 }}
{{- range $name, $value := include "vlm-sft.given" .Values.fabric.env | fromJson }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | include "vlm-sft.literal" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Devices by resource name, as JSON. */}}
{{- define "vlm-sft.fabric.resources" -}}
{{ gt (int .Values.train.nodes) 1 | ternary .Values.fabric.resources dict | toJson }}
{{- end }}

{{/* Part of the pod spec. */}}
{{- define "vlm-sft.fabric.pod" -}}
{{- if and .Values.fabric.hostNetwork (gt (int .Values.train.nodes) 1) -}}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- end }}

{{/* Part of the capabilities of the container. */}}
{{- define "vlm-sft.fabric.capabilities" -}}
{{- if and .Values.fabric.ipcLock (gt (int .Values.train.nodes) 1) -}}
add: [IPC_LOCK]
{{- end }}
{{- end }}
