"""The number that stands for an outcome, against what the model's own likelihoods say."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.mitigation.lean import batched, lean_values, leans_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.protocol import Question
from pytest_biasaudit.outcomes.likelihood import options_of, read_likelihood
from pytest_biasaudit.outcomes.outcome import Reading
from tests.leaning_samples import PEOPLE, asked, byte_model, number_prompts, option_prompts, scored_as
from tests.scored_samples import causal
from tests.tiny_architectures import tiny
from tests.tokenizer_families import trained


def values(model: CausalModel, prompts: list[ScoredPrompt], *, batch_size: int = 8) -> list[float]:
    leans = leans_of(model, prompts).leans
    found = [0.0] * len(leans)
    with torch.inference_mode():
        for numbers in batched(leans, batch_size=batch_size):
            for number, value in zip(numbers, lean_values(model, [leans[at] for at in numbers]).tolist(), strict=True):
                found[number] = value
    return found


def chain(model: CausalModel, bare: str, answer: str, *, end: bool) -> float:
    """Log P(answer | bare), token by token, from the module's own logits; and that no digit follows, for its end."""
    begin = len(model.tokenizer(bare)["input_ids"])
    tokens = model.tokenizer(bare + answer)["input_ids"]
    with torch.inference_mode():
        logprobs = model.module(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
    digits = model.tokenizer.convert_tokens_to_ids(list("0123456789"))
    closed = math.log(1 - float(logprobs[-1, digits].exp().sum())) if end else 0.0
    return closed + math.fsum(float(logprobs[at - 1, tokens[at]]) for at in range(begin, len(tokens)))


@pytest.mark.parametrize("favourable", ["yes", "no", "maybe"])
def test_a_choice_leans_by_the_log_odds_of_its_favourable_option(favourable: str) -> None:
    model, options = byte_model(), ["yes", "no", "maybe"]
    prompts = option_prompts(model, options, favourable=favourable)
    questions = [Question(text=prompt.outcome.prompt.text, system=None, prefill="") for prompt in prompts]
    scores = dict(model.score_options(questions, options, batch_size=4))
    for number, value in enumerate(values(model, prompts)):
        odds = dict(zip(options, map(math.exp, scores[number].logprobs), strict=True))
        rest = sum(odds.values()) - odds[favourable]
        assert value == pytest.approx(math.log(odds[favourable] / rest), abs=1e-4)


def test_a_rating_leans_by_its_mean_under_the_likelihoods_and_ten_is_not_one() -> None:
    model = byte_model("gpt2")
    spec = OutcomeSpec(kind="rating", scale=(1.0, 2.0, 5.0, 10.0))
    options = list(options_of(spec))
    prompts = option_prompts(model, options, favourable=None)
    questions = [Question(text=prompt.outcome.prompt.text, system=None, prefill="") for prompt in prompts]
    scores = dict(model.score_options(questions, options, batch_size=4))
    for number, value in enumerate(values(model, prompts)):
        assert value == pytest.approx(read_likelihood(scores[number], spec).reading.value, abs=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "opt"])
def test_a_number_leans_by_the_log_odds_of_two_whole_answers_with_their_ends(architecture: str) -> None:
    model = byte_model(architecture)
    prompts = number_prompts(model, answers=("20", "100", "1000", "85"))  # quartiles 68.75 and 325
    for prompt, value in zip(prompts, values(model, prompts), strict=True):
        bare = prompt.outcome.prompt.text
        expected = chain(model, bare, "100", end=True) - chain(model, bare, "85", end=True)
        assert value == pytest.approx(expected, abs=1e-4)


def test_a_number_that_another_begins_with_is_told_from_it_by_its_end() -> None:
    model = byte_model()
    prompts = number_prompts(model, answers=("12", "12", "120", "120"))
    for prompt, value in zip(prompts, values(model, prompts), strict=True):
        bare = prompt.outcome.prompt.text
        assert value == pytest.approx(
            chain(model, bare, "120", end=True) - chain(model, bare, "12", end=True), abs=1e-4
        )


def test_what_follows_the_numeral_does_not_count() -> None:
    model = byte_model()
    prompts = [
        scored_as(model, asked(*person), text, Reading(status="ok", value=value))
        for person, (text, value) in zip(
            PEOPLE, (("2 h", 2.0), ("3, I think", 3.0), ("7 h a w", 7.0), ("8", 8.0)), strict=True
        )
    ]
    plain = number_prompts(model, answers=("2", "3", "7", "8"))
    assert values(model, prompts) == pytest.approx(values(model, plain), abs=1e-6)


