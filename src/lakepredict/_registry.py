"""The one reader of the MLflow model registry: (name, version or alias) -> a frozen :class:`ResolvedModel`.

Runs on the driver only, while a query is analysed. What a version *is* never changes, so its signature is
read once per process; which version an alias or ``'latest'`` *names* is asked of the registry every time.

MLflow itself waits for minutes: 120 seconds for an answer, and it asks up to eight times. So each look at a
registry over the network is made in a thread of its own, which is given up after a number of seconds; it ends
when MLflow does.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent import futures
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.protos.databricks_pb2 import NOT_FOUND as NOT_FOUND_IN_CATALOG
from mlflow.store.entities import PagedList

from lakepredict import _catalogs, _meant, _signature, _unreadable
from lakepredict._names import likest_first, listed, suggestion
from lakepredict._progress_bar import without_progress_bar
from lakepredict._sql import literal
from lakepredict.errors import (
    AliasNotFoundError,
    AliasUnsupportedError,
    ArgumentInvalidError,
    ModelNotFoundError,
    ModelUnreadableError,
    PredictError,
    RegistryUnavailableError,
    SignatureMissingError,
    SignatureUnsupportedError,
    VersionNotFoundError,
)

NOT_FOUND = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE, NOT_FOUND_IN_CATALOG)}
"""What MLflow answers for something that is not there, or cannot be, since it does not take such names."""

_MOST_MODELS = 1_000
"""Among how many registered models one like a wrong name is looked for."""

TIMEOUT = 30.0
"""For how many seconds an answer is awaited, unless the caller says otherwise."""

_TIMEOUT_SETTING = "spark.lakepredict.registryTimeout"

_T = TypeVar("_T")


@dataclass(frozen=True)
class ModelReference:
    """A model as a query names it: ``PREDICT('sales_forecast', 'champion', ...)``.

    Attributes:
        name: the registered model's name.
        version: a version number, an alias without its ``@``, or ``'latest'``.
        function: the SQL function that the query calls.
    """

    name: str
    version: int | str
    function: str = "PREDICT"

    @classmethod
    def parse(cls, name: object, version: object, function: str = "PREDICT") -> ModelReference:
        """Read the two constants that a query gives to ``function``.

        Raises:
            ArgumentInvalidError: the name is no non-empty string, or the version neither a positive
                whole number nor a non-empty string.
        """
        if not isinstance(name, str) or not name.strip():
            raise ArgumentInvalidError(
                argument="model",
                function=function,
                expected="the name of a registered model, as a STRING",
                got=_shown(name),
                hint="write the name in quotes: PREDICT('sales_forecast', 'champion', *).",
            )
        if _meant.is_no_name(name):
            require_name(name, function)
        return cls(name, _parse_version(version, function), function)

    def __str__(self) -> str:
        version = self.version if isinstance(self.version, int) else literal(self.version)
        return f"{self.function}({literal(self.name)}, {version}, ...)"


def require_name(name: str, function: str) -> None:
    """Refuse a model that is written with its version, or as an address.

    Raises:
        ArgumentInvalidError: it is; the hint says what to write in its place.
    """
    hint = _meant.of_model(name, function)
    if hint is not None:
        raise ArgumentInvalidError(
            argument="model",
            function=function,
            expected="the name of a registered model, and the version after it",
            got=_shown(name),
            hint=hint,
        )


def _parse_version(version: object, function: str) -> int | str:
    text = version.strip().removeprefix("@").strip() if isinstance(version, str) else ""
    if text.isascii() and text.isdigit():
        version = int(text)
    if isinstance(version, int) and not isinstance(version, bool) and 0 < version < 2**31:
        return version
    # A constant of another type than a text or a whole number comes with its text.
    written = text or str(getattr(version, "text", version))
    meant = None if isinstance(version, bool) else _meant.of_version(written)
    if text and not text.isdigit() and (meant is None or not _meant.is_no_alias(text) or text == "latest"):
        return text
    raise ArgumentInvalidError(
        argument="version",
        function=function,
        expected="a version number, an alias, or 'latest'",
        got=_shown(version),
        hint=f"write {meant}." if meant else "write 3, 'champion' or 'latest'.",
    )


def _shown(value: object) -> str:
    return "NULL" if value is None else repr(value)


@dataclass(frozen=True)
class ResolvedModel:
    """One version of a registered model, with all that binding needs to know of it.

    Attributes:
        name: the registered model's name.
        version: the version's number.
        run_id: the run that logged it, or None.
        identity: equal for two resolutions exactly when they are the same version of the same model in the
            same registry; a version that was deleted and made again under its number has another one.
        flavors: MLflow's names of the forms in which the model was logged.
        signature: inputs and result as Spark types.
        loader: the module that loads it as a Python function.
        own_code: whether it brings Python modules of its own.
    """

    name: str
    version: int
    run_id: str | None
    identity: tuple[str, ...]
    flavors: tuple[str, ...]
    signature: _signature.Signature
    loader: str = ""
    own_code: bool = False

    @property
    def uri(self) -> str:
        """MLflow's address of the version."""
        return f"models:/{self.name}/{self.version}"


