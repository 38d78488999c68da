"""Who asks: a bearer token, its role, and its relation to what is asked for."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from central.api.problems import Problem
from central.api.services import Services
from central.scd.roles import Holder, Resource
from central.scd.tokens import Disclosure
from ledger.facts.interval import Interval

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="certiflex"'}


def services_of(request: Request) -> Services:
    """Return what the application works with."""
    services: Services = request.app.state.services
    return services


def holder_of(request: Request) -> Holder:
    """Return who holds the request's bearer token.

    Raises:
        Problem: 401, there is none, or it opens nothing.
    """
    services = services_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "token-missing", "send Authorization: Bearer TOKEN", headers=_CHALLENGE)
    holder = services.tokens.holder(token.strip(), services.clock.now_ms())
    if holder is None:
        raise Problem(
            401, "token-unknown", "the token is unknown, expired or revoked", headers=_CHALLENGE
        )
    return holder


class Asker:
    """Whoever asks, with what they may see."""

    def __init__(self, request: Request) -> None:
        self.services = services_of(request)
        self.holder = holder_of(request)

    def need(self, resource: Resource) -> None:
        """Refuse a role that has no cell for this resource.

        Raises:
            Problem: 403.
        """
        if self.holder.reach(resource) is None:
            raise Problem(
                403, "role-denied", f"the role {self.holder.role} may not read {resource}"
            )

    def nodes_of(self, pod: str, resource: Resource, interval: Interval | None = None) -> list[int]:
        """Return the nodes of a POD that the asker may see.

        Raises:
            Problem: 403 for the role; 404 for a POD that is unknown or none of theirs.
        """
        self.need(resource)
        nodes = self.services.directory.nodes_of(pod)
        if not nodes or not self.holder.may_see(resource, pod, interval):
            raise Problem(404, "pod-unknown", "there is no such POD among those you may see")
        return nodes

    def visible_nodes(self, resource: Resource) -> frozenset[int] | None:
        """Return the nodes that the asker may see; None stands for all of them.

        Raises:
            Problem: 403.
        """
        self.need(resource)
        if self.holder.sees_every_pod(resource):
            return None
        directory = self.services.directory
        mine = set(self.holder.pods(resource, directory.pods()))
        return frozenset(i for i, stored in directory.nodes().items() if stored.pod in mine)

    def disclose(self, pod: str, what: str, interval: Interval) -> None:
        """Write down that a 4-second profile goes out, before it does."""
        self.services.tokens.disclosed(
            Disclosure(
                read_ms=self.services.clock.now_ms(), token_id=self.holder.token_id,
                role=self.holder.role.value, pod=pod, what=what, interval=interval,
            )
        )  # fmt: skip


Asking = Annotated[Asker, Depends(Asker)]
