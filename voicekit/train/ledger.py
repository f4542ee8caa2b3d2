"""Memory of code that is run without numbers: tensors have sizes, a device and a life, but no content.

The very code that will train is run on fake tensors (torch._subclasses.FakeTensorMode), and every storage is counted while it
lives. Nothing is modelled by formulas, so what is predicted follows the code. Tensors that are not fake (ids, positions, masks)
are computed for real: control flow that depends on them is the real one.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary

M = TypeVar("M", bound=nn.Module)
_ATEN = torch.ops.aten
_BY_INDEX = (_ATEN.index, _ATEN._unsafe_index, _ATEN.index_put, _ATEN.index_put_, _ATEN._index_put_impl_)


class Ledger(TorchDispatchMode):
    """Counts, while it is entered, the bytes of all tensors that live, and what is computed.

    `now_bytes`, `peak_bytes` are of storages that came to life inside (or were `adopt`ed); `flops` of matrix products and
    attention; `moved_bytes` what all other operations read and wrote.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._known = WeakIdKeyDictionary()
        self.now_bytes = self.peak_bytes = self.flops = self.moved_bytes = 0

    def hollow(self, module: M, device: torch.device) -> M:
        """A copy of a module on `device` whose parameters have no content, counted from now on."""
        memo: dict[int, Any] = {}
        for p in module.parameters():
            with self._fake:
                empty = torch.empty(p.shape, dtype=p.dtype, device=device)
            memo[id(p)] = nn.Parameter(empty, requires_grad=p.requires_grad)
            self.adopt(memo[id(p)])
        return copy.deepcopy(module, memo)

    def adopt(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        num_bytes = storage.nbytes()
        self._known[storage] = num_bytes
        weakref.finalize(storage, self._freed, num_bytes)
        self.now_bytes += num_bytes
        self.peak_bytes = max(self.peak_bytes, self.now_bytes)

    def _freed(self, num_bytes: int) -> None:
        self.now_bytes -= num_bytes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        hollow = [t for t in given if isinstance(t, FakeTensor)]
        if not hollow:
            out = func(*args, **kwargs)
        elif func is _ATEN._local_scalar_dense.default:
            return hollow[0].dtype == torch.bool or 1.0  # a finite loss; "all numbers are finite"
        else:
            if len(hollow) < len(given):
                if func.overloadpacket in _BY_INDEX:
                    args = (args[0], _as_numbers(args[1]), *args[2:])
                args, kwargs = tree_map_only(Tensor, self._hollowed, (args, kwargs))
            with self._fake:
                out = func(*args, **kwargs)
        if not func.is_view:
            made = [t for t in tree_iter(out) if isinstance(t, Tensor)]
            for tensor in made:
                self.adopt(tensor)
            if (formula := flop_registry.get(func.overloadpacket)) is not None:
                self.flops += cast(Callable[..., int], formula)(*args, **kwargs, out_val=out)
            else:
                self.moved_bytes += sum(t.nbytes for t in (*given, *made))
        return out

    def _hollowed(self, tensor: Tensor) -> Tensor:
        return tensor if isinstance(tensor, FakeTensor) else self._fake.from_tensor(tensor)


def _as_numbers(indices: Any) -> list[Any]:
    """Boolean masks as the positions they mean: how many there are decides a shape."""
    found: list[Any] = []
    for index in indices:
        masks = isinstance(index, Tensor) and index.dtype == torch.bool and not isinstance(index, FakeTensor)
        found += index.nonzero().unbind(1) if masks else [index]
    return found
