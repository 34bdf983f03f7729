"""How fast sentences are scored, as ratios within one process on one machine. Run: tox run -e bench

1. CrowS-Pairs, causal: the pairs packed into rows, against lm-evaluation-harness 0.4.13 at each batch size.
2. The same, against the floor: unique tokens x the cost of a token, body and head, at the machine's best batch.
3. Masked pseudo-log-likelihood, against one sentence and one mask at a time.

Both sides run in turn, on the same module and threads, and give the same numbers. Peak memory stands beside the ratio.
"""

from __future__ import annotations

import random
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.masked import MaskedModel
from pytest_biasaudit.models.prefix_tree import prefix_tree, unique_tokens
from pytest_biasaudit.models.protocol import MaskedText, ModelIdentity, Passage
from tests.crows_pairs_data import crows_pairs
from tests.side_by_side import in_turn, peak_mebibytes, ratio, timed
from tests.tiny_masked_models import wordpiece_tokenizer

pytestmark = pytest.mark.benchmarks

PAIRS = 100
BATCHES = (1, 16, 32, 64)


def token_cost(model: CausalModel) -> float:
    """Seconds a token, body and head, each at the best of several shapes: no softmax, nothing read."""
    module: Any = model.module
    vocabulary, width = module.config.vocab_size, module.config.hidden_size
    body = head = float("inf")
    with torch.inference_mode():
        for rows, length in ((2, 128), (8, 32), (16, 32), (32, 16), (32, 32)):
            ids = torch.randint(0, vocabulary, (rows, length))
            work = partial(module.model, input_ids=ids, use_cache=False)
            body = min(body, min(timed(work) for _ in range(3)) / (rows * length))
        for rows in (128, 256, 512):
            work = partial(module.lm_head, torch.randn(rows, width))
            head = min(head, min(timed(work) for _ in range(3)) / rows)
    return body + head


def test_pairs_are_scored_beside_the_evaluation_harness(
    smollm2: CausalModel, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huggingface = pytest.importorskip(
        "lm_eval.models.huggingface", reason="lm_eval is installed by the bench environment only"
    )
    instance = pytest.importorskip("lm_eval.api.instance").Instance
    texts = [sentence for pair in crows_pairs(shared_data, PAIRS) for sentence in pair]
    passages = [Passage(text=text) for text in texts]
    requests = [instance("loglikelihood", {}, ("", text), at) for at, text in enumerate(texts)]
    harnesses = [
        huggingface.HFLM(pretrained=smollm2.module, tokenizer=smollm2.tokenizer, batch_size=size) for size in BATCHES
    ]

    def ours() -> list[float]:
        found = dict(smollm2.score_texts(passages, batch_size=32))
        return [found[at].logprob for at in range(len(texts))]

    def harness(model: Any) -> list[float]:
        return [value for value, _ in model.loglikelihood(requests, disable_tqdm=True)]

    assert ours() == pytest.approx(harness(harnesses[1]), abs=1e-3)
    mine, *theirs = in_turn(ours, *(partial(harness, model) for model in harnesses), rounds=3)
    ratios = [ratio(their, mine) for their in theirs]
    first = smollm2.tokenizer.bos_token_id
    asked = [(first, *ids[:-1]) for ids in smollm2.tokenizer(texts, add_special_tokens=False)["input_ids"]]
    unique = unique_tokens(prefix_tree(asked, worth=1))
    floors = [timed(ours) / (unique * token_cost(smollm2)) for _ in range(3)]
    memory = [peak_mebibytes(ours), *(peak_mebibytes(partial(harness, model)) for model in harnesses)]
    with capsys.disabled():
        print(f"\n  {PAIRS} pairs, {sum(map(len, asked))} tokens, {unique} unique, {torch.get_num_threads()} threads")
        for size, times, peak in zip(BATCHES, ratios, memory[1:], strict=True):
            print(f"  harness, batch {size:2} / packed pairs: {times:.2f}   peak {peak:.0f} MiB beside {memory[0]:.0f}")
        print(f"  at its best batch:               {min(ratios):.2f}   (at least 1.5)")
        print(f"  packed pairs / floor:            {statistics.median(floors):.2f}   (at most 1.4)")
    assert min(ratios) >= 1.5
    assert statistics.median(floors) <= 1.4


def bert_of(layers: int, width: int) -> MaskedModel:
    """A BERT of that size with its usual vocabulary and random weights: what a row costs does not depend on them."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
    )
    module: Any = BertForMaskedLM(config)
    return MaskedModel(module.eval(), wordpiece_tokenizer(), ModelIdentity(name="random", source="live"))


def pairs_of_ids(count: int) -> list[MaskedText]:
    """Pairs that differ in one token, as long as the sentences of CrowS-Pairs are (mean 17.6 with special tokens)."""
    draw, found = random.Random(0), []
    for _ in range(count):
        tokens = [draw.randrange(1000, 30000) for _ in range(draw.randint(10, 25))]
        for _ in range(2):
            tokens[draw.randrange(1, len(tokens) - 1)] = draw.randrange(1000, 30000)
            positions = tuple(range(1, len(tokens) - 1))
            found.append(
                MaskedText(tokens=tuple(tokens), positions=positions, targets=tuple(tokens[at] for at in positions))
            )
    return found


@pytest.mark.parametrize(
    ("layers", "width", "least"),
    [(2, 128, 8.0), (4, 256, 8.0), (6, 384, 6.0)],
    ids=["BERT tiny", "BERT mini", "MiniLM"],
)
def test_masks_are_filled_beside_one_sentence_and_one_mask_at_a_time(
    layers: int, width: int, least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wider the model, the nearer one row alone comes to the processor's full speed, and the less a batch can win."""
    model, texts = bert_of(layers, width), pairs_of_ids(30)
    module: Any = model.module

    def ours() -> list[float]:
        found = dict(model.fill(texts, batch_size=32))
        return [value for at in range(len(texts)) for value in found[at]]

    def one_by_one() -> list[float]:
        found = []
        with torch.inference_mode():
            for text in texts:
                whole = torch.tensor([text.tokens])
                for position, target in zip(text.positions, text.targets, strict=True):
                    ids = whole.clone()
                    ids[0, position] = model.mask_id
                    logits = module(ids).logits
                    found.append(float(torch.log_softmax(logits[0, position], -1)[target]))
        return found

    assert ours() == pytest.approx(one_by_one(), abs=1e-4)
    mine, plain = in_turn(ours, one_by_one, rounds=3)
    memory = peak_mebibytes(ours), peak_mebibytes(one_by_one)
    masks = sum(len(text.positions) for text in texts)
    with capsys.disabled():
        print(
            f"\n  {layers} layers of {width}, {len(texts)} sentences, {masks} masks, {torch.get_num_threads()} threads"
        )
        print(f"  one by one / batched: {ratio(plain, mine):.2f}   (at least {least:.0f})")
        print(f"  peak {memory[0]:.0f} MiB beside {memory[1]:.0f}")
    assert ratio(plain, mine) >= least
