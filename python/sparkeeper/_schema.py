"""Schemas of configurations: what fits, what does not, and where.

A schema is a dataclass, or a dictionary of field names to types or to `(type, default)`, or None for any JSON.
Types are `bool`, `int`, `float`, `str`, `None`, `Any`, `list`, `tuple` and `dict` (with string keys) of types, unions,
`Literal`, enumerations, dataclasses and such dictionaries, in any depth. JSON has one kind of number: an `int` fits
where a `float` is asked for. A `bool` is no `int`.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from typing import TYPE_CHECKING, Any, Literal, Union

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN: dict[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}
_UNIONS = (Union, types.UnionType)
_SHOWN = 60


class Misfit(Exception):
    """A value does not fit: where, and why."""

    def __init__(self, field: str, why: str) -> None:
        """Remember where."""
        super().__init__(f"field '{field}': {why}" if field else why)
        self.field = field


def check_schema(schema: object, field: str = "") -> None:
    """Raise ConfigError where no JSON value could be checked against a type, or a default misfits its own."""
    if schema is not None and not any(applies(schema) for applies, _ in _RULES):
        raise ConfigError(
            f"schema: field '{field}': {_name(schema)} is not a type that can be checked; use a dataclass, bool, int, "
            "float, str, None, list, tuple, dict[str, ...], a union, Literal or an Enum"
        )
    for below, inner in _parts(schema, field):
        # A dataclass may contain itself.
        if inner is not Ellipsis and inner is not schema and schema not in typing.get_args(inner):
            check_schema(inner, below)
    try:
        for below, inner, default in _defaults(schema, field):
            fit(inner, _to_json(default, below), below)
    except Misfit as misfit:
        raise ConfigError(f"schema: the default of {misfit}") from None


def _defaults(schema: object, field: str) -> list[tuple[str, Any, Any]]:
    if isinstance(schema, dict):
        pairs = {name: wanted for name, wanted in schema.items() if isinstance(wanted, tuple)}
        return [(_below(field, name), wanted[0], wanted[1]) for name, wanted in pairs.items()]
    if _is_dataclass(schema):
        hints, fields = _hints(schema), dataclasses.fields(typing.cast("Any", schema))
        given = [each for each in fields if each.init and _has_default(each)]
        return [(_below(field, each.name), hints[each.name], _default(each)) for each in given]
    return []


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 - whatever was declared
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _parts(schema: object, field: str) -> list[tuple[str, Any]]:
    origin, arguments = typing.get_origin(schema), typing.get_args(schema)
    if isinstance(schema, dict):
        for name in schema:
            if not isinstance(name, str):
                raise ConfigError(f"schema: the field name {name!r} is no string")
        return [(_below(field, name), _wanted(wanted)) for name, wanted in schema.items()]
    if _is_dataclass(schema):
        return [(_below(field, name), wanted) for name, wanted in _hints(schema).items()]
    if origin is dict and arguments[0] is not str:
        raise ConfigError(f"schema: field '{field}': JSON has string keys only; write dict[str, ...]")
    return [] if origin is Literal else [(field, argument) for argument in arguments]


def to_text(schema: object, value: object) -> str:
    """Return a value as JSON text.

    Raises:
        Misfit: It does not fit the schema, or JSON.
    """
    if _is_dataclass(schema) and dataclasses.is_dataclass(value) and not isinstance(value, typing.cast("type", schema)):
        raise Misfit("", f"found {_show(value)}, expected {_name(schema)}")
    try:
        data = _to_json(value, "")
        fit(Any if schema is None else schema, data)
        return json.dumps(data, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise Misfit("", f"a {type(value).__name__} that contains itself, or is too deep, is no JSON") from None
    except ValueError as error:
        raise Misfit("", f"{_show(data)} is no JSON: {error}") from None


def from_text(schema: object, text: str) -> Any:  # noqa: ANN401 - what the schema says
    """Return the value that a JSON text stands for.

    Raises:
        Misfit: It does not fit the schema.
    """
    return fit(Any if schema is None else schema, json.loads(text))


def fit(schema: object, data: object, field: str = "") -> Any:  # noqa: ANN401 - what the schema says
    """Return `data`, which came from JSON, as the schema's type.

    Raises:
        Misfit: It does not fit.
    """
    for applies, take in _RULES:
        if applies(schema):
            return take(schema, data, field)
    raise Misfit(field, f"{_name(schema)} is not a type that can be checked")


def _any(_schema: object, data: object, _field: str) -> object:
    return data


def _null(_schema: object, data: object, field: str) -> object:
    _expect(data is None, field, data, None)
    return data


def _plain(schema: object, data: object, field: str) -> object:
    accepted = _PLAIN[typing.cast("type", schema)]
    _expect(isinstance(data, accepted) and (schema is bool or not isinstance(data, bool)), field, data, schema)
    return float(typing.cast("float", data)) if schema is float else data


def _mapping(schema: object, data: object, field: str) -> dict[str, Any]:
    _expect(isinstance(data, dict), field, data, schema)
    inner = (typing.get_args(schema) or (str, Any))[1]
    return {key: fit(inner, item, _below(field, key)) for key, item in typing.cast("dict[str, Any]", data).items()}


def _record(schema: Any, data: object, field: str) -> dict[str, Any]:  # noqa: ANN401 - a dictionary
    _expect(isinstance(data, dict), field, data, dict)
    data = typing.cast("dict[str, Any]", data)
    _known(data, list(schema), field)
    found = {}
    for name, wanted in schema.items():
        optional = isinstance(wanted, tuple)
        if name in data:
            found[name] = fit(_wanted(wanted), data[name], _below(field, name))
        elif optional:
            found[name] = wanted[1]
        else:
            raise Misfit(_below(field, name), "it is missing, and has no default")
    return found


def _instance(schema: Any, data: object, field: str) -> object:  # noqa: ANN401 - a dataclass
    _expect(isinstance(data, dict), field, data, schema)
    data = typing.cast("dict[str, Any]", data)
    hints, fields = _hints(schema), [each for each in dataclasses.fields(schema) if each.init]
    _known(data, [each.name for each in fields], field)
    found = {}
    for each in fields:
        if each.name in data:
            found[each.name] = fit(hints[each.name], data[each.name], _below(field, each.name))
        elif not _has_default(each):
            raise Misfit(_below(field, each.name), "it is missing, and has no default")
    try:
        return schema(**found)
    except (TypeError, ValueError) as error:
        # What the class itself checks in __post_init__.
        raise Misfit(field, f"{schema.__name__} refused it: {error}") from error


def _union(schema: object, data: object, field: str) -> object:
    misfits = []
    for choice in typing.get_args(schema):
        # A union of int and float keeps an int an int.
        if choice is float and isinstance(data, int) and int in typing.get_args(schema):
            continue
        try:
            return fit(choice, data, field)
        except Misfit as misfit:
            misfits.append(misfit)
    deeper = [misfit for misfit in misfits if misfit.field != field]
    # One choice fitted but for something inside: that is what to mend.
    raise deeper[0] if len(deeper) == 1 else Misfit(field, f"found {_show(data)}, expected {_name(schema)}")


def _choice(schema: object, data: object, field: str) -> object:
    if _is_enum(schema):
        members = list(typing.cast("type[enum.Enum]", schema))
        for member in members:
            if member.value == data and type(member.value) is type(data):
                return member
        choices = [member.value for member in members]
    else:
        choices = list(typing.get_args(schema))
        if any(choice == data and type(choice) is type(data) for choice in choices):
            return data
    raise Misfit(field, f"found {_show(data)}, expected one of {', '.join(map(repr, choices))}")


def _sequence(schema: object, data: object, field: str) -> object:
    _expect(isinstance(data, list), field, data, schema)
    data, origin, inner = typing.cast("list[Any]", data), typing.get_origin(schema), typing.get_args(schema)
    if origin is list:
        return [fit(inner[0], item, f"{field}[{at}]") for at, item in enumerate(data)]
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:  # noqa: PLR2004 - tuple[T, ...]
        return tuple(fit(inner[0], item, f"{field}[{at}]") for at, item in enumerate(data))
    if origin is tuple:
        if len(data) != len(inner):
            raise Misfit(field, f"found {len(data)} items, expected {len(inner)}")
        return tuple(fit(each, item, f"{field}[{at}]") for at, (each, item) in enumerate(zip(inner, data, strict=True)))
    return tuple(data) if schema is tuple else data


def _to_json(value: object, field: str) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [each for each in dataclasses.fields(value) if each.init]
        return {each.name: _to_json(getattr(value, each.name), _below(field, each.name)) for each in fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise Misfit(field, f"the key {key!r} is no string, and JSON has no other keys")
        return {key: _to_json(item, _below(field, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item, f"{field}[{at}]") for at, item in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Misfit(field, f"{_show(value)} is a {type(value).__name__}, which JSON does not have")


def _known(data: dict[str, Any], names: list[str], field: str) -> None:
    for name in data:
        if name not in names:
            raise Misfit(_below(field, name), f"there is no such field; there are {', '.join(names) or 'none'}")


def _expect(fits: bool, field: str, data: object, schema: object) -> None:  # noqa: FBT001 - an assertion
    if not fits:
        raise Misfit(field, f"found {_show(data)}, expected {_name(schema)}")


def _hints(schema: object) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def _is_plain(schema: object) -> bool:
    return isinstance(schema, type) and schema in _PLAIN


def _wanted(declared: Any) -> Any:  # noqa: ANN401 - a type, or a type and a default
    return declared[0] if isinstance(declared, tuple) else declared


def _is_dataclass(schema: object) -> bool:
    return isinstance(schema, type) and dataclasses.is_dataclass(schema)


def _is_enum(schema: object) -> bool:
    return isinstance(schema, type) and issubclass(schema, enum.Enum)


def _below(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _name(schema: object) -> str:
    if schema is None or schema is type(None):
        return "null"
    if typing.get_origin(schema) in _UNIONS:
        return " or ".join(_name(choice) for choice in typing.get_args(schema))
    return schema.__name__ if isinstance(schema, type) and not typing.get_args(schema) else str(schema)


def _show(data: object) -> str:
    text = repr(data)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return "null" if data is None else f"{type(data).__name__} {shown}"


def _is_a(*kinds: object) -> Callable[[object], bool]:
    return lambda schema: any((typing.get_origin(schema) or schema) is kind for kind in kinds)


# What a schema is, and how data is fitted to it; the first that applies.
_RULES: list[tuple[Callable[[object], bool], Callable[[object, object, str], object]]] = [
    (_is_a(Any), _any),
    (_is_a(None, type(None)), _null),
    (_is_plain, _plain),
    (lambda schema: isinstance(schema, dict), _record),
    (_is_dataclass, _instance),
    (_is_a(*_UNIONS), _union),
    (_is_a(Literal), _choice),
    (_is_enum, _choice),
    (_is_a(list, tuple), _sequence),
    (_is_a(dict), _mapping),
]
