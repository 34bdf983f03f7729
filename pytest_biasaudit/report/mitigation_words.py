"""What a mitigation's result does not license, in plain language. Text out; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence

TITLE = "What this result does not license"


def not_licensed(
    *, tested: Sequence[str], found: Sequence[str], groups: Sequence[str], models: Sequence[str], same_prompts: bool
) -> tuple[tuple[str, str], ...]:
    """The box's paragraphs, each with its first words.

    tested  the contexts in which anything was evaluated, by title or id
    found   the contexts in which components were looked for; empty for sets without a recorded origin
    groups  what was compared: "race, black against white"
    models  names of the models whose components these are
    """
    return (
        ("Other contexts.", _contexts(tested, found)),
        ("The same prompts.", _same(same_prompts)),
        ("Other groups.", _groups(groups)),
        ("Other models.", _models(models)),
        (
            "The deployer's own duty.",
            "Whoever puts the model to use knows the use, and answers for it. That someone removed components, and that a gap "
            "shrank in their tests, replaces no audit in the deployer's own context, and none after the next change of the "
            "model, its prompts or its use.",
        ),
        (
            "Not a repair.",
            "Removing components changes answers about everybody. A smaller gap may come from worse answers for all: read it "
            "beside the inlier ratio, the share of answers that could be read, and perplexity.",
        ),
    )


def _contexts(tested: Sequence[str], found: Sequence[str]) -> str:
    where = f"The components were looked for in {listed(found)}. " if found else ""
    return (
        f"{where}Answers were compared in {listed(tested) or 'no context'}, and nowhere else. Where components are removed, the "
        "effect is often bound to the context they were found in: what holds here says nothing about a question, an item, or a "
        "wording that was not asked."
    )


def _same(same_prompts: bool) -> str:
    here = " Such figures stand on this page and are marked." if same_prompts else ""
    return (
        "Components that were found and evaluated on the same prompts show that something was found, and are no evidence that it "
        f"carries to the next prompt.{here}"
    )


def _groups(groups: Sequence[str]) -> str:
    about = f"The groups compared were {listed(groups)}, told apart by names. " if groups else ""
    return f"{about}A gap between other groups may have stayed, grown or changed its side; it was not looked at here."


def _models(models: Sequence[str]) -> str:
    of = f" of {listed(models)}" if models else ""
    return (
        f"These are components{of}, by number. In another model, another revision, or a fine-tuned or quantised child, the same "
        "numbers name other things, until an audit of that model says otherwise."
    )


def listed(names: Sequence[str]) -> str:
    """As in "a, b and c"; each once."""
    once = list(dict.fromkeys(names))
    return " and ".join(once) if len(once) < 3 else f"{', '.join(once[:-1])} and {once[-1]}"
