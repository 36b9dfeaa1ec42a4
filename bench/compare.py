#!/usr/bin/env python3
"""Measure aizip beside other compressors, and check what every one of them decodes.

    bench/compare.py FILE...                      aizip -1 -5 -9 and all peers (--json, --markdown OUT)
    bench/compare.py --corpus DIR --runs 3        the sixteen standard files, wherever in DIR they lie
    bench/compare.py --targets --from OUT.json    PASS or FAIL for each of the project's targets
    bench/compare.py --levels --corpus DIR        the README's table: aizip alone, -1 to -9
    bench/compare.py --small TEXT...              1,000-byte pieces of prose: the short-message table

How it measures: a tool works in an empty scratch folder, compresses a copy of the file, the copy is deleted,
the tool decompresses, and the result is compared byte for byte. Each run takes the tools in turn on each
file, and each run starts with another tool, so that a busy minute of the machine falls on all of them.
Seconds are wall clock, process start included, the median of the runs; every tool is told to use one thread.
Memory is the kernel's peak resident set (wait4), the larger of both directions. Peers are looked for in each
--peer-dir, then on PATH. One that isn't there is named as missing. A tool that fails, runs out of time or
decodes to other bytes is named as FAILED, with why, and the exit code is 1 (also when aizip is missing).

Units: MB is 1,000,000 bytes, for speed and memory alike. Speed counts uncompressed bytes, all files together
over all seconds. Geometric means weigh each file the same. Python 3.9 and its standard library are enough.
"""
import argparse, dataclasses, datetime, filecmp, json, math, os, platform, re, shutil
import statistics, subprocess, sys, tempfile, threading, time
from pathlib import Path

CORPUS = """alice29.txt lcet10.txt book1 world192.txt lua-src.tar HDFS_2k.log Linux_2k.log canada.json xml obj2
            sum kennedy.xls geo ptt5 kodim13.pgm jfk.wav""".split()
AIZIP = str(Path(__file__).resolve().parent.parent / "build" / "aizip")
TEXT_RULE = "at most one byte in 1,000 is a control character or not valid UTF-8"
CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))  # book1 has two of them, a tar file of text thousands
MB = 1e6
LIMIT_SECONDS = 1800  # for one command; the slowest peer needs about ten on the largest standard file
subprocess._USE_VFORK = False  # after vfork() a child's peak memory would start at Python's own peak
PIECE_NBYTES = 1000  # about a long chat message


@dataclasses.dataclass
class Tool:
    """One compressor. Its commands run in the scratch folder on the files `f`, `archive` and `out/f`."""
    name: str
    programs: tuple       # names to look for; the first found is used
    compress: str         # arguments after the program's name
    decompress: str
    archive: str = "a"    # the name that the tool gives, or needs, for what it writes
    stdout: bool = False  # it writes to standard output, which is kept as the archive or as out/f
    ours: bool = False
    path: str = ""        # where the program was found; empty when it is missing


PEERS = [  # each at its strongest ordinary setting
    Tool("7z PPMd o16", ("7zz", "7z"), "a -mx9 -mmt1 -m0=PPMd:o=16:mem=30 a f", "x -y -oout a.7z", "a.7z"),
    Tool("bsc", ("bsc",), "e f a -t -T", "d a out/f -t -T"),
    Tool("bsc -e2", ("bsc",), "e f a -b256 -e2 -t -T", "d a out/f -t -T"),
    Tool("zpaq -m5", ("zpaq",), "a a.zpaq f -m5 -t1", "x a.zpaq f -to out/f -t1", "a.zpaq"),
    Tool("lpaq1 9", ("lpaq1",), "9 f a", "d a out/f"),
    Tool("xz -9e", ("xz",), "-9e -T1 -c f", "-d -T1 -c a.xz", "a.xz", stdout=True),
    Tool("zstd -22 --long", ("zstd",), "--ultra -22 --long=27 --single-thread -q -o a f", "-d -q --long=27 -o out/f a"),
    Tool("brotli -q 11", ("brotli",), "-q 11 -w 24 -o a f", "-d -o out/f a"),
    Tool("gzip -9", ("gzip",), "-9 -n -c f", "-d -c a.gz", "a.gz", stdout=True)]