def resolve(reference: ModelReference, timeout: float = TIMEOUT) -> ResolvedModel:
    """Find the version that ``reference`` names, now, and read what its signature says.

    Raises:
        PredictError: what :func:`find` and :func:`describe` raise.
    """
    return describe(reference, find(reference, timeout), timeout)


def find(reference: ModelReference, timeout: float = TIMEOUT) -> ModelVersion:
    """Find the version that ``reference`` names, now, waiting for ``timeout`` seconds at most.

    Raises:
        ModelNotFoundError, VersionNotFoundError, AliasNotFoundError: it does not exist; the message lists
            what does.
        RegistryUnavailableError: the registry gave no answer that MLflow understands, or none in time.
    """
    try:
        if _is_file(mlflow.get_registry_uri()):
            return _find(MlflowClient(), reference)
        if _is_file(mlflow.get_tracking_uri()):
            MlflowClient()  # makes the tables of a new one
        return _within(timeout, lambda: _find(MlflowClient(), reference))
    except PredictError:
        raise
    except Exception as exc:  # each kind of store fails with the errors of a library of its own
        raise RegistryUnavailableError(
            call=str(reference), registry=registry_address(), reason=first_line(exc)
        ) from exc


def describe(reference: ModelReference, found: ModelVersion, timeout: float = TIMEOUT) -> ResolvedModel:
    """Read what binding needs to know of a version, waiting for ``timeout`` seconds at most.

    Raises:
        SignatureMissingError, SignatureUnsupportedError: it cannot be bound.
        ModelUnreadableError: its files cannot be read, or not in time.
    """
    model = _read_mlmodel(reference, found, timeout)
    function = model.flavors.get("python_function", {})
    return ResolvedModel(
        name=found.name,
        version=int(found.version),
        run_id=found.run_id or None,
        identity=_identity(found),
        flavors=tuple(sorted(model.flavors)),
        signature=_read_signature(reference, model, found.source or ""),
        loader=str(function.get("loader_module", "")),
        own_code=bool(function.get("code")),
    )


class _NoAnswerError(Exception):
    """What was asked over the network has not come in time."""


def _within(timeout: float, ask: Callable[[], _T]) -> _T:
    """What ``ask`` returns or raises, called in a thread that is left to itself after ``timeout`` seconds."""
    answer: futures.Future[_T] = futures.Future()
    context = copy_context()

    def run() -> None:
        try:
            answer.set_result(context.run(ask))
        except BaseException as exc:
            answer.set_exception(exc)

    # A daemon, for a process must be able to end while MLflow still waits.
    Thread(target=run, name="lakepredict-registry", daemon=True).start()
    if not futures.wait([answer], timeout).done:
        raise _NoAnswerError(f"no answer in {timeout:g} seconds; {_TIMEOUT_SETTING} sets how many to wait")
    return answer.result()


def _find(client: MlflowClient, reference: ModelReference) -> ModelVersion:
    try:
        if reference.version == "latest":
            return _latest(client, reference)
        if isinstance(reference.version, int):
            return client.get_model_version(reference.name, str(reference.version))
        return _by_alias(client, reference)
    except MlflowException as exc:
        reason = _not_found(client, reference, exc)
        if reason is None:
            raise
        raise reason from exc


