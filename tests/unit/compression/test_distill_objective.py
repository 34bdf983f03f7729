"""What a student is to come close to, against sums by hand, scipy and Hinton's own limit."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax

from pytest_biasaudit.compression.distillation.objective import Objective, divergence, hidden_gap, mean_divergence
from tests.tiny_models import tiny

LN3 = math.log(3)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 2


def test_the_divergence_of_two_tokens_by_hand() -> None:
    # Teacher 3/4 and 1/4, student 1/2 and 1/2: 3/4 ln(3/2) + 1/4 ln(1/2).
    teacher, student = torch.tensor([[LN3, 0.0]]), torch.zeros(1, 2)
    assert divergence(teacher, student).tolist() == pytest.approx([0.75 * math.log(1.5) + 0.25 * math.log(0.5)])


def test_the_temperature_softens_both_and_its_square_weighs_by_hand() -> None:
    # At T = 2 the teacher's odds are the root of 3 to 1; the student's stay even. Times 2^2.
    p = math.sqrt(3) / (1 + math.sqrt(3))
    by_hand = 4 * (p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p)))
    found = divergence(torch.tensor([[LN3, 0.0]]), torch.zeros(1, 2), temperature=2.0)
    assert found.tolist() == pytest.approx([by_hand], rel=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.5])
def test_the_divergence_agrees_with_scipy(temperature: float) -> None:
    teacher, student = drawn(1, 5, 40), drawn(2, 5, 40)
    p, q = (softmax(one.double().numpy() / temperature, axis=-1) for one in (teacher, student))
    expected = temperature**2 * rel_entr(p, q).sum(-1)
    np.testing.assert_allclose(divergence(teacher, student, temperature=temperature), expected, rtol=1e-4)


def test_at_a_high_temperature_it_is_hintons_square_of_the_difference_of_centred_logits() -> None:
    # Hinton et al. 2015, equation 4: the gradient tends to (z - v) / N for logits of mean 0, so the loss to half the
    # square of that difference over N.
    teacher, student = drawn(3, 4, 30).double(), drawn(4, 4, 30).double()
    teacher, student = (one - one.mean(-1, keepdim=True) for one in (teacher, student))
    limit = (teacher - student).square().sum(-1) / (2 * 30)
    found = divergence(teacher, student, temperature=200.0)
    torch.testing.assert_close(found.double(), limit, rtol=0.02, atol=0)


def test_of_the_top_token_alone_all_others_count_as_one() -> None:
    # Teacher 1/2, 1/4, 1/4; student 1/3 each. Told apart are the first and the rest: 1/2 ln(3/2) + 1/2 ln(3/4).
    teacher = torch.tensor([[math.log(2), 0.0, 0.0]])
    found = divergence(teacher, torch.zeros(1, 3), top=1)
    assert found.tolist() == pytest.approx([0.5 * math.log(1.5) + 0.5 * math.log(0.75)], rel=1e-6)


def test_telling_fewer_tokens_apart_never_gives_more_and_all_of_them_give_the_same() -> None:
    teacher, student = drawn(5, 60, 50), drawn(6, 60, 50)
    whole = divergence(teacher, student)
    before = torch.zeros(60)
    for top in (1, 5, 20, 49):
        found = divergence(teacher, student, top=top)
        assert (found >= before - 1e-5).all()
        assert (found <= whole + 1e-5).all()
        before = found
    torch.testing.assert_close(divergence(teacher, student, top=50), whole)
    torch.testing.assert_close(divergence(teacher, student, top=400), whole)


def test_a_token_that_the_teacher_rules_out_is_no_nan() -> None:
    teacher = torch.tensor([[0.0, 0.0, -torch.inf]])
    found = divergence(teacher, torch.zeros(1, 3))
    assert found.tolist() == pytest.approx([math.log(1.5)])


def test_a_student_like_its_teacher_diverges_by_nothing_and_has_no_gradient() -> None:
    logits = drawn(7, 6, 30)
    student = logits.clone().requires_grad_()
    loss = divergence(logits, student, temperature=3.0, top=4).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-6


def test_hidden_states_are_compared_where_there_is_text_by_hand() -> None:
    student = (torch.zeros(1, 3, 2), torch.tensor([[[1.0, 1.0], [2.0, 0.0], [9.0, 9.0]]]))
    teacher = (torch.zeros(1, 3, 2), torch.ones(1, 3, 2), torch.tensor([[[1.0, 3.0], [0.0, 0.0], [0.0, 0.0]]]))
    real = torch.tensor([[True, True, False]])
    # (0, 4, 4, 0) / 4 = 2 against the teacher's last; (0, 0, 1, 1) / 4 = 0.5 against the one before.
    assert float(hidden_gap(student, teacher, [(1, 2)], real)) == pytest.approx(2.0)
    assert float(hidden_gap(student, teacher, [(1, 2), (1, 1)], real)) == pytest.approx(1.25)


def test_the_whole_loss_of_a_batch_agrees_with_a_plain_recomputation() -> None:
    teacher, student = tiny("llama", seed=0), tiny("llama", seed=1)
    ids = torch.randint(3, 299, (2, 6), generator=torch.Generator().manual_seed(8))
    real = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    labels = torch.full((2, 6), -100)
    labels[0, :5], labels[1, :3] = ids[0, 1:], ids[1, 1:4]
    objective = Objective(
        teacher=teacher, temperature=3.0, hidden_weight=0.25, label_weight=0.5, pairs=((1, 1), (2, 2))
    )
    batch = {"input_ids": ids, "attention_mask": real, "read": real.bool(), "labels": labels}
    found = float(objective(student, batch).detach())

    with torch.no_grad():
        theirs, ours = (
            model(input_ids=ids, attention_mask=real, output_hidden_states=True) for model in (teacher, student)
        )
    read = [(row, place) for row in range(2) for place in range(6) if real[row, place]]
    divergences, likelihoods, gaps = [], [], []
    for row, place in read:
        v, z = (out.logits[row, place].double().numpy() for out in (theirs, ours))
        divergences.append(9 * rel_entr(softmax(v / 3), softmax(z / 3)).sum())
        if labels[row, place] >= 0:
            likelihoods.append(-log_softmax(z)[int(labels[row, place])])
        for layer in (1, 2):
            states = [out.hidden_states[layer][row, place].double().numpy() for out in (theirs, ours)]
            gaps.append(np.square(states[0] - states[1]).mean())
    assert len(likelihoods) == 8
    assert found == pytest.approx(np.mean(divergences) + 0.25 * np.mean(gaps) + 0.5 * np.mean(likelihoods), rel=1e-4)


def test_the_teacher_gets_no_gradient() -> None:
    teacher, student = tiny("llama", seed=0), tiny("llama", seed=1)
    ids = torch.arange(3, 15)[None]
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "read": torch.ones_like(ids).bool()}
    Objective(teacher=teacher, temperature=2.0)(student, batch).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert any(parameter.grad is not None for parameter in student.parameters())


def test_the_mean_over_batches_weighs_positions_and_not_batches() -> None:
    class Fixed(torch.nn.Module):
        """Gives the same logits at every position."""

        def __init__(self, logits: list[float]) -> None:
            super().__init__()
            self.logits = torch.tensor(logits)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            # Rows whose first token is 1 come from a student that agrees.
            agree = (input_ids[:, :1] == 1)[..., None]
            return SimpleNamespace(logits=torch.where(agree, 0.0, self.logits.expand(*input_ids.shape, -1)))

    def batch(first: int, length: int) -> dict[str, torch.Tensor]:
        ids = torch.full((1, length), first)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "read": torch.ones_like(ids).bool()}

    one = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    found = mean_divergence(Fixed([LN3, 0.0]), Fixed([0.0, 0.0]), [batch(0, 1), batch(1, 3)])
    assert found == pytest.approx(one / 4, rel=1e-6)
