"""`make audit`: known vulnerabilities of what the requirements pin, by pip-audit.

pip-audit asks PyPI and then OSV. It ends well, too, where neither could be asked, and calls that "skipped"; this says
plainly how many packages nobody has looked up, and fails for vulnerabilities only: a network may not be there.
"""

import json
import subprocess
import sys
from typing import Any

SERVICES = ("pypi", "osv")


def audit(requirements: list[str], service: str) -> list[dict[str, Any]] | str:
    """What `service` knows of each package, or why it could not be asked."""
    files = [argument for file in requirements for argument in ("--requirement", file)]
    options = ["--disable-pip", "--no-deps", "--format=json", "--progress-spinner=off", "--timeout=15"]
    command = [sys.executable, "-m", "pip_audit", f"--vulnerability-service={service}", *options, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return found


def told(found: list[dict[str, Any]]) -> tuple[list[str], int, int]:
    """A line for each vulnerability; how many packages were looked up, and how many were not."""
    lines = [
        f"{package['name']} {package['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'none'}"
        for package in found
        for known in package.get("vulns", ())
    ]
    skipped = sum("skip_reason" in package for package in found)
    return lines, len(found) - skipped, skipped


def main(requirements: list[str]) -> int:
    """The exit code: 1 where a vulnerability is known."""
    for service in SERVICES:
        found = audit(requirements, service)
        if isinstance(found, str):
            print(f"{service} could not be asked: {found}")
            continue
        lines, looked_up, skipped = told(found)
        print(f"{service}: {looked_up} packages looked up, {skipped} unknown to it, {len(lines)} vulnerabilities.")
        for line in lines:
            print(f"  {line}")
        if looked_up:
            return 1 if lines else 0
    print("NOT AUDITED: no service could be asked about any package. Try again where there is a network.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
