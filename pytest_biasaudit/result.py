"""What came of one audit of one model, for a test to assert on. Measures only what is asked beyond the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_biasaudit.context.declaration import BenchmarkAudit, CounterfactualAudit, TabularAudit
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.settings import Inconclusive
from pytest_biasaudit.verdict.verdict import Judgement


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """One audit of one model, for a test to assert on."""

    record: AuditRecord
    metrics: Mapping[str, Metric]
    observe: bool = False
    """Assertions on this result raise nothing: the run only observes."""
    inconclusive: Inconclusive = "fail"
    """What an inconclusive verdict does, where an assertion does not say."""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """One a limit that applies to the model."""
        return self.record.judgements

    def judgement(self, limit_id: str) -> Judgement:
        """The judgement of one limit; KeyError names the limits there are."""
        for judgement in self.judgements:
            if judgement.limit.id == limit_id:
                return judgement
        raise KeyError(f"no limit {limit_id!r}; there are {', '.join(j.limit.id for j in self.judgements) or 'none'}")

    def estimate(
        self,
        metric: str,
        attribute: str | None = None,
        group: str | None = None,
        *,
        label: str | None = None,
        level: float = 0.95,
    ) -> Estimate:
        """A metric's estimate: of `group` against the reference, or the worst of all groups where none is named.

        attribute  "race", or "race*gender" for intersections; default: what the audit's people are told apart by. Of a
                   benchmark: what splits its items, "axis"; default: all together, or "axis" where `group` names one
        label      of a labelled table: the one label it is about; the worst of all where none is named

        Works for any registered metric, with a limit on it or not. KeyError where there is no such metric or group.
        """
        from pytest_biasaudit.assertions import worst
        from pytest_biasaudit.metrics.measure import Wanted, estimates_for

        audit = self.record.audit
        if metric not in self.metrics:
            raise KeyError(f"no metric {metric!r}; there are {', '.join(sorted(self.metrics))}")
        if isinstance(audit, BenchmarkAudit):
            return self._of_benchmark(audit, metric, attribute, group, level)
        if isinstance(audit, TabularAudit):
            return self._of_table(audit, metric, attribute, group, label, level)
        assert isinstance(audit, CounterfactualAudit)
        by_group = self.metrics[metric].by_group
        attributes = () if not by_group else tuple(attribute.split("*")) if attribute else audit.people.attributes
        unknown = [name for name in attributes if name not in audit.people.attributes]
        if unknown:
            raise KeyError(
                f"audit {audit.id!r} tells people apart by {', '.join(audit.people.attributes)}, not {unknown[0]!r}"
            )
        wanted = Wanted(metric=metric, attributes=attributes, level=level)
        found = estimates_for(wanted, self.record.outcomes, audit, self.metrics[metric], seed=self.record.seed)
        if group is None:
            return worst(found, self.metrics[metric])
        for estimate in found:
            if estimate.groups and estimate.groups[-1] == group:
                return estimate
        raise KeyError(
            f"no group {group!r} beside the reference; there are {', '.join(e.groups[-1] for e in found if e.groups)}"
        )

    def _of_table(
        self,
        audit: TabularAudit,
        metric: str,
        attribute: str | None,
        group: str | None,
        label: str | None,
        level: float,
    ) -> Estimate:
        """A table's figure: of one group, or the worst of all groups and labels where none is named."""
        from pytest_biasaudit.assertions import worst
        from pytest_biasaudit.metrics.tables.measure import Asked, estimates_of_table

        if audit.kind not in self.metrics[metric].kinds:
            raise KeyError(f"an audit of kind {audit.kind!r} does not give {metric!r}")
        attributes: tuple[str, ...] = ()
        if self.metrics[metric].by_group:
            attributes = tuple(attribute.split("*")) if attribute else audit.attributes
            unknown = [name for name in attributes if name not in audit.attributes]
            if unknown or (attribute is None and len(attributes) != 1):
                wrong = f", not by {unknown[0]!r}" if unknown else "; say which with attribute=..."
                raise KeyError(f"audit {audit.id!r} tells groups apart by {', '.join(audit.attributes)}{wrong}")
        wanted = Asked(metric=metric, attributes=attributes, label=label, level=level)
        found = estimates_of_table(wanted, audit, self.record, self.metrics[metric], seed=self.record.seed)
        if group is None:
            return worst(found, self.metrics[metric])
        of_group = [estimate for estimate in found if estimate.groups and estimate.groups[-1] == group]
        if not of_group:
            there = dict.fromkeys(estimate.groups[-1] for estimate in found if estimate.groups)
            raise KeyError(f"no group {group!r} beside the reference; there are {', '.join(there) or 'none'}")
        return worst(of_group, self.metrics[metric])

    def _of_benchmark(
        self, audit: BenchmarkAudit, metric: str, split: str | None, part: str | None, level: float
    ) -> Estimate:
        """A benchmark's figure: over all items, of one part, or the worst of all parts where none is named."""
        from pytest_biasaudit.assertions import worst
        from pytest_biasaudit.metrics.benchmarks.measure import Part, estimates_of_part

        ways = self.metrics[metric].split_by
        if audit.kind not in self.metrics[metric].kinds:
            raise KeyError(f"the benchmark {audit.kind!r} does not give {metric!r}")
        chosen = split if split is not None else "axis" if part is not None else ways[0]
        if chosen not in ways:
            raise KeyError(f"{metric} is split by {', '.join(filter(None, ways)) or 'nothing'}, not {chosen!r}")
        wanted = Part(metric=metric, split=chosen, level=level)
        found = estimates_of_part(wanted, audit, self.record, self.metrics[metric], seed=self.record.seed)
        if part is None:
            return worst(found, self.metrics[metric])
        for estimate in found:
            if estimate.groups == (part,):
                return estimate
        raise KeyError(f"no {chosen} {part!r}; there are {', '.join(e.groups[0] for e in found if e.groups)}")
