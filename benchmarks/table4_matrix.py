"""The matrix of `benchmarks.table4`: what is trained, in which order, and for which tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from configs.base import get_config
from sgan_jax import wording
from sgan_jax.config import DEFAULT_PRESET, PRESETS
from sgan_jax.workdir import flatten

TASKS = {
    "bravais": wording.TASKS["bravais_lattice"],
    "sg": wording.TASKS["space_group"],
}
"""What is told apart, by what the names of configs begin with."""

_TRIAL = ("num_steps=100",)
"""Of a run that is there to tell a speed."""


@dataclass(frozen=True)
class Experiment:
    """One cell of a table: what is trained, whatever the seed.

    Attributes:
        config: Name of a file in `configs/`, without its ending.
        method: `sgan` or `supervised`.
        preset: Of the hyper-parameters.
        changes: Fields that differ from the file, as `FIELD=VALUE`.
        as_long_as: Another experiment whose time, rather than whose steps, this one is given.
        more_unlabelled: Whether further structures join the unlabelled ones.
        times: How many times the steps it takes that it would have otherwise.
    """

    config: str
    method: str
    preset: str = DEFAULT_PRESET
    changes: tuple[str, ...] = ()
    as_long_as: "Experiment | None" = None
    more_unlabelled: bool = False
    times: int = 1

    @property
    def name(self) -> str:
        """That its folders begin with."""
        fields = (change.partition("=") for change in self.changes)
        words = [f"{field.rpartition('.')[2]}_{value}" for field, _, value in fields]
        words += ["equal_time"] if self.as_long_as else []
        words += ["more_unlabelled"] if self.more_unlabelled else []
        words += [f"{self.times}_times_the_steps"] if self.times > 1 else []
        return "-".join([self.config, self.method, self.preset, *words])

    @property
    def argument(self) -> str:
        """Of its config: METHOD,PRESET."""
        return f"{self.method},{self.preset}"

    @property
    def file(self) -> str:
        """What `--config` names, from the root of the repository."""
        return f"configs/{self.config}.py:{self.argument}"

    @property
    def trial(self) -> "Experiment":
        """A short run of the same, which tells how fast it is."""
        return replace(self, changes=(*self.changes, *_TRIAL), as_long_as=None)


@dataclass(frozen=True)
class Part:
    """Experiments that stand in one table.

    Attributes:
        title: Of the table.
        experiments: Its rows.
        columns: Its columns, as `benchmarks.table4_columns` knows them.
        note: What is to be said about it.
    """

    title: str
    experiments: tuple[Experiment, ...]
    columns: tuple[str, ...]
    note: str = ""


SHARES = (5, 10, 25, 50)
"""Labels in per cent of all patterns, with which both methods are compared."""
ALL_LABELS = 90
"""Likewise, all labels but those of the test set: only the supervised network has so many."""
_METHODS = ("supervised", "sgan")


@dataclass(frozen=True)
class Terms:
    """On which terms the two methods are compared.

    Attributes:
        words: For titles.
        supervised: Fields of the supervised network that differ from the configs, `FIELD=VALUE`.
        sgan: Those of the SGAN.
        shares: Labels in per cent of all patterns, with which they are compared.
        times: How many times the steps they take that they would have otherwise.
    """

    words: str
    supervised: tuple[str, ...] = ()
    sgan: tuple[str, ...] = ()
    shares: tuple[int, ...] = SHARES
    times: int = 1


NO_CONTRAST = "loss.contrast=0.0"
RELATIVES = "data.relatives=True"
BY_FORMULA = "data.split_by=formula"

PAPERS = Terms("split at random", sgan=(NO_CONTRAST,))
CONTRAST = Terms("the SGAN with contrast of relatives")
ALL_RELATIVES = Terms("both with relatives", (RELATIVES,), (RELATIVES,))
FORMULA = Terms("split by formula", (BY_FORMULA,), (BY_FORMULA, NO_CONTRAST))
LONGER = Terms("both with four times the steps", shares=(25, 50), times=4)


def rows_of(task: str, terms: Terms = PAPERS) -> tuple[Experiment, ...]:
    """The rows of the paper's Table 4 for one task.

    Args:
        task: `bravais` or `sg`, as configs are named.
        terms: On which the two methods are compared.
    """
    changes = {"supervised": terms.supervised, "sgan": terms.sgan}
    paired = [
        Experiment(f"{task}_{share}pct", method, changes=changes[method], times=terms.times)
        for share in terms.shares
        for method in _METHODS
    ]
    return (*paired, replace(reference(task, *terms.supervised), times=terms.times))


def reference(task: str, *changes: str) -> Experiment:
    """The supervised network with all labels but the test set's."""
    return Experiment(f"{task}_{ALL_LABELS}pct", "supervised", changes=changes)


