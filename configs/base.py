"""The base of every experiment; each other config file changes a few of its fields.

S. Lolla, H. Liang, A. G. Kusne, I. Takeuchi, W. Ratcliff, "A semi-supervised deep-learning approach
for automatic crystal structure classification", J. Appl. Cryst. 55 (2022) 882-889.

The hyper-parameters come in three presets:

    paper           as the article states them
    released_code   as the authors' published code has them, which differ from the article
    tuned           found here by measurement; the default
"""

from ml_collections import ConfigDict, config_dict

from sgan_jax.augmentation.effects import EFFECTS
from sgan_jax.config import DEFAULT_CLASSES, DEFAULT_METHOD, DEFAULT_PRESET, parse_argument

_PRESETS = {
    "tuned": {
        "model.balanced_start": True,
        "model.generator": "subpixel",
        "optimizer.supervised_learning_rate": 5e-4,
        # The game at the paper's rates: played faster, it holds up what is learnt about classes.
        "optimizer.unsupervised_learning_rate": 5e-6,
        "optimizer.generator_learning_rate": 1e-6,
        # At full speed from the first step on, Adam leads to weights that learn slowly ever after.
        "optimizer.warmup_steps": 500,
        "optimizer.clip_norm": 1.0,
        "optimizer.schedule": "cosine",
    },
    "paper": {
        "ema_decay": 0.0,
        "optimizer.supervised_learning_rate": 1e-4,
        "optimizer.unsupervised_learning_rate": 5e-6,
        "optimizer.generator_learning_rate": 1e-6,
    },
    "released_code": {
        "ema_decay": 0.0,
        "optimizer.adam_eps": 1e-4,
        "model.dropout": 0.05,
        "model.stem_pool": False,
        "model.real_fake_head": True,
        "loss.target_noise": 0.2,
    },
}

_CONTRAST = 0.025
"""Weight of the contrast in an SGAN of `tuned`, times its share of labels.

The fewer the labels, the sooner a network knows them by heart, and the more the unlabelled patterns
have to say; with many labels much contrast only takes steps away from them.
"""


def get_config(
    arg: str = "",
    *,
    task: str = "bravais_lattice",
    label_fraction: float = 0.1,
    num_steps: int = 15_000,
    method: str = DEFAULT_METHOD,
) -> ConfigDict:
    """Builds an experiment.

    Args:
        arg: `[METHOD[,PRESET]]`, what follows the colon in `--config=configs/NAME.py:…`.
        task: `bravais_lattice` or `space_group`.
        label_fraction: Share of all patterns whose labels are used, in (0, 0.9].
        num_steps: Steps of training.
        method: `sgan` or `supervised`, unless `arg` says otherwise.

    Raises:
        InputError: `arg` names an unknown method or preset.
    """
    method, preset = parse_argument(arg, method, DEFAULT_PRESET)
    config = ConfigDict()
    config.task = task
    # The task's default (bravais14 or the paper's paper144), or "all230", "at_least_N" (structures)
    # or "most_frequent_N" (space groups).
    config.classes = DEFAULT_CLASSES
    config.method = method
    config.preset = preset
    config.label_fraction = label_fraction
    # Of the labelled patterns, held back to find the best checkpoint and to calibrate; 0: the last
    # checkpoint is evaluated.
    config.validation_fraction = 0.0
    config.seed = 0
    # A classifier of the package or the folder of an export, of the same task, classes and network:
    # training starts from its weights.
    config.pretrained = ""

    config.num_steps = num_steps
    # Labelled patterns per step over all devices; SGAN adds as many unlabelled and generated.
    config.batch_size = 64 if (method, preset) == ("supervised", "paper") else 32
    config.ema_decay = 0.999  # of the averaged weights that are evaluated; 0: the last ones
    config.log_every = 50
    config.eval_every = 500
    config.checkpoint_every = 500
    config.checkpoints_to_keep = 2  # the last ones; the best is kept beside them

    config.data = _data()
    config.model = _model()
    config.optimizer = _optimizer()
    config.loss = _loss()
    config.augmentation = _augmentation()
    config.update_from_flattened_dict(_PRESETS[preset])
    if (method, preset) == ("sgan", "tuned"):
        config.loss.contrast = _CONTRAST / label_fraction
    return config


