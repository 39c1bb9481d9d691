"""Checks a server's API description, and then the server by it.

usage: python openapi.py URL

The document must be valid OpenAPI 3.1. Then schemathesis makes requests from it, at the edges of the schemas and at random,
right ones and wrong ones: nothing may be answered with 5xx, and every answer must be as the document says. The seed is
fixed: two runs ask the same.
"""
import re
import sys

import openapi_spec_validator
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.cli import schemathesis as command
from schemathesis.specs.openapi.checks import response_schema_conformance

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "answer_conformance", "expected_status"]
EXCLUDED = "/versions/[0-9]+:|/labels/canary:"  # the same schemas again as at the other paths
EXAMPLES = 5  # at random for each operation, beside those at the edges

answered = set()  # the operations that a request has succeeded with


@schemathesis.hook
def after_call(context, case, response):
    """What no JSON has and predictions may: tokens for floats that are not finite, and the bytes of a string, given as the model
    made them, where they are not UTF-8. A number and a letter stand for them here."""
    if response.status_code == 200:
        answered.add(f"{case.operation.method.upper()} {case.operation.path}")
    if response.request.method == "POST" and response.status_code == 200:
        response.content = re.sub(rb"-?Infinity|NaN", b"0.5", response.content).decode(errors="replace").encode()


@schemathesis.check
def expected_status(context, response, case):
    """The document allows any error, since an op may give any. These requests have no cause for others than these."""
    assert response.status_code in (200, 400, 404, 405), f"{response.status_code} {response.content!r}"


@schemathesis.check
def answer_conformance(context, response, case):
    """Like TensorFlow Serving the server leaves shapes to the graph: what is asked in another shape may be answered in another."""
    if response.status_code == 200 and case.meta.generation.mode == GenerationMode.NEGATIVE:
        return
    response_schema_conformance(context, response, case)


def main(url):
    document = requests.get(f"{url}/openapi.json", timeout=30).json()
    openapi_spec_validator.validate(document)
    answered.add("GET /openapi.json")
    try:
        command(["run", f"{url}/openapi.json", f"--checks={','.join(CHECKS)}", "--phases=examples,coverage,fuzzing",
                 f"--exclude-path-regex={EXCLUDED}", f"--max-examples={EXAMPLES}", "--seed=1", "--generation-database=none",
                 "--warnings=off", "--continue-on-failure", "--no-color", "--no-shrink", "--request-timeout=30"])
    except SystemExit as done:
        if done.code:
            raise
    operations = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    never = {operation for operation in operations - answered if not re.search(EXCLUDED, operation)}
    if never:
        sys.exit(f"no request succeeded with {', '.join(sorted(never))}")


if __name__ == "__main__":
    main(sys.argv[1])
