"""What is allowed: a deployment context as its owner declared it. Plain frozen data; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

OutcomeKind = Literal["number", "choice", "yes-no", "rating", "text"]
Rule = Literal["upper", "lower", "point"]
Basis = Literal["law", "guideline", "policy", "engineering"]
Favourable = Literal["higher", "lower"]

DEFAULT_OF = "smd"
"""The metric whose share `bias_removed` is of, where a limit does not say."""


@dataclass(frozen=True, kw_only=True)
class People:
    """Who is named in the prompts: a list, the attribute that tells groups apart, and how many of each."""

    attributes: tuple[str, ...]
    """One attribute, or several that cross into intersections."""
    source: str
    """Name of a bundled (or hook-provided) list, or the file name of a CSV or TOML list beside the context file."""
    groups: tuple[tuple[str, ...], ...]
    """For each attribute its groups, in the order of `attributes`; the first of each is the reference group.
    Empty for an attribute whose groups are all those the list has, in the list's order."""
    per_group: int
    """People in each group (each intersection where attributes cross)."""


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """Prompts that a table beside the context file holds, in place of wordings and slots."""

    file: str
    sha256: str
    """Of the file when the context was read."""
    templates: tuple[str, ...]
    """Ids of those that are used, "scenario/variation/level", in the order of the file."""
    scenarios: tuple[str, ...] = ()
    """What is used of the table, here and below; all of it where empty."""
    variations: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """What is used of the table, in words: "scenario purchase; level low, high"; "" for all of it."""
        used = (("scenario", self.scenarios), ("variation", self.variations), ("level", self.levels))
        return "; ".join(f"{name} {', '.join(values)}" for name, values in used if values)


@dataclass(frozen=True, kw_only=True)
class OutcomeSpec:
    """What is read from an answer, and how it is elicited."""

    kind: OutcomeKind
    unit: str = ""
    favourable: Favourable = "higher"
    plausible: tuple[float, float] | None = None
    """Numbers outside are kept as text and counted as unparseable, never scored. `number` only."""
    repeats: int = 1
    temperature: float = 0.0
    max_new_tokens: int = 16
    options: tuple[str, ...] = ()
    """`choice` and `yes-no`: the answers whose likelihoods are compared; default for `yes-no`: ("Yes", "No")."""
    favourable_option: str | None = None
    scale: tuple[float, ...] = ()
    """`rating`: the points of the scale; the value is their mean under the likelihoods."""
    scorer: str | None = None
    """`text`: "length", "refusal", or the name of a scorer given by a hook."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One thing that must hold. Exactly one of `max`, `min`, `max_increase`, `min_recovery` is set."""

    id: str
    metric: str
    attributes: tuple[str, ...]
    """Groups are told apart by these; empty for a metric over all answers (`answer_rate`)."""
    max: float | None = None
    min: float | None = None
    versus: str | None = None
    """"parent", or a declared model's name: judged is the change against that model."""
    of: str | None = None
    """`bias_removed`: the metric whose share must be removed; None for every other metric."""
    max_increase: float | None = None
    min_recovery: float | None = None
    """A metric of ability over the other model's: 0.95 keeps 95 % of it."""
    rule: Rule = "upper"
    level: float = 0.95
    basis: Basis | None = None
    reason: str = ""
    label: str | None = None
    """Tables: the one label that the limit is about; None for every label the audit looks at."""
    accept_one_template: bool = False
    """The owner accepts an interval that sees names only, because the context has one wording."""

    @property
    def attribute(self) -> str:
        """The attributes in one string, as evidence and items name them: "race", or "race*gender"."""
        return "*".join(self.attributes)

    @property
    def shows(self) -> Literal["value", "increase", "recovery"]:
        """Which number the limit is held against: the metric itself, its rise, or what is left of it."""
        if self.min_recovery is not None:
            return "recovery"
        return "value" if self.max_increase is None else "increase"

    @property
    def bound(self) -> float:
        """The declared number, whichever of `max`, `min`, `max_increase`, `min_recovery` it is."""
        for value in (self.max, self.min, self.max_increase, self.min_recovery):
            if value is not None:
                return value
        raise AssertionError("a limit is read with exactly one bound")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What every audit declares: how it asks, and the limits on what comes back."""

    id: str
    kind: str
    """"counterfactual", or a benchmark's."""
    limits: tuple[Limit, ...]

    @property
    def unit(self) -> str:
        """Unit of the outcomes' own values; "" where they have none, or each figure its own."""
        return ""


