"""Topologies T1 to T6: every axis with every kind of rule, each drawn with what comes of it.

Of each axis: apart hard and soft; together hard and soft, with a domain named and without. ``drawing`` tells
how to read them. What ``together`` without a name chooses is the domain with the least room that takes all.
"""

from __future__ import annotations

import pytest

from tests.python.unit.schedule.drawing import Drawing, Outcome, agree, read

DRAWINGS = """
T1 datacenters

datacenter                        | d1      | d2      | d3      |
power                             | A  | B  | A  | B  | A  | B  |
rack                              | r1 | r2 | r3 | r4 | r5 | r6 |
node                              | a  | b  | c  | d  | e  | f  |
free                              | 1  | 1  | 2  | 2  | 3  | 3  |
no rule, 6                        | 2       | 2       | 2       |
apart hard datacenter, 4          | 1       | 1       | 1       | 1 refused
apart soft datacenter, 6          | 2       | 2       | 2       |
apart soft datacenter, 9          | 2       | 7                 |
together hard datacenter, 4       | 0       | 4       | 0       |
together hard datacenter, 7       | 0       | 0       | 6       | 1 refused
together soft datacenter, 4       | 0       | 4       | 0       |
together soft datacenter, 7       | 1                 | 6       |
together hard datacenter in d1, 3 | 2       | 0       | 0       | 1 refused
together soft datacenter in d1, 4 | 2       | 2                 |
together hard datacenter in d9, 1 | 0       | 0       | 0       | 1 refused
together soft datacenter in d9, 3 | 3                           |

T2 power: what is fed by A and by B is a domain of its own, that fails only when both do

power                         | A       | A+B     | B       |
rack                          | r1 | r2 | r3 | r4 | r5 | r6 |
node                          | a  | b  | c  | d  | e  | f  |
free                          | 1  | 1  | 2  | 2  | 3  | 3  |
no rule, 6                    | 2       | 2       | 2       |
apart hard power, 4           | 1       | 1       | 1       | 1 refused
apart soft power, 6           | 2       | 2       | 2       |
apart soft power, 9           | 2       | 7                 |
together hard power, 4        | 0       | 4       | 0       |
together hard power, 7        | 0       | 0       | 6       | 1 refused
together soft power, 4        | 0       | 4       | 0       |
together soft power, 7        | 1                 | 6       |
together hard power in A+B, 5 | 0       | 4       | 0       | 1 refused
together hard power in A, 3   | 2       | 0       | 0       | 1 refused
together soft power in A, 4   | 2       | 2                 |

T3 racks

power                       | A                 | B       |
rack                        | r1      | r2      | r3      |
node                        | a  b    | c  d    | e  f    |
free                        | 1  1    | 2  2    | 3  3    |
no rule, 4                  | 2                 | 2       |
apart hard rack, 4          | 1       | 1       | 1       | 1 refused
apart soft rack, 6          | 2       | 2       | 2       |
apart soft rack, 9          | 2       | 7                 |
together hard rack, 4       | 0       | 4       | 0       |
together hard rack, 7       | 0       | 0       | 6       | 1 refused
together soft rack, 4       | 0       | 4       | 0       |
together soft rack, 7       | 1                 | 6       |
together hard rack in r1, 3 | 2       | 0       | 0       | 1 refused
together soft rack in r1, 4 | 2       | 2                 |

T4 network: two leaf routers, and nodes on both of them, which are a domain of their own

network                           | leaf1   | leaf1+leaf2 | leaf2   |
rack                              | r1 | r2 | r3 | r4     | r5 | r6 |
node                              | a  | b  | c  | d      | e  | f  |
free                              | 1  | 1  | 2  | 2      | 3  | 3  |
no rule, 6                        | 2       | 2           | 2       |
apart hard network, 4             | 1       | 1           | 1       | 1 refused
apart soft network, 6             | 2       | 2           | 2       |
apart soft network, 9             | 2       | 7                     |
together hard network, 4          | 0       | 4           | 0       |
together hard network, 7          | 0       | 0           | 6       | 1 refused
together soft network, 4          | 0       | 4           | 0       |
together soft network, 7          | 1                     | 6       |
together hard network in leaf1, 3 | 2       | 0           | 0       | 1 refused
together soft network in leaf1, 4 | 2       | 2                     |

T5 nodes

rack                       | r1      | r2 |
node                       | a  | b  | c  |
free                       | 1  | 2  | 4  |
no rule, 2                 | 1       | 1  |
apart hard node, 4         | 1  | 1  | 1  | 1 refused
apart soft node, 3         | 1  | 1  | 1  |
apart soft node, 7         | 1  | 2  | 4  |
together hard node, 2      | 0  | 2  | 0  |
together hard node, 5      | 0  | 0  | 4  | 1 refused
together soft node, 2      | 0  | 2  | 0  |
together soft node, 5      | 1       | 4  |
together hard node in b, 3 | 0  | 2  | 0  | 1 refused
together soft node in b, 3 | 0  | 2  | 1  |

T6 a label, here the room

room                       | x       | y       | z       |
rack                       | r1 | r2 | r3 | r4 | r5 | r6 |
node                       | a  | b  | c  | d  | e  | f  |
free                       | 1  | 1  | 2  | 2  | 3  | 3  |
no rule, 6                 | 2       | 2       | 2       |
apart hard room, 4         | 1       | 1       | 1       | 1 refused
apart soft room, 6         | 2       | 2       | 2       |
apart soft room, 9         | 2       | 7                 |
together hard room, 4      | 0       | 4       | 0       |
together hard room, 7      | 0       | 0       | 6       | 1 refused
together soft room, 4      | 0       | 4       | 0       |
together soft room, 7      | 1                 | 6       |
together hard room in x, 3 | 2       | 0       | 0       | 1 refused
together soft room in x, 4 | 2       | 2                 |

"""
TITLES = [line for line in DRAWINGS.splitlines() if line.startswith("T")]
ROWS = {"T1": "J11", "T2": "J3", "T3": "J4", "T4": "J5", "T5": "J8", "T6": "J8"}


def _cases() -> list[object]:
    cases: list[object] = []
    for at, title in enumerate(TITLES):
        start = DRAWINGS.index(title)
        end = DRAWINGS.index(TITLES[at + 1]) if at + 1 < len(TITLES) else len(DRAWINGS)
        drawing = read(DRAWINGS[start:end])
        name = title.split()[0]
        for outcome in drawing.outcomes:
            mark = pytest.mark.design("J8", ROWS[name])
            cases.append(pytest.param(drawing, outcome, id=f"{name} {outcome.title}", marks=mark))
    return cases


@pytest.mark.parametrize(("drawing", "outcome"), _cases())
def test_it_comes_out_as_drawn(drawing: Drawing, outcome: Outcome) -> None:
    agree(drawing, outcome)


@pytest.mark.parametrize("axis", ["datacenter", "power", "rack", "network", "node", "room"])
def test_every_kind_of_rule_is_drawn_for_the_axis(axis: str) -> None:
    drawn = {
        (rule["mode"], rule["hard"], rule["value"] is not None)
        for text in TITLES
        for case in _cases()
        for rule in case.values[1].rules  # type: ignore[attr-defined]
        if text and rule["axis"] == axis
    }
    assert len(drawn) == 6, drawn
