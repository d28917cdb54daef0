"""`pykka.Actor` as the type checker shall see it: its hooks return None there, and ours may wait.

At run time `StockActor` is `pykka.Actor` itself, so that `issubclass`, the registry and the refs
are the real ones.
"""

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pykka

if TYPE_CHECKING:

    class StockActor:
        """What we use of `pykka.Actor`, its two waiting hooks aside."""

        actor_urn: str
        actor_inbox: Any
        actor_stopped: threading.Event

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

        @property
        def actor_ref(self) -> pykka.ActorRef[Any]:
            """pykka's reference to this very body; peers hold an `Address` instead."""

        @classmethod
        def start(cls, *args: Any, **kwargs: Any) -> pykka.ActorRef[Any]:
            """Start it the stock way, without a supervisor; the class must have its `runtime`."""

        def on_receive(self, message: Any) -> Any:
            """Handle one message; what it returns answers an ask."""

        def on_failure(
            self,
            exception_type: type[BaseException] | None,
            exception_value: BaseException | None,
            traceback: TracebackType | None,
        ) -> None:
            """Called when this incarnation has ended by an error, also while starting."""

        def _handle_receive(self, message: Any) -> Any: ...
else:
    StockActor = pykka.Actor
