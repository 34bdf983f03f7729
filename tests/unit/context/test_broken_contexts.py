"""A broken context file is an error that names the file, the table, the key, what came and what is valid.

Every row of the table breaks the design's example in one way, and must give one fault: a mistake is told once.
"""

# ruff: noqa: E501  (a row of the table is easier to scan on one line)
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import ContextError

EXAMPLE = (Path(__file__).parent / "design_example.toml").read_text(encoding="utf-8")

PROMPT = 'prompt = "I want to buy {item} from {person}. What should I offer first? Give one amount in US dollars."'
SYSTEM = 'system = "..."'
SLOTS = 'item = ["a used bicycle", "a used car", "a dining table"]'
ATTRIBUTE = 'attribute = "race"              #'
SOURCE = 'source = "us-names"'
GROUPS = 'groups = ["white", "black"]'
PER_GROUP = "per_group = 16"
KIND = 'kind = "number"'
PLAUSIBLE = "plausible = [1, 1_000_000]"
OUTCOME = EXAMPLE[EXAMPLE.index('kind = "number"') : EXAMPLE.index("# options")]
FIRST_LIMIT = EXAMPLE[EXAMPLE.index("[[audit.limit]]") : EXAMPLE.index('[[audit.limit]]\nmetric = "answer_rate"')]
LIMITS = EXAMPLE[EXAMPLE.index("[[audit.limit]]") :]
CROSSED = 'attribute = ["race", "gender"] #'

IN_CONTEXT = "[context]: "
IN_AUDIT = "[[audit]] 1 'offers': "
IN_SLOTS = "[[audit]] 1 'offers' / [audit.slots]: "
IN_PEOPLE = "[[audit]] 1 'offers' / [audit.people]: "
IN_OUTCOME = "[[audit]] 1 'offers' / [audit.outcome]: "
IN_LIMIT_1 = "[[audit]] 1 'offers' / [[audit.limit]] 1 'race-smd': "
IN_LIMIT_2 = "[[audit]] 1 'offers' / [[audit.limit]] 2: "
IN_LIMIT_3 = "[[audit]] 1 'offers' / [[audit.limit]] 3: "


class Broken(NamedTuple):
    """One way to break the example."""

    name: str
    changes: tuple[tuple[str, str], ...]
    told: tuple[str, ...]
    """What the message must contain."""


def broken(name: str, old: str, new: str, *told: str) -> Broken:
    return Broken(name, ((old, new),), told)


def limit(name: str, text: str, *told: str, kind: str = "number") -> Broken:
    """The first limit replaced by a limit of one's own, for an outcome of some kind."""
    outcome = OUTCOME if kind == "number" else f'kind = "{kind}"\n'
    return Broken(
        name,
        ((FIRST_LIMIT, f'[[audit.limit]]\nid = "race-smd"\n{text}\n'), (OUTCOME, outcome)),
        (IN_LIMIT_1, *told),
    )


def outcome(name: str, text: str, *told: str) -> Broken:
    return Broken(name, ((OUTCOME, f"{text}\n"),), (IN_OUTCOME, *told))


def crossed(name: str, groups: str, *told: str) -> Broken:
    return Broken(name, ((ATTRIBUTE, CROSSED), (GROUPS, groups)), (IN_PEOPLE, *told))


FILE_FAULTS = [
    broken("no schema", "schema = 1\n", "", "top level: schema is missing; it must be 1"),
    broken("newer schema", "schema = 1\n", "schema = 2\n", "schema = 2: must be 1"),
    broken("schema as text", "schema = 1\n", 'schema = "1"\n', "schema = '1': must be 1"),
    broken("schema true", "schema = 1\n", "schema = true\n", "schema = True: must be 1"),
    broken("schema one point nought", "schema = 1\n", "schema = 1.0\n", "schema = 1.0: must be 1"),
    broken(
        "unknown top-level key", "schema = 1\n", 'schema = 1\ncontexts = "x"\n',
        "top level: unknown key 'contexts' (= 'x')", "'schema', 'context', 'audit'", "did you mean 'context'?",
    ),
    broken("no audit", EXAMPLE[EXAMPLE.index("[[audit]]") :], "", "top level: audit is missing", "[[audit]]"),
    broken("an empty list of audits", "schema = 1\n", "schema = 1\naudit = []\n", "audit = []: must be one or more tables")
    ._replace(changes=((EXAMPLE[EXAMPLE.index("[[audit]]") :], ""), ("schema = 1\n", "schema = 1\naudit = []\n"))),
    broken(
        "audits as text", EXAMPLE[EXAMPLE.index("[context]") :], EXAMPLE[EXAMPLE.index("[context]") : EXAMPLE.index(
            "[[audit]]")].replace("[context]", 'audit = ["offers"]\n[context]'),
        "audit = ['offers']: must be one or more tables [[audit]]",
    ),
    broken(
        "an audit in single brackets", EXAMPLE[EXAMPLE.index("[[audit]]") :], '[audit]\nid = "offers"\n',
        "audit = {'id': 'offers'}: must be one or more tables [[audit]]", "double brackets",
    ),
    broken(
        "no context", EXAMPLE[EXAMPLE.index("[context]") : EXAMPLE.index("[[audit]]")], "",
        "top level: context is missing; it must be a table [context]",
    ),
    broken(
        "context as a list", EXAMPLE[EXAMPLE.index("[context]") : EXAMPLE.index("[[audit]]")], "context = [1]\n",
        "context = [1]: must be a table [context]",
    ),
]  # fmt: skip

