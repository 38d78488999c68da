"""Bodies of requests: taken whole, of a media type we know, and never too large."""

from starlette.requests import ClientDisconnect, Request

from central.api.access import services_of
from central.api.problems import Problem

CBOR = "application/cbor"
COSE = "application/cose"
JSON = "application/json"


async def body_of(request: Request, *media_types: str) -> tuple[str, bytes]:
    """Return the media type and the body of a request.

    Raises:
        Problem: 415, it is of none of these types; 413, it is too large; 400, the client has gone
            before its end.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in media_types:
        wanted = " or ".join(media_types)
        code = f"not-{media_types[0].partition('/')[2]}"
        raise Problem(415, code, f"send {wanted}, not {media_type or 'nothing'}")
    most_bytes = services_of(request).max_body_bytes
    taken = bytearray()
    try:
        async for chunk in request.stream():
            taken += chunk
            if len(taken) > most_bytes:
                raise Problem(413, "too-large", f"at most {most_bytes} bytes are taken")
    except ClientDisconnect as error:
        told = f"the connection ended after {len(taken)} bytes; send it again"
        raise Problem(400, "incomplete", told) from error
    return media_type, bytes(taken)
