# ruff: noqa: N802
from absl import flags
from ml_collections.config_dict import ConfigDict

def DEFINE_config_file(
    name: str, default: str | None = None, help_string: str = ..., lock_config: bool = True
) -> flags.FlagHolder[ConfigDict]: ...
def DEFINE_config_dict(
    name: str,
    config: ConfigDict,
    help_string: str = ...,
    lock_config: bool = True,
    flag_values: flags.FlagValues = ...,
    sys_argv: list[str] | None = None,
) -> flags.FlagHolder[ConfigDict]: ...
def get_config_filename(config_flag: flags.Flag) -> str: ...
