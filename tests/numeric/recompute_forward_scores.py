"""Scores of a forward pass derived again, one prompt and one number at a time: shares no code with the package.

`by_hand` computes a Llama with numpy alone, grouped queries and all, so that not even the pass is shared.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

Inputs = dict[str, np.ndarray[Any, Any]]
"""By linear layer, (tokens, inputs)."""
Attention = list[np.ndarray[Any, Any]]
"""By layer, (heads, tokens, tokens)."""


def by_library(module: Any, tokens: Sequence[int]) -> tuple[Inputs, Attention]:
    """What every linear layer is given and every head looks at, asked of transformers: one prompt, no padding."""
    from transformers.pytorch_utils import Conv1D

    own = copy.deepcopy(module).double()
    own.set_attn_implementation("eager")
    inputs: Inputs = {}

    def kept(_part: Any, given: tuple[Any, ...], name: str) -> None:
        inputs[name] = given[0].reshape(-1, given[0].shape[-1]).numpy().copy()

    for name, part in own.named_modules():
        if isinstance(part, (torch.nn.Linear, Conv1D)):
            part.register_forward_pre_hook(partial(kept, name=name))
    with torch.no_grad():
        gave = own(torch.tensor([list(tokens)]), output_attentions=True, use_cache=False)
    return inputs, [one[0].numpy() for one in gave.attentions]


def by_hand(module: Any, tokens: Sequence[int]) -> tuple[Inputs, Attention]:
    """The same of a Llama, from its weights with numpy in double precision."""
    config = module.config
    weights = {name: value.detach().double().numpy() for name, value in module.state_dict().items()}
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    width = config.hidden_size // heads
    base = config.rope_parameters["rope_theta"]
    hidden = np.stack([weights["model.embed_tokens.weight"][token] for token in tokens])
    inputs: Inputs = {}
    attention: Attention = []

    def normed(rows: Any, weight: Any) -> Any:
        return np.stack([row / math.sqrt((row**2).mean() + config.rms_norm_eps) * weight for row in rows])

    def linear(name: str, rows: Any) -> Any:
        inputs[name] = rows
        return rows @ weights[f"{name}.weight"].T

    def turned(vector: Any, position: int) -> Any:
        found = np.empty_like(vector)
        for pair in range(width // 2):
            angle = position / base ** (2 * pair / width)
            one, other = vector[pair], vector[pair + width // 2]
            found[pair] = one * math.cos(angle) - other * math.sin(angle)
            found[pair + width // 2] = other * math.cos(angle) + one * math.sin(angle)
        return found

    for layer in range(config.num_hidden_layers):
        at = f"model.layers.{layer}"
        rows = normed(hidden, weights[f"{at}.input_layernorm.weight"])
        queries = linear(f"{at}.self_attn.q_proj", rows)
        keys = linear(f"{at}.self_attn.k_proj", rows)
        values = linear(f"{at}.self_attn.v_proj", rows)
        looks = np.zeros((heads, len(tokens), len(tokens)))
        mixed = np.zeros((len(tokens), heads * width))
        for head in range(heads):
            shared = head // (heads // groups)  # several queries' heads read one group of keys
            own, theirs = slice(head * width, (head + 1) * width), slice(shared * width, (shared + 1) * width)
            for asking in range(len(tokens)):
                query = turned(queries[asking, own], asking)
                raw = [float(query @ turned(keys[seen, theirs], seen)) / math.sqrt(width) for seen in range(asking + 1)]
                powers = [math.exp(one - max(raw)) for one in raw]
                for seen, power in enumerate(powers):
                    looks[head, asking, seen] = power / sum(powers)
                    mixed[asking, own] += looks[head, asking, seen] * values[seen, theirs]
        attention.append(looks)
        hidden = hidden + linear(f"{at}.self_attn.o_proj", mixed)
        rows = normed(hidden, weights[f"{at}.post_attention_layernorm.weight"])
        gate = linear(f"{at}.mlp.gate_proj", rows)
        up = linear(f"{at}.mlp.up_proj", rows)
        hidden = hidden + linear(f"{at}.mlp.down_proj", gate / (1 + np.exp(-gate)) * up)
    return inputs, attention


def attention_to_names(
    prompts: Sequence[Any], variant: str, run: Callable[[Sequence[int]], tuple[Inputs, Attention]]
) -> list[list[float]]:
    """By layer and head, the mean over prompts."""
    by_prompt = []
    for prompt in prompts:
        _, attention = run(prompt.tokens)
        by_head: list[list[float]] = []
        for looks in attention:
            by_head.append([])
            for head in range(looks.shape[0]):
                if variant == "generated":
                    steps = []
                    for asking in range(prompt.answer, len(prompt.tokens)):
                        steps.append(sum(looks[head, asking, seen] for seen in prompt.name) / len(prompt.name))
                    by_head[-1].append(sum(steps) / len(steps))
                else:
                    pairs = [
                        looks[head, asking, seen]
                        for asking in range(max(prompt.name) + 1, prompt.answer)
                        for seen in prompt.name
                    ]
                    by_head[-1].append(max(pairs))
        by_prompt.append(by_head)
    return [
        [sum(one[layer][head] for one in by_prompt) / len(by_prompt) for head in range(len(by_prompt[0][layer]))]
        for layer in range(len(by_prompt[0]))
    ]


def wanda_of_weight(matrix: Any, rows: Sequence[Any]) -> Any:
    """|W_ij| times the root of the mean over prompts of the squares summed over tokens; (outputs, inputs).

    rows  of each prompt, (tokens, inputs)
    """
    found = np.zeros(matrix.shape)
    for j in range(matrix.shape[1]):
        total = 0.0
        for prompt in rows:
            for token in range(prompt.shape[0]):
                total += prompt[token, j] ** 2
        norm = math.sqrt(total / len(rows))
        for i in range(matrix.shape[0]):
            found[i, j] = abs(matrix[i, j]) * norm
    return found


def wanda_of_units(down: Any, rows: Sequence[Any]) -> list[float]:
    """By hidden unit, the mean over prompts of its mean absolute activation, times the norm of its column of `down`."""
    found = []
    for unit in range(down.shape[1]):
        means = [sum(abs(float(row[unit])) for row in prompt) / len(prompt) for prompt in rows]
        column = math.sqrt(sum(float(down[i, unit]) ** 2 for i in range(down.shape[0])))
        found.append(sum(means) / len(means) * column)
    return found
