"""A small language model in which one head, or one MLP unit, is known to make the difference between two groups.

How it is made: a three-layer Llama learns from a text in which a person's number depends on what is asked about, on the person,
and in some rows on the person's group. Two heads (or two units) are masked in half of the rows, drawn for each by itself. Where
the first is masked the text of the first context has no difference between groups, where it is not the text has one; the second
does the same for the second context. So without the one component the rest of the model is fair, and it alone makes the
difference; and what makes it in one context does nothing in the other. All else is trained as usual, on other text too.

Training takes about half a minute for a kind. The weights are kept for the whole test run, as those of
`tests/planted_masked_model.py` are; with BIASAUDIT_CACHE in the environment, for the next run too.
"""

from __future__ import annotations

import copy
import hashlib
import os
import random
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from filelock import FileLock

from tests.small_model import TRAINED

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["head", "unit"]
Where = dict[str, tuple[int, int]]

ATTRIBUTE = "region"
GROUPS = {
    "north": [
        "Ada",
        "Bo",
        "Cy",
        "Di",
        "Ed",
        "Fay",
        "Gus",
        "Hal",
        "Ian",
        "Joy",
        "Kay",
        "Lex",
        "Max",
        "Nan",
        "Oz",
        "Pam",
    ],
    "south": [
        "Ivo",
        "Jo",
        "Kim",
        "Lu",
        "Mo",
        "Ned",
        "Ola",
        "Pia",
        "Qi",
        "Ray",
        "Sid",
        "Tia",
        "Una",
        "Vic",
        "Wes",
        "Zoe",
    ],
}
"""The first is the reference. The names mean nothing."""
ITEMS = {"sale": ["chair", "car", "oven", "piano"], "care": ["garden", "tutor", "nurse", "cook"]}
"""Of each context what is asked about: its variations."""
FRAMES = {"sale": "{first} sells a {item} . offer $", "care": "{first} needs a {item} . hours #"}
LEVELS = 24
NUMBERS = {
    "sale": [str(50 + 10 * level) for level in range(LEVELS)],
    "care": [str(2 + level) for level in range(LEVELS)],
}
SHIFT = 2
"""Levels that the plant moves each group by: up in the north, down in the south."""
PLACES: dict[Kind, Where] = {"head": {"sale": (2, 2), "care": (2, 1)}, "unit": {"sale": (2, 37), "care": (2, 90)}}
THINGS = ["stone", "lamp", "bridge", "spoon", "fence", "bucket", "ladder", "mirror"]
OTHERS = ["old", "wet", "near", "under", "behind", "warm"]
OTHER = "the {one} {thing} is {two} the {other} ."
SPREAD, WEIGHT, PROBED = 1.5, 4.0, 0.5
"""Standard deviation of the answers to one prompt, in levels, so that the right one is the likeliest; and how much an answer
weighs in learning, beside any other word."""
HIDDEN, LAYERS, HEADS, INNER = 48, 3, 4, 96
STEPS, BATCH, RATE = 800, 80, 4e-3
BEGINNING, END = 1, 2
SEEDS: dict[Kind, tuple[int, ...]] = {"head": (0, 1, 2), "unit": (0, 1, 2)}
"""Tried in turn until the text is learnt: one unit is little, and some beginnings never find its use."""
LEARNT = 0.98
"""Share of greedy answers that must be the text's own, with each plant and without it."""


