"""Every kind of document, by the name it goes by on the wire."""

import re

from central.documents.availability import DerAvailability
from central.documents.baseline import Baseline
from central.documents.configuration import GridConfiguration
from central.documents.congestion import CongestionAlert
from central.documents.customers import CustomerList
from central.documents.header import Document
from central.documents.measurement import FieldMeasurements
from central.documents.measures import QuarterMeasures
from central.documents.offer import FlexOffer
from central.documents.order import FlexOrder, SetPoint
from central.documents.outcome import MarketOutcome
from central.documents.plan import DerPlan
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.documents.validation import TechnicalValidation


def kind_of(document: type[Document]) -> str:
    """Return the name of a kind on the wire: ``flex-offer`` for `FlexOffer`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", document.__name__).lower()


KINDS: dict[str, type[Document]] = {
    kind_of(document): document
    for document in (
        QuarterMeasures,
        CustomerList,
        Baseline,
        FlexOffer,
        FlexRequest,
        TechnicalValidation,
        MarketOutcome,
        FlexOrder,
        SetPoint,
        CongestionAlert,
        GridConfiguration,
        SubstationProfile,
        DerAvailability,
        DerPlan,
        FieldMeasurements,
    )
}
