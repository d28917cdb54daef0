"""What things are called on both sides."""

from trader.ids import AccountId


def number_of(account_id: AccountId) -> str:
    """The venue's name of an account."""
    return f"SIM-{account_id}"
