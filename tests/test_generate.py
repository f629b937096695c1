"""Outcomes of records: in order, each once, whatever one of them does."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from direct_sum import make

from data_gen import generate as generate_module
from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.generate import Example, Outcome, Rejection, Settings, generate, outcomes_of_chunk
from data_gen.instrument import instrument
from data_gen.sources import Record

CIF = (Path(__file__).parent / "data" / "halite.cif").read_text()
SETTINGS = Settings(instrument("bt1_ge311"), "periodictable", check_symmetry=False)


def parse(payload: str):
    """What a source does with a record; a few do worse than a file should be able to."""
    if payload == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if payload == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if payload == "bug":
        raise ZeroDivisionError("by zero")
    if payload == "wrong":
        yield "wrong", StructureError(Reason.NO_CELL, "none")
        return
    for number in range(3 if payload == "three" else 1):
        yield f"{payload}_{number}", Crystal.from_cif_text(CIF)


def records(*payloads: str) -> list[Record]:
    return [Record(payload, "test", payload, parse) for payload in payloads]


def described(outcomes: list[Outcome]) -> list[Any]:
    return [o.id if isinstance(o, Example) else (o.id, o.reason) for o in outcomes]


def test_outcomes_stay_with_their_record():
    chunk = records("one", "three", "wrong", "bug", "last")
    assert [described(outcomes) for outcomes in outcomes_of_chunk(chunk, SETTINGS)] == [
        ["one_0"],
        ["three_0", "three_1", "three_2"],
        [("wrong", Reason.NO_CELL)],
        [("bug", Reason.UNEXPECTED)],
        ["last_0"],
    ]


def test_examples_say_where_their_pattern_is_less_than_exact():
    cell, site = [3.0, 3.0, 5.6, 90, 90, 120], [[1 / 3, 2 / 3, 0.25]]

    def metal(name):
        return [(name, make(cell, "-P 6c 2c", (name,), [1], site))]

    chunk = [Record(name, "test", name, metal) for name in ("Cd", "Mg")]
    (cadmium,), (magnesium,) = outcomes_of_chunk(chunk, SETTINGS)
    assert isinstance(cadmium, Example)
    assert isinstance(magnesium, Example)
    assert b"Cd: resonant, but constant in table periodictable" in cadmium.data
    assert b"resonant" not in magnesium.data


def test_a_structure_that_breaks_the_simulation_costs_only_itself(monkeypatch):
    simulate_many = generate_module.simulate_many

    def fail(crystals, *args, **options):
        if len(crystals) > 1:
            raise ZeroDivisionError("by zero")
        return simulate_many(crystals, *args, **options)

    expected = outcomes_of_chunk(records("one", "three"), SETTINGS)
    monkeypatch.setattr(generate_module, "simulate_many", fail)
    assert outcomes_of_chunk(records("one", "three"), SETTINGS) == expected


def test_a_record_that_crashes_its_worker_is_left_out():
    many = [f"r{number}" for number in range(200)]
    many[70] = "crash"
    outcomes = list(generate(records(*many), SETTINGS, workers=2))
    assert outcomes.pop(70) == [
        Rejection(
            "crash",
            "test",
            Reason.UNEXPECTED,
            "it crashes the process that works on it (SIGSEGV)",
        )
    ]
    del many[70]
    assert [described(outcome) for outcome in outcomes] == [[f"{name}_0"] for name in many]


def test_a_record_whose_worker_is_killed_is_not_left_out():
    with pytest.raises(InputError, match=r"a worker process was killed \(SIGKILL\)"):
        list(generate(records("one", "killed"), SETTINGS, workers=2))