def _game_at(rate: float) -> tuple[str, str]:
    """Fields of a game in which both sides learn at the same rate."""
    return (
        f"optimizer.unsupervised_learning_rate={rate}",
        f"optimizer.generator_learning_rate={rate}",
    )


_NO_GAME = _game_at(0.0)
_QUICK_GAME = (NO_CONTRAST, *_game_at(0.0001))  # the rates of the authors' code


def _losses(task: str, share: int) -> tuple[Experiment, ...]:
    """The same labels with more and more losses."""
    config = f"{task}_{share}pct"
    changed = [(NO_CONTRAST,), ()]
    if task == "bravais" and share <= 10:  # where unlabelled patterns have the most to say
        changed[1:1] = [_QUICK_GAME, _NO_GAME]
    sgan = (Experiment(config, "sgan", changes=changes) for changes in changed)
    return (Experiment(config, "supervised"), *sgan)


def _without_pool(method: str) -> tuple[Experiment, Experiment]:
    pool = Experiment("bravais_10pct", method)
    return pool, replace(pool, changes=("model.stem_pool=False",), as_long_as=pool)


DECIDED = (
    "task",
    "classes",
    "method",
    "preset",
    "label_fraction",
    "seed",
    "num_steps",
    "pretrained",
    "data.sources",
    "data.dir",
    "data.labelled_sources",
    "data.relatives",
    "data.split_by",
    "data.unlabelled_sources",
    "loss.contrast",
    "model.stem_pool",
    "optimizer.generator_learning_rate",
    "optimizer.unsupervised_learning_rate",
)
"""Fields that nobody else may set: the rows differ by them, or options name them."""

PRESETS_PART = "presets"
"""The part that compares the presets."""

MORE_UNLABELLED = "more_unlabelled"
"""The part that wants further structures."""

_LABELLED = ("labels", "labelled patterns", "passes", "method")
_PRESET = ("task", "method", "preset", "steps")
_TOP1 = ("seeds", "top-1, %", "prior, %")
_REST = ("top-5 / prior, %", "crystal system / prior, %")
_SURE = ("calibration error, %",)
_MADE = ("diversity, generated / untrained / real", "D, real / generated")
_GROUP = ("extinction group / prior, %",)

