"""Vendor the page's libraries: pack each version pinned in manifest.json, copy its modules, record their digests.

Browsers resolve no bare specifiers without an import map, and an inline import map would need a hole in the page's
content security policy. So the few bare imports between these libraries are rewritten to neighbouring files.

Run `python web/vendor/update.py` after changing a version (needs npm), `--check` to compare files with the manifest.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TypedDict

VENDOR = Path(__file__).parent
MANIFEST = VENDOR / "manifest.json"
NEIGHBOURS = {
    "preact": "./preact.js",
    "preact/hooks": "./preact-hooks.js",
    "@preact/signals-core": "./signals-core.js",
}


class Package(TypedDict):
    name: str
    version: str
    licence: str
    files: dict[str, str]  # our file name → path inside the package
    sha256: dict[str, str]  # our file name → digest of what is served


def main(arguments: list[str]) -> int:
    packages: list[Package] = json.loads(MANIFEST.read_text())["packages"]
    if arguments == ["--check"]:
        stale = [file for package in packages for file in altered(package)]
        for file in stale:
            print(f"{file} differs from manifest.json; run `python web/vendor/update.py`", file=sys.stderr)
        return 1 if stale else 0
    pinned = [fetch(package) for package in packages]
    MANIFEST.write_text(json.dumps({"packages": pinned}, indent=2) + "\n")
    return 0


def altered(package: Package) -> list[str]:
    """The vendored files of a package that are not what the manifest says."""
    return [file for file in package["files"] if digest((VENDOR / file).read_bytes()) != package["sha256"].get(file)]


def fetch(package: Package) -> Package:
    """Copy one package's modules and licence from the registry's tarball; return it with fresh digests."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{package['name']}@{package['version']}"
        packed = subprocess.run(
            ["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(folder) / packed.stdout.strip()) as tarball:
            files = {member.name.partition("/")[2]: member for member in tarball.getmembers() if member.isfile()}
            digests: dict[str, str] = {}
            for ours, theirs in package["files"].items():
                served = rewrite(contents(tarball, files[theirs]).decode()).encode()
                (VENDOR / ours).write_bytes(served)
                digests[ours] = digest(served)
            licence = next((name for name in files if name.upper().startswith("LICENSE")), None)
            if licence is not None:
                target = VENDOR / "licences" / f"{package['name'].replace('/', '-').lstrip('@')}.txt"
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(contents(tarball, files[licence]))
    return {**package, "sha256": digests}


def rewrite(module: str) -> str:
    """Point bare imports at neighbouring files and drop the pointer to a source map that is not vendored."""
    module = re.sub(r"\n?//# sourceMappingURL=\S+", "", module)
    for bare, neighbour in NEIGHBOURS.items():
        module = re.sub(rf"""(\b(?:from|import)\s?)["']{re.escape(bare)}["']""", rf'\1"{neighbour}"', module)
    return module


def contents(tarball: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tarball.extractfile(member)
    if file is None:
        raise FileNotFoundError(f"{member.name!r} is not a regular file in its package")
    return file.read()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