SMALL_PEERS = [t for t in PEERS if t.name.split()[0] in ("gzip", "xz", "brotli")] + [
    Tool("zstd -19", ("zstd",), "-19 --single-thread -q -o a f", "-d -q -o out/f a")]


def aizip_tool(path, level):
    """`level` None is the default level: the command then names none."""
    option, name = ("", "aizip") if level is None else (f"-{level} ", f"aizip -{level}")
    return Tool(name, (path,), option + "-T1 -q -f -o a.aiz f", "-d -T1 -q -f -o out/f a.aiz", "a.aiz", ours=True)


def run_child(tool, arguments, folder, output):
    """Runs `tool` in `folder`. Returns (seconds, peak resident KiB); raises RuntimeError when it fails."""
    with open(folder / "log", "wb") as log, open(folder / output if tool.stdout else os.devnull, "wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen([tool.path] + arguments.split(), cwd=folder, stdin=subprocess.DEVNULL,
                                 stdout=out if tool.stdout else log, stderr=log)
        timer = threading.Timer(LIMIT_SECONDS, os.kill, (child.pid, 9))
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
    if seconds >= LIMIT_SECONDS:
        raise RuntimeError(f"{arguments}: stopped after {LIMIT_SECONDS} s")
    if child.returncode:
        said = " ".join((folder / "log").read_text(errors="replace").split())[-160:]
        raise RuntimeError(f"{arguments}: exit code {child.returncode}: {said}")  # a negative code is a signal's number
    return seconds, usage.ru_maxrss // 1024 if sys.platform == "darwin" else usage.ru_maxrss


def measure_once(tool, source):
    """Compresses, decompresses and compares `source`: a dictionary of four figures, or of one `error`."""
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        try:
            shutil.copyfile(source, folder / "f")
            (folder / "out").mkdir()
            c_seconds, c_rss = run_child(tool, tool.compress, folder, tool.archive)
            n_bytes = (folder / tool.archive).stat().st_size
            (folder / "f").unlink()  # nothing left to copy the answer from
            d_seconds, d_rss = run_child(tool, tool.decompress, folder, "out/f")
            if not filecmp.cmp(folder / "out" / "f", source, shallow=False):
                raise RuntimeError("WRONG BYTES: what it decoded differs from the original")
            return {"bytes": n_bytes, "c_seconds": c_seconds, "d_seconds": d_seconds, "rss_kb": max(c_rss, d_rss)}
        except (RuntimeError, OSError) as problem:
            return {"error": str(problem)}


def combine(samples):
    """The samples of all runs as one cell: medians of seconds, the largest memory; or the first error."""
    errors = [s for s in samples if "error" in s]
    cell = {key: round(statistics.median(s[key] for s in samples), 5) for key in samples[0] if not errors}
    return errors[0] if errors else {**cell, "bytes": samples[0]["bytes"], "rss_kb": max(s["rss_kb"] for s in samples)}


def is_text(path):
    data = Path(path).read_bytes()
    good = data.translate(None, CONTROLS).decode("utf-8", "ignore").encode("utf-8")
    return len(data) - len(good) <= len(data) / 1000


def cpu_name():
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def measure_all(tools, sources, runs, peer_dirs):
    """`sources` maps a file's name to its path. Returns the results that every table is made of (and --json)."""
    where = os.pathsep.join([os.path.abspath(d) for d in peer_dirs] + [os.environ.get("PATH", os.defpath)])
    for tool in tools:
        tool.path = next(filter(None, (shutil.which(p, path=where) for p in tool.programs)), "")
    results = {"date": datetime.date.today().isoformat(), "cpu": cpu_name(), "system": platform.system(), "runs": runs,
               "files": {n: {"bytes": os.path.getsize(p), "text": is_text(p)} for n, p in sources.items()},
               "tools": {t.name: {"ours": t.ours, "found": bool(t.path), "commands": [
                   f"{os.path.basename(t.programs[0])} {a}" for a in (t.compress, t.decompress)]} for t in tools}}
    nothing = Tool("", (), "", "", path=shutil.which("true"))
    with tempfile.TemporaryDirectory() as folder:  # a child can't measure less than the Python that started it
        results["memory_floor_kb"] = run_child(nothing, "", Path(folder), "")[1]
    ready = [t for t in tools if t.path]
    samples = {t.name: {n: [] for n in sources} for t in ready}
    for run in range(runs):
        first = run % max(1, len(ready))
        for name, path in sources.items():
            print(f"run {run + 1} of {runs}: {name}", file=sys.stderr, flush=True)
            for tool in ready[first:] + ready[:first]:
                samples[tool.name][name].append(measure_once(tool, path))
    results["cells"] = {t: {n: combine(s) for n, s in per_file.items()} for t, per_file in samples.items()}
    return results