PARTS = {
    "bravais": Part(
        "Bravais lattice, split at random",
        rows_of("bravais"),
        (*_LABELLED, *_TOP1, "paper, %", *_REST, *_SURE, *_MADE),
    ),
    "space_group": Part(
        "Space group, split at random",
        rows_of("sg"),
        (*_LABELLED, *_TOP1, "paper, %", *_REST, *_GROUP, *_SURE, *_MADE),
    ),
    "losses": Part(
        "What each loss brings, split at random",
        tuple(row for task in TASKS for share in SHARES for row in _losses(task, share)),
        ("task", "labels", "losses", "rates of the game", *_TOP1, *_REST, *_GROUP, *_SURE, *_MADE),
        "Cross-entropy: of labelled patterns. Game: between discriminator and generator, the "
        "paper's SGAN. Contrast: which imagined relatives are of the same unlabelled crystal, "
        "which the paper has not (`sgan_jax/contrast.py`). Relatives are knowledge that the "
        "supervised network of this table has not; in the next table it has them too. Rates: the "
        "discriminator's in the game, then the generator's.",
    ),
    "relatives": Part(
        "Labelled patterns of relatives, split at random",
        (*rows_of("bravais", ALL_RELATIVES), *rows_of("sg", ALL_RELATIVES)),
        ("task", "labels", "method", *_TOP1, "without, %", *_REST, *_GROUP, *_SURE),
        "In every step each labelled crystal is replaced by an imagined relative: the same space "
        "group, another cell and other intensities (`sgan_jax/relatives.py`). Both methods have "
        "them here, and the SGAN has the contrast as well.",
    ),
    "formula": Part(
        "Split by formula",
        (*rows_of("bravais", FORMULA), *rows_of("sg", FORMULA)),
        ("task", "labels", "method", *_TOP1, "at random, %", *_REST, *_GROUP, *_SURE),
        "No formula is both in the test set and outside it: what a new material asks. The paper "
        "split at random.",
    ),
    "longer": Part(
        "Four times the steps, split at random",
        rows_of("bravais", LONGER),
        (*_LABELLED, "steps", *_TOP1, "in fewer steps, %", *_REST, *_SURE, *_MADE),
        "Whether the steps are what limits both methods where there are many labels. The SGAN has "
        "the contrast of relatives.",
    ),
    PRESETS_PART: Part(
        "Presets, 10 % of the labels",
        tuple(
            Experiment(config, method, preset)
            for config in ("bravais_10pct", "sg_10pct")
            for method in ("supervised", "sgan")
            for preset in PRESETS
        ),
        (*_PRESET, *_TOP1, "paper, %", *_REST, *_GROUP, *_SURE, *_MADE),
        "The SGAN of `tuned` has the contrast of relatives beside the paper's losses.",
    ),
    "stem_pool": Part(
        "With and without the stem pool, at equal time",
        tuple(row for method in ("supervised", "sgan") for row in _without_pool(method)),
        ("method", "stem pool", "steps", "patterns/s", "training time", *_TOP1, *_REST, *_SURE),
        "Bravais lattice, 10 % of the labels. The steps without the pool are those that take as "
        "long as the steps with it, by the speeds of two runs of 100 steps, one right after the "
        "other. The column of times says how far that came true. The SGAN has the contrast of "
        "relatives.",
    ),
    "table3": Part(
        "The most frequent space groups, 90 % of the labels",
        (
            *(reference("sg", f"classes=most_frequent_{size}") for size in (8, 45, 72)),
            reference("sg"),
        ),
        ("space groups", "test patterns", *_TOP1, "published, %", *_REST, *_GROUP, *_SURE),
        "Supervised, split at random. Published: Table 3 of the paper, which compares studies on "
        "other data and with other kinds of patterns.",
    ),
    MORE_UNLABELLED: Part(
        "More unlabelled structures",
        tuple(
            replace(experiment, more_unlabelled=True)
            for task in TASKS
            for experiment in rows_of(task, CONTRAST)
            if experiment.method == "sgan"
        ),
        ("task", "labels", "unlabelled patterns", *_TOP1, "without them, %", *_REST, *_SURE),
        "SGAN with contrast, split at random. The structures of --unlabelled_sources are all "
        "unlabelled.",
    ),
}
"""By name, in the order in which they are run."""


def fields_of_presets() -> frozenset[str]:
    """Names of the fields by which the presets of a method differ."""
    names = set()
    for method in _METHODS:
        configs = (get_config(f"{method},{preset}") for preset in PRESETS)
        one, *others = (flatten(config.to_dict()) for config in configs)
        names |= {name for name in one for other in others if other[name] != one[name]}
    return frozenset(names)


def _quick_first(part: str) -> list[Experiment]:
    return sorted(PARTS[part].experiments, key=lambda experiment: experiment.method == "sgan")


def in_order(parts: Sequence[str], seeds: int) -> list[tuple[Experiment, int]]:
    """Which experiment is run with which seed, each once: all with the first seed come first.

    Of each part the supervised networks, which are trained in a fifth of the time, come first.

    Args:
        parts: Names of `PARTS`.
        seeds: How many seeds.
    """
    wanted: dict[tuple[Experiment, int], None] = {}
    for seed in range(seeds):
        for experiment in (e for name in PARTS if name in parts for e in _quick_first(name)):
            if other := experiment.as_long_as:
                wanted |= {(each, 0): None for each in (other, other.trial, experiment.trial)}
            wanted[experiment, seed] = None
    return list(wanted)
