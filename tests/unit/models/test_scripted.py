from __future__ import annotations

import math
import subprocess
import sys

import pytest

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import Generation, LanguageModel, OptionScores, Question
from pytest_biasaudit.models.scripted import Answer, ScriptedModel


def texts(model: ScriptedModel, *prompts: str, temperature: float = 0.0, seeds: list[int] | None = None) -> list[str]:
    questions = [Question(text=prompt) for prompt in prompts]
    answers = model.generate(
        questions, max_new_tokens=8, temperature=temperature, seeds=seeds or [0] * len(prompts), batch_size=2
    )
    return [generation.text for _, generation in answers]


def shares(model: ScriptedModel, prompt: str, *options: str) -> list[float]:
    ((index, scores),) = model.score_options([Question(text=prompt)], options, batch_size=1)
    assert index == 0
    return [math.exp(logprob) for logprob in scores.logprobs]


def test_it_is_a_language_model() -> None:
    assert isinstance(ScriptedModel({}), LanguageModel)


def test_answers_come_from_the_table_by_prompt_text() -> None:
    model = ScriptedModel({"How much for Jamal?": "$450", "How much for Brad?": 500})
    assert texts(model, "How much for Brad?", "How much for Jamal?") == ["500", "$450"]


def test_system_prompt_and_prefill_are_rendered_and_not_looked_up() -> None:
    model = ScriptedModel({"q": "a"})
    question = Question(text="q", system="Be brief.", prefill="I would offer $")
    ((_, generation),) = model.generate([question], max_new_tokens=8, temperature=0, seeds=[0], batch_size=1)
    assert generation == Generation(text="a", finish="stop")
    assert model.render(question) == "Be brief.\n\nq\nI would offer $"
    assert model.asked == {"Be brief.\n\nq\nI would offer $": 1}


def test_a_function_is_given_the_question() -> None:
    model = ScriptedModel(lambda question: question.text.upper())
    assert texts(model, "abc") == ["ABC"]


def test_an_unknown_prompt_without_a_default_is_named() -> None:
    with pytest.raises(ModelError, match="has no answer to the prompt 'who\\?'"):
        texts(ScriptedModel({"what?": "that"}), "who?")
    with pytest.raises(ModelError, match="has no answer to the prompt 'who\\?'"):
        texts(ScriptedModel(lambda _question: None), "who?")  # type: ignore[arg-type, return-value]
    assert texts(ScriptedModel({"what?": "that"}, default="him"), "who?") == ["him"]


def test_every_question_put_to_it_is_counted() -> None:
    model = ScriptedModel({}, default="Yes")
    texts(model, "a", "b", "a")
    shares(model, "a", "Yes", "No")
    assert model.asked == {"a": 3, "b": 1}


def test_a_text_names_the_option_that_gets_nearly_all() -> None:
    assert shares(ScriptedModel({"q": " yes "}), "q", "Yes", "No") == pytest.approx([0.98, 0.02])
    model = ScriptedModel({"q": "b"}, certainty=0.7, elsewhere=0.5)
    assert shares(model, "q", "a", "b", "c") == pytest.approx([0.075, 0.35, 0.075])
    assert shares(ScriptedModel({"q": 4}), "q", "3", "4") == pytest.approx([0.02, 0.98])


def test_a_text_that_names_no_option_is_an_error() -> None:
    with pytest.raises(ModelError, match="'maybe' scripted for the prompt 'q' names none of the options 'Yes', 'No'"):
        shares(ScriptedModel({"q": "maybe"}), "q", "Yes", "No")


def test_a_mapping_gives_probabilities_as_they_are() -> None:
    model = ScriptedModel({"q": {"Yes": 0.3, "No": 0.1}, "half": {"Yes": 0.5}})
    assert shares(model, "q", "Yes", "No") == pytest.approx([0.3, 0.1])
    assert shares(model, "half", "Yes", "No") == [0.5, 0.0]
    with pytest.raises(ModelError, match="the unknown option 'Yes'"):
        shares(model, "q", "yes", "no")
    with pytest.raises(ModelError, match="a negative probability"):
        shares(ScriptedModel({"q": {"Yes": -0.1}}), "q", "Yes", "No")


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_broken_logits_can_be_scripted(broken: float) -> None:
    model = ScriptedModel({"q": broken})
    ((_, generation),) = model.generate([Question(text="q")], max_new_tokens=1, temperature=0, seeds=[0], batch_size=1)
    assert generation.broken
    assert all(math.isnan(share) for share in shares(model, "q", "Yes", "No"))
    assert math.isnan(shares(ScriptedModel({"q": {"Yes": math.nan, "No": 0.5}}), "q", "Yes", "No")[0])


