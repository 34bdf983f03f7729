"""LoRA adapters made with peft: merged they answer as peft answers with them switched on, and strangers are refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.quantization.round_to_nearest import round_to_nearest
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import files_sha256, hooks_of, tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

STEP = read_step({"adapter": "lora", "source": "adapter"})
IDS = torch.arange(3, 60)[None]
TARGETS = {"llama": ["q_proj", "v_proj", "down_proj"], "gpt2": ["c_attn", "c_proj"], "bert": ["query", "dense"]}


def base(architecture: str = "llama", seed: int = 0) -> Any:
    return tiny_masked(architecture, seed) if architecture == "bert" else tiny(architecture, seed)


def saved(folder: Path, architecture: str = "llama", **settings: Any) -> Any:
    """Saves an adapter with weights that change something, and gives peft's model with it switched on."""
    peft = pytest.importorskip(
        "peft", reason="the package peft is not installed (pip install 'pytest-biasaudit[peft]')"
    )
    given = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS[architecture], **settings}
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.PeftModel(base(architecture), peft.LoraConfig(**given))
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        model.save_pretrained(folder / "adapter")
    return model.eval()


def merged(folder: Path, module: Any) -> Applied:
    found = apply_recipe(module, [STEP], materials=Materials(tokenizer=byte_tokenizer(), root=folder))
    return Applied(module=found.module, facts=found.facts["1 adapter lora"], notes=found.notes)


def logits(module: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = module(input_ids=IDS).logits
    return found


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("llama", {}),
        ("llama", {"use_dora": True}),
        ("llama", {"use_rslora": True, "rank_pattern": {"v_proj": 2}}),
        ("llama", {"bias": "all"}),
        ("gpt2", {"fan_in_fan_out": True}),
        ("llama", {"modules_to_save": ["lm_head"]}),
        ("bert", {"target_modules": ["query", "value"]}),
    ],
)
def test_a_merged_adapter_answers_as_pefts_own_switched_on(
    tmp_path: Path, architecture: str, settings: dict[str, Any]
) -> None:
    switched_on = saved(tmp_path, architecture, **settings)
    module = base(architecture)
    before, names = logits(module), set(module.state_dict())
    made = merged(tmp_path, module)
    torch.testing.assert_close(logits(made.module), logits(switched_on), rtol=0, atol=1e-5)
    assert float((logits(made.module) - before).abs().max()) > 0.01
    assert type(made.module) is type(base(architecture))
    assert set(made.module.state_dict()) == names
    assert hooks_of(made.module) == ()
    assert all(parameter.requires_grad for parameter in made.module.parameters())


def test_what_is_merged_is_b_times_a_by_hand(tmp_path: Path) -> None:
    saved(tmp_path, r=4, lora_alpha=8, target_modules=["q_proj"])
    weights = load_file(str(tmp_path / "adapter" / "adapter_model.safetensors"))
    made = merged(tmp_path, base())
    change = norm = 0.0
    for number in (0, 1):
        key = f"base_model.model.model.layers.{number}.self_attn.q_proj"
        product = 8 / 4 * weights[f"{key}.lora_B.weight"] @ weights[f"{key}.lora_A.weight"]
        old = base().model.layers[number].self_attn.q_proj.weight
        new = made.module.model.layers[number].self_attn.q_proj.weight  # type: ignore[union-attr,index]
        torch.testing.assert_close(new.data, old.data + product)
        change, norm = change + float(product.square().sum()), norm + float(old.data.square().sum())
    facts = made.facts
    assert facts["relative_change"] == pytest.approx((change / norm) ** 0.5, rel=1e-5)
    assert (facts["modules_changed"], facts["weights_changed"]) == (2, 2 * 32 * 32)
    assert (facts["rank"], facts["alpha"], facts["adapter_parameters"]) == (4, 8, 2 * 2 * 4 * 32)
    assert facts["trained_on"] == "not said"


