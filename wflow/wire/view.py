"""A read-only mapping that answers to items and attributes, in camelCase and in snake_case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOINT = re.compile(r"_([a-z0-9])")


class View(dict[str, Any]):
    """A dict under Cloudflare's camelCase keys, whose items have Python's names as well.

    ``view["instanceId"]``, ``view["instance_id"]``, ``view.instance_id`` and ``view.instanceId`` are one.
    It is a real dict, so that `json.dumps` and `Response.json` take it; changing it raises TypeError.
    """

    __slots__ = ()

    def get(self, key: object, default: Any = None) -> Any:
        """Get an item under either of its names."""
        try:
            return self[key]  # type: ignore[index]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or super().__contains__(_camel(key))

    def __missing__(self, key: str) -> Any:
        """Find a snake_case key under its camelCase name."""
        camel = str(_camel(key))
        if super().__contains__(camel):
            return self[camel]
        raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        """Give an item as an attribute."""
        try:
            return self[name]
        except KeyError:
            known = ", ".join(map(str, self)) or "nothing"
            raise AttributeError(f"there is no {name!r} here; there is {known}") from None

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError("this is read-only; make a copy with dict(...) to change it")

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __reduce__(self) -> tuple[type[View], tuple[Mapping[str, Any]]]:
        """Copy and pickle as what it holds."""
        return type(self), (dict(self),)


def _camel(key: Any) -> Any:
    return _JOINT.sub(lambda found: found[1].upper(), key) if isinstance(key, str) else key
