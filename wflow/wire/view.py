"""A read-only mapping that answers to items and attributes, in Cloudflare's camelCase and in Python's snake_case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOINT = re.compile(r"_([a-z0-9])")


class View(dict[str, object]):
    """A dict under camelCase keys: ``view["instanceId"]``, ``view["instance_id"]``, ``view.instance_id``, ``view.instanceId``.

    It is a real dict, so that `json.dumps` and `Response.json` take it; changing it raises TypeError.
    """

    __slots__ = ()

    def __missing__(self, key: str) -> object:
        """Find a snake_case key under its camelCase name."""
        camel = _JOINT.sub(lambda found: found[1].upper(), key)
        if camel != key and camel in self:
            return self[camel]
        raise KeyError(key)

    def __getattr__(self, name: str) -> object:
        """Give an item as an attribute."""
        try:
            return self[name]
        except KeyError:
            known = ", ".join(self)
            message = f"there is no {name!r} here; there is {known}"
            raise AttributeError(message) from None

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        message = "this is read-only; make a copy with dict(...) to change it"
        raise TypeError(message)

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __reduce__(self) -> tuple[type[View], tuple[Mapping[str, object]]]:
        """Copy and pickle as what it holds."""
        return View, (dict(self),)
