{{/* What the chart knows of the datasets that `vlm-sft prepare` converts; prepare's empty keys are filled in from here. */}}

{{/* Of each dataset: `hub`: default of prepare.input; `splits`: default of prepare.splits; `further`: its other splits; `roots`: default of prepare.imageRoots; `archives`: `vlm-sft images` finds its images; `text`: it has no images;
     `rounds` [rounds]: a history that cuts nothing; `whole`: its rows cannot be divided among pods. */}}
{{- define "vlm-sft.datasetTable" -}}
fire: {hub: PengxiangLi/FIRE, splits: [train, test], further: [1m], roots: [/cache/fire_images], archives: true, rounds: 6}
volcano: {hub: kaist-ai/volcano-train, splits: [train], roots: [/cache/volcano_images], archives: true}
geo3k: {hub: chenhegu/geo3k_imgurl, splits: [train, test], further: [validation]}
robo2vlm: {hub: keplerccc/Robo2VLM-1, splits: [train, test]}
alpaca: {hub: tatsu-lab/alpaca, splits: [train], further: [test], text: true}
oasst1: {hub: OpenAssistant/oasst1, splits: [train, validation], text: true, whole: true}
jsonl: {splits: [train], further: [test, validation], roots: [/cache, /outputs]}
csv: {splits: [train], further: [test, validation], roots: [/cache, /outputs], whole: true}
hub: {splits: [train], further: [test, validation], roots: [/cache, /outputs], whole: true}
{{- end }}

{{/* Keys of prepare that only some datasets have: the datasets, the option of `vlm-sft prepare`, the default. */}}
{{- define "vlm-sft.datasetOptions" -}}
columns: {of: [jsonl, csv, hub], option: --map, default: {}}
feedback: {of: [fire], option: --feedback, default: text}
geo3k.target: {of: [geo3k], option: --target, default: boxed}
oasst1.languages: {of: [oasst1], option: --languages, default: []}
oasst1.threads: {of: [oasst1], option: --threads, default: best}
oasst1.unreviewed: {of: [oasst1], option: --unreviewed, default: false}
subset: {of: [hub], option: --subset, default: ""}
volcano.as: {of: [volcano], option: --as, default: rows}
{{- end }}

{{/* The dataset's row of the table as JSON, with "input", "outputDir", "splits", "roots" and "rounds" as they are used, and
     "train" and "validation": the splits that are trained and validated on. Empty without a dataset. */}}
{{- define "vlm-sft.prepared" -}}
{{- $prepare := .Values.prepare }}
{{- $found := get (include "vlm-sft.datasetTable" . | fromYaml) $prepare.dataset | default dict }}
{{- if $found }}
{{- $_ := set $found "input" ($prepare.input | default $found.hub | default "") }}
{{- $_ := set $found "outputDir" ($prepare.outputDir | default (printf "/outputs/%s_bc" $prepare.dataset)) }}
{{- $_ := set $found "known" (concat $found.splits ($found.further | default list)) }}
{{- $_ := set $found "splits" ($prepare.splits | default $found.splits) }}
{{- $_ := set $found "roots" ($prepare.imageRoots | default $found.roots | default list) }}
{{- $_ := set $found "rounds" (int $prepare.maxHistoryRounds | default (int ($found.rounds | default 1000))) }}{{/* no dialogue is longer */}}
{{- $train := list }}
{{- $validation := list }}
{{- range $found.splits }}
{{- if has . (list "test" "validation") }}{{ $validation = append $validation . }}{{ else }}{{ $train = append $train . }}{{ end }}
{{- end }}
{{- $_ := set $found "train" $train }}
{{- $_ := set $found "validation" $validation }}
{{- end -}}
{{ $found | toJson }}
{{- end }}

{{/* The value of a key below prepare. Usage: {{ include "vlm-sft.prepareKey" (dict "root" $ "key" "geo3k.target") | fromJson }} */}}
{{- define "vlm-sft.prepareKey" -}}
{{- $value := .root.Values.prepare }}
{{- range splitList "." .key }}{{ $value = get $value . }}{{ end -}}
{{ dict "value" $value | toJson }}
{{- end }}

