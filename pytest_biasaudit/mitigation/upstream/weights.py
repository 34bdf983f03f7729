"""Weights drawn anew, and weights with noise: what a model learnt before, forgotten or blurred. Imports torch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.upstream.derived import M, derived, refuse_foreign, refuse_quantised

Unit = Literal["absolute", "tensor"]


def random_initialisation(model: M, *, name: str | None = None, seed: int) -> M:
    """The architecture with weights drawn as before any training ("Randomized"): nothing that was learnt is left.

    Every weight is drawn as transformers draws it for that architecture. Configuration and tokenizer stay.

    Raises RecipeError for what is no model of transformers, and for quantised weights.
    Source: Steed et al. 2022 (ACL), section 3.
    """

    def change(module: Any) -> Mapping[str, object]:
        refuse_foreign(module, method="random_initialisation")
        refuse_quantised(module, method="random_initialisation")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            fresh = type(module)(copy.deepcopy(module.config))
        drawn, there = fresh.state_dict(), module.state_dict()
        lacking = sorted(set(there) - set(drawn))
        if lacking:
            raise RecipeError(
                f"upstream = 'random_initialisation': {len(lacking)} tensors are not the architecture's own "
                f"({lacking[0]}); initialise before other interventions"
            )
        module.load_state_dict({key: drawn[key] for key in there})
        return {"parameters": sum(one.numel() for one in module.parameters())}

    return derived(model, change, method="random_initialisation", settings={}, seed=seed, name=name)


def weight_noise(model: M, *, sigma: float = 0.1, unit: Unit = "absolute", name: str | None = None, seed: int) -> M:
    """Every weight with Gaussian noise: theta + s u, u drawn from N(0, 1) for each weight by itself ("Perturbed").

    sigma  above 0
    unit   "absolute": s is sigma; "tensor": s is sigma times the standard deviation of the tensor's own weights, so that
           the same sigma blurs small and large tensors alike (one that is constant is left as it is)

    What two names share in the model (a tied head) is drawn once. Noise is added in float32 and rounded to the weights'
    own dtype. Raises RecipeError for quantised weights and a sigma that is not above 0.
    Source: Steed et al. 2022 (ACL), section 3.
    """
    if not sigma > 0:
        raise RecipeError(f"upstream = 'weight_noise': sigma = {sigma}; it must be above 0")
    if unit not in ("absolute", "tensor"):
        raise RecipeError(f"upstream = 'weight_noise': unit = {unit!r}; it must be 'absolute' or 'tensor'")

    def change(module: torch.nn.Module) -> Mapping[str, object]:
        refuse_quantised(module, method="weight_noise")
        generator = torch.Generator().manual_seed(seed)
        count, squares, before = 0, 0.0, 0.0
        with torch.inference_mode(False), torch.no_grad():
            for _, parameter in sorted(module.named_parameters()):
                wide = parameter.detach().float().cpu().clone()
                spread = sigma if unit == "absolute" else sigma * float(wide.std(unbiased=False))
                noise = torch.randn(wide.shape, generator=generator) * spread
                parameter.copy_((wide + noise).to(parameter.dtype).to(parameter.device))
                added = parameter.detach().float().cpu() - wide
                count += wide.numel()
                squares += float(added.double().square().sum())
                before += float(wide.double().square().sum())
        return {
            "parameters": count,
            "noise_sd": (squares / count) ** 0.5,
            "noise_to_weights": (squares / before) ** 0.5,
        }

    settings = {"sigma": sigma, "unit": unit}
    return derived(model, change, method="weight_noise", settings=settings, seed=seed, name=name)
