"""
What the installed Airflow has, found by asking for it and never by its version.

A test of something that is not there is left out with one sentence that says what is missing.
"""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from operator import attrgetter
from typing import Any

import pytest


def find(*places: str) -> Any:
    """
    Return what the first of some places holds that this Airflow has.

    :param places: ``module:name`` or ``module:name.attribute``, the newest place first.
    """
    for place in places:
        module, _, name = place.partition(":")
        try:
            return attrgetter(name)(import_module(module))
        except (ImportError, AttributeError):
            continue
    raise LookupError(f"this Airflow has none of {', '.join(places)}")


def has(*places: str) -> bool:
    """Return whether this Airflow has one of some places."""
    try:
        find(*places)
    except LookupError:
        return False
    return True


def needs(place: str, sentence: str) -> pytest.MarkDecorator:
    """Leave a test out where this Airflow lacks what it tests."""
    return pytest.mark.skipif(not has(place), reason=sentence)


def leave_out_unless(place: str, sentence: str) -> None:
    """Leave out the tests of a module; before its imports of what may be missing."""
    if not has(place):
        pytest.skip(sentence, allow_module_level=True)


def skip_unless(place: str, sentence: str) -> None:
    """Leave out the test that asks; in fixtures."""
    if not has(place):
        pytest.skip(sentence)


TASK_RUNNER = (
    "airflow.sdk.execution_time.task_runner:RuntimeTaskInstance",
    "Before Airflow 3.0 there is no task runner of its own.",
)
REDACTION_IN_THE_TASK = (
    "airflow.sdk._shared.secrets_masker:redact",
    "Airflow 3.0 redacts rendered fields where they are stored, and by their names alone.",
)
RETRY_POLICY = ("airflow.sdk:RetryPolicy", "Before Airflow 3.3 there are no retry policies.")
RESCHEDULING_POLICY = (
    "airflow.sdk:RetryDecision.reschedule",
    "Before Airflow 3.4 every retry policy uses a try.",
)
DAG_BAG = (
    "airflow.dag_processing.dagbag:DagBag",
    "Before Airflow 3.2 the DagBag has its place in airflow.models.",
)
REST_API = ("airflow.api_fastapi.app:create_app", "Before Airflow 3.0 the REST API is another one.")
FORM_FROM_METADATA = (
    "airflow.providers_manager:ProvidersManager._get_connection_type_config",
    "Before Airflow 3.2 the connection form comes from the hook.",
)
PLUGIN_ROUTES = (
    "airflow.providers.common.compat.sdk:AirflowPlugin.fastapi_apps",
    "Before Airflow 3.0 plugins serve no such routes.",
)
PLUGIN_PAGES = (
    "airflow.providers.common.compat.sdk:AirflowPlugin.external_views",
    "Before Airflow 3.1 plugins have no pages.",
)
PROVIDER_COMMANDS = (
    "airflow.providers_manager:ProvidersManager.initialize_providers_cli_command",
    "Before Airflow 3.2 there are no commands of providers.",
)
QUESTIONS = (
    "airflow.sdk.execution_time.hitl:upsert_hitl_detail",
    "Before Airflow 3.1 a task can't ask people.",
)
DEADLINES = (
    "airflow.sdk.definitions.callback:AsyncCallback",
    "Before Airflow 3.2 a DAG has no such deadlines.",
)
NOTIFIERS_THAT_ARE_AWAITED = (
    "airflow.providers.common.compat.sdk:BaseNotifier.__await__",
    "Before Airflow 3.1 nothing awaits a notifier.",
)
CONNECTION_TESTS_IN_WORKERS = (
    "airflow.sdk.execution_time.connection_test_supervisor:supervise_connection_test",
    "Before Airflow 3.3 connections are tested in the API server alone.",
)
RESCHEDULED_SENSORS = (
    TASK_RUNNER[0],
    "Before Airflow 3.0 a sensor that is rescheduled asks the database when it began.",
)
DEFERRAL_TIMEOUT = (
    "airflow.sdk.exceptions:TaskDeferralTimeout",
    "Before Airflow 3.0 a wait in the triggerer that is too long is told of in another way.",
)
VALUES_IN_TRACEBACKS = (
    "airflow._shared.logging.structlog:structlog_processors",
    "Before Airflow 3.1 a server shows no values of frames.",
)
OBSERVABILITY = (
    "airflow.sdk.observability.stats:incr",
    "Before Airflow 3.3 statistics are set up in another way.",
)


