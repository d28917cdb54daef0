"""An incident, decided once more. A difference that is meant is taken over by
`trader replay-incident crash_while_buying.jsonl --accept`.
"""

from pathlib import Path

from actors.app.incident import replay
from adapters.incidents.reading import read


def test_the_incident_of_aapl_sma_2026_11_20_is_decided_as_it_was() -> None:
    replayed = replay(read(Path(__file__).with_name("crash_while_buying.jsonl")))

    assert replayed.answers
    differences = [str(each) for each in replayed.first_differences]
    assert differences == [], "if they are meant: trader replay-incident FILE --accept"
