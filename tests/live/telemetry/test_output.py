"""Splitting a runtime's output into log events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labkit.live.telemetry.output import MAX_EVENT_BYTES, OutputEvent, OutputParser


def frame(text: str, kind: int = 0xA55A0003) -> bytes:
    data = text.encode()
    return kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + bytes(8) + data


def parsed(*pieces: bytes) -> list[OutputEvent]:
    parser = OutputParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.flush()


def test_plain_text_is_one_event_a_line_and_a_frame_is_one_event() -> None:
    assert [event.text for event in parsed(b"a\nb\n" + frame("c\nd") + b"e")] == [
        "a\n", "b\n", "c\nd\n", "e\n",
    ]  # fmt: skip


def test_a_frame_ends_an_unfinished_line() -> None:
    assert [event.text for event in parsed(b"no newline" + frame("record\n"))] == [
        "no newline\n", "record\n",
    ]  # fmt: skip


def test_levels_of_both_formats() -> None:
    kinds = {0xA55A0003: None, 0xA55A000B: "DEBUG", 0xA55A000F: "INFO", 0xA55A000E: "INFO",
             0xA55A0013: "WARN", 0xA55A0017: "ERROR", 0xA55A0016: "ERROR", 0xA55A001B: "FATAL"}  # fmt: skip
    for kind, level in kinds.items():
        assert parsed(frame("x\n", kind)) == [OutputEvent("x\n", level)]


PIECES = st.lists(
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))
        .map(lambda text: text.encode() + b"\n"),
        st.text(st.characters(codec="utf-8")).map(frame),
    ),
    max_size=8,
)  # fmt: skip


@given(pieces=PIECES, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_where_the_bytes_are_cut_does_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    cut = [data[start:end] for start, end in zip(places, places[1:], strict=False)]
    assert parsed(*cut) == parsed(data)
    assert len(parsed(data)) == sum(
        1 if piece.startswith(b"\xa5\x5a\x00") else piece.count(b"\n") for piece in pieces
    )


def test_a_line_without_end_is_cut_at_the_size_of_a_log_event() -> None:
    parser = OutputParser()
    (event,) = parser.feed(b"x" * (MAX_EVENT_BYTES + 10))
    assert len(event.text) == MAX_EVENT_BYTES + 1


def test_bytes_that_are_no_text() -> None:
    assert parsed(b"\xff\xfe\n")[0].text == "\ufffd\ufffd\n"
