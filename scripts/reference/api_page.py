"""docs/api.md: what `import endotwin` offers, from signatures and docstrings; griffe reads the source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

from scripts.reference.markdown import WRITTEN, code, escape, table

_ROOT = Path(__file__).resolve().parents[2]
_STEPS = 2
"""Types and errors are described that are named by what is exported, and those that these name in turn."""

_HEAD = f"""# Reference: `import endotwin`

{WRITTEN}

Every public name with its signature, what it takes and returns, and its errors, from the docstrings.
[python.md](python.md) shows how they are used.
"""
_SHOWN_METHODS = ("__call__", "__len__", "__iter__")


def api_page() -> str:
    """Return the page."""
    package = griffe.load("endotwin", search_paths=[_ROOT], docstring_parser="google")
    assert isinstance(package, griffe.Module)
    return _Page(package).text()


class _Page:
    def __init__(self, package: griffe.Module) -> None:
        self._package = package
        self._exported = [str(name) for name in package.exports or ()]
        self._errors = {each.name: each for each in _classes(package) if each.name.endswith("Error")}
        self._found = self._find()

    def text(self) -> str:
        """Return the whole."""
        exported = [self._resolve(f"endotwin.{name}") for name in self._exported]
        others = [each for each in self._found if each not in exported]
        groups = {
            "Functions": [each for each in exported if each.is_function],
            "Classes": [each for each in exported if each.is_class and each.name not in self._errors],
            "What they take and return": sorted(
                (each for each in others if each.name not in self._errors), key=lambda each: each.name
            ),
            "Errors": sorted(
                (each for each in self._found if each.name in self._errors), key=lambda each: each.name
            ),
        }
        lines = [_HEAD]
        for title, members in groups.items():
            lines += [f"{title}: {', '.join(_link(each.name) for each in members)}.", ""]
        for title, members in groups.items():
            lines += [f"## {title}", ""]
            for each in members:
                lines += self._describe(each)
        return "\n".join(lines).rstrip() + "\n"

    def _resolve(self, path: str) -> griffe.Object:
        found = self._package[path.removeprefix("endotwin.")]
        return found.final_target if isinstance(found, griffe.Alias) else found

    def _find(self) -> list[griffe.Object]:
        """Return what is exported, and the types and errors that it names."""
        found: list[griffe.Object] = []
        wanted = [f"endotwin.{name}" for name in self._exported]
        for _ in range(_STEPS + 1):
            new = [each for each in map(self._resolve, wanted) if each not in found]
            found += dict.fromkeys(new)
            wanted = [path for each in new for path in self._named_by(each)]
        return found

    def _named_by(self, described: griffe.Object) -> Iterator[str]:
        """Yield the paths of types and errors in this package that signatures and docstrings name."""
        for member in [described, *self._members(described), *_fields(described)]:
            hints = [member.returns] if isinstance(member, griffe.Function) else []
            if isinstance(member, griffe.Function):
                hints += [parameter.annotation for parameter in member.parameters]
            if isinstance(member, griffe.Attribute):
                hints += [member.annotation, member.value if member is described else None]
            for hint in hints:
                if isinstance(hint, griffe.Expr):
                    names = (part for part in hint.iterate(flat=True) if isinstance(part, griffe.ExprName))
                    yield from (
                        name.canonical_path for name in names if name.canonical_path.startswith("endotwin.")
                    )
            for section in member.docstring.parsed if member.docstring else ():
                if isinstance(section, griffe.DocstringSectionRaises):
                    names = (str(each.annotation) for each in section.value)
                    yield from (self._errors[name].path for name in names if name in self._errors)

    def _members(self, described: griffe.Object) -> list[griffe.Object]:
        """Return the public members of a class; how it is made only if users are to make it."""
        if not isinstance(described, griffe.Class):
            return []
        made = described.name in self._exported and described.name not in self._errors
        return [
            member
            for name, member in described.members.items()
            if isinstance(member, griffe.Function | griffe.Attribute)
            and member.docstring
            and (not name.startswith("_") or name in _SHOWN_METHODS or (made and name == "__init__"))
        ]

    def _describe(self, described: griffe.Object) -> list[str]:
        exported = described.name in self._exported
        path = f"endotwin.{described.name}" if exported else described.path
        lines = [f"### `{described.name}`", ""]
        if isinstance(described, griffe.Class):
            bases = ", ".join(text for base in described.bases if not (text := str(base)).startswith("_"))
            lines += ["```python", f"class {path}{f'({bases})' if bases else ''}", "```", ""]
        elif isinstance(described, griffe.Attribute):
            lines += ["```python", f"{path} = {described.value}", "```", ""]
        lines += self._body(described, path)
        for member in self._members(described):
            made = member.name == "__init__"
            lines += [f"#### `{described.name}{'' if made else f'.{member.name}'}`", ""]
            lines += self._body(member, path if made else member.name)
        return lines

    def _body(self, described: griffe.Object, name: str) -> list[str]:
        lines = _signature(described, name)
        for section in described.docstring.parsed if described.docstring else ():
            if isinstance(section, griffe.DocstringSectionText):
                lines += [escape(section.value), ""]
            elif isinstance(section, griffe.DocstringSectionParameters):
                rows = [
                    [
                        code(each.name),
                        self._type(each.annotation),
                        _default(each.default),
                        escape(each.description),
                    ]
                    for each in section.value
                ]
                lines += table(["argument", "type", "default", "meaning"], rows)
            elif isinstance(section, griffe.DocstringSectionAttributes):
                rows = [
                    [code(each.name), self._type(each.annotation), escape(each.description)]
                    for each in section.value
                ]
                lines += table(["attribute", "type", "meaning"], rows)
            elif isinstance(section, griffe.DocstringSectionReturns):
                lines += [
                    f"Returns: {escape(' '.join(each.description.split()))}" for each in section.value
                ]
                lines += [""]
            elif isinstance(section, griffe.DocstringSectionRaises):
                rows = [[self._type(each.annotation), escape(each.description)] for each in section.value]
                lines += table(["raises", "when"], rows)
        if isinstance(described, griffe.Class) and not _has_attributes(described):
            rows = [[code(each.name), self._type(each.annotation)] for each in _fields(described)]
            lines += table(["field", "type"], rows)
        return lines

    def _type(self, annotation: str | griffe.Expr | None) -> str:
        """Return a type as code, with a link if it is a single name that the page describes."""
        text = "" if annotation is None else str(annotation)
        known = any(each.name == text for each in self._found)
        return _link(text) if known else code(text) if text else ""


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    for member in module.members.values():
        if isinstance(member, griffe.Module):
            yield from _classes(member)
        elif isinstance(member, griffe.Class):
            yield member


def _fields(described: griffe.Object) -> list[griffe.Attribute]:
    """Return what a class has that its docstring says nothing of."""
    return [
        member
        for member in described.members.values()
        if isinstance(described, griffe.Class)
        and isinstance(member, griffe.Attribute)
        and member.annotation
        and member.is_public
        and not member.docstring
    ]


def _has_attributes(described: griffe.Class) -> bool:
    parsed = described.docstring.parsed if described.docstring else ()
    return any(isinstance(section, griffe.DocstringSectionAttributes) for section in parsed)


def _signature(described: griffe.Object, name: str) -> list[str]:
    if isinstance(described, griffe.Attribute) and described.annotation and "property" in described.labels:
        return ["```python", f"{name}: {described.annotation}", "```", ""]
    if not isinstance(described, griffe.Function):
        return []
    prefix = "async " if "async" in described.labels else ""
    arguments, keywords_only = [], False
    for each in described.parameters:
        if each.name == "self":
            continue
        if each.kind is griffe.ParameterKind.keyword_only and not keywords_only:
            arguments, keywords_only = [*arguments, "*"], True
        stars = "**" if each.kind is griffe.ParameterKind.var_keyword else ""
        default = f" = {each.default}" if each.default is not None and not stars else ""
        arguments.append(f"{stars}{each.name}{f': {each.annotation}' if each.annotation else ''}{default}")
    returns = f" -> {described.returns}" if described.returns and described.name != "__init__" else ""
    line = f"{prefix}{name}({', '.join(arguments)}){returns}"
    if len(line) > 100:
        line = f"{prefix}{name}(\n" + "".join(f"    {each},\n" for each in arguments) + f"){returns}"
    return ["```python", line, "```", ""]


def _default(value: str | griffe.Expr | None) -> str:
    return "" if value is None or str(value) == "{}" else code(str(value))


def _link(name: str) -> str:
    return f"[`{name}`](#{name.lower()})"
