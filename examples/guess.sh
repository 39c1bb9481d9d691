#!/bin/sh
# Asks the server of `make run` which programming language each of three snippets is.

curl -s localhost:8501/v1/models/guesslang:predict -d '{"signature_name": "predict", "instances": [
    "package main\n\nfunc main() { fmt.Println(\"hi\") }",
    "import os\n\nfor name in sorted(os.listdir()):\n    print(name)",
    "SELECT name, length FROM fish WHERE length > 3 ORDER BY name;"]}' |
  python3 -c 'import json, sys; print([p["classes"] for p in json.load(sys.stdin)["predictions"]])'
