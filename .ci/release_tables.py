"""The tables of docs/release.md, made from the locks; `make lock` writes them, a test compares them."""

from __future__ import annotations

import json
from typing import Any

from licences import join_licences, split_licences
from wheels import LOCKS, ROOT

PAGE = ROOT / "docs" / "release.md"
_SYSTEMS = {"linux-x64": "Linux", "macos-arm64": "macOS", "windows-x64": "Windows"}


def read_locks() -> list[dict[str, Any]]:
    """All locks as they stand in their files."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(LOCKS.glob("*.json"))]


def sizes() -> str:
    """Sizes of the engine's packages, one row a lock."""
    lines = ["| lock | wheels | MB to download | MB unpacked |", "|---|---|---|---|"]
    for lock in read_locks():
        wheels, device = lock["wheels"], "" if lock["device"] == "cpu" else f"-{lock['device']}"
        total, unpacked = (sum(wheel[name] for wheel in wheels) / 1e6 for name in ("size", "unpacked"))
        lines.append(f"| {lock['platform']}-{lock['abi']}{device} | {len(wheels)} | {total:.0f} | {unpacked:.0f} |")
    return "\n".join(lines) + "\n"


def bundled() -> str:
    """Packages of the zips with their versions and licences, one row a package."""
    lines = ["| package | version | licences everywhere | and on |", "|---|---|---|---|"]
    locks = [lock for lock in read_locks() if lock["device"] == "cpu"]
    for package in sorted({wheel["package"] for lock in locks for wheel in lock["wheels"]}):
        versions, found = set(), {}
        for lock in locks:
            for wheel in lock["wheels"]:
                if wheel["package"] == package:
                    versions.add(wheel["version"])
                    found.setdefault(lock["platform"], set()).update(split_licences([wheel["licence"]]))
        common = set.intersection(*found.values())
        more = {name: join_licences(sorted(licences - common)) for name, licences in found.items()}
        extra = "; ".join(f"{_SYSTEMS[name]}: {text}" for name, text in sorted(more.items()) if text)
        lines.append(f"| {package} | {', '.join(sorted(versions))} | {join_licences(sorted(common))} | {extra} |")
    return "\n".join(lines) + "\n"


TABLES = {"sizes": sizes, "bundled": bundled}


def with_tables(text: str) -> str:
    """The page's text with both tables as the locks have them now."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: made by `make lock` -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = before + begin + make() + end + rest.split(end, 1)[1]
    return text


def main() -> None:
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