def test_a_mapping_is_drawn_from_by_seed_and_not_by_batch() -> None:
    model = ScriptedModel({"q": {"500": 0.5, "700": 0.5}})
    seeds = list(range(200))
    drawn = texts(model, *["q"] * 200, temperature=1.0, seeds=seeds)
    assert 60 < drawn.count("500") < 140
    assert texts(model, *["q"] * 200, temperature=1.0, seeds=seeds[::-1]) == drawn[::-1]
    assert texts(ScriptedModel({"q": {"500": 0.4, "700": 0.6}}), "q") == ["700"]


def test_a_list_gives_one_answer_a_repeat() -> None:
    model = ScriptedModel({"q": ["500", "600", "700"]})
    assert texts(model, "q", "q", "q", temperature=1.0, seeds=[7, 8, 9]) == ["500", "600", "700"]
    assert texts(model, "q", "q", temperature=1.0, seeds=[8, 7]) == ["600", "500"], "the same seed, the same answer"
    assert texts(model, "q", temperature=1.0, seeds=[10]) == ["500"], "and over again"
    assert texts(model, "q", "q") == ["500", "500"], "nothing is drawn at temperature 0"
    with pytest.raises(ModelError, match="is empty"):
        texts(ScriptedModel({"q": []}), "q")


def test_protocol_values_are_passed_on_as_they_are() -> None:
    cut = Generation(text="5", finish="length")
    scores = OptionScores(logprobs=(-1.0, -2.0))
    model = ScriptedModel({"q": cut, "s": scores})
    ((_, generation),) = model.generate([Question(text="q")], max_new_tokens=1, temperature=0, seeds=[0], batch_size=1)
    assert generation is cut
    ((_, scored),) = model.score_options([Question(text="s")], ("a", "b"), batch_size=1)
    assert scored is scores
    with pytest.raises(ModelError, match="scripted with option scores"):
        texts(model, "s")


def test_the_digest_is_of_the_table() -> None:
    def digest(answers: dict[str, Answer], **settings: float) -> str:
        return ScriptedModel(answers, **settings).identity.digest  # type: ignore[arg-type]  # any of the settings

    assert digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1"})
    assert digest({"a": "1"}) != digest({"a": "2"})
    assert digest({"a": "1"}) != digest({"a": "1"}, certainty=0.5)
    assert digest({"a": math.nan}) == digest({"a": math.nan})
    assert ScriptedModel({"a": "1"}).identity.cacheable


def test_what_no_digest_pins_down_is_not_cacheable() -> None:
    assert not ScriptedModel(lambda _question: "1").identity.cacheable
    assert ScriptedModel(lambda _question: "1", digest="one").identity.cacheable
    one, two = (ScriptedModel(lambda _question: "1", digest=word).identity.digest for word in ("one", "two"))
    assert one != two
    assert not ScriptedModel({"a": ["1", "2"]}).identity.cacheable


def test_a_child_names_its_parent() -> None:
    base = ScriptedModel({"q": "500"}, name="base")
    child = ScriptedModel({"q": "400"}, name="child", parent=base)
    assert (child.identity.parent, child.identity.parent_digest) == ("base", base.identity.digest)
    assert child.parent is base


def test_bad_settings_are_refused() -> None:
    for settings in ({"certainty": 0.0}, {"certainty": 1.1}, {"elsewhere": 1.0}, {"elsewhere": -0.1}):
        with pytest.raises(ValueError, match="certainty must lie"):
            ScriptedModel({}, **settings)  # type: ignore[arg-type]  # any of the settings
    with pytest.raises(ValueError, match="batch_size"):
        list(ScriptedModel({}, default="a").score_options([], ("a", "b"), batch_size=0))


def test_it_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, pytest_biasaudit.models.scripted; "
        "assert not {'torch', 'transformers', 'numpy', 'pytest'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