def _by_alias(client: MlflowClient, reference: ModelReference) -> ModelVersion:
    try:
        return _catalogs.by_alias(client, reference.name, str(reference.version))
    except _catalogs.NoAliasesError as exc:
        client.get_registered_model(reference.name)  # a model that is not there is the first thing to say
        versions = [str(version.version) for version in model_versions(reference.name)]
        raise _no_aliases(reference, listed(versions, "the number of a version, but the model has none")) from exc


def _no_aliases(reference: ModelReference, known: str) -> AliasUnsupportedError:
    return AliasUnsupportedError(
        call=str(reference), alias=str(reference.version), known=known, registry=registry_address()
    )


def require_aliases(name: str, alias: str, function: str) -> None:
    """Refuse an alias for a version where the registry has none.

    Args:
        name: the registered model's name; it need not be there yet.
        alias: the alias.
        function: the name of what is to set it.

    Raises:
        AliasUnsupportedError: the registry has no aliases.
    """
    try:
        _catalogs.by_alias(MlflowClient(), name, alias)
    except _catalogs.NoAliasesError as exc:
        raise _no_aliases(ModelReference(name, alias, function), "a registry with aliases") from exc
    except MlflowException:
        # There is no such model or alias yet; whatever else is wrong, setting the alias says.
        return


def _latest(client: MlflowClient, reference: ModelReference) -> ModelVersion:
    client.get_registered_model(reference.name)
    versions = model_versions(reference.name)
    if not versions:
        raise _version_missing(reference, [])
    return client.get_model_version(reference.name, str(versions[0].version))


def _not_found(client: MlflowClient, reference: ModelReference, exc: MlflowException) -> Exception | None:
    """The error that says what is missing and what there is instead, or None if something else is wrong."""
    if not says_missing(exc):
        return None
    try:
        model = client.get_registered_model(reference.name)
    except MlflowException as model_exc:
        if not says_missing(model_exc):
            return None
        return _model_missing(client, reference)
    versions = sorted(int(each.version) for each in model_versions(reference.name))
    if isinstance(reference.version, str) and reference.version != "latest":
        return _alias_missing(reference, model, versions)
    return _version_missing(reference, versions)


def says_missing(exc: MlflowException) -> bool:
    """Return whether an answer says that something is not there, or that nothing can have such a name.

    Catalogs have codes that MLflow does not know, for a schema that is not there and for a name of fewer than three
    parts: only their texts tell.
    """
    text = str(exc).lower()
    return exc.error_code in NOT_FOUND or "not found" in text or "invalid registered model name" in text


def pages(search: Callable[[str | None], PagedList[_T]]) -> Iterator[_T]:
    """All that one of MLflow's searches finds, which it gives in pages, each with the token of the next."""
    page = search(None)
    yield from page
    while page.token:
        page = search(page.token)
        yield from page


def model_versions(name: str | None = None) -> list[ModelVersion]:
    """Return all versions of a model, or of all models, the highest number first.

    Those of a catalog may be without tags and aliases; see ``_catalogs.whole_version``.
    """
    client = MlflowClient()
    if name is None and _catalogs.keeps_files(mlflow.get_registry_uri(), ""):
        return _versions_of_each_model()
    mark = '"' if name is not None and "'" in name else "'"
    condition = None if name is None else f"name = {mark}{name}{mark}"
    found = pages(lambda token: client.search_model_versions(condition, page_token=token))
    # MLflow's filters have no escape; it is the answer that decides.
    return sorted((each for each in found if name in (None, each.name)), key=lambda each: -int(each.version))


def _versions_of_each_model() -> list[ModelVersion]:
    """Return all versions of all models of a catalog, which gives those of one model at a time."""
    versions: list[ModelVersion] = []
    for name in model_names():
        versions += model_versions(name)
    return sorted(versions, key=lambda version: -int(version.version))


