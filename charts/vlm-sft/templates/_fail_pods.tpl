{{/* Checks of what all pods share: further volumes, paths, environment, labels, certificates. Called by _fail.tpl. */}}

{{/* storage.extra: one source each, and no mount over another one. */}}
{{- define "vlm-sft.check.extra" -}}
{{- $problems := list }}
{{- $names := list }}
{{- $mounts := dict "/cache" "the cache claim" "/outputs" "the outputs claim" "/tmp" "the chart's own volume" "/config" "the chart's own volume" "/certificates" "the chart's own volume" "/dev" "the system" "/proc" "the system" "/sys" "the system" "/etc" "the system" "/usr" "the system" "/bin" "the system" "/lib" "the system" "/var" "the system" "/opt" "the image" }}
{{- range $number, $extra := .Values.storage.extra }}
{{- if kindIs "map" $extra }}
{{- $place := printf "storage.extra[%d]" $number }}
{{- $path := get $extra "mountPath" | toString | clean }}
{{- $name := get $extra "name" | toString }}
{{- $sources := list }}
{{- range list "existingClaim" "nfs" "hostPath" }}{{ if get $extra . }}{{ $sources = append $sources . }}{{ end }}{{ end }}
{{- if ne (len $sources) 1 }}
{{- $problems = append $problems (printf "%s: got %s, need one of existingClaim, nfs and hostPath" $place (join " and " $sources | default "no source")) }}
{{- end }}
{{- if has $name $names }}
{{- $problems = append $problems (printf "%s.name: %s is used twice; choose another" $place $name) }}
{{- end }}
{{- $names = append $names $name }}
{{- $taken := "" }}
{{- range $mount, $of := $mounts }}
{{- if or (eq $path "/") (eq $path $mount) (hasPrefix (printf "%s/" $mount) $path) (hasPrefix (printf "%s/" $path) $mount) }}
{{- $taken = printf "%s of %s" $mount $of }}
{{- end }}
{{- end }}
{{- if $taken }}
{{- $problems = append $problems (printf "%s.mountPath: got %s, which overlaps %s; use a folder of its own, such as /%s" $place (get $extra "mountPath") $taken $name) }}
{{- end }}
{{- $_ := set $mounts $path $place }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Paths that no pod mounts. A hub id (ORG/NAME) is no path. */}}
{{- define "vlm-sft.check.paths" -}}
{{- $problems := list }}
{{- $mounts := list "/cache" "/outputs" }}
{{- range .Values.storage.extra }}{{ if kindIs "map" . }}{{ $mounts = append $mounts (get . "mountPath" | toString | clean) }}{{ end }}{{ end }}
{{- $named := list }}
{{- $serve := .Values.serve }}
{{- $single := dict "model.id" .Values.model.id "evaluate.model" (eq (toString .Values.evaluate.enabled) "true" | ternary .Values.evaluate.model "") "serve.model" (eq (toString (get $serve "enabled")) "true" | ternary (get $serve "model") "") }}
{{- if .Values.prepare.enabled }}{{ $_ := set $single "prepare.input" .Values.prepare.input }}{{ $_ := set $single "prepare.outputDir" .Values.prepare.outputDir }}{{ end }}
{{- range $key, $value := $single }}{{ $named = append $named (list $key $value) }}{{ end }}
{{- range $key, $values := dict "train.dataset" .Values.train.dataset "train.valDataset" .Values.train.valDataset "evaluate.dataset" .Values.evaluate.dataset "prepare.imageRoots" .Values.prepare.imageRoots }}
{{- range $values }}{{ $named = append $named (list $key .) }}{{ end }}
{{- end }}
{{- range $named }}
{{- $key := first . }}
{{- $path := last . | toString }}
{{- $inside := false }}
{{- range $mounts }}{{ if or (eq (clean $path) .) (hasPrefix (printf "%s/" .) (clean $path)) }}{{ $inside = true }}{{ end }}{{ end }}
{{- if and (regexMatch "^(/|[.]{1,2}/|~|[A-Za-z]:[/\\\\]|file:)" $path) (not $inside) }}
{{- $problems = append $problems (printf "%s: got %s, which no pod mounts; need a path below %s: copy it there (dataPod.enabled), or mount its volume (storage.extra)" $key $path (join ", " $mounts)) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Environment, labels and certificates of all pods. */}}
{{- define "vlm-sft.check.pods" -}}
{{- $problems := list }}
{{- $variables := dict "train.env" .Values.train.env "evaluate.env" .Values.evaluate.env "fabric.env" .Values.fabric.env "extraEnv" .Values.extraEnv }}
{{- range $place := list "train.env" "evaluate.env" "fabric.env" "extraEnv" }}
{{- range $name, $_ := include "vlm-sft.given" (get $variables $place) | fromJson }}
{{- if and (regexMatch "(^|_)(API_KEY|ACCESS_KEY|TOKEN|PASSWORD|SECRET)$" $name) (ne $name "HF_TOKEN") }}
{{- $keys := dict "train.env" "train.trackers.secretName" "evaluate.env" "train.trackers.secretName" }}
{{- $key := regexMatch "^HUGGING" $name | ternary "huggingFace.tokenSecret" (get $keys $place | default "extraEnvFrom") }}
{{- $what := eq $place "extraEnv" | ternary "manifests" "a ConfigMap" }}
{{- $problems = append $problems (printf "%s.%s: named like a secret, which %s must not hold; put it into the secret that %s names" $place $name $what $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.podLabels }}
{{- if has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") }}
{{- $problems = append $problems (printf "podLabels.%s: the chart finds its pods by this label; remove it" $name) }}
{{- end }}
{{- end }}
{{- if and (get .Values.caCertificates "configMap") (get .Values.caCertificates "secret") }}
{{- $problems = append $problems "caCertificates: configMap and secret are both set; keep one" }}
{{- end }}
{{- if and .Values.extraEnvFrom .Values.train.enabled (eq .Values.train.launcher "trainjob") }}
{{- $problems = append $problems "extraEnvFrom: set, but a TrainJob takes no variables from a Secret or ConfigMap; use train.launcher: job or jobset" }}
{{- end }}
{{- range $number, $source := .Values.extraEnvFrom }}
{{- if and (kindIs "map" $source) (not (or (hasKey $source "secretRef") (hasKey $source "configMapRef"))) }}
{{- $problems = append $problems (printf "extraEnvFrom[%d]: got %s, need secretRef or configMapRef with a name" $number (keys $source | sortAlpha | join ", ")) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}