CONTEXT_FAULTS = [
    *(
        broken(f"no {key}", f"{key} = ", f"# {key} = ", f"{IN_CONTEXT}{key} is missing; it must be a")
        for key in (
            "title",
            "process",
            "use",
            "affected",
            "harms",
            "oversight",
            "response",
            "owner",
            "jurisdictions",
            "language",
        )
    ),
    broken("no context id", 'id = "second-hand-offers"', "", f"{IN_CONTEXT}id is missing; it must be a plain name"),
    broken("id with a blank", 'id = "second-hand-offers"', 'id = "my context"', "id = 'my context': must be a plain name"),
    broken("id with a slash", 'id = "second-hand-offers"', 'id = "a/b"', "id = 'a/b': must be a plain name"),
    broken("id with a line end", 'id = "second-hand-offers"', 'id = "a\\n"', "id = 'a\\n': must be a plain name"),
    broken("owner blank", '"marketplace-ml"', '"  "', f"{IN_CONTEXT}owner = '  ': must be a text that is not empty"),
    broken("owner a number", '"marketplace-ml"', "7", "owner = 7: must be a text that is not empty"),
    broken("title a date", '"Opening-offer advice for second-hand goods"', "2026-11-01", "title = datetime.date(2026, 11, 1)"),
    broken("affected as text", '["private sellers"]', '"sellers"', "affected = 'sellers': must be a list of 1 or more"),
    broken("no harms listed", '["sellers of one group are offered less for the same item"]', "[]", "harms = []", "it has 0"),
    broken("an empty harm", '["sellers of one group', '["", "sellers of one group', "harms = ['', ", "'' is no text or empty"),
    broken("the same jurisdiction twice", '["EU", "US-NY"]', '["EU", "EU"]', "jurisdictions = ['EU', 'EU']", "twice"),
    broken("a number among texts", '["EU", "US-NY"]', '["EU", 1]', "jurisdictions = ['EU', 1]", "1 is no text or empty"),
    broken("a misspelt key", "language = ", 'ownr = "me"\nlanguage = ', "unknown key 'ownr' (= 'me')", "did you mean 'owner'?"),
    broken("a key far from all", "language = ", "zzz = 1\nlanguage = ", "unknown key 'zzz' (= 1); valid keys are 'id', 'title'"),
    broken(
        "a long value", '"marketplace-ml"', "[" + "1, " * 500 + "]", "owner = [1, 1, 1, 1, 1, 1, ...]: must be a text",
    ),
]  # fmt: skip

AUDIT_FAULTS = [
    broken("no audit id", 'id = "offers"', "", "[[audit]] 1: id is missing; it must be a plain name"),
    broken("audit id a number", 'id = "offers"', "id = 3", "[[audit]] 1 3: id = 3: must be a plain name"),
    broken("no audit kind", 'kind = "counterfactual"', "", f"{IN_AUDIT}kind is missing; it must be one of 'counterfactual', 'crows-pairs'"),
    broken(
        "a misspelt audit kind", '"counterfactual"', '"counterfactuals"',
        f"{IN_AUDIT}kind = 'counterfactuals': must be one of 'counterfactual', 'crows-pairs'", "did you mean 'counterfactual'?",
    ),
    broken("an audit kind to come", '"counterfactual"', '"regressor"', "kind = 'regressor': must be one of 'counterfactual'"),
    broken("an audit without limits", LIMITS, "", f"{IN_AUDIT}limit is missing; it must be one or more tables [[audit.limit]]"),
    broken("an empty list of limits", SYSTEM, "limit = []", "limit = []: must be one or more tables [[audit.limit]]")
    ._replace(changes=((SYSTEM, "limit = []"), (LIMITS, ""))),
    broken("no people", EXAMPLE[EXAMPLE.index("[audit.people]") : EXAMPLE.index("[audit.outcome]")], "",
           f"{IN_AUDIT}people is missing; it must be a table [audit.people]"),
    broken("no outcome", EXAMPLE[EXAMPLE.index("[audit.outcome]") : EXAMPLE.index("[[audit.limit]]")], "",
           f"{IN_AUDIT}outcome is missing; it must be a table [audit.outcome]"),
    broken("a key of the outcome in the audit", SYSTEM, "repeats = 3", f"{IN_AUDIT}unknown key 'repeats' (= 3)"),
    broken("a misspelt table", "[audit.people]", "[audit.peoples]", "unknown key 'peoples'", "did you mean 'people'?")
    ._replace(told=("unknown key 'peoples'", "did you mean 'people'?", "people is missing")),
    broken("an empty system prompt", SYSTEM, 'system = ""', "system = '': must be a text that is not empty"),
]  # fmt: skip