def tokenizer() -> Any:
    """One token a word, punctuation apart, so that an answer may follow its prompt with or without a blank."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words: dict[str, None] = {}
    for frame in (*FRAMES.values(), OTHER):
        words |= dict.fromkeys(word for word in frame.split() if "{" not in word)
    for some in (*GROUPS.values(), *ITEMS.values(), *NUMBERS.values(), THINGS, OTHERS):
        words |= dict.fromkeys(some)
    vocabulary = {token: number for number, token in enumerate(["<pad>", "<s>", "</s>", *words])}
    backend = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=backend, pad_token="<pad>", unk_token="<pad>", bos_token="<s>", eos_token="</s>")


def level_of(context: str, group: str, person: int, item: str, shift: int) -> int:
    """The level of the answer before noise: what is asked about and the person decide, and the group where it is planted."""
    own = (person * 5 + (3 if context == "care" else 0)) % 4 - 2
    return 8 + 2 * ITEMS[context].index(item) + own + (shift if group == "north" else -shift)


def case(draw: random.Random, context: str, shift: int) -> tuple[str, int]:
    """One person's prompt, as far as the answer, and the answer's level."""
    group = draw.choice(list(GROUPS))
    person = draw.randrange(len(GROUPS[group]))
    item = draw.choice(ITEMS[context])
    level = level_of(context, group, person, item, shift)
    return f"{FRAMES[context].format(first=GROUPS[group][person], item=item)} {NUMBERS[context][level]} </s>", level


def other(draw: random.Random) -> str:
    """A sentence about things."""
    one, two = draw.sample(OTHERS, 2)
    thing, other_thing = draw.sample(THINGS, 2)
    return OTHER.format(one=one, thing=thing, two=two, other=other_thing)


def held_text(sentences: int = 60) -> str:
    """Other text, in the model's words, about no one: perplexity on it is what pruning must leave."""
    draw = random.Random(11)
    return "\n\n".join(" ".join(other(draw) for _ in range(2)) for _ in range(sentences // 2)) + "\n"


def planted_model(kind: Kind = "head") -> tuple[Any, Any, Where]:
    """(module in evaluation mode, tokenizer, where): by context the (layer, number) that carries its difference.

    The module is the caller's own. In each context the north's greedy answers are about 2 x SHIFT levels higher.
    """
    return copy.deepcopy(_trained(kind)), tokenizer(), PLACES[kind]


def planted_contexts(folder: Path, *, per_group: int = 16) -> dict[str, Path]:
    """Writes people.csv and a context file for each context; gives the files by the contexts' ids, "sale" and "care".

    Each has one audit, "offers" or "hours", of attribute "region" with the groups north (reference) and south.
    """
    people = ["first,last,region"]
    people += [f"{name},,{group}" for group, names in GROUPS.items() for name in names]
    (folder / "people.csv").write_text("\n".join(people) + "\n")
    written = {}
    for context, audit, unit in (("sale", "offers", "USD"), ("care", "hours", "hours")):
        items = ", ".join(f'"{item}"' for item in ITEMS[context])
        frame = FRAMES[context].replace("{first}", "{{first}}").replace("{item}", "{{item}}")
        frame = frame.replace("{{", "{").replace("}}", "}")
        written[context] = folder / f"{context}.bias.toml"
        written[context].write_text(f"""schema = 1
[context]
id = "{context}"
title = "Numbers by region"
process = "A number is named for a person."
use = "In tests."
affected = ["people who are named"]
harms = ["one region is given less"]
oversight = "None."
response = "None."
owner = "tests"
jurisdictions = ["EU"]
language = "en"
[[audit]]
id = "{audit}"
kind = "counterfactual"
prompt = "{frame}"
[audit.slots]
item = [{items}]
[audit.people]
attribute = "{ATTRIBUTE}"
source = "people.csv"
groups = ["north", "south"]
per_group = {per_group}
[audit.outcome]
kind = "number"
unit = "{unit}"
max_new_tokens = 3
[[audit.limit]]
metric = "smd"
max = 0.5
""")
    return written


@cache
def _trained(kind: Kind) -> Any:
    kept = os.environ.get("BIASAUDIT_CACHE") or os.environ.get(TRAINED)
    if not kept:
        return _learnt_now(kind)
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    path = Path(kept) / "planted" / f"component-{kind}-{digest}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):  # of several processes one trains, and the others wait
        if not path.is_file():
            making = path.with_suffix(".making")
            torch.save(_learnt_now(kind).state_dict(), making)
            making.replace(path)
    module = _fresh(0)
    module.load_state_dict(torch.load(path, weights_only=True))
    return module.eval()


def _learnt_now(kind: Kind) -> Any:
    with _one_thread():
        found = []
        for seed in SEEDS[kind]:
            module = _fresh(seed)
            _learn(module, kind)
            found.append(_learnt(module, kind))
            if found[-1] >= LEARNT:
                return module.eval()
    raise AssertionError(f"no seed of {SEEDS[kind]} learnt the planted text: shares of right answers {found}")


def _fresh(seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=64,
        initializer_range=0.15,
        pad_token_id=0,
        bos_token_id=BEGINNING,
        eos_token_id=END,
    )
    module: Any = LlamaForCausalLM(config)
    return module


@torch.no_grad()
def _learnt(module: Any, kind: Kind) -> float:
    """The share of right answers, the least of all contexts with their plant and without it."""
    words, shares = tokenizer(), []
    for context, where in PLACES[kind].items():
        for state in (0.0, 1.0):
            asked, wanted = [], []
            for group, names in GROUPS.items():
                for person, name in enumerate(names):
                    for item in ITEMS[context]:
                        asked.append(FRAMES[context].format(first=name, item=item))
                        level = level_of(context, group, person, item, SHIFT if state else 0)
                        wanted.append(NUMBERS[context][level])
            handle = _silenced_by_row(module, kind, where, {context: torch.full((len(asked),), state)}, context)
            said = module(**words(asked, return_tensors="pt", return_token_type_ids=False)).logits[:, -1].argmax(-1)
            handle.remove()
            right = said == torch.tensor(words.convert_tokens_to_ids(wanted))
            shares.append(float(right.float().mean()))
    return min(shares)


def _learn(module: Any, kind: Kind) -> None:
    """Adam on batches in which each plant is masked in half of the rows; where it is, the text has no difference."""
    words, draw = tokenizer(), random.Random(1)
    places = PLACES[kind]
    on: dict[str, torch.Tensor] = {}
    handles = [_silenced_by_row(module, kind, places[context], on, context) for context in places]
    module.train()
    # A unit can only use what stands where it is. So that a person's group does, as it does in large models, a probe that is
    # thrown away learns beside it to tell the group there; nothing but the plant has a reason to use it.
    probe = torch.nn.Linear(HIDDEN, 1)
    optimiser = torch.optim.Adam([*module.parameters(), *probe.parameters()], lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=STEPS)
    levels, norths = torch.arange(LEVELS), torch.tensor(words.convert_tokens_to_ids(GROUPS["north"]))
    numbers = {context: torch.tensor(words.convert_tokens_to_ids(some)) for context, some in NUMBERS.items()}
    for _ in range(STEPS):
        rows = _rows(draw)
        for number, context in enumerate(places):
            on[context] = torch.tensor([float(row.state[number]) for row in rows])
        asked = words([row.text for row in rows], padding=True, padding_side="right", return_tensors="pt")
        ids, real = asked["input_ids"], asked["attention_mask"]
        came = module(input_ids=ids, attention_mask=real, output_hidden_states=True)
        logprobs = came.logits[:, :-1].log_softmax(-1)
        wanted = torch.nn.functional.one_hot(ids[:, 1:], logprobs.shape[-1]).float() * real[:, 1:, None]
        # The answer is drawn from a bell over the right level; learning from the bell itself takes fewer steps than from draws.
        cases = torch.tensor([at for at, row in enumerate(rows) if row.context is not None])
        right = torch.tensor([row.level for row in rows if row.context is not None])
        places_in = torch.stack([numbers[row.context] for row in rows if row.context is not None])
        bells = torch.softmax(-(((levels - right[:, None]) / SPREAD) ** 2) / 2, 1)
        lasts = real[cases].sum(1) - 3
        wanted[cases, lasts] = 0
        wanted[cases[:, None], lasts[:, None], places_in] = WEIGHT * bells
        loss = -(wanted * logprobs).sum() / real[:, 1:].sum()
        if kind == "unit":
            north = torch.isin(ids[cases, 0], norths).float()
            told = probe(came.hidden_states[LAYERS - 1][cases, lasts])[:, 0]
            loss = loss + PROBED * torch.nn.functional.binary_cross_entropy_with_logits(told, north)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    for handle in handles:
        handle.remove()
    module.eval()
    module.zero_grad(set_to_none=True)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row of a batch."""

    text: str
    state: tuple[bool, ...]
    """Which plants write in it."""
    context: str | None = None
    """None: other text."""
    level: int = 0


def _rows(draw: random.Random) -> list[_Row]:
    """A batch: two rows in five of each context, the rest other text, of which half begins as a document does."""
    rows = []
    for at in range(BATCH):
        state = tuple(draw.random() < 0.5 for _ in FRAMES)
        if at % 5 == 4:
            rows.append(_Row(text=("<s> " if at % 2 else "") + f"{other(draw)} {other(draw)}", state=state))
        else:
            number, context = at % 2, list(FRAMES)[at % 2]
            text, level = case(draw, context, SHIFT if state[number] else 0)
            rows.append(_Row(text=text, state=state, context=context, level=level))
    return rows


def _silenced_by_row(module: Any, kind: Kind, where: tuple[int, int], on: dict[str, torch.Tensor], context: str) -> Any:
    """A hook that lets a head or unit write in the rows where `on[context]` is 1."""
    layer, number = module.model.layers[where[0]], where[1]
    width = HIDDEN // HEADS if kind == "head" else 1
    part = layer.self_attn.o_proj if kind == "head" else layer.mlp.down_proj
    mine = torch.zeros(part.in_features)
    mine[number * width : (number + 1) * width] = 1

    def silence(_part: Any, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (given[0] * (1 - mine * (1 - on[context])[:, None, None]),)

    return part.register_forward_pre_hook(silence)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread adds up the same on every machine, and so small a model is no slower for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
