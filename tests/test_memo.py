from __future__ import annotations

from resizer.memo import Memo


def test_memo_forgets_its_oldest_entry() -> None:
    memo: Memo[str, int] = Memo(2)
    for number, key in enumerate(("a", "b", "a", "c")):
        memo.remember(key, number)
    assert dict(memo) == {"a": 2, "c": 3}
