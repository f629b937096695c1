"""Fixtures shared by the test modules."""

import os
from pathlib import Path

import jax
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


_LONGEST = (
    "test_distributed",
    "test_gradients",
    "test_train_step",
    "test_lint",
    "test_demo",
    "test_measured_training",
    "test_faults",
    "test_main",
    "test_predict",
    "test_truth",
    "test_builder",
    "test_export",
    "test_benchmarks",
    "test_benchmark_inputs",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no worker is left alone with one."""
    place = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of development data beside the checkout; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no development data beside this checkout (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for data sets, so that tests that ask for the same set build it once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Compiled programs are kept between the runs of a session, and nowhere else.

    That holds for those of this process as well, which may have read its settings already.
    """
    folder = str(tmp_path_factory.mktemp("compiled"))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return dict(os.environ)
