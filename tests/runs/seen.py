"""Did ranks that trained on shards see every picture once in each epoch?  python seen.py FOLDER_OF_RECORDS SHARD..."""

import sys
import tarfile
from collections import Counter
from pathlib import Path

from colorbench.data.shards import labeled
from colorbench.noise import stable_id


def ids(shards: list[str]) -> set[int]:
    """Of all pictures of the shards."""
    found = set()
    for shard in shards:
        with tarfile.open(shard) as tar:
            found |= {stable_id(label) for label, _ in labeled(Path(shard).name.split(".")[0], tar)}
    return found


def count(folder: Path) -> tuple[Counter[tuple[int, int]], dict[str, int]]:
    """({(epoch, id): times seen}, {rank: pictures}) of the recorder's files."""
    seen: Counter[tuple[int, int]] = Counter()
    ranks: Counter[str] = Counter()
    for file in sorted(folder.glob("rank*.txt")):
        for line in file.read_text().splitlines():
            rank, visit, name = line.split()
            seen[int(visit), int(name)] += 1
            ranks[rank] += 1
    return seen, dict(ranks)


if __name__ == "__main__":
    there = ids(sys.argv[2:])
    seen, ranks = count(Path(sys.argv[1]))
    print(f"{len(there)} pictures in {len(sys.argv) - 2} shards; given to ranks: {ranks}")
    for epoch in sorted({visit for visit, _ in seen}):
        found = [name for visit, name in seen if visit == epoch]
        twice = sum(1 for (visit, _), times in seen.items() if visit == epoch and times > 1)
        print(
            f"epoch {epoch}: {len(found)} seen, {twice} of them twice, {len(there - set(found))} not (yet) seen, "
            f"{len(set(found) - there)} from elsewhere"
        )