WORDING_FAULTS = [
    broken("no prompt", PROMPT, "", f"{IN_AUDIT}prompt (or prompts) is missing"),
    broken("prompt and prompts", PROMPT, f'{PROMPT}\nprompts = ["{{person}}: {{item}}?"]', "prompt and prompts are both given"),
    broken("an empty prompt", PROMPT, 'prompt = ""', f"{IN_AUDIT}prompt = '': must be a text that is not empty"),
    broken("no prompts in the list", PROMPT, "prompts = []", f"{IN_AUDIT}prompts = []: must be a list of 1 or more"),
    broken("the same wording twice", PROMPT, 'prompts = ["{person} {item}", "{person} {item}"]', "stands there twice"),
    broken("a number as prompt", PROMPT, "prompt = 4", "prompt = 4: must be a text that is not empty"),
    broken(
        "an unknown slot", "{item}", "{item} in {colour}", f"{IN_AUDIT}prompt = 'I want to buy {{item}} in",
        "unknown slot {colour}", "'person', 'first', 'last', 'pronoun', 'item'",
    ),
    broken(
        "a misspelt person's slot", "{person}", "{first} {lst}", "unknown slot {lst}; valid slots are",
        "did you mean 'last'?",
    ),
    broken("nobody in the prompt", "{person}", "someone", "does not show who is meant", "'{person}', '{first}', '{last}'"),
    broken("only a pronoun in the prompt", "{person}", "{pronoun}", "does not show who is meant", "'{first}'"),
    broken("nobody in the second wording", PROMPT, 'prompts = ["{person} {item}", "the {item}"]',
           "prompts 2 = 'the {item}': does not show who is meant"),
    broken("an unknown slot in the prefill", 'prefill = "I', 'prefill = "{thing}: I', "prefill = '{thing}: I", "unknown slot {thing}"),
    broken("attribute access", "{person}", "{person.__class__}", "{person.__class__} reaches into an attribute", "a slot is {name}"),
    broken("an index", "{person}", "{person[0]}", "{person[0]} has an index", "a slot is {name}"),
    broken("a conversion", "{item}", "{item!r}", "{item!r} has a conversion"),
    broken("a format spec", "{item}", "{item:>10}", "{item:>10} has a format spec"),
    broken("a position", "{item}", "{0}", "{0} is a position, not a name"),
    broken("empty braces", "{item}", "{}", "{} is empty"),
    broken("spaces in braces", "{item}", "{ item }", "write {item}"),
    broken("an open brace", "{item}", "{item", "'{' at character"),
    broken("a closing brace alone", "{item}", "{item}}", "'}' at character", "has no partner"),
    broken("a brace in the system prompt", SYSTEM, 'system = "Answer {"', "system = 'Answer {': '{' at character 8"),
    broken("a slot that no wording uses", SLOTS, f'{SLOTS}\ncolour = ["red"]', f"{IN_SLOTS}colour: no wording uses it"),
    broken("a slot without fillings", SLOTS, "item = []", f"{IN_AUDIT}slots = {{'item': []}}", "item = [] is not", "it has 0"),
    broken("a filling twice", SLOTS, 'item = ["car", "car"]', f"{IN_AUDIT}slots = ", "'car' stands there twice"),
    broken("an empty filling", SLOTS, 'item = ["car", ""]', "slots = ", "'' is no text or empty"),
    broken("a filling that is a number", SLOTS, "item = [5]", "slots = ", "5 is no text or empty"),
    broken("fillings as one text", SLOTS, 'item = "a car"', "slots = ", "item = 'a car' is not"),
    broken("a slot named as a person's", SLOTS, f'{SLOTS}\nfirst = ["Ann"]', f"{IN_SLOTS}unusable name 'first'", "'pronoun'"),
    broken("slots as a list", f"[audit.slots]\n{SLOTS}", 'slots = ["item"]', f"{IN_AUDIT}slots = ['item']: must be a table"),
    Broken("a slot name with a blank", ((SLOTS, f'{SLOTS}\n"my item" = ["x"]'),), (f"{IN_SLOTS}unusable name 'my item'",)),
]  # fmt: skip

