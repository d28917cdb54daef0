"""The exchange's days, in New York time."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def day_end(at: datetime) -> datetime:
    """The next midnight in New York, in UTC: day orders end there, for this venue never sleeps."""
    tomorrow = at.astimezone(NEW_YORK).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), NEW_YORK).astimezone(UTC)
