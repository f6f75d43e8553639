{{/* Permission of one Job to start another: a service account with that single permission, and its token. */}}

{{/* Service account, role and binding of a workload that releases the next ones, and hooks for `helm rollback`. A rollback
     applies manifests of an earlier revision and so holds Jobs again that were released since; the hooks release them.
     Usage: {{ include "vlm-sft.releaser" (dict "root" $ "component" "prepare" "next" (list "train")) }} */}}
{{- define "vlm-sft.releaser" -}}
{{- $name := include "vlm-sft.releaserName" . }}
{{- $may := dict .component (list "get") }}
{{- range .next }}{{ $_ := set $may . (list "get" "patch") }}{{ end -}}
{{- if not .root.Values.serviceAccount.name -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "vlm-sft.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  labels: {{- include "vlm-sft.labels" . | nindent 4 }}
rules:
  {{- range $component, $verbs := $may }}
  {{- $workload := dict "root" $.root "component" $component }}
  {{- $kind := include "vlm-sft.kind" $workload | fromJson }}
  - apiGroups: [{{ $kind.group }}]
    resources: [{{ $kind.resource }}]
    resourceNames: [{{ include "vlm-sft.jobName" $workload }}]
    verbs: {{ toJson $verbs }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  labels: {{- include "vlm-sft.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ .root.Release.Namespace | quote }}}
{{- end }}
{{- $hook := dict "root" .root "component" "rollback" }}
{{- range .next }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $.root.Release.Name }}-rollback-{{ . }}
  labels: {{- include "vlm-sft.queuedLabels" $hook | nindent 4 }}
  annotations:
    helm.sh/hook: post-rollback
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 2
  template:
    metadata: {{- include "vlm-sft.podMetadata" $hook | nindent 6 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ $name | quote }}
      {{- include "vlm-sft.podBasics" (dict "root" $.root "component" "rollback" "gpus" 0) | nindent 6 }}
      containers:
        - name: release
          {{- include "vlm-sft.containerBasics" $.root | nindent 10 }}
          command:
            - vlm-sft
            - release
            - {{ include "vlm-sft.target" (dict "root" $.root "component" .) }}
            - --after={{ include "vlm-sft.target" $ }}
          env:
            - {name: HOME, value: /tmp}
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {cpu: 100m, memory: 128Mi}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- include "vlm-sft.tokenMount" $.root | nindent 12 }}
      volumes:
        - name: tmp
          emptyDir: {}
        {{- include "vlm-sft.tokenVolume" $.root | nindent 8 }}
{{- end }}
{{- end }}

{{/* Account of a workload that releases others.
     Usage: {{ include "vlm-sft.releaserName" (dict "root" $ "component" "prepare") }} */}}
{{- define "vlm-sft.releaserName" -}}
{{ .root.Values.serviceAccount.name | default (printf "%s-%s" .root.Release.Name .component) }}
{{- end }}

{{/* Volume with an API token for the pod's single permission. */}}
{{- define "vlm-sft.tokenVolume" -}}
- name: api-token
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}

{{/* Mount of the API token, for the only container that needs it. */}}
{{- define "vlm-sft.tokenMount" -}}
- {name: api-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}
