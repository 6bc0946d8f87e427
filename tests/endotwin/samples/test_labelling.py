"""Labels and conditions as text: read strictly, written in one way."""

from __future__ import annotations

import functools
import itertools
import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_checkpoints import TINY_LABELLED, TINY_WITHOUT_CLARITY, make_card

from endotwin.catalogue import PREFERRED_LABELLED, choose_labelled, labelled_in_order
from endotwin.field_size import STANDARD, FieldSize
from endotwin.mosaic.labels import Label
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.samples.arguments import ConditionArguments
from endotwin.samples.conditions import CONDITIONS, parse_conditions
from endotwin.samples.formats import FORMATS, check_format
from endotwin.samples.labelling import IMAGE_LABELS, LABELS, PLAIN, Labelling, LabellingError, parse_labels


@given(st.permutations(list(LABELS)), st.integers(1, len(LABELS)))
def test_labels_are_read_in_any_order_and_listed_in_one(names: list[str], count: int) -> None:
    labels = parse_labels(",".join(names[:count]))
    assert set(labels) == set(names[:count])
    assert list(labels) == [name for name in LABELS if name in labels]
    assert Labelling(labels).image_labels == tuple(name for name in labels if name in IMAGE_LABELS)


@pytest.mark.parametrize(
    "text", ["", ",", "borders,", "Borders", "borders,borders", "borders;soft", " soft", "x" * 99]
)
def test_other_lists_of_labels_are_refused(text: str) -> None:
    with pytest.raises(
        LabellingError, match="borders, soft, instances, guttae, visible, cells, parameters"
    ) as caught:
        parse_labels(text)
    assert caught.value.field == "labels"
    assert len(str(caught.value)) < 200


def test_image_labels_are_fields_of_a_label() -> None:
    assert set(IMAGE_LABELS) <= Label.__dataclass_fields__.keys() | {"visible"}
    assert isinstance(Label.visible, functools.cached_property)


@st.composite
def texts(draw: st.DrawFn) -> dict[str, str]:
    """Draw conditions that mosaics meet, as text; cv and hexagonality never together."""
    limits = {
        "density": (600, 4500),
        "guttae": (0, "0.4"),
        "age": (5, 105),
        draw(st.sampled_from(["cv", "hexagonality"])): ("0.35", "0.55"),
    }
    values = {}
    for name in draw(st.permutations(list(limits)))[: draw(st.integers(0, 4))]:
        ends = draw(st.lists(st.decimals(*limits[name], places=6), min_size=1, max_size=2).map(sorted))
        values[name] = ":".join(f"{end:f}" for end in ends)
    return values


@given(texts())
def test_conditions_are_written_as_they_can_be_given_again(values: dict[str, str]) -> None:
    conditions = parse_conditions(values)
    assert (conditions is None) == (values == {})
    labelling = Labelling(conditions=conditions)
    assert labelling.given.keys() == values.keys()
    assert parse_conditions(labelling.given) == conditions
    assert dict(parse_qsl(labelling.query)) == labelling.given
    again = Labelling(conditions=parse_conditions(labelling.given))
    assert (again.query, bool(again)) == (labelling.query, values != {})
    for name, text in values.items():
        asked: Range = getattr(conditions, name)
        assert (asked.low, asked.high) == (float(text.split(":")[0]), float(text.split(":")[-1]))


@pytest.mark.parametrize(
    ("values", "query"),
    [
        ({"hexagonality": "0.600", "density": "01500.0:2500"}, "density=1500:2500&hexagonality=0.6"),
        ({"guttae": "0.1:0.1"}, "guttae=0.1"),
        ({"guttae": "0.000001"}, "guttae=0.000001"),
        ({"density": "4499.123456789"}, "density=4499.123456789"),
        ({"pixel_size": "0.9"}, "pixel_size=0.9"),
        ({"pixel_size": "1.0", "n": "5"}, "pixel_size=1"),
        ({}, ""),
        ({"expert_hand": "true", "cv": "0.30"}, "cv=0.3&expert_hand=true"),
        ({"expert_hand": "false"}, ""),
        ({"appearance": "0"}, ""),
        ({"appearance": "007", "cv": "0.30"}, "cv=0.3&appearance=7"),
        ({"expert_hand": "false", "cv": "0.30"}, "cv=0.3"),
        ({"size": "128x128", "appearance": "0", "pixel_size": "0.9"}, "pixel_size=0.9"),
    ],
)
def test_there_is_one_way_of_writing_conditions(values: dict[str, str], query: str) -> None:
    assert Labelling(conditions=parse_conditions(values)).query == query


