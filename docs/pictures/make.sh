#!/bin/bash
# Makes the pictures of README anew: ./run must have built the program, chromium and its driver be
# there, and tests/page/run.sh have run once, which installs selenium.
set -e
cd "$(dirname -- "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
model=smollm2-135m
../../build/aizip model info $model >"$work/model" 2>&1 || model=built-in
../../build/aizip surprise -q -m $model --html "$work/surprise.html" sample.txt
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,620 \
    --virtual-time-budget=3000 --screenshot="$PWD/surprise.png" \
    "file://$work/surprise.html" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
../../build/page-venv/bin/python -B serve.py $model
echo "made: surprise.png, serve.png ($model)"
