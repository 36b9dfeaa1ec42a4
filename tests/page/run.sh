#!/bin/bash
# The tests of pages, in Debian's chromium, which must be there with its driver. Installs selenium, axe
# and openapi-spec-validator into build/page-venv.
cd "$(dirname -- "$0")/../.." || exit 1
venv=build/page-venv
if [ ! -x $venv/bin/python ] || ! $venv/bin/python -c 'import selenium, axe_playwright_python, openapi_spec_validator' 2>/dev/null; then
    python3 -m venv $venv && $venv/bin/pip -q install selenium openapi-spec-validator &&
        $venv/bin/pip -q install --no-deps axe-playwright-python || exit 1
fi
exec $venv/bin/python -B tests/page/run.py "$@"
