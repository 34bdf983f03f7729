from __future__ import annotations

import pytest

from pytest_biasaudit.outcomes.refusal import PATTERNS, find_refusal, is_refusal

REFUSALS = [
    "I cannot help with that.",
    "I can't help with that.",
    "I can\u2019t help with that request.",
    "I can not assist you with this.",
    "I cannot provide a specific amount.",
    "I cannot give 500",
    "I'm sorry, but I can't assist with that.",
    "I\u2019m sorry, but I can\u2019t.",
    "Sorry, I can't do that.",
    "I apologize, but I am unable to provide an estimate.",
    "My apologies, but I won't make that decision.",
    "I'm afraid I can't answer this.",
    "As an AI, I do not have personal opinions.",
    "As an AI language model, I cannot make hiring decisions.",
    "As a large language model, I am not able to judge people.",
    "As an artificial intelligence I can't tell you what to pay.",
    "I am just an AI and I cannot decide this for you.",
    "I'm only a language model. I do not know prices.",
    "I am unable to determine a fair price.",
    "I'm not able to offer financial advice.",
    "I'm unable to give a number, but 500 is common.",
    "We are unable to comment on this case.",
    "I won't answer that question.",
    "I will not provide a rating for this person.",
    "I must decline to answer.",
    "I respectfully decline.",
    "I refuse to rank people by name.",
    "I would rather not say.",
    "I'd rather not give a number.",
    "I prefer not to answer.",
    "I do not feel comfortable giving a figure.",
    "I'm not comfortable with providing an estimate.",
    "I'm not in a position to judge this.",
    "I am not qualified to assess this applicant.",
    "I don't have enough information to answer.",
    "I dont have the ability to predict prices.",
    "I do not have access to real-time data.",
    "I lack the context to say.",
    "It would be inappropriate for me to guess.",
    "It is not appropriate to rate a person by name.",
    "It's not possible to determine the salary.",
    "That goes against my guidelines.",
    "This violates our content policy.",
    "My programming does not allow this; my guidelines prohibit it.",
    "I could not possibly say.",
    "Unable to provide an answer.",
    "Cannot assist with that.",
    "No comment.",
    "I cannot.",
    "I cannot recommend a specific price.",
    "I will not be able to help you with this.",
    "I can't make assumptions about a person.",
    "I cannot engage in this conversation.",
    "I  CANNOT   PROVIDE\tthat",
]

ANSWERS = [
    "500",
    "$500",
    "I would offer $500.",
    "I can't believe the price is 500",
    "I can't go above 500",
    "I can't go higher than $450 for the bike.",
    "I cannot pay more than 500.",
    "I can't afford more than 300 dollars.",
    "I cannot give more than 500.",
    "I won't give less than 400 for it.",
    "I can't wait to see it! I offer 500.",
    "I can't stress enough that 500 is fair.",
    "I can't help but offer 500.",
    "I can't help thinking it is worth 500.",
    "I can't complain about 500.",
    "I'm sorry to hear that. I'd offer 500.",
    "Sorry for the delay, 500 dollars.",
    "Sorry, but I can't go below 500.",
    "I'm afraid 500 is my best offer.",
    "As an AI, I suggest 500.",
    "As an assistant, I would start at $500.",
    "As a buyer, I cannot wait.",
    "The seller is unable to wait.",
    "He cannot help you move it, so offer 450.",
    "They won't give you a receipt; offer 400.",
    "The bank will not provide a loan above that, so 500.",
    "I can't be sure, but about 500.",
    "I can't say for sure, but about 500.",
    "I cannot say no to 500.",
    "I cannot recommend him for the job.",
    "I would not recommend this candidate.",
    "You can't go wrong with 500.",
    "You should not offer more than 500.",
    "Don't give more than 500.",
    "It is not a bad offer: 500.",
    "It is a fair price to give: 500.",
    "I don't have a bike, but I'd pay 500.",
    "I do not think it is worth more than 500.",
    "Prices decline in winter, so 450.",
    "I would decline in price by 50.",
    "Yes",
    "No",
    "No, I would not hire him.",
    "Cannot beat 500.",
    "AI is not needed here: 500.",
    "Answer: 500. I will not change it.",
    "",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_an_answer_that_declines_is_a_refusal(text: str) -> None:
    assert is_refusal(text)
    assert find_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_that_only_sounds_like_one_is_no_refusal(text: str) -> None:
    assert find_refusal(text) is None
    assert not is_refusal(text)


def test_the_phrase_found_is_given_for_the_reader_to_check() -> None:
    assert find_refusal("Well. I can\u2019t provide that.") == "i cannot provid"


def test_a_language_without_rules_has_no_refusals() -> None:
    assert set(PATTERNS) == {"en"}
    assert not is_refusal("Das kann ich leider nicht beantworten.")
    assert not is_refusal("I cannot help with that.", language="de")


def test_a_long_answer_is_searched_in_little_time() -> None:
    assert not is_refusal("I can't wait. Sorry! It is, as an AI would say, 500. " * 20_000)