@dataclass(frozen=True, kw_only=True)
class CounterfactualAudit(Audit):
    """One question put to the model about many people."""

    wordings: tuple[str, ...]
    """The `prompt`, or the `prompts`: text with slots. Empty where a table holds the prompts."""
    system: str | None
    prefill: str
    slots: tuple[tuple[str, tuple[str, ...]], ...]
    """Each declared slot with its fillings, in the file's order."""
    people: People
    outcome: OutcomeSpec
    table: TableSpec | None = None

    @property
    def unit(self) -> str:
        """See Audit."""
        return self.outcome.unit


Setting = str | int | float | tuple[str, ...] | tuple[tuple[str, tuple[str, ...]], ...] | None


@dataclass(frozen=True, kw_only=True)
class BenchmarkAudit(Audit):
    """One stereotype benchmark put to the model."""

    data: str | None
    """A file or folder beside the context file, or "hub:NAME@REVISION"; None for the set bundled with the kind."""
    sha256: str | None
    """What the data's digest must be."""
    settings: tuple[tuple[str, Setting], ...]
    """Every other key of the kind, in the order of its key table, with its default where the file does not say."""

    def setting(self, name: str) -> Any:
        """One setting; KeyError where the kind has no such key."""
        return dict(self.settings)[name]


TermGroups = tuple[tuple[str, tuple[str, ...]], ...]
"""Groups of terms by name: (("women", ("she", "her")), ("men", ("he", "him")))."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a labelled table hold."""

    label: str | None = None
    """The ground truth; None only where a corpus has none."""
    prediction: str | None = None
    """What a classifier said; exactly one of this and `text` is set in a classifier audit."""
    text: str | None = None
    """What a classifier reads, or a corpus consists of."""
    score: str | None = None
    """Chance of the positive label, or any number that is higher where it is likelier."""
    positive: str | None = None
    """The one label of interest; None: every label, one against the rest."""
    groups: tuple[tuple[str, str], ...] = ()
    """Attribute and its column, in the order of the file."""
    id: str | None = None
    """Tells rows apart; none stands twice."""
    cluster: str | None = None
    """Rows that share a value are not independent (one author, one template): intervals count clusters, not rows."""


@dataclass(frozen=True, kw_only=True)
class TabularAudit(Audit):
    """An audit of a labelled table: of what was predicted, or of what is learnt from."""

    data: str
    """A file beside the context file (.csv, .jsonl or .parquet), or "hub:NAME@REVISION"."""
    sha256: str | None
    """What the data's digest must be."""
    columns: Columns
    terms: tuple[tuple[str, TermGroups], ...] = ()
    """Attributes whose groups are told by terms in the text; a row may be of several groups, or of none."""
    groups_order: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """By attribute: groups in order, the reference first. Groups that are not named follow, the largest first."""
    leave_out: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """By attribute: groups that are counted and shown, and compared with nobody, each with the reason for it."""
    minimum: int = 10
    """Rows (clusters, where declared) that a rate needs; a comparison with fewer is not measured."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """All that groups are told apart by: columns first."""
        return (*(name for name, _ in self.columns.groups), *(name for name, _ in self.terms))

    @property
    def asks_model(self) -> bool:
        """Whether a model answers; else the table holds all there is to know."""
        return False


@dataclass(frozen=True, kw_only=True)
class ClassifierAudit(TabularAudit):
    """A classifier where it acts: its predictions against the truth, group by group."""

    threshold: float | Literal["equal-error"] | None = None
    """From which score on the positive label is predicted; None: as the predictions say."""

    @property
    def asks_model(self) -> bool:
        """See TabularAudit."""
        return self.columns.prediction is None and self.columns.score is None


@dataclass(frozen=True, kw_only=True)
class CorpusAudit(TabularAudit):
    """The data that a classifier learns from."""

    words: TermGroups = ()
    """Attribute words whose nearness to group terms is counted."""
    window: int = 10
    """Words on either side of a group term that count as near."""
    before: str | None = None
    """An earlier version of the data, to compare with; limits name it in `versus`."""
    before_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """A declared deployment context: who is answerable for what, and the audits that watch over it."""

    id: str
    title: str
    process: str
    use: str
    affected: tuple[str, ...]
    harms: tuple[str, ...]
    oversight: str
    response: str
    owner: str
    jurisdictions: tuple[str, ...]
    language: str
    audits: tuple[Audit, ...]
    path: Path
    """The file it was read from; people lists are looked for beside it."""
    sha256: str
    """Digest of the file's bytes."""
    declared: dict[str, object] = field(default_factory=dict, hash=False, compare=False)
    """The file as parsed, for the evidence; plain TOML values only."""

    def audit(self, audit_id: str) -> Audit:
        """The audit of that id; raises KeyError naming the ids there are."""
        for audit in self.audits:
            if audit.id == audit_id:
                return audit
        raise KeyError(f"{self.path.name} has no audit {audit_id!r}; it has {', '.join(a.id for a in self.audits)}")
