import pytest

from sgan_jax import memory

GIB = 2**30


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Writes the control groups that this process is said to be in."""
    files = {
        "": (tmp_path / "two", "memory.max", "memory.current"),
        "memory": (tmp_path / "one", "limit", "use"),
    }
    monkeypatch.setattr(memory, "_FILES", files)
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path / "cgroup")

    def write(lines, limits):
        (tmp_path / "cgroup").write_text(lines)
        for name, limit in limits.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{limit}\n")

    return write


@pytest.mark.parametrize(
    ("lines", "limits"),
    [
        ("0::/job/step\n", {"two/job/memory.max": 3, "two/job/step/memory.max": "max"}),
        ("0::/job/step\n", {"two/job/memory.max": 9 * GIB, "two/job/step/memory.max": 3}),
        ("4:memory:/job\n1:cpu:/\n0::/\n", {"one/job/limit": 3}),
        ("4:memory:/seen/from/outside\n0::/\n", {"one/limit": 3}),
        ("0::/job\n", {"two/job/memory.max": 10, "two/job/memory.current": 7}),
        (
            "0::/job\n",
            {
                "two/job/memory.max": 10,
                "two/job/memory.current": 9,
                "two/job/memory.stat": "anon 7\ninactive_file 2",
            },
        ),
        ("4:memory:/job\n", {"one/job/limit": 10, "one/job/use": 7}),
    ],
    ids=["of the job", "of the step", "version 1", "container", "used", "cached", "used, 1"],
)
def test_limits_of_control_groups_count(groups, lines, limits):
    groups(lines, limits)
    assert memory.available_memory() == 3


def test_without_limits_it_is_what_the_machine_has(groups, tmp_path):
    groups("0::/job\n", {"two/job/memory.max": "max"})
    assert GIB / 16 < memory.available_memory() < 2**50
    (tmp_path / "cgroup").unlink()
    assert GIB / 16 < memory.available_memory() < 2**50
