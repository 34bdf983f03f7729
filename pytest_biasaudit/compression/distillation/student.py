"""A student made of some of its teacher's layers: fewer blocks, the same embeddings, norms and head. Imports torch.

It is built from the teacher's own configuration, shortened, so that it can be saved and loaded as any model of its
architecture; the teacher's weights fill it completely. What cannot be shortened like that is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pytest_biasaudit.errors import RecipeError

NOT_COMPARED = frozenset(
    {"training", "layer_idx", "layer_id", "layer_index", "layer_number", "layer_num", "block_idx", "block_id"}
)
"""Attributes of a block that say where it stands; all others must stay what they were."""


def evenly_spaced(count: int, wanted: int) -> tuple[int, ...]:
    """`wanted` of `count` layers, the first and the last among them; only the first where one is wanted."""
    return tuple(place * (count - 1) // (wanted - 1) for place in range(wanted)) if wanted > 1 else (0,)


def layer_count(module: Any) -> int:
    """Layers as the configuration counts them. Raises RecipeError where it does not."""
    count = getattr(module.config.get_text_config(), "num_hidden_layers", None)
    if not isinstance(count, int) or count < 1:
        raise RecipeError(
            f"the teacher's configuration ({type(module.config).__name__}) does not say how many layers it has"
        )
    return count


def shortened(teacher: Any, kept: Sequence[int]) -> Any:
    """A student in float32 with those of the teacher's layers, in evaluation mode.

    Raises RecipeError: more layers than there are or none left out; no list of blocks (ALBERT repeats one); a weight that
    fits no place or is no plain floating-point tensor (quantised); a block that would work otherwise at its new place.
    """
    count = layer_count(teacher)
    if len(kept) >= count or kept[-1] >= count:
        shown = f"layers 0 to {count - 1}" if count > 1 else "one layer"
        raise RecipeError(
            f"the teacher has {count} layers ({shown}), and the student would have {len(kept)} (keep {list(kept)}); a student "
            "has fewer than its teacher"
        )
    lists = _block_lists(teacher, count)
    if not lists:
        raise RecipeError(
            f"{type(teacher).__name__} has no list of {count} blocks, one a layer, so none can be left out; name a student "
            "of your own with student = 'NAME'"
        )
    state = {_renamed(name, lists, kept): tensor for name, tensor in teacher.state_dict().items()}
    state.pop("", None)
    odd = [name for name, one in state.items() if type(one) not in (torch.Tensor, torch.nn.Parameter)]
    odd += [name for name, one in teacher.named_parameters() if not one.is_floating_point()]
    if odd:
        raise RecipeError(
            f"the teacher is quantised ({odd[0]}), and a student of its layers cannot be taught; distil first"
        )
    student = type(teacher)(_shortened_config(teacher.config, kept, count)).float()
    _fill(student, state)
    _refuse_changed_blocks(teacher, student, lists, kept)
    student.generation_config = copy.deepcopy(getattr(teacher, "generation_config", None))
    return student.eval()


def _block_lists(module: torch.nn.Module, count: int) -> list[str]:
    """Names of the outermost lists with as many parts as there are layers; mostly one (XLM keeps four side by side)."""
    found: list[str] = []
    for name, part in module.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(part, torch.nn.ModuleList) and len(part) == count and not inside:
            found.append(name)
    return found


def _renamed(name: str, lists: Sequence[str], kept: Sequence[int]) -> str:
    """A weight's name in the student; "" where its layer is left out."""
    for outer in lists:
        if name.startswith(f"{outer}."):
            place, _, rest = name.removeprefix(f"{outer}.").partition(".")
            return f"{outer}.{kept.index(int(place))}.{rest}" if int(place) in kept else ""
    return name


def _shortened_config(config: Any, kept: Sequence[int], count: int) -> Any:
    """The teacher's configuration with fewer layers; lists of one value a layer keep the values of those kept."""
    settings = config.to_dict()
    inner = copy.deepcopy(config)
    text = inner.get_text_config()
    for key, value in text.to_dict().items():
        if isinstance(value, (list, tuple)) and len(value) == count:
            setattr(text, key, [value[place] for place in kept])
    if getattr(text, "attention_types", None) is not None and hasattr(text, "attention_layers"):  # GPT-Neo
        text.attention_types = [[[kind], 1] for kind in text.attention_layers]
    text.num_hidden_layers = len(kept)
    try:
        # As it will be read back from a file: what a file cannot say of the layers kept must not decide how they work.
        short = type(config).from_dict({**settings, **inner.to_dict()})
    except Exception as error:  # each configuration checks itself in its own way
        raise RecipeError(f"the configuration ({type(config).__name__}) cannot be shortened: {error}") from error
    short._attn_implementation = config._attn_implementation
    return short


def _fill(student: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Puts the teacher's weights in, all of them and nothing else. Raises RecipeError."""
    mine = student.state_dict()
    misfits = sorted(set(mine) ^ set(state)) or [name for name in mine if mine[name].shape != state[name].shape]
    if misfits:
        raise RecipeError(
            f"{type(student).__name__} cannot be shortened: {len(misfits)} weights of teacher and student do not belong "
            f"together ({', '.join(misfits[:3])})"
        )
    student.load_state_dict(state, strict=True)
    for name, tensor in student.state_dict().items():
        if not torch.equal(tensor, state[name].to(tensor.dtype).to(tensor.device)):
            raise RecipeError(
                f"{type(student).__name__}: {name} is tied to another weight in the student and not in the teacher; untie "
                "them in the teacher's configuration (tie_word_embeddings = false), or tie its weights"
            )


def _refuse_changed_blocks(teacher: Any, student: Any, lists: Sequence[str], kept: Sequence[int]) -> None:
    """Raises RecipeError where a block's plain attributes change with its place, such as its kind of attention."""
    for outer in lists:
        for place, old in enumerate(kept):
            before = _plain_attributes(teacher.get_submodule(f"{outer}.{old}"))
            after = _plain_attributes(student.get_submodule(f"{outer}.{place}"))
            for name in sorted(before.keys() | after.keys()):
                if before.get(name) != after.get(name):
                    raise RecipeError(
                        f"layer {old} of the teacher has {name} = {before.get(name)!r}, and as layer {place} of the student "
                        f"it would have {after.get(name)!r}; keep layers whose places agree, with keep_layers"
                    )


def _plain_attributes(block: torch.nn.Module) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, part in block.named_modules():
        for key, value in vars(part).items():
            if isinstance(value, (bool, int, float, str, type(None))) and key not in NOT_COMPARED and key[0] != "_":
                found[f"{name}.{key}".lstrip(".")] = value
    return found