def test_given_are_the_conditions_that_ask_for_something() -> None:
    assert Conditions(appearance=0, expert_hand=False, size=STANDARD, cv=None).given == {}
    asked = Conditions(size=FieldSize(640, 480), appearance=1, expert_hand=True, pixel_size=0.9)
    assert list(asked.given.items()) == [
        ("pixel_size", 0.9),
        ("appearance", 1),
        ("expert_hand", True),
        ("size", FieldSize(640, 480)),
    ]


WRONG_CONDITIONS = [
    ("density=", "density", "a number or LOW:HIGH (cells per mm², 500 to 4500), got ''"),
    ("density=many", "density", "got 'many'"),
    ("density=1500:", "density", "got '1500:'"),
    ("density=1:2:3", "density", "got '1:2:3'"),
    ("density=1500-2500", "density", "got '1500-2500'"),
    ("density=2e3", "density", "got '2e3'"),
    ("density=-2000", "density", "got '-2000'"),
    ("density=2000.", "density", "got '2000.'"),
    ("density=nan", "density", "got 'nan'"),
    ("density=٢٠٠٠", "density", "got '٢٠٠٠'"),
    ("density=" + "9" * 400, "density", "cells per mm²"),
    (
        "density=2500:1500",
        "density",
        "density 2500:1500 has its ends in the wrong order: LOW:HIGH, so density 1500",
    ),
    ("guttae=0.3:0", "guttae", "guttae 0.3:0 has its ends in the wrong order"),
    ("age=70:60", "age", "age 70:60 has its ends in the wrong order"),
    ("density=499", "density", "within 500 to 4500, got 499"),
    ("density=4000&pixel_size=3", "density", "with this pixel_size it can be from"),
    ("pixel_size=3&density=4000", "density", "with this pixel_size it can be from"),
    ("cv=0.7", "cv", "within 0.15 to 0.6"),
    ("hexagonality=0.9", "hexagonality", "within 0.25 to 0.85"),
    ("hexagonality=0.85&cv=0.6", "hexagonality", "cannot be had together"),
    ("guttae=0.5", "guttae", "within 0 to 0.4"),
    ("age=3", "age", "within 5 to 105"),
    ("pixel_size=1:2", "pixel_size", "a number (side of a pixel in micrometres, 0.3 to 3), got '1:2'"),
    ("pixel_size=0.2", "pixel_size", "from 0.3 to 3 micrometres, got 0.2"),
    ("pixel_size=0", "pixel_size", "from 0.3 to 3 micrometres, got 0"),
    ("cv=0.3&age=50&guttae=1&density=2000", "guttae", "within 0 to 0.4"),
    ("appearance=1000", "appearance", "a whole number (which look"),
    ("appearance=1000", "appearance", "got '1000'"),
    ("appearance=-1", "appearance", "0 to 999), got '-1'"),
    ("appearance=1.0", "appearance", "got '1.0'"),
    ("appearance=1:2", "appearance", "got '1:2'"),
    ("appearance=", "appearance", "got ''"),
    ("expert_hand=yes", "expert_hand", "expert_hand must be true or false (to train a segmenter on"),
    ("expert_hand=", "expert_hand", "got ''"),
    ("expert_hand=True", "expert_hand", "got 'True'"),
]