{{/* `vlm-sft prepare` without its --shard, as JSON. */}}
{{- define "vlm-sft.dataCommand" -}}
{{- $prepare := .Values.prepare }}
{{- $made := include "vlm-sft.prepared" . | fromJson }}
{{- $data := list "vlm-sft" "prepare" $prepare.dataset "--input" $made.input "--output-dir" $made.outputDir }}
{{- $data = concat $data (list "--splits" (join "," $made.splits) "--layout" $prepare.layout "--loss" $prepare.loss) }}
{{- range $key, $own := include "vlm-sft.datasetOptions" . | fromYaml }}
{{- $value := (include "vlm-sft.prepareKey" (dict "root" $ "key" $key) | fromJson).value }}
{{- if and $value (has $prepare.dataset $own.of) }}
{{- $data = append $data $own.option }}
{{- if kindIs "map" $value }}
{{- $pairs := list }}
{{- range $name, $column := $value }}{{ $pairs = append $pairs (printf "%s=%s" $name $column) }}{{ end }}
{{- $data = append $data (join "," $pairs) }}
{{- else if not (kindIs "bool" $value) }}
{{- $data = append $data (kindIs "slice" $value | ternary (join "," $value) $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- $data = concat $data (list "--max-samples" (toJson $prepare.maxSamples) "--max-history-rounds" (toJson $made.rounds)) }}
{{- $data = concat $data (list "--max-drop-share" (toJson $prepare.maxDropShare)) }}
{{- with include "vlm-sft.quantity" (get ($prepare.resources.limits | default dict) "memory") }}
{{- $data = concat $data (list "--max-memory" (divf (float64 .) 1048576.0 | int64 | max 1 | toJson)) }}
{{- end }}
{{- with $prepare.systemPrompt }}{{ $data = concat $data (list "--system-prompt" .) }}{{ end }}
{{- with $prepare.sources }}{{ $data = concat $data (list "--sources" (join "," .)) }}{{ end }}
{{- range $made.roots }}{{ $data = concat $data (list "--image-root" .) }}{{ end }}
{{- if include "vlm-sft.verifies" . }}
{{- $data = concat $data (list "--verify" (include "vlm-sft.modelAtRevision" .)) }}
{{- with int64 (get .Values.train.args "max_length") }}{{ $data = concat $data (list "--max-length" (toJson .)) }}{{ end }}
{{- end }}
{{- if $prepare.skipImages }}{{ $data = append $data "--skip-images" }}{{ end -}}
{{ $data | toJson }}
{{- end }}

{{/* The model's id, with its revision if one is set: ID@REVISION. */}}
{{- define "vlm-sft.modelAtRevision" -}}
{{ .Values.model.id }}{{ with .Values.model.revision }}@{{ . }}{{ end }}
{{- end }}

{{/* The model on the hub that the preparation downloads, or nothing: the evaluated one, or model.id, the base of an adapter. */}}
{{- define "vlm-sft.modelToFetch" -}}
{{- $id := include "vlm-sft.evaluatesHubModel" . | empty | ternary (include "vlm-sft.modelAtRevision" .) .Values.evaluate.model }}
{{- if and .Values.model.download $id (not (hasPrefix "/" $id)) (or .Values.train.enabled .Values.evaluate.enabled) }}{{ $id }}{{ end }}
{{- end }}

{{/* "true" when the evaluated model is on the hub, and so is not an adapter of model.id. */}}
{{- define "vlm-sft.evaluatesHubModel" -}}
{{- $evaluate := .Values.evaluate }}
{{- if and $evaluate.enabled $evaluate.model (not (hasPrefix "/" $evaluate.model)) }}true{{ end }}
{{- end }}

{{/* "true" when the preparation loads its files with ms-swift and the model's template; without images it cannot. */}}
{{- define "vlm-sft.verifies" -}}
{{- $prepare := .Values.prepare }}
{{- if and $prepare.verify $prepare.dataset (not $prepare.skipImages) .Values.train.enabled .Values.model.id }}true{{ end }}
{{- end }}

{{/* Steps of the Job `prepare` as JSON: [{"name", "command"}]; empty when there is nothing to do. The model comes before the
     data, because --verify reads its template. */}}
{{- define "vlm-sft.prepare.steps" -}}
{{- $prepare := .Values.prepare }}
{{- $steps := list }}
{{- $trackers := include "vlm-sft.trackers" . | fromJsonArray }}
{{- if and $trackers .Values.train.enabled }}
{{- $steps = append $steps (dict "name" "trackers" "command" (concat (list "vlm-sft" "trackers") $trackers)) }}
{{- end }}
{{- range $i, $command := $prepare.commands }}
{{- $steps = append $steps (dict "name" (printf "command-%d" $i) "command" $command) }}
{{- end }}
{{- range include "vlm-sft.hubSteps" . | fromJsonArray }}{{ $steps = append $steps . }}{{ end }}
{{- with include "vlm-sft.modelToFetch" . }}
{{- $steps = append $steps (dict "name" "model" "command" (list "vlm-sft" "fetch" .)) }}
{{- end }}
{{- $made := include "vlm-sft.prepared" . | fromJson }}
{{- if and $made.archives $prepare.downloadImages (not $prepare.skipImages) }}
{{- $images := list "vlm-sft" "images" $prepare.dataset "--input" $made.input "--splits" (join "," $made.splits) }}
{{- if eq $prepare.dataset "volcano" }}{{ $images = concat $images (list "--as" $prepare.volcano.as) }}{{ end }}
{{- $images = concat $images (list "--max-samples" (toJson $prepare.maxSamples) "--max-missing-share" (toJson $prepare.maxDropShare)) }}
{{- with $prepare.sources }}{{ $images = concat $images (list "--sources" (join "," .)) }}{{ end }}
{{- range $made.roots }}{{ $images = concat $images (list "--image-root" .) }}{{ end }}
{{- $steps = append $steps (dict "name" "images" "command" $images) }}
{{- end }}
{{- if and $made (not (include "vlm-sft.convert.runs" .)) }}
{{- $steps = append $steps (dict "name" "data" "command" (include "vlm-sft.dataCommand" . | fromJsonArray)) }}
{{- end -}}
{{ $steps | toJson }}
{{- end }}

{{/* "true" when the Job `prepare` runs. */}}
{{- define "vlm-sft.prepare.runs" -}}
{{- if and .Values.prepare.enabled (include "vlm-sft.prepare.steps" . | fromJsonArray) }}true{{ end }}
{{- end }}

{{/* Steps of each pod of the Job `convert`, as JSON. */}}
{{- define "vlm-sft.convert.steps" -}}
{{ list (dict "name" "data" "command" (include "vlm-sft.dataCommand" . | fromJsonArray)) | toJson }}
{{- end }}

{{/* "true" when several pods convert the data, each a part of it: the Job `convert`. */}}
{{- define "vlm-sft.convert.runs" -}}
{{- if and .Values.prepare.enabled .Values.prepare.dataset (gt (int .Values.prepare.shards) 1) }}true{{ end }}
{{- end }}

{{/* Workload that releases another one, or nothing: prepare -> convert -> train, without those that do not run. Without training
     they release the evaluation.
     Usage: {{ include "vlm-sft.before" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.before" -}}
{{- if and (ne .component "convert") (include "vlm-sft.convert.runs" .root) -}}
convert
{{- else if include "vlm-sft.prepare.runs" .root -}}
prepare
{{- end }}
{{- end }}

{{/* Workloads that a finished preparation Job releases, as JSON.
     Usage: {{ include "vlm-sft.prepare.releases" (dict "root" $ "component" "prepare") | fromJsonArray }} */}}
{{- define "vlm-sft.prepare.releases" -}}
{{- $next := list }}
{{- if and (eq .component "prepare") (include "vlm-sft.convert.runs" .root) }}
{{- $next = list "convert" }}
{{- else if .root.Values.train.enabled }}
{{- $next = list "train" }}
{{- else if .root.Values.evaluate.enabled }}
{{- $next = list "evaluate" }}
{{- end -}}
{{ $next | toJson }}
{{- end }}
