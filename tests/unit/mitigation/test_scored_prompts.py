from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.scored_prompt import prompts_sha256, scored_prompts, written_after
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.outcomes.outcome import Outcome
from tests.scored_samples import causal, outcome_of, person_of, prompt_of, variation_of
from tests.tiny_models import byte_tokenizer, tiny
from tests.tokenizer_families import trained

CHAT = "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}assistant:"
AMY, JAMAL = person_of("Amy", "white", last="Fox"), person_of("Jamal", "black", last="Reed")
HALVES: dict[str, Any] = {"white-amy fox": 0, "black-jamal reed": 1}


def model(tokenizer: Any = None) -> CausalModel:
    return causal(tiny("llama"), tokenizer or byte_tokenizer())


def sample(text: str = "", kind: str = "number") -> Any:
    prompts = tuple(
        prompt_of(person, text=text.format(person=person.name, first=person.first, last=person.last))
        for person in (AMY, JAMAL)
    )
    return variation_of(prompts, kind=kind)


def test_prompt_and_answer_are_tokenised_together() -> None:
    variation = sample("{person} pays?")
    outcomes = [outcome_of(prompt, answer) for prompt, answer in zip(variation.prompts, (" 5", " 70"), strict=True)]
    amy, jamal = scored_prompts(model(), variation, outcomes, attribute="race", halves=HALVES)
    assert (amy.text, jamal.text) == ("Amy Fox pays? 5", "Jamal Reed pays? 70")
    tokens = byte_tokenizer()(amy.text)["input_ids"]
    assert list(amy.tokens) == tokens
    assert amy.answer == len("Amy Fox pays?")
    assert amy.name == (0, 1, 2, 4, 5, 6)  # a byte is a token; the blank between the names is no letter
    assert amy.cell == Cell(variation="shop/offers/w1", group="white", half=0)
    assert jamal.cell == Cell(variation="shop/offers/w1", group="black", half=1)
    assert (amy.outcome, jamal.outcome) == tuple(outcomes)


def test_a_chat_template_brings_its_own_special_tokens() -> None:
    variation = sample("{person} pays?")
    outcomes = [outcome_of(prompt, "5") for prompt in variation.prompts]
    amy, _ = scored_prompts(model(byte_tokenizer(CHAT)), variation, outcomes, attribute="race", halves=HALVES)
    assert amy.text == "<s>user: Amy Fox pays?</s>assistant:5"
    assert amy.tokens[0] == 1
    assert amy.tokens.count(1) == 1
    start = 1 + len("user: ")
    assert amy.name == tuple(start + at for at in (0, 1, 2, 4, 5, 6))
    assert amy.answer == len(amy.tokens) - 1


def test_a_beginning_token_moves_everything_by_one() -> None:
    variation = sample("{person} pays?")
    outcomes = [outcome_of(prompt, " 5") for prompt in variation.prompts]
    tokenizer = trained("tiktoken's split rule")
    amy, _ = scored_prompts(model(tokenizer), variation, outcomes, attribute="race", halves=HALVES)
    assert amy.tokens[0] == tokenizer.bos_token_id
    assert tokenizer.decode([amy.tokens[at] for at in amy.name]) == "AmyFox"  # the blank is a token of its own
    assert tokenizer.decode(amy.tokens[amy.answer :]) == " 5"


def test_an_empty_answer_begins_behind_the_last_token() -> None:
    variation = sample("{person} pays?")
    amy, _ = scored_prompts(
        model(), variation, [outcome_of(prompt, "") for prompt in variation.prompts], attribute="race", halves=HALVES
    )
    assert amy.answer == len(amy.tokens)


def test_an_answer_that_merges_with_the_prompt_begins_with_the_token_they_share() -> None:
    tokenizer = trained("byte-level BPE")
    variation = sample("{person} asks: th")
    outcomes = [outcome_of(prompt, "e rest") for prompt in variation.prompts]
    amy, _ = scored_prompts(model(tokenizer), variation, outcomes, attribute="race", halves=HALVES)
    assert tokenizer.decode(amy.tokens[amy.answer :]).startswith(" the")  # one token of both


@pytest.mark.parametrize("family", ["metaspace unigram", "byte-level BPE", "characters", "pieces over blanks"])
def test_an_answer_has_the_tokens_that_the_model_wrote_where_decoding_loses_its_blank(family: str) -> None:
    tokenizer = trained(family)
    variation = sample("{person} pays?")
    bare = variation.prompts[0].text
    alone, whole = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (bare, f"{bare} 500"))
    assert list(whole[: len(alone)]) == list(alone)
    told = tokenizer.decode(whole[len(alone) :], skip_special_tokens=True)  # as `CausalModel.generate` tells it
    outcomes = [outcome_of(prompt, told) for prompt in variation.prompts]
    amy, _ = scored_prompts(model(tokenizer), variation, outcomes, attribute="race", halves=HALVES)
    assert amy.text == f"{bare} 500"
    wrote = list(whole[len(alone) :])
    assert list(amy.tokens[amy.answer :][: len(wrote)]) == wrote  # some end every text with a token of their own