def versions_of_run(run_id: str) -> list[ModelVersion]:
    """Return the versions of any model that a run logged."""
    if _catalogs.keeps_files(mlflow.get_registry_uri(), ""):
        return [version for version in model_versions() if version.run_id == run_id]
    return list(MlflowClient().search_model_versions(f"run_id = '{run_id}'"))


def model_names() -> list[str]:
    """Return the names of all registered models."""
    client = MlflowClient()
    models = pages(lambda token: client.search_registered_models(page_token=token))
    return sorted(model.name for model in models)


def _model_missing(client: MlflowClient, reference: ModelReference) -> ModelNotFoundError:
    names = [model.name for model in client.search_registered_models(max_results=_MOST_MODELS)]
    return ModelNotFoundError(
        call=str(reference),
        model=reference.name,
        known=listed(likest_first(reference.name, names), "a registered model, but none is registered"),
        registry=registry_address(),
        hint=suggestion(reference.name, names)
        or _meant.of_model(reference.name, reference.function)
        or _in_a_catalog(reference.name, names)
        or f"check the name, or register a model under it with mlflow.register_model(model_uri, {reference.name!r}).",
    )


def _in_a_catalog(name: str, names: list[str]) -> str | None:
    """Return a hint at a model of the same name in a schema of a catalog, or None if there is none."""
    there = [known for known in names if known.lower().endswith(f".{name.lower()}")]
    return f"did you mean `{there[0]}`?" if there else None


def _version_missing(reference: ModelReference, versions: list[int]) -> VersionNotFoundError:
    version = reference.version
    return VersionNotFoundError(
        call=str(reference),
        model=reference.name,
        version=str(version) if isinstance(version, int) else literal(version),
        known=listed(map(str, reversed(versions)), "a version, but the model has none"),
        registry=registry_address(),
        hint="use a version that exists, an alias, or 'latest'." if versions else _first_version(reference),
    )


def _set_alias(reference: ModelReference, version: int) -> str:
    return f"set the alias with lakepredict.tracking.promote({reference.name!r}, {version}, {reference.version!r})."


def _first_version(reference: ModelReference) -> str:
    return f"register a version first, with mlflow.register_model(model_uri, {reference.name!r})."


def _alias_hint(reference: ModelReference, aliases: dict[str, str], versions: list[int]) -> str:
    if not versions:
        return _first_version(reference)
    number = _meant.of_version(str(reference.version))
    if number is not None and number.isdigit() and int(number) in versions:
        return f"write {number}."
    if _meant.is_no_alias(str(reference.version)):
        return "write an alias that there is, a number, or 'latest'; an alias has letters, digits, _ and - alone."
    return suggestion(str(reference.version), sorted(aliases)) or _set_alias(reference, versions[-1])


def _stage_hint(reference: ModelReference, model: RegisteredModel, versions: list[int]) -> str | None:
    """Return what to do about an alias that has the name of a stage, as ``'Production'``; None for any other."""
    stage = _meant.stage_of(str(reference.version))
    if stage is None or not versions:
        return None
    staged = max((int(each.version) for each in model.latest_versions if each.current_stage == stage), default=None)
    where = f"version {staged} is in {stage}" if staged else f"no version is in {stage}"
    number, alias = staged or versions[-1], _alias_for(stage)
    return (
        f"PREDICT knows aliases and no stages ({where}): give it an alias with"
        f" lakepredict.tracking.promote({reference.name!r}, {number}, {alias!r}), and write {literal(alias)}."
    )


def _alias_for(stage: str) -> str:
    return {"Production": "champion", "Staging": "challenger"}.get(stage, stage.lower())


def _alias_missing(reference: ModelReference, model: RegisteredModel, versions: list[int]) -> AliasNotFoundError:
    aliases: dict[str, str] = model.aliases
    known = (f"'{alias}' (version {number})" for alias, number in sorted(aliases.items()))
    return AliasNotFoundError(
        call=str(reference),
        model=reference.name,
        alias=str(reference.version),
        known=listed(known, f"an alias, but the model has none; versions: {listed(map(str, versions), 'none')}"),
        registry=registry_address(),
        hint=_stage_hint(reference, model, versions) or _alias_hint(reference, aliases, versions),
    )


