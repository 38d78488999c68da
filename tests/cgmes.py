"""A small grid as CGMES 2.4.15 tells it: 110 kV, a transformer, a line at 20 kV and a village.

Profiles of IEC 61970-600: equipment (EQ), topology (TP), operating point (SSH), state (SV).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

CIM = "http://iec.ch/TC57/2013/CIM-schema-cim16#"
_ENTSOE = "http://entsoe.eu/CIM/SchemaExtension/3/1#"
_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cim="{CIM}"
 xmlns:md="http://iec.ch/TC57/61970-552/ModelDescription/1#" xmlns:entsoe="{_ENTSOE}">
<md:FullModel rdf:about="urn:uuid:%s"><md:Model.profile>http://entsoe.eu/CIM/%s</md:Model.profile>
</md:FullModel>
"""
# Class, identifier, and properties: `#id` is another object, a URL a value of a list.
Entry = tuple[str, str, Mapping[str, object]]
_NAME = "IdentifiedObject.name"

# Terminal, equipment, its end, node.
_TERMINALS = (
    ("t_tr1", "tr", 1, "HV"), ("t_tr2", "tr", 2, "A"), ("t_l1", "line", 1, "A"),
    ("t_l2", "line", 2, "B"), ("t_load", "load", 1, "B"), ("t_net", "net", 1, "HV"),
)  # fmt: skip
_NODES = (("HV", "vl110", "bv110", 112.2), ("A", "vl20", "bv20", 20.0), ("B", "vl20", "bv20", 20.0))


def write_cgmes(folder: Path) -> None:
    """Write the four profiles into a folder."""
    for name, profile, body in (
        ("EQ", "EquipmentCore/3/1", _told(_equipment())),
        ("TP", "Topology/4/1", _told(_nodes()) + _told(_connected(), about=True)),
        ("SSH", "SteadyStateHypothesis/1/1", _told(_state(), about=True)),
        ("SV", "StateVariables/4/1", _told(_voltages())),
    ):
        text = _HEAD % (name, profile) + body + "</rdf:RDF>\n"
        (folder / f"town_{name}.xml").write_text(text, encoding="utf-8")


def _told(entries: Iterable[Entry], *, about: bool = False) -> str:
    """Return objects as XML; `about` says that another profile has them first."""
    lines = []
    for kind, identifier, properties in entries:
        reference = f'rdf:about="#_{identifier}"' if about else f'rdf:ID="_{identifier}"'
        inner = "".join(_property(name, value) for name, value in properties.items())
        lines.append(f"<cim:{kind} {reference}>{inner}</cim:{kind}>\n")
    return "".join(lines)


def _property(name: str, value: object) -> str:
    text = str(value)
    if text.startswith(("#", "http")):
        target = f"#_{text[1:]}" if text.startswith("#") else text
        return f'<cim:{name} rdf:resource="{target}"/>'
    return f"<cim:{name}>{text}</cim:{name}>"


def _equipment() -> list[Entry]:
    return [
        *_containers(),
        *_transformer(),
        ("ACLineSegment", "line", {
            _NAME: "A-B", "ConductingEquipment.BaseVoltage": "#bv20", "Conductor.length": 3,
            "ACLineSegment.r": 1.5, "ACLineSegment.x": 2.1, "ACLineSegment.bch": 1.4e-4,
            "ACLineSegment.gch": 0, "ACLineSegment.r0": 2.4, "ACLineSegment.x0": 4.8,
            "ACLineSegment.b0ch": 1.4e-4, "ACLineSegment.g0ch": 0,
        }),
        ("EnergyConsumer", "load", {_NAME: "village", "Equipment.EquipmentContainer": "#vl20"}),
        ("ExternalNetworkInjection", "net", {
            _NAME: "upstream", "Equipment.EquipmentContainer": "#vl110",
            "ExternalNetworkInjection.maxP": 100, "ExternalNetworkInjection.minP": -100,
            "ExternalNetworkInjection.maxQ": 100, "ExternalNetworkInjection.minQ": -100,
            "RegulatingCondEq.RegulatingControl": "#control",
        }),
        ("RegulatingControl", "control", {
            _NAME: "control", "RegulatingControl.Terminal": "#t_net",
            "RegulatingControl.mode": f"{CIM}RegulatingControlModeKind.voltage",
        }),
        ("OperationalLimitSet", "limits", {
            _NAME: "limits", "OperationalLimitSet.Terminal": "#t_l1",
        }),
        ("OperationalLimitType", "lasting", {
            _NAME: "PATL", "OperationalLimitType.limitType": f"{_ENTSOE}LimitTypeKind.patl",
        }),
        ("CurrentLimit", "rating", {
            _NAME: "PATL", "CurrentLimit.value": 145,
            "OperationalLimit.OperationalLimitSet": "#limits",
            "OperationalLimit.OperationalLimitType": "#lasting",
        }),
        *(
            ("Terminal", terminal, {
                _NAME: terminal, "Terminal.ConductingEquipment": f"#{equipment}",
                "ACDCTerminal.sequenceNumber": end,
            })
            for terminal, equipment, end, _ in _TERMINALS
        ),
    ]  # fmt: skip