def test_later_steps_apply_to_what_was_merged(tmp_path: Path) -> None:
    saved(tmp_path)
    weight = merged(tmp_path, base()).module.get_submodule("model.layers.0.self_attn.q_proj").weight
    steps = [STEP, read_step({"quantize": "rtn", "bits": 4})]
    parent = wrap_live("base", base(), byte_tokenizer())
    materials = Materials(tokenizer=parent.tokenizer, root=tmp_path)
    child = child_of(parent, steps, name="tuned-int4", materials=materials)
    rounded: Any = child.module.get_submodule("model.layers.0.self_attn.q_proj").weight
    assert isinstance(weight, torch.Tensor)
    torch.testing.assert_close(rounded.data, round_to_nearest(weight.detach(), bits=4))
    folder = tmp_path / "adapter"
    files = [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
    assert child.identity.recipe[0] == {"adapter": "lora", "source": "adapter", "source_sha256": files_sha256(files)}
    assert tensors_sha256(parent.module) == tensors_sha256(base())


def test_another_adapter_in_the_same_folder_is_another_recipe(tmp_path: Path) -> None:
    saved(tmp_path)
    digests = []
    for seed in (None, 5):
        if seed is not None:  # the same shapes, other numbers
            path = tmp_path / "adapter" / "adapter_model.safetensors"
            weights = load_file(str(path))
            save_file({name: one + 0.1 for name, one in weights.items()}, str(path))
        parent = wrap_live("base", base(), byte_tokenizer())
        materials = Materials(tokenizer=parent.tokenizer, root=tmp_path)
        digests.append(child_of(parent, [STEP], name="tuned", materials=materials).identity.recipe[0]["source_sha256"])
    assert digests[0] != digests[1]


def test_a_trained_adapter_brings_its_loss_with_it(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.PeftModel(
            base(), peft.LoraConfig(r=8, target_modules=["q_proj", "v_proj", "up_proj", "down_proj"])
        )
    optimiser = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=0.02)
    before = float(base()(input_ids=IDS, labels=IDS).loss.detach())
    for _ in range(40):
        loss = model(input_ids=IDS, labels=IDS).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(tmp_path / "adapter")
    trained = float(model.eval()(input_ids=IDS, labels=IDS).loss.detach())
    found: Any = merged(tmp_path, base()).module
    assert trained < before / 2
    assert float(found(input_ids=IDS, labels=IDS).loss.detach()) == pytest.approx(trained, rel=1e-4)


# -- refused ------------------------------------------------------------------------------------------------------------


def config_with(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def weights_with(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        path = str(folder / "adapter_model.safetensors")
        save_file(change(load_file(path)), path)

    return rewrite


def pickled(folder: Path) -> None:
    weights = load_file(str(folder / "adapter_model.safetensors"))
    torch.save(weights, folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def config_of(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "adapter_config.json").write_text(text)

    return change


def cut(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "pickled": (pickled, r"has adapter_model\.bin, and pickled weights are not loaded"),
    "no weights": (without("adapter_model.safetensors"), r"adapter_model\.safetensors is missing"),
    "no config": (without("adapter_config.json"), r"adapter_config\.json is missing"),
    "cut off": (cut, r"adapter_model\.safetensors cannot be read"),
    "config no JSON": (config_of("{"), "adapter_config.json cannot be read"),
    "config a list": (config_of("[]"), "must hold a table, not list"),
    "another kind": (config_with(peft_type="LOHA"), "is an adapter of the kind 'LOHA'; adapter = 'lora' merges LoRA"),
    "a prompt": (config_with(peft_type="PROMPT_TUNING"), "of the kind 'PROMPT_TUNING'"),
    "pissa": (config_with(init_lora_weights="pissa"), "init_lora_weights = 'pissa', which rewrites the base"),
    "olora": (config_with(init_lora_weights="olora"), "init_lora_weights = 'olora', which rewrites the base"),
    "activated": (config_with(alora_invocation_tokens=[1]), "has alora_invocation_tokens, so it cannot be merged"),
    "replicated": (config_with(layer_replication=[[0, 2]]), "has layer_replication, so it cannot be merged"),
    "from the future": (config_with(use_novelty=True), r"does not know \(use_novelty\)"),
    "not a number": (
        weights_with(lambda found: {**found, FIRST: found[FIRST] * float("nan")}),
        r"1 weights hold NaN or infinities \(base_model",
    ),
    "never trained": (
        weights_with(lambda found: {name: one * ("lora_B" not in name) for name, one in found.items()}),
        "changes nothing",
    ),
    "a weight too many": (
        weights_with(lambda found: {**found, FIRST.replace("layers.0", "layers.7"): found[FIRST].clone()}),
        r"1 weights are in the file and have no place in the model .*layers\.7",
    ),
    "a weight too few": (
        weights_with(lambda found: {name: one for name, one in found.items() if name != FIRST}),
        r"1 weights are missing in the file .*layers\.0\.self_attn\.q_proj\.lora_A",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_an_adapter_that_cannot_be_merged_as_it_was_trained_is_refused(tmp_path: Path, name: str) -> None:
    saved(tmp_path)
    change, says = BROKEN[name]
    change(tmp_path / "adapter")
    with pytest.raises(RecipeError, match=says) as caught:
        merged(tmp_path, base())
    assert str(caught.value).startswith("adapter = 'lora': source = 'adapter': ")


def test_an_adapter_for_another_base_is_refused_by_what_does_not_fit(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(RecipeError, match=r"does not belong to this model \(GPT2LMHeadModel\): Target modules"):
        merged(tmp_path, base("gpt2"))
    from transformers import LlamaConfig, LlamaForCausalLM

    settings: dict[str, Any] = {
        "vocab_size": 300,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
    }
    # In each of two layers A and B of q and v, and B of down; what comes into down is as wide in both.
    wide = LlamaForCausalLM(LlamaConfig(hidden_size=48, num_hidden_layers=2, **settings))
    with pytest.raises(RecipeError, match=r"10 weights are of another shape .*here it would be"):
        merged(tmp_path, wide)
    deep = LlamaForCausalLM(LlamaConfig(hidden_size=32, num_hidden_layers=3, **settings))
    with pytest.raises(RecipeError, match=r"6 weights are missing in the file .*layers\.2"):
        merged(tmp_path, deep)
    shallow = LlamaForCausalLM(LlamaConfig(hidden_size=32, num_hidden_layers=1, **settings))
    with pytest.raises(RecipeError, match=r"6 weights are in the file and have no place in the model .*layers\.1"):
        merged(tmp_path, shallow)


def test_a_folder_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    step = read_step({"adapter": "lora", "source": "owner/name"})
    with pytest.raises(RecipeError, match="adapters are read from a folder, so download one of the hub first"):
        apply_recipe(base(), [step], materials=Materials(root=tmp_path))
    parent = wrap_live("base", base(), byte_tokenizer())
    with pytest.raises(RecipeError, match=r"'owner/name': there is no such file or folder .* must be downloaded first"):
        child_of(parent, [step], name="tuned", materials=Materials(tokenizer=parent.tokenizer, root=tmp_path))


def test_the_hub_is_not_asked_about_the_base_that_an_adapter_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)
    config_with(base_model_name_or_path="owner/base")(tmp_path / "adapter")
    asked: list[object] = []
    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", lambda *given: asked.append(given))
    assert merged(tmp_path, base()).facts["trained_on"] == "owner/base"
    assert not asked


def test_an_adapter_saved_with_its_whole_embedding_brings_it_along(tmp_path: Path) -> None:
    trained = saved(tmp_path, target_modules=["embed_tokens"])
    names = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert any("embed_tokens.base_layer" in name for name in names)
    with torch.no_grad():
        wanted = trained(input_ids=IDS).logits
    assert torch.allclose(logits(merged(tmp_path, base()).module), wanted, atol=1e-5)


def test_an_adapter_of_a_tied_head_is_refused(tmp_path: Path) -> None:
    # Merged into the head, it would change the input embedding too.
    saved(tmp_path, "gpt2", target_modules=["lm_head"])
    with pytest.raises(RecipeError, match=r"changes .*lm_head, whose weight is tied to another layer's"):
        merged(tmp_path, base("gpt2"))


def test_a_quantised_base_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    module = base()
    module.lm_head.weight = torch.nn.Parameter(module.lm_head.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(RecipeError, match=r"is quantised \(lm_head\.weight\).*merge first, then quantise"):
        merged(tmp_path, module)


def test_without_peft_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = metadata.version

    def version(name: str) -> str:
        if name == "peft":
            raise metadata.PackageNotFoundError(name)
        return plain(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(
        RecipeError, match=r"needs the package 'peft', which is not installed.*pytest-biasaudit\[peft\]"
    ):
        merged(tmp_path, base())


def test_a_base_of_another_name_is_said_and_the_same_name_is_not(tmp_path: Path) -> None:
    saved(tmp_path)
    config_with(base_model_name_or_path="owner/small-v2")(tmp_path / "adapter")
    for here, told in (("", False), ("/somewhere/small-v2", False), ("owner/small-v1", True)):
        module = base()
        module.config._name_or_path = here
        made = merged(tmp_path, module)
        assert made.facts["trained_on"] == "owner/small-v2"
        assert [("'owner/small-v2'" in note and "'owner/small-v1'" in note) for note in made.notes] == [True] * told


def test_a_masked_models_child_stays_one(tmp_path: Path) -> None:
    saved(tmp_path, "bert", target_modules=["query"])
    parent = wrap_live("base", base("bert"), wordpiece_tokenizer())
    child = child_of(parent, [STEP], name="tuned", materials=Materials(tokenizer=parent.tokenizer, root=tmp_path))
    assert type(child) is type(parent)
    assert child.identity.config_sha256 == parent.identity.config_sha256
