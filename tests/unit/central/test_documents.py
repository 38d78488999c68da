"""What the documents say of themselves, and which contradictions they refuse."""

import json
from dataclasses import replace
from typing import Any

import pytest

from central.documents.configuration import Effect
from central.documents.elements import Bound, Phase
from central.documents.encoding import encode, from_json, parsed, to_json
from central.documents.faults import Fault, shown
from central.documents.forms import Words
from central.documents.header import Buyer
from central.documents.offer import OfferedQuarter, PriceStep
from central.documents.shapes import Each, shape_of, told_name
from central.documents.validation import Verdict
from ledger.errors import Rejected
from tests.documents import (
    ALERT,
    BASELINE,
    CONFIGURATION,
    DAY_QUARTERS,
    DROP,
    MEASUREMENTS,
    NODE,
    OFFER,
    ORDER,
    OVERLOAD,
    PROFILE,
    REQUEST,
    SET_POINT,
    T0,
    VALIDATION,
    power,
)


def test_a_day_of_100_quarters_is_whole() -> None:
    assert len(BASELINE.quarters) == DAY_QUARTERS
    with pytest.raises(Rejected) as caught:
        encode(replace(BASELINE, quarters=BASELINE.quarters[:96]))
    assert (caught.value.where, caught.value.reason) == ("$.quarters", "missing_quarter")


def test_a_bound_says_its_unit() -> None:
    assert [bound for bound in Bound if bound.is_voltage] == ["undervoltage", "overvoltage"]


@pytest.mark.parametrize(
    ("document", "values", "what"),
    [
        (OFFER, {"expires_ms": OFFER.gate_closure_ms - 1}, "expires before the gate"),
        (OFFER, {"linked_to": OFFER.mrid}, "names the offer itself"),
        (REQUEST, {"elements": (NODE,)}, "position 1 is none of the 1 elements"),
        (REQUEST, {"nodes": ("node 9", "node 9")}, "names one twice"),
        (REQUEST, {"nodes": ("node 9",)}, "length of nodes"),
        (REQUEST, {"sensitivities": ()}, "sensitivities are missing"),
        (VALIDATION.verdicts[0], {"binding": DROP}, "has a cause"),
        (VALIDATION.verdicts[1], {"binding": None}, "has a cause"),
        (VALIDATION.verdicts[1], {"verdict": Verdict.REFUSED}, "what is refused has none"),
        (VALIDATION.verdicts[1], {"quarters": power(-1)}, "must not be negative"),
        (VALIDATION, {"elements": ()}, "position 0 is none"),
        (ORDER.orders[0], {"quarters": power(-1)}, "must not be negative"),
        (SET_POINT, {"target_w": 1_101}, "outside the envelope"),
        (SET_POINT, {"expires_ms": T0}, "expires before"),
        (SET_POINT.failsafe, {"least_w": 4_201}, "lies above"),
        (ALERT, {"elements": ()}, "position 0 is none"),
        (CONFIGURATION, {"effect": Effect.SOLVED}, "something is left"),
        (CONFIGURATION, {"effect": Effect.NOT_NEEDED}, "violated or moved"),
        (CONFIGURATION, {"effect": Effect.NOTHING_HELPS}, "something moves"),
        (CONFIGURATION, {"after": ()}, "nothing is left"),
        (CONFIGURATION, {"avoided": power(-1)}, "must not be negative"),
        (MEASUREMENTS.sensors[0], {"voltage_sigma_mv": None}, "voltage_mv comes without"),
    ],
)
def test_what_contradicts_itself_is_refused(
    document: Any,  # noqa: ANN401 -- any dataclass
    values: dict[str, Any],
    what: str,
) -> None:
    with pytest.raises(ValueError, match=what):
        replace(document, **values)


def test_a_contradiction_in_json_is_told_with_its_place() -> None:
    told = to_json(VALIDATION)
    told["verdicts"][1]["binding"] = None
    with pytest.raises(Rejected) as caught:
        from_json(parsed(json.dumps(told)))
    assert (caught.value.where, caught.value.reason) == ("$.verdicts[1]", "contradiction")


