"""The image. Nothing here needs Docker: the Dockerfile is read, and its steps are done in a folder."""

import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from live import DEADLINE_S, HOST, free_port, wait_for

from airwave.settings import from_command_line

from . import dockerfile
from .shown import DEPLOY

ROOT = DEPLOY.parent
ARGUMENTS, (BUILD, FINAL) = dockerfile.read(DEPLOY / "docker/Dockerfile")
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def copied(stage: dockerfile.Stage) -> list[str]:
    """What comes from the working tree."""
    return [name for line in stage.all("COPY") if not line.startswith("--from") for name in line.split()[:-1]]


# --- the Dockerfile ---------------------------------------------------------------------------------------------------


def test_the_image_has_only_what_it_needs() -> None:
    assert BUILD.name == "build"
    assert copied(FINAL) == []
    assert FINAL.all("COPY") == ["--from=build /opt/airwave /opt/airwave"]
    assert BUILD.image == FINAL.image
    assert BUILD.image.startswith("python:${PYTHON_VERSION}-slim")
    assert {"PYTHON_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}"} == ARGUMENTS  # tested here
    for line in BUILD.all("RUN"):
        assert "pip install" not in line or "--no-cache-dir" in line


def test_what_is_copied_is_there_and_let_through() -> None:
    assert IGNORED[0] == "*"
    for name in copied(BUILD):
        assert (ROOT / name).exists()
        assert f"!{name.removeprefix('./')}" in IGNORED
    assert any(fnmatch("src/airwave/__pycache__", pattern) for pattern in IGNORED[1:])


def test_it_is_not_root_and_owns_its_data() -> None:
    user, _, group = FINAL.one("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert FINAL.one("VOLUME") == FINAL.one("WORKDIR") == "/data"
    words = [word for word, _ in FINAL.instructions]
    assert words.index("RUN") < words.index("USER") < words.index("VOLUME")
    assert not any(word == "RUN" for word in words[words.index("USER") :])


def test_it_is_one_process_that_gets_the_signals(tmp_path: Path) -> None:
    assert FINAL.command("ENTRYPOINT") == ["airwave", "serve"]
    assert FINAL.one("STOPSIGNAL") == "SIGTERM"
    settings = from_command_line([word.replace("/data", str(tmp_path)) for word in FINAL.command("CMD")])
    assert (settings.appendonly, settings.dir) == (True, str(tmp_path))
    assert FINAL.one("EXPOSE").split() == [str(settings.port), str(settings.http_port)]
    assert f"127.0.0.1:{settings.http_port}/readyz" in FINAL.command("HEALTHCHECK")[-1]


# --- its steps --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_its_steps_give_a_server_that_is_healthy(tmp_path: Path) -> None:
    """Copy, install, run, check: as the image does it, except for the base image and the user."""
    source, target, data = tmp_path / "src", tmp_path / "airwave", tmp_path / "data"
    data.mkdir()
    for name in copied(BUILD):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", ROOT / name, source / name], check=True)
    for line in BUILD.all("RUN"):
        done = run(line.replace("/opt/airwave", str(target)), source)
        if done.returncode and offline(done.stdout):
            pytest.skip("the package index cannot be reached")
        assert done.returncode == 0, done.stdout

    port, http_port = free_port(), free_port()
    program, *words = FINAL.command("ENTRYPOINT")
    arguments = [word.replace("/data", str(data)).replace("8379", str(http_port)) for word in FINAL.command("CMD")]
    check = [word.replace("8379", str(http_port)) for word in FINAL.command("HEALTHCHECK")]
    check[0] = str(target / "bin" / check[0])
    assert healthy(check) != 0  # nobody is there yet
    command = [str(target / "bin" / program), *words, *arguments, "--bind", HOST, "--port", str(port)]
    with subprocess.Popen(command, cwd=data, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: healthy(check) == 0, "the health check to succeed")
            assert (data / "airwave.sqlite3").exists()
        finally:
            server.terminate()
            assert server.wait(DEADLINE_S) == 0


def run(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        line, shell=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=os.environ | {"PATH": path},
    )  # fmt: skip


def offline(said: str) -> bool:
    return any(
        reason in said for reason in ("Temporary failure in name resolution", "No route to host", "NewConnectionError")
    )


def healthy(check: list[str]) -> int:
    return subprocess.run(check, stderr=subprocess.DEVNULL, check=False).returncode


# --- compose ----------------------------------------------------------------------------------------------------------


def test_compose_starts_it_with_settings_that_exist(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    made = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())
    service = made["services"]["airwave"]
    file = service["configs"][0]
    assert (file["uid"], file["gid"]) == tuple(FINAL.one("USER").split(":"))
    config = made["configs"][file["source"]]["content"]
    password, key = "p" * 20, "k" * 40
    for name, value in (("AIRWAVE_PASSWORD", password), ("AIRWAVE_TOKEN_KEY", key)):
        start = config.index("${" + name)
        config = config[:start] + value + config[config.index("}", start) + 1 :]
    (tmp_path / "airwave.conf").write_text(config)
    places = {"/etc/airwave.conf": str(tmp_path / "airwave.conf"), FINAL.one("VOLUME"): str(tmp_path)}
    arguments = [places.get(word, word) for word in service["command"]]
    settings = from_command_line(arguments)
    assert settings.ignored == []
    assert (settings.requirepass, settings.http_token_key) == (password.encode(), key.encode())
    assert (settings.dir, settings.appendonly) == (str(tmp_path), True)
    published = [port.split(":") for port in service["ports"]]
    assert published == [["127.0.0.1", each, each] for each in (str(settings.port), str(settings.http_port))]
    assert service["volumes"] == [f"data:{FINAL.one('VOLUME')}"]


def test_compose_names_files_that_exist_and_keeps_the_ports_at_home() -> None:
    yaml = pytest.importorskip("yaml")
    folder = DEPLOY / "docker"
    made = yaml.safe_load((folder / "compose.yaml").read_text())
    services = made["services"]
    assert (folder / services["airwave"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / services["airwave"]["build"]["dockerfile"]).samefile(folder / "Dockerfile")
    for service in services.values():
        for volume in service["volumes"]:
            place = volume.split(":")[0]
            assert place in made["volumes"] or (folder / place).exists(), place
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert ":latest" not in service["image"]
        for secret in service.get("secrets", ()):
            assert secret in made["secrets"]
    assert services["prometheus"]["depends_on"]["airwave"]["condition"] == "service_healthy"
