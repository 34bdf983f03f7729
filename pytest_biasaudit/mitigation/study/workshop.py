"""Who makes a study's cells: levers on model and data as they are registered, and classifiers fine-tuned with transformers.

Imports torch and transformers through training when a cell is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.mitigation.study.plan import NONE, Intervention, StudyPlan
from pytest_biasaudit.models.identity import file_sha256
from pytest_biasaudit.training.fine_tuning import FineTuning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_biasaudit.mitigation.study.run import Studied, Unit
    from pytest_biasaudit.models.classifier import TransformerClassifier
    from pytest_biasaudit.models.protocol import Model
    from pytest_biasaudit.models.transformer import TransformerModel
    from pytest_biasaudit.tables.answers import Answers
    from pytest_biasaudit.tables.table import Table

    Floats = NDArray[np.float32]

FORGOTTEN = "random-initialisation"
"""The lever upstream after which nothing of pre-training is left."""
DECIDING = ("torch", "transformers", "accelerate", "tokenizers")
"""Libraries whose version decides a cell: they compute it."""


class FineTuningWorkshop:
    """Implements `run.Workshop` for a model whose weights are at hand.

    plan        the levers, and the settings of fine-tuning
    model       lent; children are made of copies
    studied     the two tables, and what is compared
    batch_size  of answering
    home        where what a frozen body gives is kept; None: nothing is

    Raises ModelError for a model whose weights are not at hand, TrainingError for settings that cannot be.
    """

    def __init__(
        self, plan: StudyPlan, model: Model, studied: Studied, *, batch_size: int, home: Path | None = None
    ) -> None:
        from pytest_biasaudit.models.transformer import TransformerModel

        if not isinstance(model, TransformerModel):
            raise ModelError(
                f"{plan.path.name}: a model is fine-tuned whose weights are at hand; {model.identity.name!r} is a "
                f"{type(model).__name__}"
            )
        self._model, self._studied, self._batch_size = model, studied, batch_size
        given: dict[str, Any] = dict(plan.training)
        self._settings = FineTuning(**given)
        # Of a body that is taught, every cell would keep all its weights; the cell itself is kept instead.
        self._home = home if self._settings.frozen else None
        self._given: tuple[str, dict[str, Floats]] | None = None
        self._last: tuple[Intervention, int, TransformerModel] | None = None

    @property
    def training(self) -> Mapping[str, object]:
        """Settings of fine-tuning, completed."""
        return self._settings.plain()

    @property
    def deciding(self) -> Mapping[str, object]:
        """See `run.Workshop`."""
        from importlib.metadata import version

        from pytest_biasaudit.training.deciding import REVISION

        plan = self._studied.plan
        return {
            "model": self._model.identity.digest,
            "training": dict(sorted(self.training.items())),
            "libraries": [[name, version(name)] for name in DECIDING],
            "fine-tuning": REVISION,
            "words": [list(plan.words), list(plan.label_names)],
            "files": [[str(value), file_sha256(path)] for value, path in self._files()],
        }

    @property
    def score_words(self) -> str:
        """See `run.Workshop`."""
        from pytest_biasaudit.mitigation.study.upstream_score import score_words

        studied = self._studied
        return score_words(studied.plan, self._model, studied.reference, studied.groups)

    def pretrained(self, lever: Intervention) -> bool:
        """Whether anything of pre-training is left."""
        return lever.method != FORGOTTEN

    def changed(self, table: Table, lever: Intervention, seed: int) -> Table:
        """The table under a lever on the data; what the study compares is what a lever that is not told otherwise changes."""
        if lever.method == NONE:
            return table
        from pytest_biasaudit.mitigation.data.methods import intervention

        known = intervention(lever.method.replace("-", "_"))
        settings = dict(lever.settings)
        studied = self._studied
        if "attribute" in known.settings and "attribute" not in settings and "terms" not in settings:
            settings["attribute"] = studied.plan.attribute
        if known.name == "target_rate" and not {"group", "terms"} & set(settings) and len(studied.groups) == 1:
            settings["group"] = studied.groups[0]
        if known.name == "scrub":
            settings["part"] = lever.where
        return known.apply(table, settings, seed)

    def base(self, lever: Intervention, seed: int) -> TransformerModel:
        """The model under a lever upstream; the study's own where there is none."""
        if lever.method == NONE:
            return self._model
        from pytest_biasaudit.mitigation.upstream.methods import INTERVENTIONS

        known = INTERVENTIONS[lever.method.replace("-", "_")]
        if self._last is not None and self._last[0] == lever and (self._last[1] == seed or not known.draws):
            return self._last[2]
        self._last = None  # let go before the next is made: one beside the study's own
        files = dict(self._files())
        settings = {
            key: str(files[value]) if isinstance(value, str) and value in files else value
            for key, value in lever.settings
        }
        made = known.apply(self._model, settings, seed)
        self._last = (lever, seed, made)
        return made

    def _files(self) -> Iterator[tuple[str, Path]]:
        """The files that levers upstream name, relative to the plan, with where they are."""
        plan = self._studied.plan
        for lever in plan.upstream:
            for _, value in lever.settings:
                path = plan.path.parent / value if isinstance(value, str) else None
                if isinstance(value, str) and path is not None and path.is_file():
                    yield value, path

    def scores(
        self, base: Any, labels: tuple[str, ...], reference: str, groups: tuple[str, ...]
    ) -> Mapping[Unit, float]:
        """See `run.Workshop`; empty where the model can give none."""
        from pytest_biasaudit.mitigation.study.upstream_score import scores_of

        return scores_of(self._studied.plan, base, labels, reference, groups, batch_size=self._batch_size)

    def answers(self, base: Any, train: Table, test: Table, seed: int) -> Answers:
        """A classifier fine-tuned on `train`, put to every text of `test`."""
        from pytest_biasaudit.training.finetune import finetune

        classifier = finetune(base, train, settings=self._settings, home=self._home, seed=seed)
        if not self._settings.frozen:
            return answers_of(classifier, test, batch_size=self._batch_size)
        if self._given is None or self._given[0] != base.identity.digest:
            self._given = (base.identity.digest, {})
        return answers_on_vectors(classifier, test, known=self._given[1])


