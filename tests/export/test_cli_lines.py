"""The commands `export` and `serve`: what is printed, and one line for whatever is wrong."""

import os
import sys

import pytest

import keras_elastor_command
from keras_elastor.export.verification import Reduction, Verification
from tests.export.recipes import small_predictor
from tests.serving.artefacts import weighted_artefact


def command(*arguments):
    return keras_elastor_command.main([str(argument) for argument in arguments])


def line(capsys):
    out, err = capsys.readouterr()
    assert not out
    (said,) = err.splitlines()
    assert said.startswith("keras-elastor: ")
    return said


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictor") / "saved"
    small_predictor(hidden_units=(4,), embedding_dim=2).save(folder)
    return folder


def test_export_says_what_was_compared(saved, tmp_path, capsys, monkeypatch):
    from keras_elastor import cli

    asked = []

    def export(predictor, output, format, rows, quantize, embeddings, sample, user):
        assert (quantize, embeddings, sample, user) == (None, "float32", None, [])
        asked.append((predictor.labels, output, format, rows))
        return Verification(rows, 0, 2.5e-7, 1e-5, {}, {}, {})

    monkeypatch.setattr(cli, "export_predictor", export)
    target = tmp_path / "model"
    assert command("export", saved, "--format", "saved_model", "--output", target, "--rows", 7) == 0
    assert asked == [(("click",), str(target), "saved_model", 7)]
    assert capsys.readouterr().out == (
        f"7 raw rows compared: answers differ by at most 2.5e-07\nEverything is in {target}\n"
    )


def test_export_says_what_fewer_bits_change(saved, tmp_path, capsys, monkeypatch):
    from keras_elastor import cli

    asked = {}

    def export(predictor, output, **options):
        asked.update(options)
        reduced = Reduction("int8", "float16", 3e-3, {"click": 0.75}, {"click": 0.7475})
        return Verification(5, 0, 2.5e-7, 1e-5, {}, {}, {}, reduced)

    monkeypatch.setattr(cli, "export_predictor", export)
    (tmp_path / "rows.csv").write_text("user,item,price,history,click\nann,x,1.5,x^y,1\n")
    arguments = ["--quantize", "int8", "--embeddings", "float16", "--user", "user", "history"]
    arguments += ["--sample", tmp_path / "rows.csv", "--output", tmp_path / "model"]
    assert command("export", saved, *arguments) == 0
    assert asked["sample"].rows() == [("ann", "x", 1.5, "x^y", 1)]
    assert (asked["quantize"], asked["embeddings"]) == ("int8", "float16")
    assert asked["user"] == ["user", "history"]
    assert capsys.readouterr().out == (
        "5 raw rows compared: answers differ by at most 2.5e-07\n"
        "With fewer bits they differ by at most 0.003\n"
        f"AUC of click: 0.747500 (-0.002500)\nEverything is in {tmp_path / 'model'}\n"
    )


def test_a_predictor_without_its_model(saved, tmp_path, capsys):
    (tmp_path / "predictor.json").write_text((saved / "predictor.json").read_text())
    assert command("export", tmp_path, "--output", tmp_path / "model") == 2
    assert "model.keras: there is no such file" in line(capsys)
    assert not (tmp_path / "model").exists()


def test_a_predictor_of_another_version(saved, tmp_path, capsys):
    text = (saved / "predictor.json").read_text()
    (tmp_path / "predictor.json").write_text(text.replace('"format": 1', '"format": 7'))
    (tmp_path / "model.keras").write_bytes(b"")
    assert command("export", tmp_path, "--output", tmp_path / "model") == 2
    assert "expected format 1. Received: 7" in line(capsys)


def test_no_run_at_all(tmp_path, capsys):
    assert command("export", tmp_path, "--output", tmp_path / "model") != 0
    assert str(tmp_path) in line(capsys)


def test_export_without_a_package(saved, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert command("export", saved, "--output", tmp_path / "model") == 2
    assert "'onnxruntime', which is not installed" in line(capsys)


def test_export_into_what_cannot_be_written(saved, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command("export", saved, "--output", tmp_path / "file" / "model") != 0
    assert "there is a file of that name. Choose another one" in line(capsys)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("")
    assert command("export", saved, "--output", tmp_path / "folder") == 2
    assert "There is something else" in line(capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_export_into_a_read_only_folder(saved, tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert command("export", saved, "--output", tmp_path / "model") != 0
    assert "there is no permission to write there" in line(capsys)


def test_serving_what_is_no_artefact(saved, capsys):
    assert command("serve", saved) == 2
    assert "artefact.json: there is no such file" in line(capsys)


def test_serving_on_a_port_in_use(capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command("serve", weighted_artefact()[1], "--port", port) == 2
    assert "Choose another by --port" in line(capsys)