def good_cells(results, tool):
    return {n: c for n, c in results["cells"].get(tool, {}).items() if "error" not in c}


def geomean_ratio(results, ours, peer, text_only):
    """(geometric mean of our bytes / the peer's, how many files it is over, how many there are)."""
    names = [n for n, f in results["files"].items() if f["text"] or not text_only]
    a, b = good_cells(results, ours), good_cells(results, peer)
    logs = [math.log(a[n]["bytes"] / b[n]["bytes"]) for n in names if n in a and n in b]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan, len(logs), len(names)


def totals(results, tool):
    """Sums over the files that the tool did: bytes in and out, MB/s both ways (c, d), peak MB; None if it did none."""
    cells = good_cells(results, tool)
    n_in = sum(results["files"][n]["bytes"] for n in cells)
    seconds = {way: sum(c[f"{way}_seconds"] for c in cells.values()) for way in "cd"}
    return {"in": n_in, "out": sum(c["bytes"] for c in cells.values()), "n_files": len(cells),
            "c": n_in / MB / seconds["c"], "d": n_in / MB / seconds["d"],
            "memory": max(c["rss_kb"] for c in cells.values()) * 1024 / MB} if cells else None


def problems(results):
    """One line for every missing tool and every failure."""
    return [f"* missing: {name} was not found" for name, t in results["tools"].items() if not t["found"]] + [
        f"* FAILED: {tool} on {name}: {cell['error']}" for tool, cells in results["cells"].items()
        for name, cell in cells.items() if "error" in cell]