def for_measured_patterns(config: ConfigDict) -> ConfigDict:
    """Has an experiment's patterns measured anew in every epoch."""
    config.augmentation.enabled = True
    config.model.coverage_channel = True
    config.data.grid = "log_d"
    config.data.split_by = "formula"
    config.validation_fraction = 0.05
    config.batch_size = 64
    # Patterns never come again, so nothing is learnt by heart. At full speed from the first step on
    # the network would stay at the prior for thousands of steps.
    config.model.dropout = 0.0
    config.optimizer.supervised_learning_rate = 2e-3
    config.optimizer.warmup_steps = 1_000
    config.loss.contrast = 0.0
    config.log_every = 100
    config.eval_every = 4_000
    config.checkpoint_every = 2_000
    return config


def _data() -> ConfigDict:
    data = ConfigDict()
    data.sources = "amcsd"  # comma-separated: amcsd, folders, archives, tables, single files
    data.dir = "data"  # where data sets are built and kept
    data.split_by = "random"  # or "formula": no composition on both sides of the test split
    data.instrument = "bt1_ge311"
    data.scattering_lengths = "periodictable"
    data.check_symmetry = False  # leave out structures with another symmetry than stated
    data.limit = config_dict.placeholder(int)  # use only the first so many structures
    data.workers = config_dict.placeholder(int)  # processes that build a data set; all cores
    # Whether patterns stay in their files and are read when their turn comes, instead of lying in
    # memory; left out, they do so where they would take more than half of the memory that is free.
    data.streamed = config_dict.placeholder(bool)
    # On which axis networks see patterns: "two_theta" of the paper's instrument, or, of simulated
    # measurements (augmentation.enabled), "inverse_d" or "log_d" in equal steps.
    data.grid = "two_theta"
    # Labelled patterns are those of imagined relatives of their crystals, other ones at every step.
    # See sgan_jax/relatives.py.
    data.relatives = False
    data.formulas_left_out = ""  # comma-separated: compositions that no network may see
    # Like sources: further structures that are all trained on, with or without their labels, and
    # never tested on.
    data.labelled_sources = ""
    data.unlabelled_sources = ""
    # Folder of measured patterns that join the unlabelled ones of an SGAN.
    data.unlabelled_measured = config_dict.placeholder(str)
    return data


def _augmentation() -> ConfigDict:
    """Whether patterns are measured anew in every epoch, and which effects training sees then.

    Evaluation always has all of them but `elements`.
    """
    return ConfigDict({"enabled": False, **dict.fromkeys(EFFECTS, True)})


def _model() -> ConfigDict:
    model = ConfigDict()
    model.stem_pool = True  # max pool after the stem: the article's figure; not the released code
    model.dropout = 0.1
    model.real_fake_head = False  # D from an output of its own instead of Z/(Z + 1)
    model.balanced_start = False  # D starts near 1/2 instead of K/(K + 1)
    model.coverage_channel = False  # a second input, which tells where a pattern was measured
    model.generator = "paper"  # or "subpixel": most layers at low resolution, a fifth of the work
    return model


def _loss() -> ConfigDict:
    loss = ConfigDict()
    # Targets of D are drawn from [1 - noise, 1] for real and [0, noise] for generated patterns.
    loss.target_noise = 0.0
    # The generator matches the mean features of real patterns in D instead of fooling it (Salimans
    # et al. 2016, section 3.1); a step of an SGAN takes longer then.
    loss.feature_matching = False
    # Weight at which an SGAN learns to tell which relatives are of the same unlabelled crystal; 0:
    # not at all. See sgan_jax/contrast.py.
    loss.contrast = 0.0
    return loss


def _optimizer() -> ConfigDict:
    optimizer = ConfigDict()
    optimizer.supervised_learning_rate = 1e-3
    optimizer.unsupervised_learning_rate = 1e-4
    optimizer.generator_learning_rate = 1e-4  # both 0: there is no game
    optimizer.adam_b1 = 0.9
    optimizer.adam_eps = 1e-8
    optimizer.weight_decay = 0.0
    # Largest norm of each gradient, 0 for no limit. Where a pattern is zero over a whole receptive
    # field, layer normalisation divides by √ε in layer after layer, and single early gradients of
    # 1e9 would spoil Adam's second moments for thousands of steps.
    optimizer.clip_norm = 0.0
    optimizer.warmup_steps = 0  # at most half of all
    optimizer.schedule = "constant"
    return optimizer