def reschedule_exception() -> Any:
    """The exception that reschedules a task."""
    name = "AirflowRescheduleException"
    return find(f"airflow.sdk.exceptions:{name}", f"airflow.exceptions:{name}")


def dag_test_hands_over_the_exception() -> bool:
    """Whether a failure callback in ``dag.test()`` gets it, as in the process of a task. Airflow 3.2 leaves it out."""
    supervisor = find("airflow.sdk.execution_time.supervisor:InProcessTestSupervisor")
    return 'context["exception"]' in inspect.getsource(supervisor)


def dag_serialization() -> Any:
    """What turns a DAG into a document and back."""
    module = "airflow.serialization.serialized_objects"
    return find(f"{module}:DagSerialization", f"{module}:SerializedDAG")


def skip_unless_saved_secrets_are_tested() -> None:
    """Leave out the test that asks where a secret that is saved has to be typed again for Test."""
    route = find("airflow.api_fastapi.core_api.routes.public.connections:test_connection")
    if "existing_conn" not in inspect.getsource(route):
        pytest.skip("Airflow 3.0 tests what is typed, and looks up no saved secret.")


def forget_fernet_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Airflow read its key again, wherever this Airflow stores it."""
    get_fernet = find("airflow.models.crypto:get_fernet")
    if hasattr(get_fernet, "cache_clear"):
        get_fernet.cache_clear()
    else:
        monkeypatch.setattr("airflow.models.crypto._fernet", None)


def attach(protocol: str, **options: Any) -> Any:
    """Give a kind of storage to Airflow."""
    return find("airflow.sdk.io:attach", "airflow.io.store:attach")(protocol, **options)


def through_storage(dag: Any) -> Any:
    """Return a DAG as the scheduler has it: written as JSON, and read again."""
    serialization = dag_serialization()
    return serialization.from_dict(json.loads(json.dumps(serialization.to_dict(dag))))


def sensitive_names() -> set[str]:
    """Words that make Airflow hide a field that has one of them in its name."""
    name = "DEFAULT_SENSITIVE_FIELDS"
    return set(
        find(
            f"airflow.sdk._shared.secrets_masker:{name}",
            f"airflow.sdk.execution_time.secrets_masker:{name}",
            f"airflow.utils.log.secrets_masker:{name}",
        )
    )


def rendered_fields(operator: Any) -> dict[str, Any]:
    """What Airflow stores of the rendered fields of a task."""
    serialized: dict[str, Any] = find(
        "airflow.sdk.execution_time.task_runner:_serialize_rendered_fields",
        "airflow.models.renderedtifields:get_serialized_template_fields",
    )(operator)
    if has(REDACTION_IN_THE_TASK[0]):
        return serialized
    # Before Airflow 3.1 it is the one who stores them that redacts.
    redact = find(
        "airflow.sdk.execution_time.secrets_masker:redact", "airflow.utils.log.secrets_masker:redact"
    )
    return {name: redact(value, name) for name, value in serialized.items()}


def resumption(kwargs: dict[str, Any] | None) -> Any:
    """What a task that comes back is told, as this Airflow sends it."""
    if kwargs is None or has("airflow.sdk.serde:deserialize"):
        return kwargs
    return find("airflow.serialization.serialized_objects:BaseSerialization").serialize(kwargs)


def fitting(model: Any, **fields: Any) -> Any:
    """Make one of Airflow's messages of those fields that this Airflow has in it."""
    return model(**{name: value for name, value in fields.items() if name in model.model_fields})


def hide_by_name(monkeypatch: pytest.MonkeyPatch, hide: bool) -> None:
    """Set whether Airflow's masker hides what has a sensitive name, wherever this Airflow keeps that."""
    masker = "airflow.sdk._shared.secrets_masker.secrets_masker:_secrets_masker"
    if has(masker) and hasattr(find(masker)(), "hide_sensitive_var_conn_fields"):
        monkeypatch.setattr(find(masker)(), "hide_sensitive_var_conn_fields", hide)
    else:
        monkeypatch.setattr("airflow.settings.HIDE_SENSITIVE_VAR_CONN_FIELDS", hide)


def date_time_trigger() -> Any:
    """The trigger that waits for a moment."""
    return find(
        "airflow.providers.standard.triggers.temporal:DateTimeTrigger",
        "airflow.triggers.temporal:DateTimeTrigger",
    )
