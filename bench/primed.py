#!/usr/bin/env python3
"""primed.py --corpus DIRECTORY [--aizip PROGRAM] [--level N]: what a dictionary gives to small files.

Pieces of 4,096 bytes from all over each file (32, or as many as it has), each compressed by itself to
an archive, decoded, and compared; sizes are sums. `primer` is the built-in dictionary of the group,
`auto` the choice of the program. For `trained` every eighth run of 64 KiB of the file is left out of
the samples; pieces are from those. zstd, if it is there, is given what its own --train makes of the
same samples. Times are medians of whole processes, in turn."""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PIECE, PIECES, RUN = 4096, 32, 1 << 16
GROUPS = {
    "prose": "canterbury/alice29.txt canterbury/lcet10.txt canterbury/asyoulik.txt calgary/book1 udhr/udhr_eng.xml",
    "code": "canterbury/fields.c calgary/progc calgary/progl canterbury/cp.html source-code/lua-src.tar",
    "json": "json/citm_catalog.json json/github_events.json json/twitter.json json/canada.json",
    "logs": "loghub/Apache_2k.log loghub/HDFS_2k.log loghub/Linux_2k.log",
}


def run(*command, data=None):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def spread(pieces, most):
    return pieces if len(pieces) <= most else [pieces[k * len(pieces) // most] for k in range(most)]


def pieces_of(data):
    whole = [data[k:k + PIECE] for k in range(0, len(data) - PIECE + 1, PIECE)]
    return spread(whole or [data], PIECES)


class Sizes:
    def __init__(self, program, level):
        self.program, self.level = program, f"-{level}"

    def aizip(self, pieces, *options, given=()):
        total = 0
        for piece in pieces:
            archive = run(self.program, "-c", "-q", "-T1", self.level, *options, *given, data=piece)
            if run(self.program, "-dc", "-q", *given, data=archive) != piece:
                sys.exit("an archive does not decode to what was given")
            total += len(archive)
        return total

    def zstd(self, pieces, dictionary):
        total = 0
        for piece in pieces:
            frame = run("zstd", "-19", "-c", "-q", "-D", dictionary, data=piece)
            assert run("zstd", "-dc", "-q", "-D", dictionary, data=frame) == piece
            total += len(frame)
        return total

    def trained(self, path, data, folder):
        runs = [data[k:k + RUN] for k in range(0, len(data), RUN)]
        if len(runs) < 3:
            runs = [data[k:k + PIECE] for k in range(0, len(data), PIECE)]
        samples = []
        for k, part in enumerate(runs):
            if k % 8 != 1:
                for j in range(0, len(part), PIECE):
                    samples.append(folder / f"{path.name}-{k}-{j}")
                    samples[-1].write_bytes(part[j:j + PIECE])
        left = [part[j:j + PIECE] for k, part in enumerate(runs) if k % 8 == 1 for j in range(0, len(part), PIECE)]
        pieces = spread([piece for piece in left if len(piece) == PIECE], PIECES)
        primer = folder / "primer"
        run(self.program, "train", "-q", "-f", self.level, "-o", primer, *samples)
        without, withit = self.aizip(pieces), self.aizip(pieces, given=("-D", primer))
        zstd = None
        if shutil.which("zstd"):
            made = subprocess.run(["zstd", "-q", "-f", "--train", "-o", folder / "zdict", *samples],
                                  stderr=subprocess.PIPE, check=False)
            zstd = self.zstd(pieces, folder / "zdict") if made.returncode == 0 else None
        return without, withit, zstd


def start_up(program, piece):
    times = {"none": [], "prose": []}
    for _ in range(15):
        for name, options in (("none", ()), ("prose", ("--prime", "prose"))):
            begin = time.perf_counter()
            run(program, "-c", "-q", *options, data=piece)
            times[name].append(time.perf_counter() - begin)
    return [1000 * statistics.median(times[name]) for name in ("none", "prose")]


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--aizip", default=str(here / "build" / "aizip"))
    parser.add_argument("--level", type=int, default=5)
    args = parser.parse_args()
    sizes = Sizes(args.aizip, args.level)
    print("| file | primer | alone | primed | | auto | | held out, alone | trained | | zstd -19, trained |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for primer, names in GROUPS.items():
        shares = []
        for name in names.split():
            path = args.corpus / name
            data = path.read_bytes()
            pieces = pieces_of(data)
            alone, primed, auto = (sizes.aizip(pieces, *options) for options in
                                   ((), ("--prime", primer), ("--prime", "auto")))
            with tempfile.TemporaryDirectory() as folder:
                without, trained, zstd = (sizes.trained(path, data, pathlib.Path(folder))
                                          if len(data) > 16 * PIECE else (0, 0, None))
            shares.append(1 - primed / alone)

            def less(new, old):
                return f"-{100 * (1 - new / old):.1f} %" if old else ""

            print(f"| {path.name} | {primer} | {alone:,} | {primed:,} | {less(primed, alone)} | {auto:,} | "
                  f"{less(auto, alone)} | {without or '':,} | {trained or '':,} | {less(trained, without)} | "
                  f"{zstd or '':,} |" if without else
                  f"| {path.name} | {primer} | {alone:,} | {primed:,} | {less(primed, alone)} | {auto:,} | "
                  f"{less(auto, alone)} | | | | |", flush=True)
        print(f"| mean | {primer} | | | -{100 * statistics.mean(shares):.1f} % | | | | | | |")
    none, prose = start_up(args.aizip, pieces[0])
    print(f"\nA process for 4,096 bytes: {none:.0f} ms, after a built-in dictionary of 64 KB {prose:.0f} ms.")


if __name__ == "__main__":
    main()
