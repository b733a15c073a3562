"""Every error perpd raises, as one tree.

    PerpdError
    |-- UsageError              the person at the keyboard can mend it: exit code 2, no traceback
    |   |-- ConfigError         a config file: names the file, the key, and what was expected
    |   |-- StrategyError       a strategy could not be found, loaded or given its parameters
    |   |-- CredentialsError    a key or token cannot trade the account it was given for
    |   `-- DataError           market data is missing, malformed, or lacks what was asked of it
    |-- ModelError              a value that cannot exist (a price off the grid): the caller's bug
    |-- JournalError            a journal cannot be read or written
    |-- ReplayDivergence        a recorded run came out differently: names the first difference
    |-- TransportError          a link to a venue is closed, lost or overfull
    |   `-- NotSentError        no connection could be made: nothing of the request left
    |-- VenueError              a venue said something that makes no sense, or refused a request
    |-- StoppedEarly            a run was asked to end before it had opened
    `-- VirtualTimeError        a run in virtual time would wait for the real world, or for ever

A refusal, a reject, a partial fill and an unknown outcome are data, never exceptions.
"""

from __future__ import annotations


class PerpdError(Exception):
    """The base of every error perpd raises on purpose."""


class UsageError(PerpdError):
    """The person at the keyboard can mend it: shown as one line, exit code 2."""


class ConfigError(UsageError):
    """A config file is wrong: the message names the file, the key and what was expected."""


class StrategyError(UsageError):
    """A strategy could not be found, loaded or given its parameters."""


class DataError(UsageError):
    """Market data is missing, malformed, or does not hold what was asked of it."""


class ModelError(PerpdError):
    """A value that cannot exist in the model: a bug in the caller."""


class JournalError(PerpdError):
    """A journal cannot be read or written."""


class ReplayDivergence(PerpdError):
    """A recorded run came out differently: the message names the first effect that differs."""


class TransportError(PerpdError):
    """A link to a venue is closed, lost or overfull."""


class NotSentError(TransportError):
    """No connection could be made: it is certain that nothing of the request left."""


class VenueError(PerpdError):
    """A venue said something that makes no sense, or refused a request that only reads."""


class CredentialsError(UsageError):
    """A key or token cannot trade the account it was given for; the message says what can."""


class StoppedEarly(PerpdError):
    """A run was asked to end before it had opened: no order was sent."""


class VirtualTimeError(PerpdError):
    """A run in virtual time would wait for the real world, or for ever."""