def answers_on_vectors(classifier: TransformerClassifier, test: Table, *, known: dict[str, Floats]) -> Answers:
    """As `answers_of`, for a classifier whose body many share.

    known  what the body gives for texts that were asked before; new ones are added
    """
    import numpy as np
    import torch

    from pytest_biasaudit.models.classifier import read_tokens
    from pytest_biasaudit.tables.answers import Answers
    from pytest_biasaudit.training.frozen import linear_head, vectors

    texts = test.texts.to_list()
    new = list(dict.fromkeys(text for text in texts if text and text.strip() and text not in known))
    if new:
        tokens, _ = read_tokens(classifier.tokenizer, new, longest=classifier.longest)
        read = [at for at, one in enumerate(tokens) if one]
        if read:
            some = [new[at] for at in read]
            found = vectors(classifier.module, some, [tokens[at] for at in read], store=None).numpy()
            known.update(zip(some, found, strict=True))
    _, head = linear_head(classifier.module)
    prediction = np.full(test.rows, -1, dtype=np.int64)
    asked = [row for row, text in enumerate(texts) if text in known]
    if asked:
        given = torch.from_numpy(np.stack([known[texts[row]] for row in asked])).to(head.weight.device)
        with torch.inference_mode():
            logits = head(given).float().cpu().numpy()
        prediction[asked] = np.where(np.isnan(logits).any(1), -1, np.nan_to_num(logits).argmax(1))
    return Answers(labels=tuple(classifier.labels), prediction=prediction, score=None)


def answers_of(classifier: Any, test: Table, *, batch_size: int) -> Answers:
    """The likeliest label of every text; none for a row without text, or where the classifier gives no number."""
    import numpy as np

    from pytest_biasaudit.tables.answers import Answers

    asked = [(row, text) for row, text in enumerate(test.texts.to_list()) if text and text.strip()]
    prediction = np.full(test.rows, -1, dtype=np.int64)
    for at, found in classifier.classify([text for _, text in asked], batch_size=batch_size):
        values = np.asarray(found, dtype=np.float64)
        if not np.isnan(values).any():
            prediction[asked[at][0]] = int(values.argmax())
    return Answers(labels=tuple(classifier.labels), prediction=prediction, score=None)
