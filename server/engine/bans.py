"""What may not be said next: an automaton over token ids that follows a completion."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from collections.abc import Sequence as Ids

from server.engine.protocol import Ban


class BanAutomaton:
    """All bans as one Aho-Corasick automaton: a step costs the same for one or for thousands.

    A ban's last token is what its other tokens forbid; a state holds all that is forbidden in it.
    """

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        self._next: list[dict[int, int]] = [{}]
        self._fall = [0]
        self._forbidden: list[frozenset[int]] = [frozenset()]
        self.longest = 0
        """Tokens in the longest ban: no more of a context than that matters."""
        for ban in bans:
            self._add(ban.tokens)
        self._link()

    def follow(self, context: Ids[int]) -> BanWalk:
        """A walk that has seen the end of `context`."""
        walk = BanWalk(self)
        for token in context[max(0, len(context) - self.longest) :]:
            walk.advance(token)
        return walk

    def step(self, state: int, token: int) -> int:
        """The state after `token`; amortised over a text, a constant number of look-ups."""
        while True:
            found = self._next[state].get(token)
            if found is not None:
                return found
            if state == 0:
                return 0
            state = self._fall[state]

    def forbidden(self, state: int) -> frozenset[int]:
        """The tokens that may not follow in `state`."""
        return self._forbidden[state]

    def _add(self, tokens: tuple[int, ...]) -> None:
        if not tokens:
            raise ValueError("a ban needs at least one token")
        state = 0
        for token in tokens[:-1]:
            following = self._next[state].get(token)
            if following is None:
                following = len(self._next)
                self._next[state][token] = following
                self._next.append({})
                self._fall.append(0)
                self._forbidden.append(frozenset())
            state = following
        self._forbidden[state] |= {tokens[-1]}
        self.longest = max(self.longest, len(tokens))

    def _link(self) -> None:
        """Point each state to the longest other one that is an end of it, nearest states first."""
        waiting = deque(self._next[0].values())
        if self._forbidden[0]:
            for state in waiting:
                self._forbidden[state] |= self._forbidden[0]
        while waiting:
            state = waiting.popleft()
            for token, following in self._next[state].items():
                fall = self.step(self._fall[state], token)
                self._fall[following] = fall
                if self._forbidden[fall]:
                    self._forbidden[following] |= self._forbidden[fall]
                waiting.append(following)


class BanWalk:
    """One completion's way through the automaton."""

    def __init__(self, automaton: BanAutomaton) -> None:
        self._automaton = automaton
        self._state = 0

    def advance(self, token: int) -> None:
        """`token` has been said."""
        self._state = self._automaton.step(self._state, token)

    def forbidden(self) -> frozenset[int]:
        """What may not be said now."""
        return self._automaton.forbidden(self._state)


class ForbiddenStart:
    """Ways that a completion may not begin: the last token of each may not follow the others."""

    def __init__(self, ways: Iterable[tuple[int, ...]]) -> None:
        self._ways = list(ways)

    def advance(self, token: int) -> None:
        """`token` has been said."""
        self._ways = [way[1:] for way in self._ways if len(way) > 1 and way[0] == token]

    def forbidden(self) -> list[int]:
        """What may not be said now."""
        return [way[0] for way in self._ways if len(way) == 1]
