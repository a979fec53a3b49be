"""The time of day."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def clock(timezone: str = "UTC") -> str:
    """Tell the current date and time in a time zone.

    Args:
        timezone: IANA name of the time zone, such as Europe/Berlin or Asia/Tokyo.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LookupError(f"there is no time zone {timezone!r}; names look like Europe/Berlin") from error
    now = datetime.now(zone)
    return f"{now:%A, %d %B %Y, %H:%M:%S} ({timezone}, UTC{now:%z})"
