"""Secrets by reference: from a file that only its owner can read, or from the environment."""

import os
from pathlib import Path

from pydantic import SecretStr

from trader.config import Settings, StoreConfig, VenueKind
from trader.errors import ConfigInvalid


def secret(file: str, variable: str, where: str) -> SecretStr | None:
    """The secret, or None where neither is set. Raises ConfigInvalid for a file others can read."""
    if file:
        path = Path(file).expanduser()
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigInvalid((f"{where}: others can read {path}: chmod 600 {path}",))
            return SecretStr(path.read_text("utf-8").strip())
        except OSError as error:
            raise ConfigInvalid((f"{where}: {path}: {error.strerror}",)) from error
    value = os.environ.get(variable, "") if variable else ""
    return SecretStr(value) if value else None


def database_url(config: StoreConfig) -> str:
    """Of the user's own server; "" means the embedded one."""
    found = secret(config.database_url_file, config.database_url_env, "store.database_url_file")
    return found.get_secret_value() if found is not None else ""


def secrets_of(settings: Settings) -> list[str]:
    """Every secret the configuration points to: none of them may stand in a log."""
    found = [database_url(settings.store)]
    for name, account in settings.accounts.items():
        if account.venue is VenueKind.SANDBOX:
            continue  # its keys are made by the venue itself
        for file, variable in (
            (account.key_file, account.key_env),
            (account.secret_file, account.secret_env),
        ):
            value = secret(file, variable, f"accounts.{name}")
            found.append(value.get_secret_value() if value is not None else "")
    return [each for each in found if each]
