"""The customers of an aggregator: where they are, what they may take, and what they can move."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from central.aggregator.devices.declared import Device
from central.aggregator.history import Booleans, Floats
from central.documents.customers import CustomerList, ListedCustomer
from central.documents.header import Envelope
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody who lets the aggregator move something.

    Args:
        pod: where.
        contract_w: what its contract lets it take [W].
        feed_in_w: what its contract lets it give [W]; as much as it may take if None.
        consent: when its owner lets the aggregator offer it; always if None.
        owner: the party that is told what is reserved (I-14).
        devices: at most one of each resource, or they could not be told apart.

    Raises:
        Rejected: `no_contract_power`, `bad_feed_in` or `same_resource`.
    """

    pod: Pod
    contract_w: int
    owner: str
    devices: tuple[Device, ...]
    feed_in_w: int | None = None
    consent: Interval | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be offered."""
        if self.contract_w <= 0:
            raise Rejected(
                f"a contractual power must be above 0 W, not {self.contract_w}",
                where=self.pod.code,
                remedy="give the power of its contract",
                reason="no_contract_power",
            )
        if self.feed_in_w is not None and self.feed_in_w < 0:
            raise Rejected(
                f"what may be given must be 0 W or more, not {self.feed_in_w}",
                where=self.pod.code,
                remedy="give the power of its contract",
                reason="bad_feed_in",
            )
        counted = Counter(device.resource for device in self.devices)
        for resource, count in counted.items():
            if count > 1:
                raise Rejected(
                    f"{count} devices are {resource.value}",
                    where=self.pod.code,
                    remedy="declare them as one, with their powers added",
                    reason="same_resource",
                )


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Customers in the order of their PODs; see `of`."""

    aggregator: str
    customers: tuple[Customer, ...]

    @classmethod
    def of(cls, aggregator: str, customers: Iterable[Customer]) -> Self:
        """Return the portfolio of an aggregator, whatever the order in which it is told.

        Raises:
            Rejected: `pod_twice`.
        """
        ordered = sorted(customers, key=lambda each: each.pod)
        for one, other in pairwise(ordered):
            if one.pod == other.pod:
                raise Rejected(
                    "two customers have this POD",
                    where=one.pod.code,
                    remedy="strike out the one whose contract has ended",
                    reason="pod_twice",
                )
        return cls(aggregator, tuple(ordered))

    @classmethod
    def listed(cls, told: CustomerList, devices: Mapping[Pod, Sequence[Device]]) -> Self:
        """Return the portfolio of a list of customers (I-02), with what they have declared.

        Whoever is not on the list does not take part, and neither does a resource that it does
        not name.

        Args:
            told: the newest revision of the list.
            devices: what each owner has declared.

        Raises:
            Rejected: `undeclared`: the list names a resource that nobody has declared; or as
                `Customer`.
        """
        return cls.of(
            told.sender, (_listed(each, devices.get(each.pod, ())) for each in told.customers)
        )

    def listing(self, balance_party: str, envelope: Envelope, validity: Interval) -> CustomerList:
        """Return the list of those who can move something then (I-02), as the others see them.

        Args:
            balance_party: that files their programmes.
            envelope: header of the document.
            validity: what it speaks of; a customer without a time of consent consents to all of it.
        """
        listed = ((each, each.consent or validity) for each in self.customers if each.devices)
        return CustomerList(
            **envelope.header(validity),
            customers=tuple(
                ListedCustomer(
                    pod=each.pod,
                    contract_w=each.contract_w,
                    feed_in_w=each.contract_w if each.feed_in_w is None else each.feed_in_w,
                    owner=each.owner,
                    balance_party=balance_party,
                    resources=tuple(sorted({device.resource for device in each.devices})),
                    consent_start_ms=consent.start_ms,
                    consent_end_ms=consent.end_ms,
                )
                for each, consent in listed
                if consent.overlaps(validity)
            ),
        )

    @property
    def pods(self) -> tuple[str, ...]:
        """Return the codes of the PODs, in ascending order."""
        return tuple(each.pod.code for each in self.customers)

    @property
    def contract_w(self) -> Floats:
        """Return what contracts let customers take [W], shape (customers)."""
        return np.array([each.contract_w for each in self.customers], dtype=np.float64)

    @property
    def feed_in_w(self) -> Floats:
        """Return what contracts let customers give [W], shape (customers)."""
        told = [
            each.contract_w if each.feed_in_w is None else each.feed_in_w for each in self.customers
        ]
        return np.array(told, dtype=np.float64)

    def consented(self, interval: Interval) -> Booleans:
        """Tell when owners let the aggregator offer, shape (customers, quarters)."""
        starts_ms = np.arange(interval.start_ms, interval.end_ms, QUARTER_MS)
        agreed = [each.consent or interval for each in self.customers]
        first_ms = np.array([each.start_ms for each in agreed], dtype=np.int64)[:, None]
        end_ms = np.array([each.end_ms for each in agreed], dtype=np.int64)[:, None]
        consented: Booleans = (first_ms <= starts_ms) & (starts_ms + QUARTER_MS <= end_ms)
        return consented

    @property
    def groups(self) -> tuple[str, ...]:
        """Return who is alike: customers with devices of the same kinds."""
        return tuple(
            " ".join(sorted(device.resource for device in each.devices)) for each in self.customers
        )


def _listed(customer: ListedCustomer, devices: Sequence[Device]) -> Customer:
    taken = tuple(device for device in devices if device.resource in customer.resources)
    for resource in customer.resources:
        if resource not in {device.resource for device in taken}:
            raise Rejected(
                f"{resource.value} is on the list of customers, and no device of it is declared",
                where=customer.pod.code,
                remedy="ask its owner for the figures, or strike it out in a next revision",
                reason="undeclared",
            )
    return Customer(
        pod=customer.pod, contract_w=customer.contract_w, owner=customer.owner, devices=taken,
        feed_in_w=customer.feed_in_w, consent=customer.consent,
    )  # fmt: skip
