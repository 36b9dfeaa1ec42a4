#!/usr/bin/env python3
"""The layers: a folder under src/ may include its own headers, and of the layers it stands on
the one header of that name. cli/ may include aizip.h alone. What is allowed is the table below. Files are listed by hand in
CMakeLists.txt, so a file that is not listed is a fault, too."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# layer: the layers whose header it may include. A layer that includes another's header gets
# what that header includes, too.
ALLOWED = {
    "base": set(),
    "kernels": {"base"},
    "coder": {"base"},
    "gguf": {"base"},
    "tokenizer": {"base", "gguf"},
    "transformer": {"base", "kernels", "gguf"},
    "measure": {"base", "kernels", "gguf", "tokenizer", "transformer", "predict"},
    "container": {"base"},
    "dataset": {"base"},
    "classify": {"base"},
    "cm": {"base", "kernels", "coder"},
    "predict": {"base", "kernels", "coder", "cm", "gguf", "tokenizer", "transformer"},
    "primers": {"base"},
    "codec": {"base", "coder", "predict", "container", "primers"},
    "api": {"base", "predict", "codec", "container", "primers"},
    "engine_api": {"base", "gguf", "predict", "codec", "container", "model_api"},
    "model_api": {"base", "gguf"},
    "classifier": {"base", "kernels", "gguf", "tokenizer", "transformer", "measure", "dataset",
                   "classify", "model_api"},
    "text": {"base", "coder", "predict", "codec", "primers"},
    "sample": {"base", "coder", "predict", "codec", "classify"},
    "trainer": {"base", "gguf", "tokenizer", "transformer", "predict", "measure"},
    "score_api": {"base", "kernels", "gguf", "tokenizer", "transformer", "measure", "model_api"},
}
PUBLIC = ROOT / "include" / "aizip.h"
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def layer_of(path):
    parts = path.relative_to(ROOT / "src").parts
    return parts[0] if len(parts) > 1 else path.stem


def check(path, layer):
    """The faults of one file, as sentences."""
    shown = path.relative_to(ROOT)
    for name in INCLUDE.findall(path.read_text()):
        if name == "aizip.h":
            continue
        target = (path.parent / name).resolve()
        if not target.exists():
            target = (ROOT / "src" / name).resolve()
        if not target.exists():
            yield f"{shown}: {name} is not there"
        elif ROOT / "src" not in target.parents:
            if target != PUBLIC:
                yield f"{shown}: {name} is outside src/"
        else:
            other = layer_of(target)
            if other == layer:
                continue
            if other not in ALLOWED[layer]:
                yield f"{shown}: layer {layer} may not include {other} ({name})"
            elif target.name != other + ".h":
                yield f"{shown}: {name} is private to layer {other}"


def check_outside(path):
    """cli/: its own header and aizip.h."""
    for name in INCLUDE.findall(path.read_text()):
        if name != "aizip.h" and (path.parent / name).resolve().parent != path.parent:
            yield f"{path.relative_to(ROOT)}: may include aizip.h only, not {name}"


def main():
    faults, n_files = [], 0
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        layer = layer_of(path)
        n_files += 1
        if layer not in ALLOWED:
            faults.append(f"{path.relative_to(ROOT)}: {layer} is no layer in tests/layers.py")
        else:
            faults += check(path, layer)
    for path in sorted((ROOT / "cli").glob("*.[ch]")):
        n_files += 1
        faults += check_outside(path)
    listed = (ROOT / "CMakeLists.txt").read_text()
    for pattern in ("src/**/*.c", "cli/*.c", "tests/test_*.c", "fuzz/*.c"):
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            if name not in listed:
                faults.append(f"{name} is not listed in CMakeLists.txt")
    names = {}
    for path in [*(ROOT / "src").rglob("*.[ch]"), *(ROOT / "cli").glob("*.[ch]")]:
        if path.name in names:
            faults.append(f"two files are named {path.name}")
        names[path.name] = path
    for fault in faults:
        print(fault)
    print(f"{n_files} files looked at")
    print(f"{int(not faults)} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