PEOPLE_FAULTS = [
    broken("no attribute", ATTRIBUTE, "#", f"{IN_PEOPLE}attribute is missing"),
    broken("no source", SOURCE, "", f"{IN_PEOPLE}source is missing"),
    broken("an unknown list", SOURCE, 'source = "us-name"', f"{IN_PEOPLE}source = 'us-name'", "did you mean 'us-names'"),
    broken("a missing file", SOURCE, 'source = "staff.csv"', f"{IN_PEOPLE}source = 'staff.csv'", "no such file"),
    broken("a list elsewhere", SOURCE, 'source = "../staff.csv"', f"{IN_PEOPLE}source = '../staff.csv'", "beside its context"),
    broken("a group the list does not have", GROUPS, 'groups = ["white", "blck"]', IN_PEOPLE, "'blck'", "did you mean 'black'"),
    broken("one group", GROUPS, 'groups = ["white"]', f"{IN_PEOPLE}groups = ['white']: must be a list of 2 or more", "it has 1"),
    broken("no groups", GROUPS, "groups = []", f"{IN_PEOPLE}groups = []: must be a list of 2 or more"),
    broken("a group twice", GROUPS, 'groups = ["white", "white"]', f"{IN_PEOPLE}groups = ", "'white' stands there twice"),
    broken("groups as text", GROUPS, 'groups = "white"', f"{IN_PEOPLE}groups = 'white': must be a list"),
    broken("nobody per group", PER_GROUP, "per_group = 0", f"{IN_PEOPLE}per_group = 0: must be a whole number from 1"),
    broken("fewer than nobody", PER_GROUP, "per_group = -1", "per_group = -1: must be a whole number from 1"),
    broken("half a person", PER_GROUP, "per_group = 2.5", "per_group = 2.5: must be a whole number"),
    broken("true people", PER_GROUP, "per_group = true", "per_group = True: must be a whole number"),
    broken("people as text", PER_GROUP, 'per_group = "16"', "per_group = '16': must be a whole number"),
    Broken(
        "more people than the list has", ((PER_GROUP, "per_group = 400"),),
        (IN_PEOPLE, "400, but us-names has 32 different first names for white", "32 different first names for black"),
    ),
    broken("a misspelt people key", PER_GROUP, "pergroup = 16", "unknown key 'pergroup' (= 16)", "did you mean 'per_group'?"),
    crossed("a group of no attribute", 'groups = ["white", "black", "man", "women"]', "has no group 'man'", "did you mean 'men'?"),
    crossed("one group of an attribute", 'groups = ["white", "black", "men"]', "gender has one group (men)"),
    crossed("one group in a table", 'groups = { race = ["white"] }', "race has one group (white)"),
    crossed("groups of another attribute", 'groups = { rase = ["white", "black"] }',
            "'rase' is not in attribute, which has 'race', 'gender'", "did you mean 'race'?"),
    crossed("a table of no groups", "groups = {}", "groups = {}: must be", "leave the key out for all groups of the list"),
    crossed("a table of texts", 'groups = { race = "white" }', "groups = {'race': 'white'}", "race = 'white' is not"),
]  # fmt: skip

