{{/* The object that runs the training pods: a Job, a JobSet or a TrainJob. */}}

{{- define "vlm-sft.train.spec" -}}
{{- include (printf "vlm-sft.train.%s" .Values.train.launcher) . }}
{{- end }}

{{- define "vlm-sft.train.ttl" -}}
{{- if not (kindIs "invalid" .Values.train.ttlSecondsAfterFinished) -}}
ttlSecondsAfterFinished: {{ .Values.train.ttlSecondsAfterFinished | toJson }}
{{- end }}
{{- end }}

{{- define "vlm-sft.train.job" -}}
{{- $nodes := int .Values.train.nodes -}}
backoffLimit: {{ mul (int .Values.train.maxRestarts) $nodes }}
{{- with include "vlm-sft.train.ttl" . }}{{ . | nindent 0 }}{{ end }}
{{- if gt $nodes 1 }}
completionMode: Indexed
completions: {{ $nodes }}
parallelism: {{ $nodes }}
{{- end }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    # Wrong config or missing data: a retry would fail the same way.
    - action: FailJob
      onExitCodes: {operator: In, values: [42]}
    # Stopped on request after saving: the next pod resumes from the checkpoint.
    - action: Ignore
      onExitCodes: {operator: In, values: [75]}
{{ include "vlm-sft.train.template" . }}
{{- end }}

{{/* A JobSet restarts all pods when one fails. It recognizes the cause by the text of the Job's message. */}}
{{- define "vlm-sft.train.jobset" -}}
network: {enableDNSHostnames: true, publishNotReadyAddresses: true}
{{- with include "vlm-sft.train.ttl" . }}{{ . | nindent 0 }}{{ end }}
failurePolicy:
  maxRestarts: {{ .Values.train.maxRestarts | toJson }}
  rules:
    # Evicted, or stopped on request after saving: not counted as a failure.
    - name: interrupted
      action: RestartJobSetAndIgnoreMaxRestarts
      onJobFailureReasons: [PodFailurePolicy]
      onJobFailureMessagePatterns: ["condition DisruptionTarget", "exit code 75 "]
    # Wrong config or missing data: a retry would fail the same way.
    - name: wrongConfig
      action: FailJobSet
      onJobFailureReasons: [PodFailurePolicy]
      onJobFailureMessagePatterns: ["exit code 42 "]
replicatedJobs:
  - name: node
    replicas: 1
    template:
      spec:
        backoffLimit: 0
        completionMode: Indexed
        completions: {{ .Values.train.nodes | toJson }}
        parallelism: {{ .Values.train.nodes | toJson }}
        podFailurePolicy:
          rules:
            - action: FailJob
              onPodConditions: [{type: DisruptionTarget, status: "True"}]
            - action: FailJob
              onExitCodes: {operator: In, values: [42, 75]}
        {{- include "vlm-sft.train.template" . | nindent 8 }}
{{- end }}

{{/* A TrainJob takes its pods from a training runtime of the cluster and allows patches to some fields. The runtime controls
     restarts, priority and runtime class. */}}
{{- define "vlm-sft.train.trainjob" -}}
{{- $template := (include "vlm-sft.train.template" . | fromYaml).template }}
{{- $container := first $template.spec.containers }}
{{- $patched := pick $container "volumeMounts" "securityContext" | merge (dict "name" "node") }}
{{- $pod := pick $template.spec "serviceAccountName" "volumes" "imagePullSecrets" "securityContext" "nodeSelector" "affinity" "tolerations" "terminationGracePeriodSeconds" }}
{{- $pod = merge (dict "containers" (list $patched)) $pod -}}
runtimeRef:
  apiGroup: trainer.kubeflow.org
  kind: {{ .Values.train.runtimeRef.kind }}
  name: {{ .Values.train.runtimeRef.name | quote }}
trainer:
  numNodes: {{ .Values.train.nodes | toJson }}
  numProcPerNode: {{ .Values.train.gpusPerNode | toJson }}
  image: {{ include "vlm-sft.json" $container.image }}
  command: {{ include "vlm-sft.json" $container.command }}
  env: {{ include "vlm-sft.json" $container.env }}
  resourcesPerNode: {{ include "vlm-sft.json" $container.resources }}
runtimePatches:
  - manager: vlm-sft
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
            - name: node
              template:
                spec:
                  template:
                    metadata: {{ include "vlm-sft.json" $template.metadata }}
                    spec: {{ include "vlm-sft.json" $pod }}
{{- end }}
