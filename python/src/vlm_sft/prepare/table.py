"""Texts that a preparation prints: progress, drops by reason, and the summary."""

from collections.abc import Mapping
from typing import Any

from vlm_sft.datasets.conversation import REASONS
from vlm_sft.prepare.stats import SplitStats


def progress(split: str, stats: SplitStats) -> str:
    """Return one line of progress."""
    dropped = stats.dropped.total()
    return f"{split}: {stats.rows_in:,} rows read, {stats.written:,} written, {dropped:,} dropped"


def drops(splits: Mapping[str, SplitStats]) -> str:
    """Return the dropped rows by split and reason, with one example of each."""
    lines = []
    for split, stats in splits.items():
        lines.append(progress(split, stats))
        for reason, count in stats.dropped.most_common():
            lines.append(f"  {count:>9,}  {reason}: {REASONS[reason]}")
            if examples := stats.examples.get(reason):
                first = examples[0]
                detail = f": {first['detail']}" if first["detail"] else ""
                lines.append(f"{'':13}row {first['row']} id {first['id'] or '(none)'}{detail}")
    return "\n".join(lines)


def summary(stats: Mapping[str, Any]) -> str:
    """Summarise a finished preparation; `stats` is the content of stats.json."""
    lines = []
    for name, facts in stats["files"].items():
        lines.append(f"{name}: {facts['lines']:,} samples, {facts['bytes']:,} bytes")
    for split, counts in stats["splits"].items():
        dropped = ", ".join(f"{reason} {count:,}" for reason, count in counts["dropped"].items()) or "none"
        lines.append(f"{split}: {counts['rows_in']:,} rows in, {counts['written']:,} written; dropped: {dropped}")
        lines.append(f"{split}: {_layouts(counts)}")
        if counts["joined"]:
            lines.append(f"{split}: {counts['joined']:,} rows are parts of the written conversations")
        if counts["images"]:
            changed = ", ".join(f"{kind} {count:,}" for kind, count in counts["images"].items())
            lines.append(f"{split}: images: {changed}")
        if verified := counts["verified"]:
            lines.append(
                f"{split}: ms-swift trains on all {verified['rows']:,} samples: {verified['tokens']:,} tokens, "
                f"{verified['trained_tokens']:,} of them trained; a sample has up to {verified['maximum']:,}, "
                f"95 % have up to {verified['p95']:,}; longer than {verified['max_length']:,}: "
                f"{verified['over_max_length']:,}"
            )
        if counts["history_cut"]:
            trained = {layout: cost["answers_trained"] for layout, cost in counts["layouts"].items()}
            lines.append(
                f"{split}: {counts['history_cut']:,} trajectories are longer than --max-history-rounds; "
                f"the two layouts differ for these: trajectory trains on {trained['trajectory']:,} answers, "
                f"steps on {trained['steps']:,}"
            )
        if tags := counts["foreign_tags"]:
            found = ", ".join(f"{tag} {rows:,}" for tag, rows in tags.items())
            lines.append(f"{split}: rows with a tag that stands for nothing and stays in the text as typed: {found}")
    speed = f"{stats['rows_per_s']:,} rows/s" if stats["rows_per_s"] else "too fast to measure"
    lines.append(f"{stats['seconds']:.1f} s, {speed}, peak memory {stats['peak_memory_mib']:.0f} MiB")
    return "\n".join(lines)


def _layouts(counts: Mapping[str, Any]) -> str:
    costs, tokens = counts["layouts"], counts["tokens"]
    text = "; ".join(
        f"{layout} = {cost['samples']:,} samples, {cost['images']:,} images, {cost['characters']:,} characters"
        for layout, cost in costs.items()
    )
    if tokens:
        counted = ", ".join(f"{layout} {tokens[layout]:,}" for layout in costs)
        text += f"; input tokens of the first {tokens['trajectories']:,} trajectories: {counted}"
    return f"cost of each layout: {text}"