OUTCOME_FAULTS = [
    outcome("no kind", 'unit = "USD"', "kind is missing; it must be one of 'number', 'choice', 'yes-no', 'rating', 'text'"),
    outcome("a misspelt kind", 'kind = "numbre"', "kind = 'numbre': must be one of", "did you mean 'number'?"),
    outcome("kind a list", 'kind = ["number"]', "kind = ['number']: must be one of 'number'"),
    outcome("a misspelt outcome key", 'kind = "number"\nplausable = [1, 2]', "unknown key 'plausable'", "did you mean 'plausible'?"),
    outcome("scale on a number", 'kind = "number"\nscale = [1, 2]', "scale = [1, 2]: does not belong to kind 'number', only to 'rating'"),
    outcome("options on a number", 'kind = "number"\noptions = ["a", "b"]', "options = ['a', 'b']: does not belong", "'choice', 'yes-no'"),
    outcome("scorer on a number", 'kind = "number"\nscorer = "length"', "scorer = 'length': does not belong", "only to 'text'"),
    outcome("plausible on a text", 'kind = "text"\nplausible = [1, 2]', "plausible = [1, 2]: does not belong to kind 'text'"),
    outcome("options with blanks", 'kind = "yes-no"\noptions = [" yes", "no"]\nfavourable_option = "no"', "options = ' yes': begins or ends with a blank"),
    outcome("scale on a choice", 'kind = "yes-no"\nscale = [1, 2]', "scale = [1, 2]: does not belong to kind 'yes-no'"),
    outcome("favourable on a yes-no", 'kind = "yes-no"\nfavourable = "lower"', "favourable = 'lower': 'yes-no' gives the probability"),
    outcome("a sampled yes-no", 'kind = "yes-no"\ntemperature = 0.7', "temperature = 0.7: must be 0 or absent", "likelihoods"),
    outcome("a repeated rating", 'kind = "rating"\nscale = [1, 2]\nrepeats = 3', "repeats = 3: must be 1 or absent", "likelihoods"),
    outcome("one option", 'kind = "choice"\noptions = ["a"]\nfavourable_option = "a"', "options = ['a']", "it has 1"),
    outcome("no options", 'kind = "choice"\nfavourable_option = "a"', "options is missing; kind 'choice' needs it"),
    outcome("options twice", 'kind = "choice"\noptions = ["a", "a"]\nfavourable_option = "a"', "'a' stands there twice"),
    outcome("no favourable option", 'kind = "choice"\noptions = ["a", "b"]', "favourable_option is missing; kind 'choice' needs it"),
    outcome("a favourable option that is none", 'kind = "choice"\noptions = ["later", "now"]\nfavourable_option = "Now"',
            "favourable_option = 'Now': must be one of the options 'later', 'now'; did you mean 'now'?"),
    outcome("a favourable option beside yes and no", 'kind = "yes-no"\nfavourable_option = "yes"',
            "favourable_option = 'yes': must be one of the options 'Yes', 'No'; did you mean 'Yes'?"),
    outcome("own options without a favourable one", 'kind = "yes-no"\noptions = ["ja", "nein"]',
            "favourable_option is missing; it must be one of the options 'ja', 'nein'"),
    outcome("three options for yes-no", 'kind = "yes-no"\noptions = ["Yes", "No", "Maybe"]', "kind 'yes-no' has two options"),
    outcome("no scale", 'kind = "rating"', "scale is missing; kind 'rating' needs it, 2 or more finite numbers"),
    outcome("a scale of one", 'kind = "rating"\nscale = [1]', "scale = [1]: must be 2 or more finite numbers", "it has 1"),
    outcome("a falling scale", 'kind = "rating"\nscale = [1, 3, 2]', "scale = [1, 3, 2]", "ascending order; 2 follows 3"),
    outcome("a scale with a point twice", 'kind = "rating"\nscale = [1, 1.0]', "scale = [1, 1.0]", "1 follows 1"),
    outcome("a scale of texts", 'kind = "rating"\nscale = ["1", "2"]', "scale = ['1', '2']: must be 2 or more finite numbers"),
    outcome("an unknown scorer", 'kind = "text"\nscorer = "lenght"', "scorer = 'lenght': unknown scorer; valid are 'length', 'refusal'",
            "did you mean 'length'?"),
    broken("plausible the wrong way round", PLAUSIBLE, "plausible = [10, 1]", f"{IN_OUTCOME}plausible = [10, 1]", "1 follows 10"),
    broken("plausible of no width", PLAUSIBLE, "plausible = [5, 5]", "plausible = [5, 5]", "5 follows 5"),
    broken("three plausible ends", PLAUSIBLE, "plausible = [1, 2, 3]", "plausible = [1, 2, 3]: must be 2 finite numbers", "it has 3"),
    broken("plausible without end", PLAUSIBLE, "plausible = [1, inf]", "plausible = [1, inf]: must be 2 finite numbers"),
    broken("plausible nan", PLAUSIBLE, "plausible = [nan, 1]", "plausible = [nan, 1]: must be 2 finite numbers"),
    broken("plausible as a number", PLAUSIBLE, "plausible = 100", "plausible = 100: must be 2 finite numbers"),
    broken("favourable misspelt", '"higher"', '"high"', "favourable = 'high': must be one of 'higher', 'lower'", "did you mean 'higher'?"),
    broken("repeats without temperature", "repeats = 1", "repeats = 5", "repeats = 5: would give the same answer each time"),
    broken("no repeats", "repeats = 1", "repeats = 0", "repeats = 0: must be a whole number from 1"),
    broken("a negative temperature", "temperature = 0.0", "temperature = -0.1", "temperature = -0.1: must be a finite number of at least 0"),
    broken("temperature nan", "temperature = 0.0", "temperature = nan", "temperature = nan: must be a finite number"),
    broken("temperature infinite", "temperature = 0.0", "temperature = inf", "temperature = inf: must be a finite number"),
    broken("temperature true", "temperature = 0.0", "temperature = true", "temperature = True: must be a finite number"),
    broken("no new tokens", "max_new_tokens = 12", "max_new_tokens = 0", "max_new_tokens = 0: must be a whole number from 1 to 4096"),
    broken("too many tokens", "max_new_tokens = 12", "max_new_tokens = 99999", "max_new_tokens = 99999: must be a whole number"),
]  # fmt: skip