def test_no_blank_is_set_where_a_writer_would_set_none() -> None:
    tokenizer = trained("metaspace unigram")
    for bare, answer in (("The price: $", "500"), ("A line\n", "500"), ("Say: ", "500"), ("It is", " 500"), ("It", "")):
        assert written_after(tokenizer, bare, answer) == bare + answer
    assert written_after(tokenizer, "[/INST]", "500") == "[/INST] 500"


def test_a_chosen_option_stands_where_it_was_scored() -> None:
    variation = sample("Would {person} pay?", kind="yes-no")
    outcomes = [outcome_of(prompt, "Yes") for prompt in variation.prompts]
    amy, _ = scored_prompts(model(), variation, outcomes, attribute="race", halves=HALVES)
    assert amy.text == "Would Amy Fox pay? Yes"


def test_the_name_in_the_answer_is_not_the_prompts() -> None:
    variation = sample("{person} pays?")
    outcomes = [outcome_of(prompt, f" {prompt.person.name}") for prompt in variation.prompts]
    amy, _ = scored_prompts(model(), variation, outcomes, attribute="race", halves=HALVES)
    assert max(amy.name) < amy.answer


@pytest.mark.parametrize(("text", "expected"), [("{first} pays?", (0, 1, 2)), ("Ms. {last} pays?", (4, 5, 6))])
def test_a_prompt_that_shows_part_of_the_name_has_that_part_found(text: str, expected: tuple[int, ...]) -> None:
    variation = sample(text)
    outcomes = [outcome_of(prompt, " 5") for prompt in variation.prompts]
    amy, _ = scored_prompts(model(), variation, outcomes, attribute="race", halves=HALVES)
    assert amy.name == expected


def test_repeats_are_prompts_of_their_own() -> None:
    variation = sample("{person} pays?")
    outcomes = [outcome_of(prompt, f" {at}", repeat=at) for prompt in variation.prompts for at in range(3)]
    found = scored_prompts(model(), variation, outcomes, attribute="race", halves=HALVES)
    assert [one.outcome.repeat for one in found] == [0, 1, 2, 0, 1, 2]


def outcomes_of(variation: Any) -> list[Outcome]:
    return [outcome_of(prompt, " 5") for prompt in variation.prompts]


def test_a_prompt_without_the_name_is_an_error_that_names_all_of_them() -> None:
    variation = sample("What does it cost?")
    with pytest.raises(DataError) as caught:
        scored_prompts(model(), variation, outcomes_of(variation), attribute="race", halves=HALVES)
    assert caught.value.path == "shop.bias.toml"
    assert len(caught.value.faults) == 2
    assert "'w1/white-amy fox': the name 'Amy Fox' does not occur" in caught.value.faults[0]


def test_outcomes_of_another_variation_are_refused() -> None:
    variation, other = sample("{person} pays?"), sample("{person} sells?")
    with pytest.raises(DataError, match="is not of this variation"):
        scored_prompts(model(), variation, outcomes_of(other), attribute="race", halves=HALVES)


def test_no_outcome_is_an_error() -> None:
    with pytest.raises(DataError, match="no outcome to score"):
        scored_prompts(model(), sample("{person} pays?"), [], attribute="race", halves=HALVES)


def test_outcomes_taken_with_another_rendering_are_refused() -> None:
    variation = sample("{person} pays?")
    right = [
        replace(one, prompt_sha256=hashlib.sha256(one.prompt.text.encode()).hexdigest())
        for one in outcomes_of(variation)
    ]
    assert scored_prompts(model(), variation, right, attribute="race", halves=HALVES)
    with pytest.raises(DataError, match="is rendered otherwise by this model"):
        scored_prompts(model(byte_tokenizer(CHAT)), variation, right, attribute="race", halves=HALVES)


def test_people_without_group_or_half_are_named() -> None:
    variation = sample("{person} pays?")
    with pytest.raises(DataError, match="'Amy Fox' has no group of 'age'"):
        scored_prompts(model(), variation, outcomes_of(variation), attribute="age", halves=HALVES)
    with pytest.raises(DataError, match="'black-jamal reed' is in neither half"):
        scored_prompts(model(), variation, outcomes_of(variation), attribute="race", halves={"white-amy fox": 0})


def test_a_text_longer_than_the_models_positions_is_refused() -> None:
    variation = sample("{person} pays?" + " and so on" * 30)
    opt = causal(tiny("opt"), byte_tokenizer())
    with pytest.raises(DataError, match="tokens with its answer, the model takes 256"):
        scored_prompts(opt, variation, outcomes_of(variation), attribute="race", halves=HALVES)


def test_the_digest_is_of_texts_and_their_order() -> None:
    variation = sample("{person} pays?")
    found = scored_prompts(model(), variation, outcomes_of(variation), attribute="race", halves=HALVES)
    others = scored_prompts(
        model(), variation, [replace(one, text=" 6") for one in outcomes_of(variation)], attribute="race", halves=HALVES
    )
    digests = {prompts_sha256(found), prompts_sha256(found[::-1]), prompts_sha256(found[:1]), prompts_sha256(others)}
    assert len(digests) == 4
    assert prompts_sha256(found) == prompts_sha256(list(found))
