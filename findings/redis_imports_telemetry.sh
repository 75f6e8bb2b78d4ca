#!/usr/bin/env bash
# redis 8.1.0 in an environment that has opentelemetry-sdk 1.45.2, as each environment of Airflow has (3.3 needs it).
# redis-py offers metrics by OpenTelemetry for those who configure it, so one would think that `import redis` alone does
# without that package.
#
# Seen: `import redis` imports the whole SDK (opentelemetry.sdk.metrics and more than fifty modules below it) where it is
# installed, and nothing of it where it is not. So the same import costs far more memory and time beside Airflow than
# where it was measured alone, and whatever counts the imports of a task finds telemetry that nobody asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
count() {
  "$folder/bin/python" -c '
import sys
import redis
print(sum(name.startswith("opentelemetry") for name in sys.modules), "opentelemetry.sdk.metrics" in sys.modules)'
}
"$folder/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0
alone=$(count)
"$folder/bin/pip" install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
beside=$(count)
echo "modules of OpenTelemetry after import redis; is the SDK's metrics among them: alone $alone, beside the SDK $beside"
[[ $alone == "0 False" ]]
[[ ${beside% *} -gt 50 && ${beside#* } == True ]]