def test_an_offer_is_a_curve_that_never_falls() -> None:
    steps = (
        PriceStep(up_to_w=10, price_ueur_per_mwh=5),
        PriceStep(up_to_w=20, price_ueur_per_mwh=5),
    )
    assert OfferedQuarter(start_ms=T0, minimum_w=20, steps=steps).maximum_w == 20
    with pytest.raises(ValueError, match="above the end"):
        OfferedQuarter(start_ms=T0, minimum_w=21, steps=steps)
    falling = replace(steps[1], price_ueur_per_mwh=4)
    with pytest.raises(ValueError, match="fall"):
        OfferedQuarter(start_ms=T0, minimum_w=0, steps=(steps[0], falling))
    unordered = (replace(steps[0], up_to_w=20), steps[1])
    with pytest.raises(Rejected) as caught:
        encode(replace(OFFER, quarters=(replace(OFFER.quarters[0], minimum_w=0, steps=unordered),)))
    assert (caught.value.where, caught.value.reason) == (
        "$.quarters[0].steps[1]",
        "duplicate_entry",
    )


def test_a_transmission_operator_may_name_no_element() -> None:
    request = replace(
        REQUEST, buyer=Buyer.TSO, elements=(), violations=(), nodes=(), sensitivities=(),
        unsolved=(),
    )  # fmt: skip
    assert from_json(to_json(request)) == request


def test_means_that_do_nothing_say_why() -> None:
    idle = replace(
        CONFIGURATION, effect=Effect.NOTHING_HELPS, taps=(), switches=(), capacitors=(),
        after=(DROP, OVERLOAD), avoided=(), avoided_ueur=0,
    )  # fmt: skip
    assert from_json(to_json(idle)) == idle
    well = replace(idle, effect=Effect.NOT_NEEDED, before=(), after=(), elements=())
    assert encode(well)


def test_what_is_measured_lies_in_the_documents_time() -> None:
    late = replace(MEASUREMENTS.sensors[0], measured_ms=MEASUREMENTS.validity.end_ms)
    with pytest.raises(Rejected) as caught:
        encode(replace(MEASUREMENTS, sensors=(late,)))
    assert caught.value.where == "$.sensors[0].measured_at"
    assert caught.value.reason == "outside_interval"


def test_entries_stand_in_their_order_absent_keys_first() -> None:
    reading = MEASUREMENTS.sensors[0]
    whole = replace(reading.phases[0], phase=None)
    sensor = replace(reading, phases=(whole, *reading.phases))
    assert encode(replace(MEASUREMENTS, sensors=(sensor,)))
    for phases in ((*reading.phases, whole), (whole, whole)):
        with pytest.raises(Rejected) as caught:
            encode(replace(MEASUREMENTS, sensors=(replace(reading, phases=phases),)))
        assert caught.value.where.startswith("$.sensors[0].phases[")
    assert [each.phase for each in reading.phases] == [Phase.A, Phase.B]


def test_a_profile_lists_transformer_by_transformer() -> None:
    swapped = PROFILE.transformers[::-1]
    with pytest.raises(Rejected) as caught:
        encode(replace(PROFILE, transformers=swapped))
    assert caught.value.reason == "not_in_order"


def test_every_field_says_what_it_means() -> None:
    shape = shape_of(type(REQUEST))
    assert shape.valid() == ""
    assert all(form.meaning for form in shape.forms.values())
    assert told_name("start_ms") == "start_at"
    assert told_name("power_w") == "power_w"
    sensitivities = shape.forms["sensitivities"]
    assert isinstance(sensitivities, Each)
    assert sensitivities.valid() == "ascending by `position`, `start_ms`"
    assert Words("x").valid() == ""


def test_a_fault_knows_its_place_when_it_has_risen() -> None:
    fault = Fault("too hot", "heat", "cool it").within("power_w").within(3).within("quarters")
    error = fault.rejected()
    assert str(error) == "$.quarters[3].power_w: too hot; cool it"
    assert error.reason == "heat"
    assert len(shown("x" * 500)) <= 60