def _identity(found: ModelVersion) -> tuple[str, ...]:
    return mlflow.get_registry_uri(), found.name, str(found.version), str(found.creation_timestamp)


def download(name: str, version: int, directory: str, file: str = "") -> Path:
    """Copy the files of a version, or one of them, into ``directory``, and return where they are.

    Where the registry is a catalog, MLflow chooses how its files are reached. Of any other registry this takes every
    name that a model can have, unlike ``models:/name/version``. Files that an MLflow server keeps have an address
    without a host. For MLflow that is the tracking server; where there is none, only the registry can be meant.
    """
    registry, address = mlflow.get_registry_uri(), f"models:/{name}/{version}"
    if _catalogs.keeps_files(registry, address):
        with without_progress_bar():
            return _catalogs.download(address, directory, file)
    uri = MlflowClient().get_model_version_download_uri(name, str(version))
    kept_by_registry = uri.startswith("mlflow-artifacts:") and not _is_http(mlflow.get_tracking_uri())
    with without_progress_bar():
        copied = download_artifacts(
            artifact_uri=f"{uri}/{file}" if file else uri,
            dst_path=directory,
            tracking_uri=registry if kept_by_registry and _is_http(registry) else None,
        )
    return Path(copied)


def _is_http(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _is_file(uri: str) -> bool:
    """Whether a store is a file, whose tables MLflow makes at first use: work that must not be given up halfway."""
    return uri.startswith(("sqlite:", "file:"))


_mlmodels: dict[tuple[str, ...], Model] = {}
"""The MLmodel files read so far; those without a whole signature are read again, since one can be added."""


def _read_mlmodel(reference: ModelReference, found: ModelVersion, timeout: float) -> Model:
    identity = _identity(found)
    if identity not in _mlmodels:
        try:
            model = _within(timeout, lambda: _load_mlmodel(found))
            signature = model.signature
        except Exception as exc:  # a damaged file fails in as many ways as YAML and JSON have
            source = f"models:/{found.name}/{found.version}"
            hint = _unreadable.hint_for_files(found.name, int(found.version))
            raise ModelUnreadableError(call=str(reference), source=source, reason=first_line(exc), hint=hint) from exc
        if signature is None or not signature.inputs or not signature.outputs:
            return model
        _mlmodels[identity] = model
    return _mlmodels[identity]


def _load_mlmodel(found: ModelVersion) -> Model:
    with tempfile.TemporaryDirectory(prefix="lakepredict-") as scratch:
        return Model.load(download(found.name, int(found.version), scratch, "MLmodel"))


def _read_signature(reference: ModelReference, model: Model, source: str) -> _signature.Signature:
    signature = model.signature
    if signature is None:
        raise SignatureMissingError(call=str(reference), part="signature", got="none", source=source)
    for part, schema in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if not schema:
            raise SignatureMissingError(
                call=str(reference),
                part=f"{part} in its signature",
                got=f"a signature without {part}",
                source=source,
            )
    try:
        return _signature.read_signature(signature)
    except _signature.UnsupportedTypeError as exc:
        raise SignatureUnsupportedError(
            call=str(reference), expected=f"anything but {_signature.UNSUPPORTED}", got=str(exc)
        ) from exc


def registry_address() -> str:
    """The registry's URI without user name, password and query, fit to be shown."""
    return _without_password(mlflow.get_registry_uri()).partition("?")[0]


def _without_password(text: str) -> str:
    """Addresses without user and password; in a database's address a password may have any character."""
    text = re.sub(r"\b(https?://)[^/\s]*@", r"\1", text)
    return re.sub(r"\b(?!https?:)([a-z][\w+.-]*://)\S*@", r"\1", text)


def first_line(exc: BaseException) -> str:
    """The first line of an error's text, which is what fits into another message, without passwords.

    Where it announces what failed, as MLflow does for downloads, the first failure comes with it.
    """
    first, *others = str(exc).strip().split("\n")
    if first.endswith(":"):
        first = " ".join([first, *[each for each in others if not each.startswith("#")][:1]])
    return _without_password(first) or type(exc).__name__
