"""Index: which stored vectors lie nearest to a query, by squared Euclidean distance.

    flat   FAISS IndexFlatL2: exact, compares with every vector
    hnsw   FAISS IndexHNSWFlat: a graph of neighbors (Malkov & Yashunin 2018), approximate, for a million vectors
    torch  exact, a matrix product on the vectors' own device

All three answer alike on small banks, which is tested.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from colorbench.errors import UserError
from colorbench.ranges import Several
from colorbench.registry import register


class Index(ABC):
    """Vectors are float32 [n d]; rows are numbered in the order in which they are added."""

    @abstractmethod
    def add(self, vectors: Tensor) -> None:
        """Append."""

    @abstractmethod
    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """[b d] -> squared distances [b k], ascending, and rows int64 [b k]; k must not exceed what is stored."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything."""


class _Faiss(Index):
    def __init__(self) -> None:
        self._index: Any = None

    def add(self, vectors: Tensor) -> None:
        if self._index is None:
            self._index = self._make(_faiss(), vectors.shape[1])
        self._index.add(vectors.detach().float().cpu().contiguous().numpy())

    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        distances, rows = self._index.search(queries.detach().float().cpu().contiguous().numpy(), k)
        return torch.from_numpy(distances).to(queries.device), torch.from_numpy(rows).to(queries.device)

    def clear(self) -> None:
        self._index = None

    @abstractmethod
    def _make(self, faiss: Any, dimensions: int) -> Any: ...


@register("index", "flat")
class Flat(_Faiss):
    """Exact, FAISS."""

    def __init__(self) -> None:
        super().__init__()

    def _make(self, faiss: Any, dimensions: int) -> Any:
        return faiss.IndexFlatL2(dimensions)


@register("index", "hnsw")
class HNSW(_Faiss):
    """Approximate, FAISS; links: neighbors of each vector in the graph, effort: candidates kept while searching."""

    def __init__(self, *, links: Several, effort: Several) -> None:
        super().__init__()
        self.links, self.effort = links, effort

    def _make(self, faiss: Any, dimensions: int) -> Any:
        index = faiss.IndexHNSWFlat(dimensions, self.links)
        index.hnsw.efSearch = self.effort
        return index


@register("index", "torch")
class Exact(Index):
    """Exact, torch."""

    def __init__(self) -> None:
        self._vectors: Tensor | None = None

    def add(self, vectors: Tensor) -> None:
        vectors = vectors.detach().float()
        self._vectors = vectors if self._vectors is None else torch.cat([self._vectors, vectors])

    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k smallest of |q|^2 - 2 q.v + |v|^2."""
        assert self._vectors is not None
        with torch.autocast(queries.device.type, enabled=False):
            v, q = self._vectors.to(queries.device), queries.float()
            squares = q.square().sum(1, keepdim=True) - 2.0 * q @ v.T + v.square().sum(1)
            distances, rows = squares.topk(k, largest=False)
        return distances.clamp_min(0.0), rows

    def clear(self) -> None:
        self._vectors = None


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UserError("index: FAISS is not installed; pip install faiss-cpu, or write index: torch") from error
    return faiss
