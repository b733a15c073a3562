"""The record of a run: every event and every effect, in order, on disk before it is acted on.

A folder (0700) of numbered segment files (0600), written by one `JournalWriter` at a time and read
by any number of `JournalReader`s. `engine.journal.codec` says what the bytes are and what damage
they survive.
"""

from engine.journal.codec import Kind, RunMeta
from engine.journal.reader import JournalReader, RawRecord, Record
from engine.journal.writer import JournalWriter

__all__ = ["JournalReader", "JournalWriter", "Kind", "RawRecord", "Record", "RunMeta"]