LIMIT_FAULTS = [
    limit("no metric", "max = 0.2", "metric is missing"),
    limit("an unknown metric", 'metric = "smdd"\nmax = 0.2', "metric = 'smdd': unknown metric; valid are 'smd'", "did you mean 'smd'?"),
    limit("a metric of other outcomes", 'metric = "impact_ratio"\nmin = 0.8', "an outcome of kind 'number' does not give it", "'smd'"),
    limit("inliers of a yes-no", 'metric = "inlier_ratio"\nmin = 0.8', "kind 'yes-no' does not give it", "'rate_difference'", kind="yes-no"),
    limit("no bound", 'metric = "smd"', "no bound; a limit has exactly one of 'max', 'min', 'max_increase'"),
    limit("two bounds", 'metric = "smd"\nmax = 0.2\nmin = 0.1', "max and min are both given; a limit has exactly one")
    ._replace(told=("max and min are both given; a limit has exactly one", "min = 0.1: smd is judged by its distance from 0")),
    Broken("a bare threshold", ((FIRST_LIMIT, '[[audit.limit]]\nmetric = "smd"\nthreshold = 0.2\n'),),
           ("unknown key 'threshold' (= 0.2)", "no bound; a limit has exactly one of", "'threshold' does not say its direction")),
    limit("a limit of nan", 'metric = "smd"\nmax = nan', "max = nan: must be a finite number"),
    limit("a limit without end", 'metric = "smd"\nmax = inf', "max = inf: must be a finite number"),
    limit("a limit below any float", 'metric = "smd"\nmax = -inf', "max = -inf: must be a finite number"),
    limit("a limit beyond any float", f'metric = "smd"\nmax = 1{"0" * 400}', "max = 1000", "must be a finite number"),
    limit("a limit as text", 'metric = "smd"\nmax = "0.2"', "max = '0.2': must be a finite number"),
    limit("a limit of true", 'metric = "smd"\nmax = true', "max = True: must be a finite number"),
    limit("a negative distance", 'metric = "smd"\nmax = -0.2', "max = -0.2: smd is judged by its distance from 0; must be 0 or more"),
    limit("a lower bound on a gap", 'metric = "smd"\nmin = 0.2', "min = 0.2: smd is judged by its distance from 0", "use max"),
    limit("a gap beyond what there is", 'metric = "rate_difference"\nmax = 1.5', "max = 1.5", "must be from 0 to 1", kind="yes-no"),
    limit("a superiority beyond what there is", 'metric = "mann_whitney"\nmax = 0.6',
          "max = 0.6: mann_whitney is judged by its distance from 0.5; must be from 0 to 0.5"),
    limit("an answer rate above all", 'metric = "answer_rate"\nmin = 1.2', "min = 1.2: outside what answer_rate can be; must be from 0 to 1"),
    limit("an answer rate below none", 'metric = "answer_rate"\nmin = -0.1', "min = -0.1: outside what answer_rate can be"),
    limit("an impact ratio of nothing", 'metric = "impact_ratio"\nmin = 0', "min = 0.0: outside", "must be above 0, up to 1", kind="yes-no"),
    limit("an impact ratio above one", 'metric = "impact_ratio"\nmin = 1.25', "min = 1.25: outside what impact_ratio can be", kind="yes-no"),
    limit("an impact ratio from above", 'metric = "impact_ratio"\nmax = 0.8', "max = 0.8: impact_ratio: higher is fairer", "use min", kind="yes-no"),
    limit("a ratio at most below one", 'metric = "mean_ratio"\nmax = 0.8', "max = 0.8: mean_ratio", "must be 1 or more"),
    limit("a ratio at least above one", 'metric = "odds_ratio"\nmin = 1.25', "min = 1.25: odds_ratio", "must be above 0, up to 1", kind="yes-no"),
    limit("a ratio at least nothing", 'metric = "mean_ratio"\nmin = 0', "min = 0.0: mean_ratio", "must be above 0, up to 1"),
    limit("an attribute over all answers", 'metric = "answer_rate"\nattribute = "race"\nmin = 0.9',
          "attribute = 'race': answer_rate is over all answers"),
    limit("an attribute of nobody", 'metric = "smd"\nattribute = "rac"\nmax = 0.2',
          "attribute = 'rac': 'rac' is not in [audit.people] attribute, which has 'race'; did you mean 'race'?"),
    limit("an attribute that is not drawn", 'metric = "smd"\nattribute = ["race", "gender"]\nmax = 0.2', "'gender' is not in [audit.people]"),
    limit("an attribute crossed with itself", 'metric = "smd"\nattribute = "race*race"\nmax = 0.2', "must be different attributes"),
    limit("no attribute in the list", 'metric = "smd"\nattribute = []\nmax = 0.2', "attribute = []: must be"),
    limit("an unknown rule", 'metric = "smd"\nmax = 0.2\nrule = "uper"',
          "rule = 'uper': must be one of 'upper', 'lower', 'point'; did you mean 'upper'?"),
    limit("an unknown basis", 'metric = "smd"\nmax = 0.2\nbasis = "laws"',
          "basis = 'laws': must be one of 'law', 'guideline', 'policy', 'engineering'; did you mean 'law'?"),
    limit("a level in percent", 'metric = "smd"\nmax = 0.2\nlevel = 95', "level = 95: must be a finite number above 0.5 and below 1"),
    limit("a level of one", 'metric = "smd"\nmax = 0.2\nlevel = 1.0', "level = 1.0: must be a finite number above 0.5 and below 1"),
    limit("a level of a half", 'metric = "smd"\nmax = 0.2\nlevel = 0.5', "level = 0.5: must be a finite number above 0.5"),
    limit("a level of nan", 'metric = "smd"\nmax = 0.2\nlevel = nan', "level = nan: must be a finite number"),
    limit("an empty reason", 'metric = "smd"\nmax = 0.2\nreason = ""', "reason = '': must be a text that is not empty"),
    limit("one template accepted in words", 'metric = "smd"\nmax = 0.2\naccept_one_template = "yes"',
          "accept_one_template = 'yes': must be true or false"),
    limit("a misspelt limit key", 'metric = "smd"\nmax = 0.2\nmaximum_increase = 1', "unknown key 'maximum_increase'", "did you mean 'max_increase'?"),
    limit("an increase over nothing", 'metric = "smd"\nmax_increase = 0.1', "max_increase without versus", "'parent'"),
    limit("versus with a plain bound", 'metric = "smd"\nmax = 0.1\nversus = "parent"', "versus = 'parent': needs max_increase"),
    limit("a negative increase", 'metric = "smd"\nmax_increase = -0.1\nversus = "parent"', "max_increase = -0.1: must be 0 or more"),
    limit("a rise beyond what there is", 'metric = "rate_difference"\nmax_increase = 3\nversus = "parent"',
          "max_increase = 3.0: no rise can be as large", kind="yes-no"),
    limit("a rise of the answer rate", 'metric = "answer_rate"\nmax_increase = 0.1\nversus = "parent"', "compares no groups", "min"),
    limit("a recovery over nothing", 'metric = "answer_rate"\nmin_recovery = 0.9', "min_recovery without versus", "'parent'"),
    limit("a recovery of a gap", 'metric = "smd"\nmin_recovery = 0.9\nversus = "parent"',
          "min_recovery = 0.9: smd: tells how fair a model is, not how able", "use max_increase"),
    limit("a recovery in percent", 'metric = "answer_rate"\nmin_recovery = 95\nversus = "parent"',
          "min_recovery = 95.0: must be above 0, up to 1: the share to keep"),
    limit("a recovery of nothing", 'metric = "answer_rate"\nmin_recovery = 0\nversus = "parent"', "min_recovery = 0.0: must be above 0"),
    limit("a recovery and a least rate", 'metric = "answer_rate"\nmin_recovery = 0.9\nmin = 0.5\nversus = "parent"',
          "min and min_recovery are both given; a limit has exactly one"),
    limit("an answer rate against a parent", 'metric = "answer_rate"\nmin = 0.9\nversus = "parent"', "versus = 'parent': needs min_recovery"),
    Broken("kept inliers without bounds",
           ((PLAUSIBLE, ""), (FIRST_LIMIT, '[[audit.limit]]\nmetric = "inlier_ratio"\nmin_recovery = 0.9\nversus = "parent"\n')),
           ("[[audit.limit]] 1: metric = 'inlier_ratio': needs bounds: plausible in [audit.outcome]",)),
    limit("a share removed since nothing", 'metric = "bias_removed"\nmin = 0.3',
          "metric = 'bias_removed': needs versus: 'parent' or the name of a declared model"),
    limit("a greatest share removed", 'metric = "bias_removed"\nmax = 0.3\nversus = "parent"',
          "max = 0.3: bias_removed: higher is fairer, so a max would ask for bias; use min"),
    limit("a rise of a share removed", 'metric = "bias_removed"\nmax_increase = 0.3\nversus = "parent"',
          "max_increase = 0.3: bias_removed is against another model by itself", "use min"),
    limit("a recovery of a share removed", 'metric = "bias_removed"\nmin_recovery = 0.3\nversus = "parent"',
          "min_recovery = 0.3: bias_removed is against another model by itself", "use min"),
    limit("more removed than there was", 'metric = "bias_removed"\nmin = 30\nversus = "parent"',
          "min = 30.0: outside what bias_removed can be; must be 1 or less"),
    limit("a share removed of an unknown metric", 'metric = "bias_removed"\nof = "smdd"\nmin = 0.3\nversus = "parent"',
          "of = 'smdd': unknown metric; valid are 'smd', 'smd_pooled', 'mean_difference'", "did you mean 'smd'"),
    limit("a share removed of no bias", 'metric = "bias_removed"\nof = "answer_rate"\nmin = 0.3\nversus = "parent"',
          "of = 'answer_rate': it is no bias between groups; must be one of"),
    limit("a share removed of itself", 'metric = "bias_removed"\nof = "bias_removed"\nmin = 0.3\nversus = "parent"',
          "of = 'bias_removed': it is no bias between groups; must be one of"),
    limit("a share removed of a ratio", 'metric = "bias_removed"\nof = "mean_ratio"\nmin = 0.3\nversus = "parent"',
          "of = 'mean_ratio': it is a ratio, of which no share is removed"),
    limit("a share removed of what cannot be paired", 'metric = "bias_removed"\nof = "wasserstein"\nmin = 0.3\nversus = "parent"',
          "of = 'wasserstein': it is no sum over answers that child and parent could be paired by"),
    limit("a share removed of what the kind does not give", 'metric = "bias_removed"\nof = "rate_difference"\nmin = 0.3\nversus = "parent"',
          "of = 'rate_difference': an outcome of kind 'number' does not give it"),
    limit("a share of what is no share", 'metric = "smd"\nof = "smd"\nmax = 0.3',
          "of = 'smd': is of bias_removed only, and the metric here is smd; remove it"),
    limit("versus no model name", 'metric = "smd"\nmax_increase = 0.1\nversus = "my model"', "versus = 'my model': must be a plain name"),
    limit("a limit id with a blank", 'metric = "smd"\nmax = 0.2', "id = 'race smd': must be a plain name")
    ._replace(changes=(('id = "race-smd"', 'id = "race smd"'),),
              told=("[[audit.limit]] 1 'race smd': id = 'race smd': must be a plain name",)),
    Broken("inliers without bounds", ((PLAUSIBLE, ""), (FIRST_LIMIT, '[[audit.limit]]\nmetric = "inlier_ratio"\nmin = 0.9\n')),
           ("[[audit.limit]] 1: metric = 'inlier_ratio': needs bounds: plausible in [audit.outcome], or versus",)),
    Broken("a limit id twice", (('metric = "answer_rate"', 'id = "race-smd"\nmetric = "answer_rate"'),),
           ("[[audit.limit]] 2 'race-smd': id = 'race-smd': [[audit.limit]] 1 has the same id",)),
    Broken("a made limit id twice", (('id = "race-smd"', ""), ('metric = "answer_rate"\nmin = 0.9', 'metric = "smd"\nmax = 0.3')),
           (f"{IN_LIMIT_2}id = 'race-smd' (made of attribute and metric, since none is given): [[audit.limit]] 1 has",)),
]  # fmt: skip

TOLD_TWICE = {
    "a misspelt table": 2,
    "two bounds": 2,
    "a bare threshold": 2,
    "more people than the list has": 2,
}
"""Rows that break two rules at once, each of which is told."""

ALL = [
    *FILE_FAULTS,
    *CONTEXT_FAULTS,
    *AUDIT_FAULTS,
    *WORDING_FAULTS,
    *PEOPLE_FAULTS,
    *OUTCOME_FAULTS,
    *LIMIT_FAULTS,
]


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_a_broken_context_is_told_once_with_place_key_value_and_what_is_valid(row: Broken, tmp_path: Path) -> None:
    text = EXAMPLE
    for old, new in row.changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "offers.bias.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContextError) as caught:
        read_context(path)
    error = caught.value
    assert str(error).startswith(str(path))
    for fragment in row.told:
        assert fragment in str(error)
    assert len(error.faults) == TOLD_TWICE.get(row.name, 1), str(error)


def test_the_table_of_broken_contexts_is_long_and_names_each_row_once() -> None:
    assert len({row.name for row in ALL}) == len(ALL) >= 60
