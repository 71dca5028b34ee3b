"""Merkle trees as in RFC 6962, 2.1 (RFC 9162, 2.1): roots, inclusion and consistency.

A tree is given as `node(level, index)`: the hash of the complete subtree over the leaves
`index·2^level … (index+1)·2^level − 1`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from asbuilt.errors import ProofError

HASH = 32
"""Length of a hash, bytes."""
MAX_PATH = 64
"""No tree is higher."""
EMPTY = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""

Node = Callable[[int, int], bytes]
_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data)."""
    return _sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return _sha256(b"\1" + left + right).digest()


def levels_of(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All complete subtrees over leaf hashes, level by level, the leaves first."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append(
            [_sha256(b"\1" + below[at] + below[at + 1]).digest() for at in range(0, len(below) - len(below) % 2, 2)]
        )
    return levels


def node_of(levels: Sequence[Sequence[bytes]]) -> Node:
    """The tree whose complete subtrees are in a list."""
    return lambda level, index: levels[level][index]


def root(size: int, node: Node) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return _range(0, size, node) if size else EMPTY


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    return root(len(leaves), node_of(levels_of(leaves)))


def _range(start: int, end: int, node: Node) -> bytes:
    """The hash over leaves `start … end−1`; `start` is a multiple of the smallest power of two ≥ their number."""
    count = end - start
    top = count.bit_length() - 1
    if count == 1 << top:
        return node(top, start >> top)
    split = start + (1 << top)
    return node_hash(node(top, start >> top), _range(split, end, node))


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of a leaf (RFC 6962, 2.1.1), from its sibling up."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(_range(split, end, node))
            end = split
        else:
            path.append(_range(start, split, node))
            start = split
    return path[::-1]


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """The proof that the tree of `old` leaves begins the tree of `new` (RFC 6962, 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {old} cannot begin a tree of {new}")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            path.append(_range(split, end, node))
            end = split
        else:
            path.append(_range(start, split, node))
            start, whole = split, False
    if not whole:
        path.append(_range(start, end, node))
    return path[::-1]


# --------------------------------------------------------------------------- checking


def check_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Raise `ProofError` unless the leaf hash stands at `index` of the tree (RFC 9162, 2.1.3.2)."""
    if _included_root(index, size, leaf, path) != root:
        raise ProofError("not_included", f"leaf {index} is not in the tree of {size} with this root")


def _included_root(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    if not 0 <= index < size or not _are_hashes(path) or len(leaf) != HASH:
        raise ProofError("not_included", f"there is no such place as {index} of {size}")
    at, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise ProofError("not_included", "the path is too long")
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("not_included", "the path is too short")
    return found


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raise `ProofError` unless the old tree begins the new one (RFC 9162, 2.1.4.2).

    Nothing is consistent with a tree without leaves: it says nothing about what came later.
    """
    if not 0 < old <= new or not _are_hashes(path) or not _are_hashes([old_root, new_root]):
        raise ProofError("not_consistent", f"a tree of {old} cannot be held against a tree of {new}")
    if old == new:
        if path or old_root != new_root:
            raise ProofError("not_consistent", f"two trees of {old} differ")
        return
    steps = list(path) if old & (old - 1) else [old_root, *path]
    if not steps:
        raise ProofError("not_consistent", "the proof is too short")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    from_old = from_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError("not_consistent", "the proof is too long")
        if at & 1 or at == last:
            from_old, from_new = node_hash(step, from_old), node_hash(step, from_new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            from_new = node_hash(from_new, step)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("not_consistent", "the proof is too short")
    if from_old != old_root or from_new != new_root:
        raise ProofError("not_consistent", f"the tree of {old} does not begin the tree of {new}: the log was forked")


def _are_hashes(path: Sequence[bytes]) -> bool:
    return len(path) <= MAX_PATH and all(len(step) == HASH for step in path)
