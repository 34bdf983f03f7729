"""Estimates as plain, JSON-ready values, with what stands beside them. See `codec` for the rules."""

from __future__ import annotations

from pytest_biasaudit.metrics.beside import Moved, NoiseFloor
from pytest_biasaudit.metrics.metric import Estimate, GroupSummary
from pytest_biasaudit.records.plain_values import Plain, finite, text, text_or_none


def estimate_to_plain(estimate: Estimate) -> Plain:
    """One estimate; a value that is no finite number becomes null, with the reason."""
    interval, value, reason = estimate.interval, finite(estimate.value), estimate.reason
    if estimate.value is not None and value is None:
        reason = "; ".join(filter(None, [reason, f"the value is {float(estimate.value)}, not a finite number"]))
    return {
        "metric": text(estimate.metric),
        "attribute": text(estimate.attribute),
        "groups": [text(group) for group in estimate.groups],
        "value": value,
        "low": finite(interval.low) if interval else None,
        "high": finite(interval.high) if interval else None,
        "level": finite(interval.level) if interval else None,
        "method": text(interval.method) if interval else None,
        "p": finite(estimate.p),
        "p_adjusted": finite(estimate.p_adjusted),
        "n": int(estimate.n),
        "by_group": {text(summary.group): _summary_to_plain(summary) for summary in estimate.by_group},
        "people": int(estimate.people),
        "templates": int(estimate.templates),
        "missing": int(estimate.missing),
        "reason": text(reason),
        "versus": text_or_none(estimate.versus),
        "shows": str(estimate.shows),
        "of": text_or_none(estimate.of),
        "noise": None if estimate.noise is None else _noise_to_plain(estimate.noise),
        "moved": [_moved_to_plain(moved) for moved in estimate.moved],
        "remarks": [text(remark) for remark in estimate.remarks],
        "standard_error": finite(estimate.standard_error),
        "df": finite(estimate.df),
        "usable": bool(estimate.usable),
        "sampled": text(estimate.sampled),
        "label": text(estimate.label),
    }


def _noise_to_plain(noise: NoiseFloor) -> Plain:
    return {
        "value": finite(noise.value),
        "low": finite(noise.low),
        "high": finite(noise.high),
        "level": finite(noise.level),
        "batch_size": int(noise.batch_size),
        "first_batch_size": int(noise.first_batch_size),
        "compared": int(noise.compared),
        "changed": int(noise.changed),
        "largest": finite(noise.largest),
        "reason": text(noise.reason),
    }


def _moved_to_plain(moved: Moved) -> Plain:
    return {
        "group": text(moved.group),
        "value": finite(moved.value),
        "low": finite(moved.low),
        "high": finite(moved.high),
        "level": finite(moved.level),
        "n": int(moved.n),
        "unit": text(moved.unit),
        "reason": text(moved.reason),
    }


def _summary_to_plain(summary: GroupSummary) -> Plain:
    return {
        "n": int(summary.n),
        "asked": int(summary.asked),
        "refused": int(summary.refused),
        "unparseable": int(summary.unparseable),
        "errors": int(summary.errors),
        "people": int(summary.people),
        "mean": finite(summary.mean),
        "sd": finite(summary.sd),
        "median": finite(summary.median),
        "rate": finite(summary.rate),
    }