def test_of_two_answers_in_words_the_shorter_is_told_by_its_end() -> None:
    model = byte_model()
    prompts = [
        scored_as(model, asked(*person), text, Reading(status="ok", value=value))
        for person, (text, value) in zip(PEOPLE, [("ten", 10.0), ("ten and one", 11.0)] * 2, strict=True)
    ]
    bare = prompts[0].outcome.prompt.text
    tokens = model.tokenizer(bare + "ten")["input_ids"]
    with torch.inference_mode():
        logprobs = model.module(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
    low = chain(model, bare, "ten", end=False) + float(logprobs[-1, model.tokenizer.eos_token_id])
    high = chain(model, bare, "ten and one", end=False)
    assert values(model, prompts)[0] == pytest.approx(high - low, abs=1e-4)


def test_company_in_a_batch_does_not_matter() -> None:
    model = byte_model("qwen2")
    prompts = number_prompts(model, answers=("7", "150", "2400", "31"))
    alone = values(model, prompts, batch_size=1)
    assert values(model, prompts, batch_size=64) == pytest.approx(alone, abs=1e-5)


def test_answers_of_one_token_share_a_row() -> None:
    model = byte_model()
    lean = leans_of(model, option_prompts(model, ["y", "n"], favourable="y")).leans[0]
    assert len(lean.rows) == 1
    assert len(leans_of(model, number_prompts(model, answers=("12", "13", "37", "38"))).leans[0].rows) == 2


def test_repeats_of_a_prompt_are_one_lean_with_a_weight() -> None:
    model = byte_model()
    prompts = number_prompts(model)
    leans = leans_of(model, [*prompts, *prompts[:1], *prompts[:1]])
    assert len(leans.leans) == 4
    assert {cell.group: count for cell, count in leans.counts.items()} == {"white": 4, "black": 2}


def test_a_variation_without_a_contrast_is_left_out_and_named() -> None:
    model = byte_model()
    leans = leans_of(
        model,
        [*number_prompts(model, answers=("5",) * 4), *number_prompts(model, template="w2")],
    )
    assert {cell.variation for cell in leans.counts} == {"shop/offers/w2"}
    assert len(leans.notes) == 1
    assert leans.notes[0].startswith("shop/offers/w1: left out")


def test_all_variations_without_a_contrast_are_an_error_that_says_so() -> None:
    model = byte_model()
    with pytest.raises(DataError, match=r"shop/offers/w1: left out: no two different values among its 4 answers"):
        leans_of(model, number_prompts(model, answers=("5",) * 4))
    with pytest.raises(DataError, match="there is no prompt"):
        leans_of(model, [])


def test_outcomes_that_do_not_tell_the_favourable_option_are_refused() -> None:
    model = byte_model()
    reading = Reading(status="ok", value=0.5, selected=False)
    prompts = [
        scored_as(model, asked("Amy", "white"), "yes", reading, options=(("yes", 0.5), ("no", 0.5))),
    ]
    with pytest.raises(DataError, match="'yes' or 'no' fits all of them"):
        leans_of(model, prompts)
    told = Reading(status="ok", value=0.25, selected=False)
    prompts.append(scored_as(model, asked("Jill", "white"), "yes", told, options=(("yes", 0.75), ("no", 0.25))))
    assert values(model, prompts)[0] == pytest.approx(
        chain(model, prompts[0].outcome.prompt.text, " no", end=False)
        - chain(model, prompts[0].outcome.prompt.text, " yes", end=False),
        abs=1e-4,
    )


def test_a_text_longer_than_the_positions_is_refused() -> None:
    model = byte_model("gpt2")
    prompts = number_prompts(model, answers=("1" * 70, "2", "3", "4" * 70))
    with pytest.raises(DataError, match="the model takes 64"):
        leans_of(model, prompts)


def test_a_model_that_gives_nan_is_an_error() -> None:
    model = byte_model()
    prompts = number_prompts(model)
    leans = leans_of(model, prompts).leans
    _ = model.tree_pass
    head = model.module.get_submodule("lm_head")
    with torch.no_grad():
        next(head.parameters())[:] = math.nan
    with pytest.raises(ModelError, match="not finite"), torch.inference_mode():
        lean_values(model, leans)


def test_batches_hold_so_many_rows_and_no_fewer_than_one_lean() -> None:
    model = byte_model()
    leans = leans_of(model, number_prompts(model)).leans  # two rows each
    assert [len(numbers) for numbers in batched(leans, batch_size=1)] == [1, 1, 1, 1]
    assert [len(numbers) for numbers in batched(leans, batch_size=4)] == [2, 2]
    with pytest.raises(ValueError, match="batch_size is 0"):
        list(batched(leans, batch_size=0))


def test_answers_lean_after_the_blank_that_decoding_lost() -> None:
    tokenizer = trained("metaspace unigram")
    model = causal(tiny("llama", vocab_size=len(tokenizer)), tokenizer)
    prompts = number_prompts(model)
    bare = prompts[0].outcome.prompt.text
    written = [tuple(tokenizer(f"{bare} {answer}")["input_ids"]) for answer in ("64", "20")]
    assert written[0] != tuple(tokenizer(f"{bare}64")["input_ids"])
    for row in leans_of(model, prompts).leans[0].rows:
        assert any(row == tokens[: len(row)] for tokens in written)
