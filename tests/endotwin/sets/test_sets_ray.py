"""Sets made by the workers of a Ray cluster, with workers and drivers that are killed in the middle."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from live_server import PATIENCE_SECONDS, free_port, wait_for
from set_tools import Counting, Open, Workshop, digests, never, start_command
from swift_server import Swift
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.sets.make import mark_destination
from endotwin.sets.manifest import SetError
from endotwin.sets.plan import Shard, plan_set
from endotwin.sets.ray import cluster as ray_cluster
from endotwin.sets.ray import workers as ray_workers
from endotwin.sets.ray.cluster import ClusterError, connected
from endotwin.sets.ray.worker import Worker, WorkerConfig, WorkerFailure, versions_here
from endotwin.sets.ray.workers import RayWorkers
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.place import Folder
from endotwin.sets.storage.record import ShardRecord
from endotwin.settings import Settings

N, SHARD_SIZE = 320, 16
ORDER = ("--n", N, "--seed", 7, "--shard-size", SHARD_SIZE)
SECRET = "a-secret-of-this-test-alone"


@pytest.fixture(scope="module")
def undisturbed(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the digests of the set of `ORDER`, manifest and all, made by one process."""
    folder = FolderDestination(tmp_path_factory.mktemp("undisturbed"))
    workshop.finished(workshop.spec(name="endotwin-tiny-7", n=N, shard_size=SHARD_SIZE), folder)
    return digests(folder)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes in which a command's workers are."""
    found = []
    for child in process.children(recursive=True):
        try:
            if child.cmdline()[0].startswith("ray::Worker"):
                found.append(child)
        except (psutil.NoSuchProcess, IndexError):
            continue
    return found


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def start(
    checkpoint: Path, home: Path, place: object, destination: Destination, workers: int, **variables: str
) -> tuple[Any, list[psutil.Process]]:
    """Start the command on a cluster of its own; return it and all its processes after the first shard."""
    cpus = max(1, len(os.sched_getaffinity(0)) // workers)
    process = start_command(
        checkpoint, home, *ORDER, "--ray", "local", "--ray-cpus", cpus, place, **variables
    )
    wait_for(lambda: process.poll() is not None or any(destination.list_keys("train/")), "the first shard")
    assert process.poll() is None, process.communicate()[0]
    return process, psutil.Process(process.pid).children(recursive=True)


def check_that_a_killed_worker_is_replaced(
    checkpoint: Path, home: Path, place: object, destination: Destination, **variables: str
) -> None:
    process, _ = start(checkpoint, home, place, destination, 2, **variables)
    try:
        victim = workers_of(psutil.Process(process.pid))[0]
        victim.kill()
        output, _ = process.communicate(timeout=2 * PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "a worker has died" in output
    counts = re.search(r"(\d+) shards made, (\d+) were there", output)  # the victim may have made one
    assert counts is not None
    assert int(counts[1]) + int(counts[2]) == N // SHARD_SIZE


@pytest.mark.long
def test_a_killed_worker_of_the_command_is_replaced_and_the_set_is_the_same(
    tiny_checkpoint: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    folder = FolderDestination(tmp_path / "set")
    check_that_a_killed_worker_is_replaced(tiny_checkpoint, tmp_path, folder.path(""), folder)
    assert digests(folder) == undisturbed
    assert not list(folder.unfinished.iterdir())


@pytest.mark.long
def test_a_killed_worker_is_replaced_and_the_set_in_s3_is_the_same(
    tiny_checkpoint: Path,
    undisturbed: dict[str, str],
    open_place: Open,
    aws: dict[str, str],
    bucket: str,
    swift_server: Swift,
    tmp_path: Path,
) -> None:
    place = open_place(f"s3://{bucket}/set")
    check_that_a_killed_worker_is_replaced(tiny_checkpoint, tmp_path, place.place, place, **aws)
    assert digests(place) == undisturbed
    assert "Uploads" not in swift_server.client().list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    ("number", "whole_cluster"),
    [
        (signal.SIGINT, True),
        pytest.param(signal.SIGKILL, False, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, True, marks=pytest.mark.long),  # Ray takes a minute to notice
    ],
)
def test_no_worker_outlives_the_command_and_the_next_run_goes_on(
    number: signal.Signals,
    whole_cluster: bool,
    tiny_checkpoint: Path,
    workshop: Workshop,
    undisturbed: dict[str, str],
    tmp_path: Path,
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    folder = FolderDestination(tmp_path / "set")
    process, children = start(tiny_checkpoint, tmp_path, folder.path(""), folder, 1)
    workers = workers_of(psutil.Process(process.pid))
    try:
        process.send_signal(number)
        output, _ = process.communicate(timeout=2 * PATIENCE_SECONDS)
    finally:
        process.kill()
    assert len(children) > 2
    assert workers
    ended = children if whole_cluster else workers
    wait_for(lambda: all(has_ended(child) for child in ended), "the cluster to end")
    assert "manifest.json" not in digests(folder)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in output
        assert not list(folder.unfinished.iterdir())
    workshop.finished(workshop.spec(name="endotwin-tiny-7", n=N, shard_size=SHARD_SIZE), folder)
    assert digests(folder) == undisturbed
    assert not list(folder.unfinished.iterdir())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a cluster in whose environment there is a secret."""
    os.environ["AWS_SECRET_ACCESS_KEY"] = SECRET
    try:
        with connected("local") as ray:
            yield ray
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]


RayRun = Callable[..., RayWorkers]


@pytest.fixture
def ray_run(cluster: Any, workshop: Workshop, tmp_path: Path) -> RayRun:
    """Return a function that prepares a run in `tmp_path / "set"`, of 100 images unless given a spec."""

    def prepare(
        spec: SetSpec | None = None,
        cpus: int = 1,
        device: str = "auto",
        progress: Counting | None = None,
        note: Callable[[str], None] = print,
    ) -> RayWorkers:
        spec, folder = spec or workshop.spec(), FolderDestination(tmp_path / "set")
        mark_destination(spec, folder)
        return RayWorkers(
            cluster,
            spec,
            workshop.checkpoint.path.read_bytes(),
            Folder(tmp_path / "set"),
            Settings(device=device),
            folder,
            cpus=cpus,
            progress=progress or Counting(),
            note=note,
            stop_if_asked=never,
        )

    return prepare


class KillingAWorker(Counting):
    """Kills a worker of this process' cluster when the first shard is made."""

    def made(self, shard: Shard, record: ShardRecord) -> None:
        super().made(shard, record)
        if len(self.new) == 1:
            workers_of(psutil.Process())[0].kill()


def test_a_killed_worker_is_replaced_and_the_set_is_the_same(
    cluster: Any, ray_run: RayRun, workshop: Workshop, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    spec, folder = workshop.spec(name="endotwin-tiny-7", n=N, shard_size=SHARD_SIZE), tmp_path / "set"
    progress, notes = KillingAWorker(), []
    run = ray_run(spec, progress=progress, note=notes.append)
    workshop.finished(spec, FolderDestination(folder), make_shards=run.make_all, progress=progress)
    assert digests(FolderDestination(folder)) == undisturbed
    assert not list(FolderDestination(folder).unfinished.iterdir())
    assert "a worker has died; another makes its shards" in notes
    assert len(progress.new) + len(progress.there) == N // SHARD_SIZE
    assert progress.images == SHARD_SIZE * len(progress.new)
    logs = Path(cluster._private.worker._global_node.get_session_dir_path()) / "logs"
    texts = [path.read_bytes() for path in logs.rglob("*") if path.is_file()]
    assert len(texts) > 5
    assert not [text for text in texts if SECRET.encode() in text]


@pytest.mark.long
def test_the_progress_is_that_of_a_local_run(ray_run: RayRun, workshop: Workshop, tmp_path: Path) -> None:
    folder, progress = FolderDestination(tmp_path / "set"), Counting()
    shards = plan_set(workshop.spec())
    workshop.make(workshop.spec(), folder, shards=shards[1:2])
    made = dict(ray_run(progress=progress).make_all(shards))
    assert progress.images == 76
    assert [shard.key for shard, record in made.items() if record is None] == [shards[1].key]
    assert {shard: record.samples for shard, record in made.items() if record} == {
        shard: shard.images.count for shard in shards if shard != shards[1]
    }


def all_cpus(cluster: Any) -> int:
    """Return the CPUs of a worker beside which there is room for no other."""
    return int(cluster.cluster_resources()["CPU"])


class Unknown(Worker):
    """A worker whose module the nodes do not have, since it is that of a test."""


def test_nodes_without_the_code_are_named(
    cluster: Any, ray_run: RayRun, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "Worker", Unknown)
    with pytest.raises(ClusterError, match=r"not ready yet: ModuleNotFoundError.*Has every node Endotwin"):
        list(ray_run(cpus=all_cpus(cluster)).make_all(plan_set(workshop.spec())))


def test_a_shard_of_which_every_worker_dies_ends_the_run(
    cluster: Any, ray_run: RayRun, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(Worker):  # here, so that it is sent to the nodes by value
        def make(
            self, shards: Sequence[Shard], checkpoint: bytes
        ) -> dict[Shard, ShardRecord | None] | WorkerFailure:
            if any(shard.number == 3 for shard in shards):
                os._exit(1)
            return super().make(shards, checkpoint)

    monkeypatch.setattr(ray_workers, "Worker", Dying)
    with pytest.raises(
        ClusterError, match=r"3 workers died, the last while it made train/shard-000003\.tar"
    ):
        list(ray_run(cpus=all_cpus(cluster)).make_all(plan_set(workshop.spec())[3:]))
    assert FolderDestination(tmp_path / "set").stat("train/shard-000003.tar") is None


def test_what_the_cluster_lacks_is_named(ray_run: RayRun) -> None:
    with pytest.raises(ClusterError, match="no node of the Ray cluster has 100000 CPUs for a worker"):
        ray_run(cpus=100_000)
    with pytest.raises(ClusterError, match="Ray chooses which GPU; got cuda:1"):
        ray_run(device="cuda:1")


LocalWorker = Callable[..., Worker]


@pytest.fixture
def worker(workshop: Workshop, tmp_path: Path) -> LocalWorker:
    """Return a function that makes a worker in this process, with another order if need be."""

    def make(**changes: object) -> Worker:
        mark_destination(workshop.spec(), FolderDestination(tmp_path / "set"))
        order: dict[str, Any] = {
            "spec": workshop.spec(),
            "place": Folder(tmp_path / "set"),
            "settings": Settings(device="cpu"),
            "versions": versions_here(),
        }
        return Worker(WorkerConfig(**{**order, **changes}))

    return make


def test_a_worker_refuses_other_versions(worker: LocalWorker, workshop: Workshop) -> None:
    shard, checkpoint = plan_set(workshop.spec())[0], workshop.checkpoint.path.read_bytes()
    failure = worker(versions={**versions_here(), "torch": "1.0"}).make([shard], checkpoint)
    assert isinstance(failure, SetError)
    assert "worker on " in str(failure)
    assert "instead of 1.0; install the same everywhere" in str(failure)


def test_a_worker_refuses_a_folder_that_is_not_shared(
    worker: LocalWorker, workshop: Workshop, tmp_path: Path
) -> None:
    shard = plan_set(workshop.spec())[0]
    failure = worker(place=Folder(tmp_path / "elsewhere")).make([shard], b"")
    assert "does not see set.json of this set in" in str(failure)
    assert "one that all nodes share" in str(failure)


def test_a_worker_refuses_another_checkpoint(
    worker: LocalWorker, workshop: Workshop, labelled_checkpoint: Path
) -> None:
    failure = worker().make(plan_set(workshop.spec())[:1], labelled_checkpoint.read_bytes())
    assert isinstance(failure, SetError)
    assert "it was changed meanwhile" in str(failure)


def test_a_worker_says_what_is_wrong_with_a_shard(
    worker: LocalWorker, workshop: Workshop, tmp_path: Path
) -> None:
    made, shard = worker(), plan_set(workshop.spec())[0]
    path = tmp_path / "set" / shard.key
    path.parent.mkdir()
    path.write_text("years of work")
    failure = made.make([shard], workshop.checkpoint.path.read_bytes())
    assert isinstance(failure, SetError)
    assert "no record of Endotwin's" in str(failure)


@pytest.fixture
def run(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(tiny_checkpoint.parent))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["set", *map(str, arguments)])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("cluster", "takes local, auto or the HOST:PORT of a cluster's head node"),
        ("ray://127.0.0.1:10001", "takes local, auto or the HOST:PORT"),
        (f"127.0.0.1:{free_port()}", "nothing answers there"),
    ],
    ids=["no port", "a client's address", "nothing there"],  # the same names in every worker
)
def test_an_address_that_leads_nowhere_is_an_error_before_any_work(
    address: str, message: str, run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run(*ORDER, "--ray", address, "data")
    assert result.exit_code == 1
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_without_ray_it_says_how_to_install_it(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _: None)
    result = run(*ORDER, "--ray", "local", "data")
    assert result.exit_code == 1
    assert "pip install 'endotwin[ray]'" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*ORDER, "--ray", "local", "--dry-run", "data"], "--dry-run measures this machine"),
        ([*ORDER, "--ray-cpus", "2", "data"], "--ray-cpus takes --ray"),
        (["--verify", "--ray", "local", "data"], "--verify takes the set as its manifest describes it"),
    ],
)
def test_bad_usage_is_explained(arguments: list[object], message: str, run: Callable[..., Result]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_local_cluster_that_a_busy_machine_starts_too_late_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = _fail_to_start(monkeypatch, times=2)
    with connected("local"):
        pass
    assert calls == ["local"] * 3


def test_a_local_cluster_that_never_starts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fail_to_start(monkeypatch, times=99)
    with pytest.raises(ClusterError, match="--ray local: The current node timed out"), connected("local"):
        pass
    assert calls == ["local"] * 3


def test_a_cluster_of_others_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fail_to_start(monkeypatch, times=99)
    with pytest.raises(ClusterError, match="--ray auto: "), connected("auto"):
        pass
    assert calls == ["auto"]


def _fail_to_start(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Let Ray's start fail so many times before it does nothing; return the addresses it is called with."""
    ray = pytest.importorskip("ray")
    calls: list[str] = []

    def init(address: str, **_: object) -> None:
        calls.append(address)
        if len(calls) <= times:
            raise RuntimeError("The current node timed out\nduring startup.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)  # another test may be connected
    return calls