def table(head, rows):
    """A Markdown table; the first column to the left, the others to the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule] + rows)


def conditions(results):
    return (f"{results['cpu']}, {results['system']}, {results['date']}; one thread, runs: {results['runs']}. Every "
            f"archive was decoded and compared. Text (t): {TEXT_RULE}. MB is 1,000,000 bytes; memory below "
            f"{results['memory_floor_kb'] * 1024 / MB:.0f} MB can't be seen.")


def n_of(n, n_all):
    return f" ({n} of {n_all} files)" if n < n_all else ""


def ratio(mean, n, n_all):
    return f"{mean:.4f}" + n_of(n, n_all) if n else "not measured"


def compare_report(results):
    found = [name for name, t in results["tools"].items() if t["found"]]
    ours = [name for name in found if results["tools"][name]["ours"]]
    cells, sizes, rows = results["cells"], [], []
    for name, f in results["files"].items():
        sizes.append([name + (" (t)" if f["text"] else ""), f"{f['bytes']:,}"]
                     + ["FAILED" if "error" in cells[t][name] else f"{cells[t][name]['bytes']:,}" for t in found])
    for tool in results["tools"]:
        sums = totals(results, tool)
        ratios = [ratio(*geomean_ratio(results, o, tool, text)) for o in ours for text in (False, True)]
        rows.append([tool, f"{sums['out']:,}" + n_of(sums["n_files"], len(results["files"])), f"{sums['c']:.2f}",
                     f"{sums['d']:.2f}", f"{sums['memory']:.0f}"] + ratios if sums else
                    [tool, "FAILED" if tool in found else "missing"] + ["-"] * (3 + 2 * len(ours)))
    head = ["tool", "bytes", "compress MB/s", "decompress MB/s", "memory MB"]
    head += [f"{o} / it, {which}" for o in ours for which in ("all", "text")]
    return [conditions(results), "### Bytes", table(["file", "original"] + found, sizes),
            "### Totals, and the geometric mean of our size over theirs (below 1: ours is smaller)",
            table(head, rows), "### Commands", "\n".join(
                f"* {name}: `{t['commands'][0]}`, `{t['commands'][1]}`" for name, t in results["tools"].items())]


def levels_report(results):
    rows = []
    for tool in results["tools"]:
        sums, cells = totals(results, tool), good_cells(results, tool)
        if sums:
            logs = [math.log(8 * c["bytes"] / results["files"][n]["bytes"]) for n, c in cells.items()]
            rows.append([f"`{tool.split()[-1]}`", f"{sums['memory']:.0f} MB", f"{sums['c']:.2f} MB/s",
                         f"{sums['d']:.2f} MB/s", f"{100 * sums['out'] / sums['in']:.2f} %",
                         f"{math.exp(sum(logs) / len(logs)):.3f}" + n_of(len(cells), len(results["files"]))])
    head = ["level", "memory", "compress", "decompress", "size of the original", "bits a byte (geometric mean)"]
    return [conditions(results), table(head, rows)]


def small_report(results):
    rows = []
    for tool in results["tools"]:
        cells = good_cells(results, tool)
        if cells:
            share = sum(c["bytes"] for c in cells.values()) / (len(cells) * PIECE_NBYTES)
            rows.append([tool, f"{100 * share:.1f} %" + n_of(len(cells), len(results["files"]))])
    return [f"Mean size of {len(results['files'])} pieces of {PIECE_NBYTES:,} bytes, each its own file, frame "
            "included; every archive was decoded and compared.", table(["tool", "share of the original"], rows)]


def check_targets(results):
    """[(passed, what is promised, the figure)]. A figure that was not measured on every file doesn't pass."""
    checks = []

    def full(tool, else_speed):
        sums = totals(results, tool) or {"n_files": 0}
        poor = {"c": else_speed, "d": else_speed, "memory": math.inf}
        return sums if sums["n_files"] == len(results["files"]) else poor

    def smaller(ours, peers, limit, promise):
        for text, which in ((False, "all files"), (True, "text")):
            means = {p: geomean_ratio(results, ours, p, text) for p in peers}
            ok = all(0 < n == n_all and mean <= limit for mean, n, n_all in means.values())
            checks.append((ok, f"{ours}: {promise}, {which}", ", ".join(
                f"{ratio(*m)} of {p}" for p, m in means.items()) + f"; at most {limit:g}"))

    def fast_and_lean(ours, floors, promise, memory):
        sums = full(ours, 0)
        checks.append((all(sums[way] >= floors[way] for way in "cd"), f"{ours}: {promise}, both ways",
                       f"{sums['c']:.3g} and {sums['d']:.3g} MB/s; at least {floors['c']:.3g} and {floors['d']:.3g}"))
        checks.append((sums["memory"] <= memory, f"{ours}: memory", f"{sums['memory']:.0f} MB; at most {memory}"))

    ppmd, zpaq = full("7z PPMd o16", math.inf), full("zpaq -m5", math.inf)
    smaller("aizip -1", ["7z PPMd o16", "bsc", "bsc -e2"], 1.0, "smaller than 7z PPMd o16 and bsc")
    fast_and_lean("aizip -1", {way: min(4, ppmd[way] / 2) for way in "cd"}, "4 MB/s or half of PPMd's speed", 40)
    smaller("aizip -5", ["zpaq -m5"], 0.97, "3 % smaller than zpaq -m5")
    a, b = good_cells(results, "aizip -5"), good_cells(results, "zpaq -m5")
    worst = max(((a[n]["bytes"] / b[n]["bytes"], n) for n in a if n in b), default=(math.nan, "not measured"))
    checks.append((worst[0] <= 1.01 and len(a) == len(b) == len(results["files"]),
                   "aizip -5: no file over 1 % larger than zpaq -m5", f"{worst[0]:.4f}, {worst[1]}; at most 1.01"))
    fast_and_lean("aizip -5", {way: 1.5 * zpaq[way] for way in "cd"}, "1.5 times zpaq -m5's speed", 160)
    smaller("aizip -9", ["lpaq1 9", "zpaq -m5"], 0.93, "7 % smaller than the better of lpaq1 9 and zpaq -m5")
    fast_and_lean("aizip -9", {"c": 0.1, "d": 0.1}, "100 KB/s", 900)
    return checks