def _containers() -> Iterable[Entry]:
    yield "GeographicalRegion", "region", {_NAME: "Lazio"}
    yield (
        "SubGeographicalRegion", "part",
        {_NAME: "Roma", "SubGeographicalRegion.Region": "#region"},
    )  # fmt: skip
    yield "Substation", "station", {_NAME: "PS", "Substation.Region": "#part"}
    for level in (110, 20):
        yield (
            "BaseVoltage", f"bv{level}",
            {_NAME: f"{level} kV", "BaseVoltage.nominalVoltage": level},
        )  # fmt: skip
        yield (
            "VoltageLevel", f"vl{level}",
            {_NAME: f"{level} kV", "VoltageLevel.Substation": "#station",
             "VoltageLevel.BaseVoltage": f"#bv{level}"},
        )  # fmt: skip


def _transformer() -> Iterable[Entry]:
    yield (
        "PowerTransformer", "tr", {_NAME: "TR", "Equipment.EquipmentContainer": "#station"}
    )  # fmt: skip
    for end, level, r, x, g, b, clock, winding in (
        (1, 110, 1.936, 58.0, 1e-6, -5e-6, 0, "D"), (2, 20, 0, 0, 0, 0, 5, "Yn"),
    ):  # fmt: skip
        values = {"r": r, "x": x, "g": g, "b": b, "ratedU": level, "ratedS": 25,
                  "phaseAngleClock": clock, "connectionKind": f"{CIM}WindingConnection.{winding}",
                  "PowerTransformer": "#tr"}  # fmt: skip
        yield "PowerTransformerEnd", f"end{end}", {
            _NAME: f"TR {end}", "TransformerEnd.endNumber": end,
            "TransformerEnd.Terminal": f"#t_tr{end}", "TransformerEnd.BaseVoltage": f"#bv{level}",
        } | {f"PowerTransformerEnd.{name}": value for name, value in values.items()}  # fmt: skip
    yield "RatioTapChanger", "taps", {
        _NAME: "taps", "TapChanger.lowStep": -9, "TapChanger.highStep": 9,
        "TapChanger.neutralStep": 0, "TapChanger.normalStep": 0, "TapChanger.neutralU": 110,
        "TapChanger.ltcFlag": "true", "RatioTapChanger.stepVoltageIncrement": 1.5,
        "RatioTapChanger.TransformerEnd": "#end1",
        "RatioTapChanger.tculControlMode": f"{CIM}TransformerControlMode.volt",
    }  # fmt: skip


def _nodes() -> list[Entry]:
    return [
        ("TopologicalNode", node, {
            _NAME: node, "TopologicalNode.ConnectivityNodeContainer": f"#{container}",
            "TopologicalNode.BaseVoltage": f"#{level}",
        })
        for node, container, level, _ in _NODES
    ]  # fmt: skip


def _connected() -> list[Entry]:
    return [("Terminal", t, {"Terminal.TopologicalNode": f"#{n}"}) for t, _, _, n in _TERMINALS]


def _voltages() -> list[Entry]:
    return [
        ("SvVoltage", f"sv{node}", {
            "SvVoltage.TopologicalNode": f"#{node}", "SvVoltage.v": kilovolts,
            "SvVoltage.angle": 0,
        })
        for node, _, _, kilovolts in _NODES
    ]  # fmt: skip


def _state() -> list[Entry]:
    return [
        *(("Terminal", t, {"ACDCTerminal.connected": "true"}) for t, *_ in _TERMINALS),
        ("EnergyConsumer", "load", {
            "EnergyConsumer.p": 2.0, "EnergyConsumer.q": 0.4,
        }),
        ("ExternalNetworkInjection", "net", {
            "ExternalNetworkInjection.p": 0, "ExternalNetworkInjection.q": 0,
            "ExternalNetworkInjection.referencePriority": 1,
            "RegulatingCondEq.controlEnabled": "true",
        }),
        ("RatioTapChanger", "taps", {"TapChanger.step": 2, "TapChanger.controlEnabled": "false"}),
        ("RegulatingControl", "control", {
            "RegulatingControl.targetValue": 112.2, "RegulatingControl.enabled": "true",
            "RegulatingControl.discrete": "false",
            "RegulatingControl.targetValueUnitMultiplier": f"{CIM}UnitMultiplier.k",
        }),
    ]  # fmt: skip
