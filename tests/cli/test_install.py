#!/usr/bin/env python3
"""cmake --install: what is there, and whether others can build with it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import ROOT, SANITIZE

BUILD = pathlib.Path(os.environ.get("AIZIP_BUILD_DIR", ROOT / "build"))

PROGRAM = r"""
#include <aizip.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    const char text[] = "to be or not to be or to be or not to be";
    char packed[512], back[64];
    size_t n_packed = 0, n_back = 0;
    if (az_compress(packed, sizeof packed, &n_packed, text, sizeof text, 1, NULL) != AZ_OK ||
        az_decompress(back, sizeof back, &n_back, packed, n_packed, NULL) != AZ_OK)
        return 1;
    puts(n_back == sizeof text && memcmp(text, back, n_back) == 0 ? az_version() : "wrong");
    return 0;
}
"""


def sh(*args, **more):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{args}: {done.returncode}: {done.stdout.decode()}")
    return done.stdout.decode()


@unittest.skipIf(SANITIZE, "the plain build is what is installed")
class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="aizip-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.prefix = cls.dir / "prefix"
        sh("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.version = sh(cls.prefix / "bin" / "aizip", "--version").split()[1].rstrip(",;:")
        (cls.dir / "program.c").write_text(PROGRAM)
        cls.lib = next(cls.prefix.rglob("libaizip.a")).parent

    def test_all_parts_are_installed(self):
        for name in ("bin/aizip", "bin/unaizip", "bin/aizcat", "include/aizip.h",
                     "share/man/man1/aizip.1", "share/man/man1/unaizip.1",
                     "share/man/man1/aizcat.1", "share/bash-completion/completions/aizip",
                     "share/zsh/site-functions/_aizip",
                     "share/fish/vendor_completions.d/aizip.fish", "share/doc/aizip/openapi.json",
                     "share/doc/aizip/primers.md"):
            self.assertTrue((self.prefix / name).exists(), name)
        for name in ("libaizip.a", "libaizip.so", "libaizip.so.0", "libaizip.so." + self.version,
                     "pkgconfig/aizip.pc", "cmake/aizip/aizipConfig.cmake"):
            self.assertTrue((self.lib / name).exists(), name)

    def test_the_other_names_run(self):
        packed = subprocess.run([self.prefix / "bin" / "aizip", "-1"], input=b"text",
                                stdout=subprocess.PIPE, check=True).stdout
        for name in ("unaizip", "aizcat"):
            done = subprocess.run([self.prefix / "bin" / name], input=packed,
                                  stdout=subprocess.PIPE, check=True)
            self.assertEqual(done.stdout, b"text")

    def test_the_shared_library_exports_the_header_and_nothing_else(self):
        header = (ROOT / "include" / "aizip.h").read_text()
        exported = {line.split()[-1] for line in
                    sh("nm", "-D", "--defined-only", self.lib / "libaizip.so").splitlines()}
        self.assertIn("az_compress", exported)
        for name in exported:
            self.assertIn(name + "(", header)

    def run_program(self, path):
        env = dict(os.environ, LD_LIBRARY_PATH=str(self.lib))
        self.assertEqual(sh(path, env=env).strip(), self.version)

    def test_pkg_config(self):
        env = dict(os.environ, PKG_CONFIG_PATH=str(self.lib / "pkgconfig"))
        flags = sh("pkg-config", "--cflags", "--libs", "aizip", env=env).split()
        self.assertEqual(sh("pkg-config", "--modversion", "aizip", env=env).strip(), self.version)
        sh("cc", self.dir / "program.c", "-o", self.dir / "shared", *flags)
        self.run_program(self.dir / "shared")

    def static_flags(self):
        """What pkg-config says, with the library itself by its path."""
        env = dict(os.environ, PKG_CONFIG_PATH=str(self.lib / "pkgconfig"))
        flags = sh("pkg-config", "--cflags", "--libs", "--static", "aizip", env=env).split()
        return [self.lib / "libaizip.a" if flag == "-laizip" else flag for flag in flags]

    def test_the_static_library(self):
        sh("cc", self.dir / "program.c", "-o", self.dir / "static", *self.static_flags())
        self.run_program(self.dir / "static")

    def test_cpp_may_include_the_header(self):
        if not shutil.which("c++"):
            self.skipTest("there is no C++ compiler")
        shutil.copy(self.dir / "program.c", self.dir / "program.cpp")
        sh("c++", "-Wall", "-Wextra", "-Werror", "-pedantic", self.dir / "program.cpp", "-o",
           self.dir / "cpp", *self.static_flags())
        self.run_program(self.dir / "cpp")

    def test_find_package(self):
        project = self.dir / "project"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\n"
            "project(x LANGUAGES C)\n"
            f"find_package(aizip {self.version} REQUIRED)\n"
            "foreach(kind IN ITEMS aizip aizip_static aizip_shared)\n"
            "  add_executable(with_${kind} ../program.c)\n"
            "  target_link_libraries(with_${kind} aizip::${kind})\n"
            "endforeach()\n")
        sh("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        sh("cmake", "--build", project / "build")
        for kind in ("aizip", "aizip_static", "aizip_shared"):
            self.run_program(project / "build" / ("with_" + kind))

    def test_the_man_page_has_no_faults(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        page = self.prefix / "share" / "man" / "man1" / "aizip.1"
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_completions_parse(self):
        checks = {"bash": "bash-completion/completions/aizip", "zsh": "zsh/site-functions/_aizip",
                  "fish": "fish/vendor_completions.d/aizip.fish"}
        for shell, path in checks.items():
            if shutil.which(shell):
                sh(shell, "-n", self.prefix / "share" / path)


if __name__ == "__main__":
    sys.exit(harness.main())