def corpus_paths(directory):
    """Where each standard file lies below `directory`; the ones that aren't there are named on stderr."""
    found = {path.name: str(path) for path in sorted(Path(directory).rglob("*"), reverse=True) if path.name in CORPUS}
    if len(found) < len(CORPUS):
        print("missing from the corpus:", *[n for n in CORPUS if n not in found], file=sys.stderr)
    return [found[n] for n in CORPUS if n in found]


def cut_pieces(paths, n_pieces, folder):
    """Writes `n_pieces` pieces, evenly spread over the text files among `paths`; returns name -> path."""
    texts = [p for p in paths if is_text(p) and os.path.getsize(p) >= PIECE_NBYTES]
    pieces = {}
    for i, path in enumerate(texts):
        data, n = Path(path).read_bytes(), n_pieces * (i + 1) // len(texts) - n_pieces * i // len(texts)
        for start in ((2 * k + 1) * (len(data) - PIECE_NBYTES) // (2 * n) for k in range(n)):
            name = f"{os.path.basename(path)}@{start}"
            pieces[name] = os.path.join(folder, f"{i}-{start}")
            Path(pieces[name]).write_bytes(data[start:start + PIECE_NBYTES])
    return pieces


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="files to measure")
    parser.add_argument("--corpus", metavar="DIR", help="measure the standard files found below DIR")
    parser.add_argument("--aizip", default=AIZIP, metavar="PROGRAM", help="default: build/aizip")
    parser.add_argument("--use", default="1,5,9", metavar="LEVELS", help="aizip's levels; default: 1,5,9")
    parser.add_argument("--peer-dir", action="append", default=[], metavar="DIR", help="look for peers here first")
    parser.add_argument("--runs", type=int, default=1, metavar="N")
    parser.add_argument("--markdown", metavar="OUT", help="write the report here too")
    parser.add_argument("--json", metavar="OUT", help="write the results here")
    parser.add_argument("--from", dest="source", metavar="RESULTS", help="measure nothing, report a --json file")
    parser.add_argument("--pieces", type=int, default=40, metavar="N", help="how many for --small; default: 40")
    parser.add_argument("--targets", action="store_true", help="PASS or FAIL for each target, after the tables")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--levels", action="store_true", help="aizip alone, -1 to -9")
    mode.add_argument("--small", action="store_true", help="short pieces of the text files given")
    args = parser.parse_args()
    args.files += corpus_paths(args.corpus) if args.corpus else []
    if not args.source and (not args.files or args.runs < 1):
        parser.error("give a FILE or --corpus DIR that holds one, and at least one run")
    return args


def main(args):
    if args.source:
        results = json.loads(Path(args.source).read_text())
    else:
        levels = [None] if args.small else range(1, 10) if args.levels else args.use.split(",")
        tools = [aizip_tool(os.path.abspath(args.aizip), level) for level in levels]
        tools += SMALL_PEERS if args.small else [] if args.levels else PEERS
        names = [os.path.basename(p) for p in args.files]  # unless two files share one: then the paths
        with tempfile.TemporaryDirectory(prefix="pieces-") as folder:
            sources = cut_pieces(args.files, args.pieces, folder) if args.small else {
                n if names.count(n) == 1 else p: p for n, p in zip(names, args.files)}
            results = measure_all(tools, sources, args.runs, args.peer_dir)
    report = levels_report if args.levels else small_report if args.small else compare_report
    checks = check_targets(results) if args.targets else []
    verdicts = "\n".join(f"{'PASS' if ok else 'FAIL'}  {promise}: {figure}" for ok, promise, figure in checks)
    trouble = "\n".join(problems(results))
    parts = [] if args.source and args.targets else report(results)
    text = "\n\n".join(part for part in parts + [trouble, verdicts] if part)
    print(text)
    for path, content in ((args.markdown, text), (args.json, json.dumps(results, indent=1))):
        if path:
            Path(path).write_text(content + "\n")
    return 1 if "* FAILED" in trouble or "missing: aizip" in trouble or not all(ok for ok, _, _ in checks) else 0


if __name__ == "__main__":
    sys.exit(main(parse_arguments()))