@pytest.mark.parametrize(("query", "field", "allowed"), WRONG_CONDITIONS, ids=lambda value: value[:30])
def test_other_conditions_are_refused(query: str, field: str, allowed: str) -> None:
    with pytest.raises(LabellingError, match=re.escape(allowed)) as caught:
        parse_conditions(dict(parse_qsl(query, keep_blank_values=True)))
    assert caught.value.field == field
    assert len(str(caught.value)) < 300


def test_every_condition_is_described() -> None:
    numbers = ["density", "cv", "hexagonality", "guttae", "age", "clarity", "pixel_size", "appearance"]
    assert list(CONDITIONS) == [*numbers, "expert_hand", "size"]
    assert list(ConditionArguments.__annotations__) == list(CONDITIONS)


def test_no_labels_and_no_conditions_take_no_labelled_model() -> None:
    assert not PLAIN
    assert Labelling(("borders",))
    assert Labelling(("cells",)).field == "labels"
    assert Labelling(conditions=parse_conditions({"cv": "0.3", "density": "2000"})).field == "density"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_holds_labels_or_says_which_does(kind: str) -> None:
    refused = {"npy": list(LABELS)}.get(kind, [])
    for count in (1, 2):
        for labels in itertools.combinations(LABELS, count):
            if not set(refused) & set(labels):
                check_format(kind, labels)
                continue
            with pytest.raises(
                LabellingError, match=f"format {kind} has no place for .*; tar, zip have one"
            ) as caught:
                check_format(kind, labels)
            assert caught.value.field == "format"


LABELS_ONLY = Labelling(("borders",))


def test_the_labelled_model_of_a_request_with_clarity() -> None:
    clear = make_card("clear", 30.0, architecture=TINY_LABELLED)
    older = make_card("older", 10.0, architecture=TINY_WITHOUT_CLARITY)
    cards = {"clear": clear, "older": older}
    wanted = Labelling(conditions=parse_conditions({"clarity": "20"}))
    assert choose_labelled(cards, None, "older", LABELS_ONLY) == "older"
    assert choose_labelled(cards, None, "older", wanted) == "clear"
    with pytest.raises(
        LabellingError, match=r"model older does not set the clarity .*; clear can"
    ) as caught:
        choose_labelled(cards, "older", "older", wanted)
    assert caught.value.field == "clarity"
    with pytest.raises(LabellingError, match="no model here sets the clarity of its images"):
        choose_labelled({"older": older}, None, "older", wanted)


def test_the_labelled_model_of_a_request() -> None:
    plain = make_card("plain", 10.0)
    good = make_card("good", 20.0, architecture=TINY_LABELLED)
    fair = make_card("fair", 30.0, architecture=TINY_LABELLED)
    unknown = make_card("an-unscored", recorded=False, architecture=TINY_LABELLED)
    cards = {card.name: card for card in (unknown, fair, good, plain)}
    assert choose_labelled(cards, None, "plain", LABELS_ONLY) == "good"
    assert choose_labelled(cards, None, "fair", LABELS_ONLY) == "fair"
    assert choose_labelled(cards, "an-unscored", "plain", LABELS_ONLY) == "an-unscored"
    usual = make_card(PREFERRED_LABELLED, 40.0, architecture=TINY_LABELLED)
    assert choose_labelled({**cards, usual.name: usual}, None, "plain", LABELS_ONLY) == usual.name
    assert labelled_in_order({**cards, usual.name: usual}, "fair") == [
        "fair",
        usual.name,
        "good",
        "an-unscored",
    ]
    assert choose_labelled({**cards, usual.name: usual}, None, "fair", LABELS_ONLY) == "fair"
    with pytest.raises(
        LabellingError, match=r"model plain has no labels .*; an-unscored, fair, good"
    ) as caught:
        choose_labelled(cards, "plain", "good", LABELS_ONLY)
    assert caught.value.field == "model"
    with pytest.raises(LabellingError, match="cv takes a labelled model, and there is none here") as caught:
        choose_labelled(
            {"plain": plain}, "plain", "plain", Labelling(conditions=parse_conditions({"cv": "0.3"}))
        )
    assert caught.value.field == "cv"
